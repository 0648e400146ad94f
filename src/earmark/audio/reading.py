"""Recordings → float32 samples: open, decode, mix to one channel, resample, stream.

libsndfile reads what it can, told by content and never by the end of the name; FFmpeg (PyAV, `pip install
'earmark[media]'`) reads the rest: see `earmark.audio.decoders`. soxr resamples (HQ, float32). Seconds and Hz outside, native frames
inside.

Conventions
    length      n frames at a Hz become floor(n · b / a + 1/2) samples at b Hz
    channels    however many, they are mixed to one: their mean; or one of them is read. Where they cancel in the mix, it is said
    range       [-1, 1]; float files and lossy codecs may exceed it and are not clipped
    stream      `load` joins the same stream that `blocks` cuts up: equal bit for bit
    slice       load(start, seconds) is the whole recording's [s : s + n], s = round(start · rate) and
                n = round(seconds · rate). Where a file can be entered exactly (PCM and float WAV, AIFF, AU, CAF, W64;
                FLAC) it is entered shortly before, and equal to 2e-6 of full scale. Elsewhere it is decoded from its
                beginning, and equal bit for bit: a seek in Ogg or MP3 may land hundreds of frames beside the mark,
                and pairs of rates with more than 1000 phases drift
    behind      sound or a second recording behind the sound that the header states is an error: a WAV of more than
                4 GiB may state its last minutes alone. Chunks, tags and zeros there are none
    reports     what is mixed, replaced or left out is said once a call: to `report`, or else to the log
    errors      AudioError for what is wrong with a file, EarmarkError for what is wrong with a request
"""

from __future__ import annotations

import logging
import math
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from earmark.audio import members
from earmark.audio.containers import AGAIN, SALVAGE
from earmark.audio.decoders import Damaged, Info, Mixer, Report, Source, Wave, decoder, joined
from earmark.audio.rates import HIGHEST, LOWEST, check_rate, length_at, rate_changed
from earmark.errors import AudioError, EarmarkError, agreed, counted
from earmark.errors.kinds import checked
from earmark.files.stores import Ranged, is_stored, opened, place

SETTLE = 1_024  # samples at the lower of two rates; soxr HQ has forgotten its beginning after 128
PHASES = 1_000  # soxr keeps up to 2,047 phases exactly (half of that after halving the rate); beyond, it drifts slowly
FAR = 600  # seconds before a part whose decoding is worth a word
ROUNDING = 0.05  # seconds that a clip may reach past the end: tables give times in hundredths
LARGEST = 1e30  # sums of float32 beyond this overflow; no microphone reaches it
FAR_BEYOND = 100  # times full scale; no recording in floats is so loud by itself
INTEGERS = (2**15, 2**23, 2**31)  # full scale in integers of 16, 24 and 32 bits
log = logging.getLogger("earmark")


@checked
def load(
    path: str | Path,
    sample_rate: int,
    start: float | None = None,
    seconds: float | None = None,
    *,
    salvage: bool = False,
    report: Report | None = None,
    channel: int | None = None,
) -> Wave:
    """A recording, or `seconds` of it from `start` on → (samples,) float32 at `sample_rate` Hz.

    A part that reaches past the end by up to 0.05 s is shorter for it, and reported; by more it is an error.
    salvage: take what can be read of a file that is cut off or damaged, and 0 for values that are no numbers. channel: counted
    from 1; default: all, mixed. Raises AudioError; EarmarkError where `sample_rate` is not from 1 to 384 kHz.

    >>> import soundfile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/dog.wav", np.zeros(88_200), 44_100)
    ...     len(load(f"{folder}/dog.wav", 16_000)), len(load(f"{folder}/dog.wav", 16_000, start=0.5, seconds=1.0))
    (32000, 16000)
    """
    check_rate(sample_rate)
    path = place(path)
    say = _reporter(path, report)
    if seconds == 0 or not all(math.isfinite(value) and value >= 0 for value in (start or 0, seconds or 0)):
        raise AudioError(path, f"has no part of {seconds} s from {start} s on", "Correct the start and end of the clip")
    with _opened(path, salvage, say, None, channel) as source:
        if start is not None or seconds is not None:
            return _part(source, sample_rate, start or 0.0, seconds, salvage, say)
        with _stream(source, sample_rate, salvage, say) as stream:
            wave = joined(stream)
        return wave if len(wave) else _refuse_short(source, sample_rate)


