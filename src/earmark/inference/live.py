"""Sound that is heard while it comes: raw samples from a pipe, or a microphone.

A thread of its own fetches it, so that whoever waits for the next window can be told to stop at any time. A pipe waits
while the net is busy; a microphone cannot, and what is lost is counted and reported.
"""

from __future__ import annotations

import importlib
import math
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.audio.decoders import mixed
from earmark.errors import AudioError, EarmarkError, agreed, counted
from earmark.errors.kinds import check_call
from earmark.inference.recordings import Recording, Report

Wave = NDArray[np.float32]

CHUNK = 1 << 16  # bytes that are read at once, at most
WAITING = 16  # chunks of a pipe that may wait
PATIENCE = 0.1  # s between looks at whether to stop
HELD = 1_000  # blocks of a microphone that may wait: ten seconds or more
SALVAGE = "use --salvage (salvage=True)"
# what files begin with, which raw samples do not
HEADERS = {
    b"RIFF": "WAV",
    b"RF64": "WAV",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b"ID3": "MP3",
}
HEADER = max(map(len, HEADERS))

# name → type of a sample, what silence is, and full scale
ENCODINGS: dict[str, tuple[str, float, float]] = {
    "u8": ("u1", 128.0, 128.0),
    "s16le": ("<i2", 0.0, 2.0**15),
    "s16be": (">i2", 0.0, 2.0**15),
    "s24le": ("<i4", 0.0, 2.0**31),  # the upper three of four bytes
    "s32le": ("<i4", 0.0, 2.0**31),
    "f32le": ("<f4", 0.0, 1.0),
    "f64le": ("<f8", 0.0, 1.0),
}


class Reader(Protocol):
    """A file without a buffer: `read` gives what there is, up to `count` bytes, and b"" at the end.

    None stands for nothing yet, as files that were opened not to block give it.
    """

    def read(self, count: int, /) -> bytes | None: ...


class Feed:
    """Blocks on their way from the thread that fetches them: iterate over it until they end or it is stopped."""

    def __init__(self, most: int = WAITING):
        self._waiting: queue.Queue[Any] = queue.Queue(most)
        self._stopped = threading.Event()

    def put(self, block: Any) -> bool:
        """Wait for room; False once nobody takes any more."""
        while not self._stopped.is_set():
            try:
                self._waiting.put(block, timeout=PATIENCE)
                return True
            except queue.Full:
                continue
        return False

    def offer(self, block: Any) -> bool:
        """Without waiting; False where there is no room."""
        try:
            if not self._stopped.is_set():
                self._waiting.put_nowait(block)
        except queue.Full:
            return False
        return True

    def rest(self) -> bool:
        """Wait a moment; False once nobody takes any more."""
        return not self._stopped.wait(PATIENCE)

    def stop(self) -> None:
        """No more is taken in; what has come is still given out."""
        self._stopped.set()

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                block = self._waiting.get(timeout=PATIENCE)
            except queue.Empty:
                if self._stopped.is_set():
                    return
                continue
            if block is None:
                return
            if isinstance(block, BaseException):
                raise block
            yield block


@dataclass(frozen=True)
class Raw(Recording):
    """Samples without a header, channel by channel, that come through a pipe. rate: frames a second.

    encoding: of ENCODINGS. Raises EarmarkError.
    """

    path: Path = Path("-")
    reader: Reader | None = None
    rate: int = 0
    channels: int = 1
    encoding: str = "s16le"
    once: ClassVar[bool] = True
    feed: Feed = field(default_factory=Feed, compare=False)

    def __post_init__(self) -> None:
        check_call(type(self), (), {name: value for name, value in vars(self).items() if name != "feed"})
        audio.check_rate(self.rate)
        if self.encoding not in ENCODINGS:
            raise EarmarkError(f"{self.encoding} is no encoding of samples: take one of {', '.join(ENCODINGS)}")
        if not 1 <= self.channels <= 1024:
            raise EarmarkError(f"{counted(self.channels, 'channel')}: give how many there are, from 1 to 1024")

    def stop(self) -> None:
        self.feed.stop()

    def highest(self) -> float:
        return self.rate / 2

    def blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        threading.Thread(target=self._fetch, name="samples", daemon=True).start()
        say: Report = lambda what: report(f"{self.path}: {what}")  # noqa: E731
        if self.channels > 1:
            say(f"{counted(self.channels, 'channel')} mixed to one (mean)")
        yield from _at_rate(_usable(self._frames(say), self, self.rate, salvage, say), self, self.rate, sample_rate)

    def _fetch(self) -> None:
        assert self.reader is not None
        try:
            while (chunk := self.reader.read(CHUNK)) != b"":
                if not (self.feed.rest() if chunk is None else self.feed.put(chunk)):
                    return
            self.feed.put(None)
        except (OSError, ValueError) as error:
            self.feed.put(AudioError(self.path, f"cannot be read ({error})", "Check the program that makes it"))
        except BaseException as error:  # whatever it is, who waits for samples must learn of it
            self.feed.put(error)

    def _frames(self, say: Report) -> Iterator[Wave]:
        """(frames,) of one channel, however the bytes were divided on their way."""
        size = self.channels * (3 if self.encoding == "s24le" else np.dtype(ENCODINGS[self.encoding][0]).itemsize)
        head, rest = b"", b""
        for chunk in self.feed:
            if len(head) < HEADER:
                head = (head + chunk)[:HEADER]
                _refuse_files(self.path, head)
            data = rest + chunk
            whole = len(data) - len(data) % size
            rest = data[whole:]
            if whole:
                yield mixed(decode(data[:whole], self.encoding).reshape(-1, self.channels))
        if rest:
            say(
                f"ends with {len(rest):,} of the {counted(size, 'byte')} of a frame, which {agreed(len(rest), 'is', 'are')} "
                "left out; --channels or --encoding may be wrong"
            )


