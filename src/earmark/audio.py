"""Recordings → float32 samples: open, decode, mix to one channel, resample, stream.

The only file that knows codecs. libsndfile reads what it can, told by content and never by the end of the name; FFmpeg
(PyAV, `pip install 'earmark[media]'`) reads the rest. soxr resamples (HQ, float32). Seconds and Hz outside, native
frames inside.

Conventions
    length      n frames at a Hz become floor(n · b / a + 1/2) samples at b Hz
    channels    however many, they are mixed to one: their mean
    range       [-1, 1]; float files and lossy codecs may exceed it and are not clipped
    stream      `load` joins the same stream that `blocks` cuts up: equal bit for bit
    slice       load(start, seconds) is the whole recording's [s : s + n], s = round(start · rate) and
                n = round(seconds · rate). Where a file can be entered exactly (PCM and float WAV, AIFF, AU, CAF, W64;
                FLAC) it is entered shortly before, and equal to 2e-6 of full scale. Elsewhere it is decoded from its
                beginning, and equal bit for bit: a seek in Ogg or MP3 may land hundreds of frames beside the mark,
                and pairs of rates with more than 1000 phases drift
    reports     what is mixed, replaced or left out is said once a call: to `report`, or else to the log
    errors      AudioError for what is wrong with a file, EarmarkError for what is wrong with a request
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import stat
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from earmark.errors import AudioError, EarmarkError

Wave = NDArray[np.float32]  # (samples,)
Report = Callable[[str], None]

LOWEST, HIGHEST = 1_000, 384_000  # Hz
BLOCK = 2**18  # frames decoded at a time: 6 s at 44.1 kHz, so that most clips take one call
BLOCK_VALUES = 2**22  # values (frames × channels) in a block at most: 16 MiB
SETTLE = 1_024  # samples at the lower of two rates; soxr HQ has forgotten its beginning after 128
PHASES = 1_000  # soxr keeps up to 2,047 phases exactly (half of that after halving the rate); beyond, it drifts slowly
ROUNDING = 0.05  # seconds that a clip may reach past the end: tables give times in hundredths
SHORT_BY = 0.1  # seconds; containers round durations and codecs delay, so that less is no sign of a cut
LEFT_OVER = 4_096  # bytes; no more than this behind the sound is padding, or read ahead
MP3_FRAME = 1_152  # samples in the longest unit of an MP3
LARGEST = 1e30  # sums of float32 beyond this overflow; no microphone reaches it

ENDINGS = """
    3g2 3gp aac ac3 aif aifc aiff amr ape asf au avi bwf caf flac m4a m4b mka mkv mov mp1 mp2 mp3 mp4 nist oga ogg opus
    rf64 snd sph spx tta w64 wav wave webm wma wv
