"""What a program may give a tagger to hear, and the recordings that it is: see `recordings_of`.

    a path            a string or a path object: a file, read as the commands read it
    bytes             the bytes of such a file
    a file object     open in binary mode; it is read from where it stands to its end, into memory
    an array          NumPy, floating, (samples,) or (channels, samples), at `sample_rate` Hz; -1 to 1 is full scale. It is mixed to
                      one channel and resampled as a file is, so that both have the same scores
    a `Recording`     a part of a file, or sound that comes live
    a list of these   or a tuple; then the answer is a list

A mistake in the call raises EarmarkError: a kind of thing that is none of these, an array without a sample rate, a sample rate
that is none. What is wrong with one sound is an AudioError, so that a list can go on without it: integers, a shape, values that
are no numbers, nothing in it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.audio.decoders import mixed
from earmark.errors import AudioError, EarmarkError, agreed, counted
from earmark.inference.recordings import BLOCK_SECONDS, Recording, Report, Wave

LARGEST_INTEGER = {"int8": "128", "int16": "32768", "int32": "2147483648", "int64": "what full scale is in them"}
REWIND = "Go back to its first byte, file.seek(0), before it is given"
SHAPES = "(samples,) or (channels, samples)"


@runtime_checkable
class Readable(Protocol):
    """A file object."""

    def read(self, count: int = -1, /) -> Any: ...


Sound = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | NDArray[np.floating[Any]] | Recording
FILES = (str, os.PathLike, bytes, bytearray, memoryview, Readable, Recording)  # what tells its own sample rate
Sounds = list[Any] | tuple[Any, ...]  # of `Sound`; text is a sequence of text, so that a sequence would say too little


@dataclass(frozen=True)
class Encoded(Recording):
    """A file that is in memory. path: a name for people. begun: bytes of a file object before the first that was read."""

    data: bytes = field(default=b"", repr=False)
    begun: int = 0

    def blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        seconds = max(BLOCK_SECONDS, 2 * window)
        heard = audio.blocks(self.path, sample_rate, seconds, salvage=salvage, report=report, data=self.data)
        if not self.begun:
            yield from heard
            return
        where = f"reading began at byte {self.begun:,} of {self.begun + len(self.data):,}"
        if not self.data:
            raise AudioError(self.path, f"{where}: nothing of it is left", REWIND, 0.0)
        # of some codings the rest is a recording by itself
        report(f"{self.path}: {where}; what lies before is not heard")
        try:
            yield from heard
        except AudioError as error:
            raise AudioError(self.path, f"{error.problem}; {where}", REWIND, error.readable) from error

    def highest(self) -> float:
        return math.inf


@dataclass(frozen=True)
class Samples(Recording):
    """Sound that a program has made or read. wave: (samples,) or (channels, samples), floating. rate: Hz."""

    wave: NDArray[np.floating[Any]] = field(default_factory=lambda: np.zeros(0, np.float32), repr=False, compare=False)
    rate: int = 0

    def blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        wave = self._mono(salvage, report)
        whole = audio.resample(wave, self.rate, sample_rate)
        if not len(whole):
            raise AudioError(
                self.path,
                f"is too short: {counted(len(wave), 'sample')} at {self.rate} Hz {agreed(len(wave), 'does', 'do')} not last "
                f"for one at {sample_rate} Hz",
                "Give a longer one, or correct sample_rate",
            )
        size = round(max(BLOCK_SECONDS, 2 * window) * sample_rate)
        yield from (whole[first : first + size] for first in range(0, len(whole), size))

    def _mono(self, salvage: bool, report: Report) -> Wave:
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is told below
            frames = np.atleast_2d(self.wave).T.astype(np.float32)  # (samples, channels)
        if frames.shape[1] > 1:
            report(f"{self.path}: {counted(frames.shape[1], 'channel')} mixed to one (mean)")
        wave = np.ascontiguousarray(mixed(frames))
        bad = ~(np.abs(wave) < audio.LARGEST)
        if bad.any():
            first = int(np.argmax(bad)) / self.rate
            told = f"{counted(int(bad.sum()), 'sample is no usable number', 'samples are no usable numbers')}"
            if not salvage:
                raise AudioError(
                    self.path,
                    f"{told} (NaN, infinite or beyond {audio.LARGEST:g}), the first at {first:.3f} s",
                    "Mend them where they are made, or put 0 in their place with salvage=True",
                )
            report(f"{self.path}: {told}, the first at {first:.3f} s; 0 is used for them")
            wave = np.where(bad, np.float32(0), wave)
        if (peak := float(np.abs(wave).max())) > 1:
            report(f"{self.path}: {audio.beyond(peak)}")
        return wave

    def highest(self) -> float:
        return self.rate / 2


def is_list(given: object) -> TypeGuard[Sounds]:
    """Whether several sounds are given."""
    return isinstance(given, list | tuple)


def recordings_of(given: object, sample_rate: float | None = None) -> list[Recording | AudioError]:
    """The recordings that sounds are: of a list as many, else one. See above; an AudioError stands for one that is none."""
    if is_list(given) and (told := _are_samples(given)):
        raise EarmarkError(told)
    sounds: Sequence[Any] = given if is_list(given) else [given]
    several = sounds is given
    rate = None if sample_rate is None else _rate(sample_rate)
    if rate is not None and sounds and all(isinstance(sound, FILES) for sound in sounds):
        raise EarmarkError(
            f"sample_rate={sample_rate} is told of arrays, and there is none here: a file tells its own. Leave it out"
        )
    return [_recording(sound, rate, f" {number}" if several else "") for number, sound in enumerate(sounds)]


def _recording(sound: object, rate: int | None, number: str) -> Recording | AudioError:
    if isinstance(sound, Recording):
        return sound
    if isinstance(sound, str | os.PathLike):
        return Recording(Path(os.fsdecode(sound)))
    if isinstance(sound, bytes | bytearray | memoryview):
        return Encoded(Path(f"bytes{number}"), data=bytes(sound))
    if isinstance(sound, np.ndarray):
        try:
            return _samples(sound, rate, f"array{number}")
        except AudioError as error:
            return error
    if isinstance(sound, Readable):
        try:
            begun = _stands(sound)
            data = sound.read()
        except (OSError, ValueError) as error:  # ValueError: it is closed
            return AudioError(
                _name(sound, number), f"cannot be read ({error})", "Give a file object that is open for reading"
            )
        if not isinstance(data, bytes):
            raise EarmarkError(
                f"the file object{number} gives {type(data).__name__}, not bytes: open it in binary mode, open(path, 'rb')"
            )
        return Encoded(Path(_name(sound, number)), data=data, begun=begun)
    raise _no_sound(sound, number)


def _stands(file: Any) -> int:
    """At which byte a file object stands; 0 of one that does not tell, as of a pipe."""
    try:
        at = file.tell()
    except (OSError, ValueError, AttributeError):  # ValueError: it is closed, which reading tells
        return 0
    return at if isinstance(at, int) else 0


def _are_samples(given: Sounds) -> str:
    """What is to be said where a list is not of sounds, but of the samples of one, or of its channels; nothing of others."""
    kind = type(given).__name__
    flat = given[0] if given and isinstance(given[0], list | tuple) else given
    if not flat or isinstance(flat[0], bool) or not isinstance(flat[0], int | float | np.number):
        return ""
    what = f"{counted(len(given), 'list')} of numbers" if flat is not given else counted(len(given), "number")
    return (
        f"what is to be heard is a {kind} of {what}, and a list is of several sounds. Samples go into one array: "
        "numpy.array(x, numpy.float32), with sample_rate= beside it"
    )


def _name(file: object, number: str) -> str:
    """What a file object is called in messages."""
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name else f"file object{number}"


def without_samples(recording: Recording) -> Recording:
    """The same for who wants to know which it was, without the sound that it holds in memory."""
    return Recording(recording.path) if isinstance(recording, Encoded | Samples) else recording


def _no_sound(sound: object, number: str) -> EarmarkError:
    kind = type(sound).__name__
    where = f"item{number} of the list is" if number else "what is to be heard is"
    if hasattr(sound, "__array__"):
        way = "make it a NumPy array, numpy.asarray(x), and tell its sample_rate="
    elif number and isinstance(sound, int | float | np.number):
        way = "samples go into one array, numpy.array(x, numpy.float32), with its sample_rate= beside it"
    elif is_list(sound):
        way = "a list holds sounds, not lists of them: give one list of all"
    elif hasattr(sound, "__iter__") and not number:
        way = "of several sounds give a list, list(x)"
    else:
        way = "give a path, the bytes of a file, a file open in binary mode, a NumPy array with sample_rate=, or a list of these"
    return EarmarkError(f"{where} {'an' if kind[:1] in 'aeiouAEIOU' else 'a'} {kind}, which is no sound: {way}")


def _rate(told: object) -> int:
    """Raises EarmarkError for what is no sample rate."""
    if isinstance(told, bool | np.bool_) or not isinstance(told, int | float | np.integer | np.floating):
        raise EarmarkError(f"sample_rate={told!r} is no number: give Hz, such as sample_rate=44100")
    if not math.isfinite(told) or told <= 0:
        raise EarmarkError(f"sample_rate={told} is no sample rate: give Hz above 0, such as sample_rate=44100")
    audio.check_rate(told)  # type: ignore[arg-type]
    return int(told)


def _samples(wave: NDArray[Any], rate: int | None, name: str) -> Samples:
    if rate is None:
        raise EarmarkError(
            f"{name}: an array does not tell its sample rate: give it, such as tagger.tag(wave, sample_rate=44100)"
        )
    if told := audio.masked(wave):
        raise AudioError(name, told, audio.FILLED)
    if not np.issubdtype(wave.dtype, np.floating):
        raise AudioError(name, f"its samples are {wave.dtype}", _way(wave.dtype))
    shape = f"has the shape {wave.shape}"
    if not wave.size:
        raise AudioError(name, f"{shape}: it holds no sound", f"Give {SHAPES} with at least one sample")
    if wave.ndim not in (1, 2):
        raise AudioError(name, shape, f"Give {SHAPES}; several recordings go into a list")
    if wave.ndim == 2 and wave.shape[0] > wave.shape[1]:
        problem = f"{shape}, which would be {counted(wave.shape[0], 'channel')} of {counted(wave.shape[1], 'sample')}"
        raise AudioError(name, problem, f"Give {SHAPES}: transpose it with .T, as what soundfile reads needs it")
    return Samples(Path(name), wave=wave, rate=rate)


def _way(kind: np.dtype[Any]) -> str:
    wanted = "Floating numbers from -1 to 1 are wanted"
    if kind.kind == "i":
        return f"{wanted}: divide by {LARGEST_INTEGER[kind.name]}"
    if kind == np.uint8:
        return f"{wanted}: (wave - numpy.float32(128)) / 128 for samples of 8 bits"
    return f"{wanted}, such as numpy.float32; `earmark.audio.load` gives them so"