@checked
def blocks(
    path: str | Path,
    sample_rate: int,
    seconds: float,
    *,
    salvage: bool = False,
    report: Report | None = None,
    data: bytes | None = None,
    channel: int | None = None,
) -> Iterator[Wave]:
    """A recording of any length, in constant memory, in arrays of `seconds` each, the last one shorter.

    data: what the file holds, where it is in memory; then the path is a name for people.

    Joined they are `load(path, sample_rate)`, bit for bit. Raises what `load` raises: what the header gives away before
    the first array, damage further on when decoding reaches it, some seconds ahead of the arrays given out.

    >>> import soundfile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/dog.flac", np.zeros(40_000), 16_000)
    ...     tuple(len(block) for block in blocks(f"{folder}/dog.flac", 16_000, seconds=1.0))
    (16000, 16000, 8000)
    """
    check_rate(sample_rate)
    length = round(seconds * sample_rate) if math.isfinite(seconds) else 0
    if length < 1:
        raise EarmarkError(f"a block of {seconds} s holds no sample at {sample_rate} Hz. Ask for longer blocks")
    path = place(path) if data is None else Path(path)
    return _blocks(path, sample_rate, length, salvage, _reporter(path, report), data, channel)


@checked
def info(path: str | Path) -> Info:
    """What the header says, without decoding more than a moment. Raises AudioError where nothing can be decoded.

    >>> import soundfile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/dog.wav", np.zeros((22_050, 2)), 44_100)
    ...     header = info(f"{folder}/dog.wav")
    >>> header.sample_rate, header.channels, header.duration, header.codec
    (44100, 2, 0.5, 'PCM_16')
    """
    with _opened(place(path), True, lambda _: None) as source:
        return source.info


def _blocks(
    path: Path, sample_rate: int, length: int, salvage: bool, say: Report, data: bytes | None, channel: int | None
) -> Iterator[Wave]:
    with _opened(path, salvage, say, data, channel) as source, _stream(source, sample_rate, salvage, say) as stream:
        held: list[Wave] = []
        count, empty = 0, True
        for part in stream:
            held.append(part)
            count += len(part)
            if count >= length:
                ready = joined(held)
                whole = count - count % length
                for first in range(0, whole, length):
                    yield ready[first : first + length]
                held, count, empty = [ready[whole:]], count - whole, False
        if count:
            yield joined(held)
        elif empty:
            _refuse_short(source, sample_rate)