"""
EXTENSIONS = frozenset(f".{ending}" for ending in ENDINGS.split())  # what a folder walk takes for a recording

# Containers that state the size of their sound in bytes:
# first four bytes → (where the chunks begin, format of a chunk's size, the chunk that holds the sound)
CHUNKED = {
    b"RIFF": (12, "<I", b"data"),
    b"RIFX": (12, ">I", b"data"),
    b"RF64": (12, "<I", b"data"),
    b"FORM": (12, ">I", b"SSND"),
    b"caff": (8, ">q", b"data"),
}
SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # FFmpeg's names
# Containers that state their duration; for others FFmpeg divides the size by a bit rate.
TIMED = {"mov", "matroska", "asf", "caf", "flac", "ogg", "aiff", "wav"}

MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # each byte with its bits reversed

SALVAGE = "use --salvage (salvage=True)"
AGAIN = "Copy it again from the recorder or card, or record it again"
CUT = f"Copy it again from the recorder or card; to work with the part that is there, {SALVAGE}"
CONVERT = f"Convert it once, as with: ffmpeg -i IN OUT.flac; to work with the part that can be read, {SALVAGE}"
MEDIA = "m4a/AAC, WMA, WebM and video need: pip install 'earmark[media]'"

log = logging.getLogger("earmark")


@dataclass(frozen=True)
class Info:
    """What the header of a recording says. frames: per channel; duration: seconds; both None where it does not say."""

    path: Path
    sample_rate: int
    channels: int
    frames: int | None
    duration: float | None
    container: str
    codec: str
    decoder: Literal["libsndfile", "ffmpeg"]


def load(
    path: str | Path,
    sample_rate: int,
    start: float | None = None,
    seconds: float | None = None,
    *,
    salvage: bool = False,
    report: Report | None = None,
) -> Wave:
    """A recording, or `seconds` of it from `start` on → (samples,) float32 at `sample_rate` Hz.

    A part that reaches past the end by up to 0.05 s is shorter for it, and reported; by more it is an error.
    salvage: take what can be read of a file that is cut off or damaged, and 0 for values that are no numbers.
    Raises AudioError; EarmarkError where `sample_rate` is not from 1 to 384 kHz.
    """
    check_rate(sample_rate)
    path = Path(path)
    say = _reporter(path, report)
    if seconds == 0 or not all(math.isfinite(value) and value >= 0 for value in (start or 0, seconds or 0)):
        raise AudioError(path, f"has no part of {seconds} s from {start} s on", "Correct the start and end of the clip")
    with _opened(path, salvage, say) as source:
        if start is not None or seconds is not None:
            return _part(source, sample_rate, start or 0.0, seconds, salvage, say)
        wave = _joined(_resampled(source, sample_rate, salvage, say))
        return wave if len(wave) else _refuse_short(source, sample_rate)


def blocks(
    path: str | Path, sample_rate: int, seconds: float, *, salvage: bool = False, report: Report | None = None
) -> Iterator[Wave]:
    """A recording of any length, in constant memory, in arrays of `seconds` each, the last one shorter.

    Joined they are `load(path, sample_rate)`, bit for bit. Raises what `load` raises: what the header gives away before
    the first array, damage further on when decoding reaches it, some seconds ahead of the arrays given out.
    """
    check_rate(sample_rate)
    length = round(seconds * sample_rate) if math.isfinite(seconds) else 0
    if length < 1:
        raise EarmarkError(f"a block of {seconds} s holds no sample at {sample_rate} Hz. Ask for longer blocks")
    return _blocks(Path(path), sample_rate, length, salvage, _reporter(Path(path), report))


def info(path: str | Path) -> Info:
    """What the header says, without decoding more than a moment. Raises AudioError where nothing can be decoded."""
    with _opened(Path(path), True, lambda _: None) as source:
        return source.info


def resample(wave: Wave, from_rate: int, to_rate: int) -> Wave:
    """(samples,) float32 at `from_rate` Hz → (samples,) float32 at `to_rate` Hz, as `load` does it."""
    check_rate(from_rate)
    check_rate(to_rate)
    if wave.ndim != 1 or wave.dtype != np.float32:
        raise EarmarkError(f"a wave is (samples,) float32, this one is {wave.shape} {wave.dtype}")
    return _joined(_rate_changed(iter([wave]), from_rate, to_rate))


def find(paths: Iterable[str | Path]) -> list[Path]:
    """Files and folders → recordings, each once.

    A folder is walked in sorted order for EXTENSIONS, without hidden files, hidden folders and links to folders. What
    is no folder is kept, whatever its name and even if it does not exist: `load` then says so.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        found.update(dict.fromkeys(_walk(path) if path.is_dir() else [path]))
    return list(found)


def check_rate(sample_rate: int) -> None:
    """Raises EarmarkError for a sample rate that earmark does not work at."""
    if not (LOWEST <= sample_rate <= HIGHEST and sample_rate == int(sample_rate)):
        raise EarmarkError(
            f"{sample_rate} Hz is no sample rate to work at: give a whole number from {LOWEST} to {HIGHEST}"
        )


def length_at(frames: int, from_rate: int, to_rate: int) -> int:
    """How many samples `frames` become: floor(frames · to_rate / from_rate + 1/2)."""
    return (2 * frames * to_rate + from_rate) // (2 * from_rate)


# --------------------------------------------------------------------------------------------------------- streams