def decode(data: bytes, encoding: str) -> Wave:
    """Whole samples → float32, full scale ±1, as libsndfile reads them from a file.

    >>> decode(bytes([0, 64, 0, 128]), "s16le")
    array([ 0.5, -1. ], dtype=float32)
    """
    kind, silence, scale = ENCODINGS[encoding]
    if encoding == "s24le":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data = wide.tobytes()
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number is found later
        wave = np.frombuffer(data, kind).astype(np.float32)
        return np.asarray((wave - np.float32(silence)) * np.float32(1 / scale), np.float32)


def _refuse_files(path: Path, beginning: bytes) -> None:
    for header, name in HEADERS.items():
        if beginning.startswith(header):
            problem = f"begins as a file of {name} does, not with raw samples"
            raise AudioError(
                path, problem, "Save it and give its name, or take only the samples of it (ffmpeg -f s16le -)"
            )


def _usable(waves: Iterator[Wave], whose: Recording, rate: int, salvage: bool, say: Report) -> Iterator[Wave]:
    """Waves with every value a usable number, as `audio.load` wants them; reports at the end."""
    at, bad, peak = 0, 0, 0.0
    for wave in waves:
        fit = np.abs(wave) < audio.LARGEST  # not so for NaN either
        if not fit.all():
            if not salvage:
                second = (at + int(np.argmin(fit))) / rate
                problem = f"a sample at {second:.3f} s is no usable number (NaN, infinite or beyond {audio.LARGEST:g})"
                raise AudioError(
                    whose.path, problem, f"Check its encoding; to take such samples as 0, {SALVAGE}", second
                )
            bad += int(np.count_nonzero(~fit))
            wave = np.where(fit, wave, np.float32(0))
        peak = max(peak, float(np.abs(wave).max(initial=0.0)))
        at += len(wave)
        yield wave
    if not at:
        raise AudioError(whose.path, "no sound has come", "Check the program or the device that makes it", 0.0)
    if bad:
        say(
            f"{counted(bad, 'sample is no usable number', 'samples are no usable numbers')}; 0 is used for {agreed(bad, 'it', 'them')}"
        )
    if peak > 1:
        say(audio.beyond(peak))


def _at_rate(waves: Iterator[Wave], whose: Recording, from_rate: int, to_rate: int) -> Iterator[Wave]:
    count = 0
    for wave in audio.rate_changed(_tails(waves) if from_rate != to_rate else waves, from_rate, to_rate):
        count += len(wave)
        yield wave
    if not count:
        problem = f"is too short: at {from_rate} Hz it does not last for one sample at {to_rate} Hz"
        raise AudioError(whose.path, problem, "Check the program or the device that makes it", 0.0)


def _tails(waves: Iterator[Wave]) -> Iterator[Wave]:
    """The same with each last sample by itself: the change of rate holds back what came last, which must not be much."""
    for wave in waves:
        yield from (part for part in (wave[:-1], wave[-1:]) if len(part))


# ------------------------------------------------------------------------------------------------------ microphone


@dataclass(frozen=True)
class Microphone(Recording):
    """The default input of the sound card, through `sounddevice`. rate: Hz, None for what the device likes best."""

    path: Path = Path("microphone")
    rate: int | None = None
    once: ClassVar[bool] = True
    feed: Feed = field(default_factory=lambda: Feed(HELD), compare=False)

    def stop(self) -> None:
        self.feed.stop()

    def highest(self) -> float:
        return self.rate / 2 if self.rate else math.inf

    def blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        device = sounddevice()
        say: Report = lambda what: report(f"{self.path}: {what}")  # noqa: E731
        lost = [0, 0]  # blocks that found no room, blocks before which the card lost some
        try:
            rate = self.rate or round(device.query_devices(kind="input")["default_samplerate"])
            audio.check_rate(rate)
            stream = device.InputStream(samplerate=rate, channels=1, dtype="float32", callback=self._callback(lost))
            with stream:
                yield from _at_rate(_usable(iter(self.feed), self, rate, salvage, say), self, rate, sample_rate)
        except (device.PortAudioError, ValueError) as error:
            raise AudioError(
                self.path, f"cannot be heard ({error})", "Check that it is connected, and its --rate"
            ) from error
        finally:
            if any(lost):
                say(
                    f"sound was lost {counted(sum(lost), 'time')}: the net is slower than the sound ({lost[0]}), or the system ({lost[1]})"
                )

    def _callback(self, lost: list[int]) -> Callable[..., None]:
        def take(samples: Any, frames: int, time: Any, status: Any) -> None:
            lost[1] += bool(status)
            lost[0] += not self.feed.offer(np.array(samples[:, 0], np.float32))  # a copy: the card uses its block again

        return take


def sounddevice() -> Any:
    """The module. Raises EarmarkError where it or PortAudio is not installed."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise EarmarkError("--live needs the package sounddevice: pip install 'earmark[live]'") from error
    except OSError as error:
        raise EarmarkError(
            f"--live needs the library PortAudio ({error}): install libportaudio2 with the system's packages"
        ) from error