def _part(source: Source, rate: int, start: float, seconds: float | None, salvage: bool, say: Report) -> Wave:
    """`seconds` from `start` on, entering the file as late as gives the samples of the whole."""
    path, native, known = source.info.path, source.info.sample_rate, source.info.frames
    first = round(start * rate)
    end = sys.maxsize if seconds is None else first + max(1, round(seconds * rate))
    if known is not None and first >= length_at(known, native, rate):
        raise _no_sound_at(path, start, known / native)
    # frame k·p and sample k·q are the same moment: entered there, the filter meets the phases that it has in the whole
    p, q = native // math.gcd(native, rate), rate // math.gcd(native, rate)
    entry, until = 0, sys.maxsize
    if source.exact and q <= PHASES:
        settle = math.ceil(SETTLE * max(1.0, rate / native))
        entry = max(0, first - settle) // q
        until = -(-(end + settle) * native // rate)
    elif first >= FAR * rate and not source.exact:
        say("is decoded from its beginning for each part of it; as FLAC or WAV it would be entered where the part is")
    parts: list[Wave] = []
    have = before = entry * q
    with _stream(source, rate, salvage, say, entry * p, until) as stream:
        for part in stream:
            have += len(part)
            if have <= first:  # hours may lie before it, where a file cannot be entered in the middle
                before = have
                continue
            parts.append(part)
            if have >= end:
                break
    if have <= first:
        raise _no_sound_at(path, start, have / rate)
    if seconds is not None and have < end:
        problem = f"ends at {have / rate:.2f} s, before the {start + seconds:.2f} s that were asked for"
        if (end - have) / rate > ROUNDING and not salvage:
            remedy = f"Correct the end of the clip; to work with the part that is there, {SALVAGE}"
            raise AudioError(path, problem, remedy, have / rate)
        say(problem)
    return joined(parts)[first - before : end - before].copy()


def _no_sound_at(path: Path, start: float, duration: float) -> AudioError:
    problem = f"has no sound at {start:.2f} s: it is {duration:.2f} s long"
    return AudioError(path, problem, "Correct the start of the clip", duration)


def _refuse_short(source: Source, rate: int) -> Wave:
    problem = f"is too short: at {source.info.sample_rate} Hz it does not last for one sample at {rate} Hz"
    raise AudioError(source.info.path, problem, AGAIN, 0.0)


@dataclass
class _Oddities:
    """What the values of a stream are like, as far as it was read. bad: how many are no usable numbers."""

    bad: int = 0
    first_bad: int = 0  # native frame
    peak: float = 0.0


def beyond(peak: float) -> str:
    """What is to be said of samples that reach `peak` times full scale, and why they may.

    >>> beyond(32_767.0)
    'reaches 3.28e+04 times full scale, as integers do that nobody divided by 32768; kept as it is: divide them, or give a gain of -90.3 dB'
    """
    told = f"reaches {peak:.3g} times full scale"
    whole = next((bits for bits in INTEGERS if peak <= bits), None) if peak >= FAR_BEYOND else None
    if whole is None:
        return f"{told}; kept as it is"
    gain = -20 * math.log10(whole)
    return f"{told}, as integers do that nobody divided by {whole}; kept as it is: divide them, or give a gain of {gain:.1f} dB"


@contextmanager
def _stream(
    source: Source, rate: int, salvage: bool, say: Report, begin: int = 0, end: int = sys.maxsize
) -> Iterator[Iterator[Wave]]:
    """The sound of a source at another rate. What was odd in it is said at the end, which need not be the sound's."""
    odd = _Oddities()
    native = source.info.sample_rate
    yield rate_changed(_checked(source, begin, end, salvage, say, odd), native, rate)
    if odd.bad:
        say(
            f"{counted(odd.bad, 'sample is no usable number', 'samples are no usable numbers')}, the first at "
            f"{odd.first_bad / native:.3f} s; 0 is used for {agreed(odd.bad, 'it', 'them')}"
        )
    if (cancelled := source.mix.cancelled()) is not None:
        say(cancelled)
    if odd.peak > 1 and source.floats:
        say(beyond(odd.peak))


def _checked(source: Source, begin: int, end: int, salvage: bool, say: Report, odd: _Oddities) -> Iterator[Wave]:
    """The stream of a source with every value a usable number, and at least one of them. odd: is filled in."""
    path, rate = source.info.path, source.info.sample_rate
    at = begin
    stream = source.mono(begin, end)
    try:
        for block in stream:
            # only stored floats can be as large as LARGEST: for all else the quicker question is enough
            if source.floats or not _finite(block):
                unusable = _unusable(block)
                if unusable.any():
                    odd.first_bad = odd.first_bad if odd.bad else at + int(np.argmax(unusable))
                    odd.bad += int(np.count_nonzero(unusable))
                    if not salvage:
                        odd.bad += sum(int(np.count_nonzero(_unusable(rest))) for rest in stream)
                        raise _no_numbers(path, odd.bad, odd.first_bad / rate)
                    block = np.where(unusable, np.float32(0), block)
                odd.peak = max(odd.peak, float(np.abs(block).max()))
            at += len(block)
            yield block
    except Damaged as damage:
        if not salvage:
            raise AudioError(path, damage.problem, damage.remedy, damage.frames / rate) from damage
        say(f"{damage.problem}; what could be read is used")
    if at == 0:
        raise AudioError(path, "holds no sound: a header, and not one sample behind it", AGAIN, 0.0)


def _finite(block: Wave) -> bool:
    """Whether all values are finite: their sum is not where one is not. True for sure; False where only the sum is too large, too."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(block)))


def _unusable(block: Wave) -> NDArray[np.bool_]:
    usable: NDArray[np.bool_] = np.abs(block) < LARGEST  # not so for NaN either
    return ~usable


def _no_numbers(path: Path, count: int, second: float) -> AudioError:
    return AudioError(
        path,
        f"{counted(count, 'sample is no usable number', 'samples are no usable numbers')} (NaN, infinite or beyond "
        f"{LARGEST:g}), the first at {second:.3f} s",
        f"Write it again with the program that made it; to take them as 0, {SALVAGE}",
        second,
    )


def _reporter(path: Path, report: Report | None) -> Report:
    tell = report or log.warning
    return lambda sentence: tell(f"{path}: {sentence}")


def _file(path: Path) -> BinaryIO:
    """The file, open and unbuffered. Only a file with something in it will do: a pipe would block."""
    if (member := members.within(path)) is not None:
        return members.opened(path, member)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(path, "is a folder, not a recording", "Name the recordings in it")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(path, "is a device or a pipe, not a file", "Copy the sound into a file first")
        if not status.st_size:
            raise AudioError(path, "is empty (0 bytes)", AGAIN, 0.0)
        return opened(path) if is_stored(path) else open(path, "rb", buffering=0)
    except FileNotFoundError as error:
        raise AudioError(path, "does not exist", "Check the path, and that its disk or card is connected") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise AudioError(path, f"cannot be opened ({reason})", "Check its permissions and its disk") from error


def _held(path: Path, data: bytes) -> BinaryIO:
    """What a file holds, as a file without a name: decoders ask the system for one."""
    if not data:
        raise AudioError(path, "is empty (0 bytes)", AGAIN, 0.0)
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115, who asks for it closes it
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    file.seek(0)
    return cast(BinaryIO, file)


def _choose(source: Source, channel: int) -> None:
    """Raises AudioError where there is no such channel."""
    there = source.info.channels
    if not 1 <= channel <= there:
        told = counted(there, "channel") if there > 1 else "one channel"
        raise AudioError(source.info.path, f"has {told}, and no channel {channel}", f"Choose one from 1 to {there}")
    source.mix = Mixer(channel)


@contextmanager
def _given(path: Path, file: BinaryIO) -> Iterator[None]:
    """Where a store did not give what was read of it, that is what is wrong, and not what a decoder makes of it."""
    try:
        yield
    except (AudioError, Damaged) as error:
        raise _not_given(path, file) or error from error
    if (failed := _not_given(path, file)) is not None:
        raise failed


def _not_given(path: Path, file: BinaryIO) -> AudioError | None:
    failed = file.failed if isinstance(file, Ranged) else None
    if failed is None:
        return None
    return AudioError(path, f"cannot be read ({failed.strerror})", "Check the network and the store, and try again")


@contextmanager
def _opened(
    path: Path, salvage: bool, say: Report, data: bytes | None = None, channel: int | None = None
) -> Iterator[Source]:
    """The recording at `path`; what is wrong with it at first sight is raised or, with salvage, said."""
    with _file(path) if data is None else _held(path, data) as file, _given(path, file):
        try:
            source = decoder(path, file, salvage, say)
        except OSError as error:
            raise AudioError(path, f"cannot be read ({error.strerror})", "Check its disk or card") from error
        try:
            native = source.info.sample_rate
            if not LOWEST <= native <= HIGHEST:
                problem = f"has a sample rate of {native} Hz; earmark reads {LOWEST} to {HIGHEST} Hz"
                raise AudioError(path, problem, "Correct its header if that is wrong, or resample the file first")
            if source.fault is not None:
                if not salvage:
                    raise AudioError(path, *source.fault)
                say(f"{source.fault.problem}; what could be read is used")
            if channel is not None:
                _choose(source, channel)
            elif source.info.channels > 1:
                say(f"{counted(source.info.channels, 'channel')} mixed to one (mean)")
            yield source
        finally:
            source.close()