class _Damaged(Exception):
    """The sound breaks off. frames: how many can be read, from the beginning of the file."""

    def __init__(self, frames: int, problem: str, remedy: str):
        super().__init__(problem)
        self.frames, self.problem, self.remedy = frames, problem, remedy


class _Fault(NamedTuple):
    problem: str
    remedy: str
    readable: float | None = None  # seconds


class _Source(Protocol):
    """An open recording.

    exact: whether `mono` may begin anywhere and still give the samples of the whole. floats: whether the file stores
    floats. fault: what shows before anything is decoded.
    """

    info: Info
    exact: bool
    floats: bool
    fault: _Fault | None

    def mono(self, begin: int, end: int) -> Iterator[Wave]:
        """Blocks of the mix from the native frame `begin` to `end` or later, or to the end of the sound.

        Raises _Damaged where the sound breaks off.
        """

    def close(self) -> None: ...


def _blocks(path: Path, sample_rate: int, length: int, salvage: bool, say: Report) -> Iterator[Wave]:
    with _opened(path, salvage, say) as source:
        held: list[Wave] = []
        count, empty = 0, True
        for part in _resampled(source, sample_rate, salvage, say):
            held.append(part)
            count += len(part)
            if count >= length:
                ready = _joined(held)
                whole = count - count % length
                for first in range(0, whole, length):
                    yield ready[first : first + length]
                held, count, empty = [ready[whole:]], count - whole, False
        if count:
            yield _joined(held)
        elif empty:
            _refuse_short(source, sample_rate)


def _part(source: _Source, rate: int, start: float, seconds: float | None, salvage: bool, say: Report) -> Wave:
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
    parts: list[Wave] = []
    have = entry * q
    for part in _resampled(source, rate, salvage, say, entry * p, until):
        parts.append(part)
        have += len(part)
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
    return _joined(parts)[first - entry * q : end - entry * q].copy()


def _no_sound_at(path: Path, start: float, duration: float) -> AudioError:
    problem = f"has no sound at {start:.2f} s: it is {duration:.2f} s long"
    return AudioError(path, problem, "Correct the start of the clip", duration)


def _refuse_short(source: _Source, rate: int) -> Wave:
    problem = f"is too short: at {source.info.sample_rate} Hz it does not last for one sample at {rate} Hz"
    raise AudioError(source.info.path, problem, AGAIN, 0.0)


def _resampled(
    source: _Source, rate: int, salvage: bool, say: Report, begin: int = 0, end: int = sys.maxsize
) -> Iterator[Wave]:
    return _rate_changed(_checked(source, begin, end, salvage, say), source.info.sample_rate, rate)


def _rate_changed(parts: Iterator[Wave], from_rate: int, to_rate: int) -> Iterator[Wave]:
    """A stream at one rate → a stream at another; the same samples however the stream is divided."""
    if from_rate == to_rate:
        yield from parts
        return
    stream = soxr.ResampleStream(from_rate, to_rate, 1, "float32", "HQ")
    held: Wave | None = None
    for part in parts:  # one behind: soxr is quicker where it knows which is the last
        if held is not None:
            yield stream.resample_chunk(held)
        held = part
    if held is not None:
        yield stream.resample_chunk(held, last=True)


def _joined(parts: Iterable[Wave]) -> Wave:
    parts = [part for part in parts if len(part)]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _checked(source: _Source, begin: int, end: int, salvage: bool, say: Report) -> Iterator[Wave]:
    """The stream of a source with every value a usable number, at least one of them, and the reports at its end."""
    path, rate = source.info.path, source.info.sample_rate
    at, bad, first_bad, peak = begin, 0, 0, 0.0
    stream = source.mono(begin, end)
    try:
        for block in stream:
            # only stored floats can be as large as LARGEST: for all else the quicker question is enough
            if source.floats or not np.isfinite(block).all():
                unusable = _unusable(block)
                if unusable.any():
                    first_bad = first_bad if bad else at + int(np.argmax(unusable))
                    bad += int(np.count_nonzero(unusable))
                    if not salvage:
                        bad += sum(int(np.count_nonzero(_unusable(rest))) for rest in stream)
                        raise _no_numbers(path, bad, first_bad / rate)
                    block = np.where(unusable, np.float32(0), block)
                peak = max(peak, float(np.abs(block).max()))
            at += len(block)
            yield block
    except _Damaged as damage:
        if not salvage:
            raise AudioError(path, damage.problem, damage.remedy, damage.frames / rate) from damage
        say(f"{damage.problem}; what could be read is used")
    if at == 0:
        raise AudioError(path, "holds no sound: a header, and not one sample behind it", AGAIN, 0.0)
    if bad:
        say(f"{bad} samples are no usable numbers, the first at {first_bad / rate:.3f} s; 0 is used for them")
    if peak > 1 and source.floats:
        say(f"reaches {peak:.3g} times full scale; kept as it is")


def _unusable(block: Wave) -> NDArray[np.bool_]:
    usable: NDArray[np.bool_] = np.abs(block) < LARGEST  # not so for NaN either
    return ~usable


def _no_numbers(path: Path, count: int, second: float) -> AudioError:
    return AudioError(
        path,
        f"{count} samples are no usable numbers (NaN, infinite or beyond {LARGEST:g}), the first at {second:.3f} s",
        f"Write it again with the program that made it; to take them as 0, {SALVAGE}",
        second,
    )


def _mix(frames: Wave) -> Wave:
    """(frames, channels) → (frames,), the mean; channel by channel, as BLAS would round by the place in the block."""
    channels = frames.shape[1]
    if channels == 1:
        return frames[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):  # infinite values are found later
        total: Wave = frames[:, 0] + frames[:, 1]
        for channel in range(2, channels):
            total += frames[:, channel]
    total *= np.float32(1 / channels)
    return total


# ----------------------------------------------------------------------------------------------------------- files


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise EarmarkError(
            f"{error.filename}: this folder cannot be listed ({error.strerror}). Correct its permissions"
        )

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                yield Path(place, name)


def _reporter(path: Path, report: Report | None) -> Report:
    tell = report or log.warning
    return lambda sentence: tell(f"{path}: {sentence}")


def _file(path: Path) -> BinaryIO:
    """The file, open and unbuffered. Only a file with something in it will do: a pipe would block."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(path, "is a folder, not a recording", "Name the recordings in it")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(path, "is a device or a pipe, not a file", "Copy the sound into a file first")
        if not status.st_size:
            raise AudioError(path, "is empty (0 bytes)", AGAIN, 0.0)
        return open(path, "rb", buffering=0)
    except FileNotFoundError as error:
        raise AudioError(path, "does not exist", "Check the path, and that its disk or card is connected") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise AudioError(path, f"cannot be opened ({reason})", "Check its permissions and its disk") from error


@contextmanager
def _opened(path: Path, salvage: bool, say: Report) -> Iterator[_Source]:
    """The recording at `path`; what is wrong with it at first sight is raised or, with salvage, said."""
    with _file(path) as file:
        try:
            source = _decoder(path, file, salvage, say)
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
            if source.info.channels > 1:
                say(f"{source.info.channels} channels mixed to one (mean)")
            yield source
        finally:
            source.close()


def _decoder(path: Path, file: BinaryIO, salvage: bool, say: Report) -> _Source:
    """libsndfile where it reads the file; FFmpeg where it does not, or would leave sound unread."""
    try:
        source = _Libsndfile(path, file, say)
    except soundfile.SoundFileError as error:
        return _FFmpeg(path, file, say, _reason(error))
    # libsndfile guesses the length of an MP3 that does not state it from the first frame, and stops there: at a fifth
    # of one that begins loud and varies its bit rate. A header of 0 samples it takes at its word.
    guessed = source.info.container == "MP3" and source.info.frames is None
    unfinished = source.info.frames == 0 and source.fault is not None and salvage
    if (guessed or unfinished) and _av() is not None:
        source.close()
        return _FFmpeg(path, file, say, "")
    return source


class _Straight(soundfile.SoundFile):  # type: ignore[misc]
    """A SoundFile that reads straight on, where the original seeks after each read to where it is: that spoils MP3."""

    def seekable(self) -> bool:
        return False


class _Libsndfile:
    """A recording that libsndfile decodes."""

    def __init__(self, path: Path, file: BinaryIO, say: Report):
        self._file, self._say = file, say
        self._sound = sound = self._open()
        container, codec = str(sound.format), str(sound.subtype)  # each asks libsndfile for all that it knows
        guessed = sound.frames >= 2**62 or (container == "MP3" and not _mp3_states_length(file))
        frames = None if guessed else int(sound.frames)
        duration = None if frames is None else frames / sound.samplerate
        self.info = Info(path, sound.samplerate, sound.channels, frames, duration, container, codec, "libsndfile")
        # entered in the middle, an ADPCM decoder has no history; Ogg and MP3 miss the mark, and so does a FLAC whose
        # blocks are not all of one size, where the header lies about it
        self.exact = codec.startswith("PCM_") or codec in {"FLOAT", "DOUBLE", "ULAW", "ALAW"}
        if container == "FLAC":
            head = _peek(file, 0, 12)
            self.exact = head[:4] == b"fLaC" and head[8:10] == head[10:12]
        self.floats = codec in {"FLOAT", "DOUBLE"}
        # the index of ALAC states frames that may not be there
        self.fault = _fault(file, None if codec.startswith("ALAC") else duration)
        self._step = max(4_096, min(BLOCK, BLOCK_VALUES // sound.channels))

    def _open(self) -> _Straight:
        self._file.seek(0)
        # Through the descriptor libsndfile sees no name, so that .raw or .vox is told by content like any other.
        # On Windows two C libraries do not share descriptors; Python reads for libsndfile there.
        return _Straight(self._file if sys.platform == "win32" else self._file.fileno(), closefd=False)

    def close(self) -> None:
        self._sound.close()

    def mono(self, begin: int, end: int) -> Iterator[Wave]:
        at, stop = begin, min(end, self._sound.frames)
        try:
            if begin:
                self._enter(begin)
            while at < stop:
                wanted = min(self._step, stop - at)
                frames = self._sound.read(wanted, "float32", always_2d=True)
                at += len(frames)
                if len(frames):
                    yield _mix(frames)
                if len(frames) < wanted:
                    break
        except soundfile.SoundFileError as error:
            rescued = self._rescue(at)
            if len(rescued):
                yield _mix(rescued)
            at += len(rescued)
            seconds = at / self.info.sample_rate
            problem = f"is damaged: {seconds:.2f} s can be read, then libsndfile reports '{_reason(error)}'"
            raise _Damaged(at, problem, CUT) from error
        if at < end:
            self._check_end(at)

    def _enter(self, begin: int) -> None:
        try:
            self._sound.seek(begin)
        except soundfile.SoundFileError:  # a damaged index; the sound itself may be whole
            self._again(begin)

    def _again(self, at: int) -> None:
        """Open the file once more and read on to the frame `at`."""
        self._sound.close()
        self._sound = self._open()
        for done in range(0, at, self._step):
            self._sound.read(min(self._step, at - done), "float32")

    def _rescue(self, at: int) -> Wave:
        """(frames, channels) between `at` and the damage: a read that fails does not tell how far it came."""
        frames = np.full((self._step, self.info.channels), np.nan, np.float32)
        try:
            self._again(at)
            self._sound.read(out=frames)
        except soundfile.SoundFileError:
            pass
        unread = np.isnan(frames).any(1)
        return frames[: int(np.argmax(unread))] if unread.any() else frames

    def _check_end(self, at: int) -> None:
        """What was read against what the header states and what the file holds."""
        rate, stated, kind = self.info.sample_rate, self.info.frames, self.info.container
        seconds = f"{at / rate:.2f} s"
        if stated is not None and at < stated:
            short = f"its header states {stated / rate:.2f} s of sound, {seconds} are there"
            if kind != "MP3" or stated - at > MP3_FRAME:
                raise _Damaged(at, f"is cut off: {short}", CUT)
            self._say(short)
        if kind not in {"MP3", "FLAC"} or self.fault is not None:
            return
        left = _left_over(self._file)
        if left > LEFT_OVER and stated is None:
            problem = f"does not state its length; libsndfile stops at {seconds}, {left} bytes before the end"
            raise _Damaged(at, problem, f"{MEDIA}; so does such an MP3")
        if left > LEFT_OVER:
            raise _Damaged(at, f"goes on behind the {seconds} that it states, with {left} bytes of sound", CONVERT)


class _Nameless:
    """A file for FFmpeg: without its name, as anything called .gsm or .raw is sound or pictures to it."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.read, self.tell = file.read, file.tell

    def seek(self, to: int, whence: int = 0) -> int:
        try:
            return self._file.seek(to, whence)
        except OSError as error:  # a damaged file sends it anywhere; an exception would be printed
            return -(error.errno or 1)


class _FFmpeg:
    """A recording that FFmpeg decodes. refused: what libsndfile says of it, or nothing where it would read it."""

    exact = False

    def __init__(self, path: Path, file: BinaryIO, say: Report, refused: str):
        av, looks = _av(), _looks(file) if refused else ""
        if looks:
            raise AudioError(path, f"is no recording: {looks}", AGAIN)
        if av is None:
            raise AudioError(path, f"is in no format that libsndfile reads ({refused})", MEDIA)
        self._path, self._say = path, say
        self._errors = (av.FFmpegError, OSError, ValueError)
        self.fault = _fault(file, None)
        file.seek(0)
        try:
            # no protocols: a playlist must not lead to other files or to addresses
            options = {"protocol_whitelist": "none"}
            self._container = av.open(_Nameless(file), metadata_errors="replace", options=options)
        except self._errors as error:
            said = f"libsndfile: {refused}; FFmpeg: {_reason(error)}" if refused else f"FFmpeg: {_reason(error)}"
            problem = f"is no recording that can be decoded ({said})"
            raise AudioError(path, problem, f"See whether another program plays it. {AGAIN}") from error
        try:
            self._track = self._choose()
            self._at, self._end, self._jumped = 0, 0.0, False
            self._frames = self._decode()
            self._first = self._peek_first()
        except AudioError:
            self.close()
            raise
        self.floats = self._track.codec_context.name.startswith("pcm_f")
        self.info = self._describe()

    def close(self) -> None:
        self._container.close()

    def _choose(self) -> Any:
        streams = self._container.streams
        if not streams.audio:
            what = "pictures and no sound" if streams.video else "no sound"
            raise AudioError(self._path, f"holds {what}", "Leave it out, or name the file that has the sound")
        if len(streams.audio) > 1:
            self._say(f"{len(streams.audio)} sound tracks; the first is used")
        if streams.audio[0].codec_context is None:
            raise AudioError(
                self._path, "is in a codec that FFmpeg does not know", "Convert it with the program that made it"
            )
        return streams.audio[0]

    def _decode(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux(self._track):
                yield from packet.decode()
        except self._errors as error:
            seconds = self._at / self.info.sample_rate if self._at else 0.0
            problem = f"is damaged: {seconds:.2f} s can be read, then FFmpeg reports '{_reason(error)}'"
            raise _Damaged(self._at, problem, CUT) from error

    def _peek_first(self) -> Any:
        """The first frame: only it tells the rate for certain (AAC doubles the header's)."""
        try:
            first = next(self._frames, None)
        except _Damaged as damage:
            raise AudioError(self._path, damage.problem, AGAIN, 0.0) from damage
        if first is None:
            raise AudioError(self._path, "holds no sound: a header, and not one sample behind it", AGAIN, 0.0)
        return first

    def _describe(self) -> Info:
        container, track, first = self._container, self._track, self._first
        duration = None
        if TIMED & set(container.format.name.split(",")):
            if track.duration:
                duration = float(track.duration * track.time_base)
            elif container.duration and not container.streams.video:  # with pictures it is theirs
                duration = container.duration / 1e6
        names = container.format.name, track.codec_context.name
        return Info(self._path, first.sample_rate, first.layout.nb_channels, None, duration, *names, "ffmpeg")

    def mono(self, begin: int, end: int) -> Iterator[Wave]:
        assert begin == 0, "not exact: from the beginning only"
        held: list[Wave] = []
        given = 0
        damage: _Damaged | None = None
        try:
            for frame in itertools.chain([self._first], self._frames):
                self._check_frame(frame)
                held.append(_mix(_floats(frame)))
                self._at += frame.samples
                if self._at - given >= BLOCK:
                    yield _joined(held)
                    held, given = [], self._at
            self._check_end()
        except _Damaged as error:
            damage = error
        if self._at > given:
            yield _joined(held)
        if damage:
            raise damage

    def _check_frame(self, frame: Any) -> None:
        rate, seconds = self.info.sample_rate, self._at / self.info.sample_rate
        if frame.sample_rate != rate:
            problem = f"changes its sample rate at {seconds:.2f} s, from {rate} to {frame.sample_rate} Hz"
            raise _Damaged(self._at, problem, CONVERT)
        if frame.time is None:
            return
        jump = frame.time - (self._first.time or 0.0) - seconds
        if abs(jump) > SHORT_BY and not self._jumped:
            self._jumped = True
            self._say(f"its time stamps jump by {jump:.2f} s at {seconds:.2f} s; the sound is joined there")
        self._end = frame.time + frame.samples / rate

    def _check_end(self) -> None:
        stated, there = self.info.duration, self._at / self.info.sample_rate
        if stated is not None and max(there, self._end) + SHORT_BY < stated:
            problem = f"is cut off: its header states {stated:.2f} s of sound, {there:.2f} s are there"
            raise _Damaged(self._at, problem, CUT)


def _floats(frame: Any) -> Wave:
    """A frame of FFmpeg → (frames, channels) float32. Integers fill their type: full scale is its largest number."""
    stored = np.dtype(SAMPLE_TYPES[frame.format.name.removesuffix("p")])
    channels = frame.layout.nb_channels
    if frame.format.is_planar:
        values = np.stack([np.frombuffer(plane, stored, frame.samples) for plane in frame.planes], 1)
    else:
        values = np.frombuffer(frame.planes[0], stored, frame.samples * channels).reshape(-1, channels)
    if stored.kind == "f":
        return values.astype(np.float32)
    middle = 128 if stored.kind == "u" else 0
    scaled: Wave = ((values - np.float64(middle)) * 2.0 ** (1 - 8 * stored.itemsize)).astype(np.float32)
    return scaled


def _av() -> Any:
    """PyAV, or None where the extra is not installed."""
    try:
        import av
    except ImportError:
        return None
    return av


def _reason(error: Exception) -> str:
    """What a decoder says, without its decoration."""
    said = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    if "possibly a pipe" in said:  # libsndfile's words for an MP3 of tags only
        return "no sound in it"
    return str(said).removeprefix("Error : ").rstrip(".")


# --------------------------------------------------------------------------------------------------------- headers


def _peek(file: BinaryIO, at: int, count: int) -> bytes:
    """Bytes from anywhere; the place where the decoder reads on stays."""
    place = file.tell()
    file.seek(at)
    found = file.read(count)
    file.seek(place)
    return found


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _fault(file: BinaryIO, readable: float | None) -> _Fault | None:
    """Where the container shows that sound is missing. readable: seconds, where the decoder knows."""
    head = _peek(file, 0, 64)
    if head[:4] == b"OggS":
        seen = _ogg_problem(file, head)
        return _Fault(*seen, readable) if seen else None
    sizes = _sound_bytes(file, head)
    if sizes is None:
        return None
    stated, there = sizes
    if stated == 0 and there > LEFT_OVER:
        return _Fault(f"was never finished: its header states no sound, and {there} bytes follow", CUT, 0.0)
    if there >= stated:
        return None
    if there <= 0:
        return _Fault(f"holds no sound: its header states {stated} bytes of it, none is there", AGAIN, 0.0)
    if not readable:
        return _Fault(f"is cut off: its header states {stated} bytes of sound, {there} are there", CUT)
    whole = readable * stated / there
    problem = f"is cut off: its header states {whole:.2f} s of sound, {readable:.2f} s are there"
    return _Fault(problem, CUT, readable)


def _sound_bytes(file: BinaryIO, head: bytes) -> tuple[int, int] | None:
    """(bytes of sound that the header states, bytes behind where it begins), or None where it does not state them."""
    size = _size(file)
    if head[:4] == b".snd" and len(head) >= 12:
        begin, stated = struct.unpack(">II", head[4:12])
        return None if _unknown(stated) else (stated, size - begin)
    if head[:4] not in CHUNKED:
        return None
    at, number, sought = CHUNKED[head[:4]]
    width = 4 + struct.calcsize(number)
    stated_64 = None
    for _ in range(1_000):  # no sane file has more chunks, and a damaged one could have millions
        if at + width > size:
            return None
        chunk = _peek(file, at, 32)
        stated = struct.unpack(number, chunk[4:width])[0]
        if chunk[:4] == b"ds64" and len(chunk) >= 24:
            stated_64 = struct.unpack("<Q", chunk[16:24])[0]
        if chunk[:4] == sought:
            stated = stated_64 if stated == 0xFFFFFFFF and stated_64 else stated
            return None if _unknown(stated) else (stated, size - at - width)
        at += width + max(0, stated) + (stated & 1 if width == 8 else 0)
    return None


def _unknown(stated: int) -> bool:
    """Whether a size stands for 'until the end', as programs write it that stream: about 2 GiB, 4 GiB, or -1."""
    return stated < 0 or 0x7FFFF000 <= stated <= 0x80000100 or 0xFFFFF000 <= stated <= 0xFFFFFFFF


def _ogg_problem(file: BinaryIO, head: bytes) -> tuple[str, str] | None:
    """Ogg states no length, but marks its last page, and every page names its stream."""
    for reach in (2**13, 2**16):  # pages have about 4 KiB, and at most 65,307 bytes
        tail = _peek(file, max(0, _size(file) - reach), reach)
        page = tail[max(0, tail.rfind(b"OggS")) :]
        if page[:4] == b"OggS":
            break
    else:
        return None  # something else lies behind the sound
    whole = len(page) > 26 and len(page) >= (body := 27 + page[26]) and len(page) >= body + sum(page[27:body])
    if not (whole and page[5] & 4):
        return "is cut off: its last page is missing or incomplete", CUT
    page = page[: body + sum(page[27:body])]
    if _ogg_sum(page[:22] + bytes(4) + page[26:]) != page[22:26]:
        return "is damaged: its last page is not what was written", CUT
    if page[14:18] != head[14:18]:
        return "holds several recordings one after another, or several tracks; only the first can be read", CONVERT
    return None


def _ogg_sum(page: bytes) -> bytes:
    """The check sum of a page whose own is zeroed: zlib's, but bits the other way round, and no complement."""
    mirrored = zlib.crc32(page.translate(MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(MIRROR)


def _mp3_states_length(file: BinaryIO) -> bool:
    """Whether the first frame of an MP3 holds the number of frames (a Xing or Info header)."""
    at = 0
    while len(tag := _peek(file, at, 10)) == 10 and tag[:3] == b"ID3":
        at += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    first = _peek(file, at, LEFT_OVER)
    found = max(first.find(b"Xing"), first.find(b"Info"))
    return 0 <= found <= len(first) - 12 and bool(first[found + 7] & 1) and any(first[found + 8 : found + 12])


def _left_over(file: BinaryIO) -> int:
    """Bytes of sound behind the place where the decoder stopped: without tags, and 0 where there are but zeros."""
    at, end = file.tell(), _size(file)
    if _peek(file, end - 128, 3) == b"TAG":
        end -= 128
    foot = _peek(file, end - 32, 32)
    if foot[:8] == b"APETAGEX":
        end -= struct.unpack("<I", foot[12:16])[0] + 32
    return max(0, end - at) if _peek(file, at, LEFT_OVER).strip(b"\0") else 0


def _looks(file: BinaryIO) -> str:
    """What a file that no decoder wants is, where its beginning tells."""
    head = _peek(file, 0, 512)
    if not head.strip(b"\0"):
        return "it begins with zeros only, as files do that a recorder or card did not write out"
    if len(head) >= 64 and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "it is text"
    return ""
