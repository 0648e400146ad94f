"""Stage "clip": one wave (samples,) of any length → a wave, before batching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors.refusals import refuse, stop
from earmark.registry import AUGMENTATIONS
from earmark.train.augment import Wave, check_between
from earmark.windows import fit

RATE = 44_100  # Hz that a wave is taken to have where its speed is changed


@dataclass(frozen=True)
class Span:
    """Samples start … end of a wave, `copies` times; a length beyond is made up with zeros, `before` of them in front."""

    start: int
    end: int
    before: int = 0
    length: int | None = None
    copies: int = 1


@AUGMENTATIONS.register("trim", stage="clip", resizes=True, chance=False)
class Trim:
    """Cut the quiet off both ends, so that crops fall on sound.

    A block of `block` seconds is quiet if its peak lies below `below` dB re full scale.
    """

    def __init__(self, sample_rate: int, below: float = -60.0, block: float = 0.02):
        check_between("below", below, -200, 0, "dB")
        check_between("block", block, 0.001, 10, "s")
        self.below, self.block_samples = below, max(1, round(block * sample_rate))

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> Span:
        """Nothing is left to chance: the plan follows from the wave."""
        block = self.block_samples
        blocks = np.pad(wave, (0, -len(wave) % block)).reshape(-1, block)
        loud = np.flatnonzero(np.abs(blocks).max(1) >= 10.0 ** (self.below / 20.0))
        if not len(loud):
            return Span(0, len(wave))
        return Span(int(loud[0]) * block, min(len(wave), (int(loud[-1]) + 1) * block))

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, Span)
        return wave[plan.start : plan.end]


@AUGMENTATIONS.register("crop", stage="clip", crops=True, chance=False)
class Crop:
    """A window from a random place; a shorter wave is padded.

    short: pad (zeros, the wave at a random place), repeat (over and over until the window is full), replicate (a wave
    that fits n times lies there 1 to n times, each number as likely; zeros around). The last is paper 004's (section
    2.4.2), which does not say where the copies lie: here they follow each other, as one, from a random place.
    loud: dB; from places where something is heard only, so that what lies between the calls of a clip, silence at worst, is not
    taught as one of them: a sample is loud if it is no more than so many dB below the wave's loudest, and the window holds half
    as many loud samples, or more, as the window that holds most.
    """

    def __init__(self, short: Literal["pad", "repeat", "replicate"] = "pad", loud: float | None = None):
        if short not in ("pad", "repeat", "replicate"):
            refuse(f"short is {short!r}: it is pad, repeat or replicate")
        if loud is not None and not 0 < loud <= 120:
            refuse(f"loud is {loud:g} dB: it lies between 0 and 120; leave it out for windows from anywhere")
        self.short, self.loud = short, loud

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> Span:
        spare = length - len(wave)
        if spare <= 0:
            places = None if self.loud is None else self._loud_places(wave, length)
            start = int(generator.integers(1 - spare if places is None else len(places)))
            start = start if places is None else int(places[start])
            return Span(start, start + length, 0, length)
        if self.short == "repeat":
            return Span(0, len(wave), 0, length)
        fits = length // len(wave) if self.short == "replicate" and len(wave) else 1
        copies = int(generator.integers(1, fits + 1)) if fits > 1 else 1
        return Span(0, len(wave), int(generator.integers(length - copies * len(wave) + 1)), length, copies)

    def _loud_places(self, wave: Wave, length: int) -> NDArray[np.int64]:
        """(n,): where windows may begin."""
        assert self.loud is not None
        sizes = np.abs(wave)
        loud = sizes >= sizes.max(initial=0) * 10.0 ** (-self.loud / 20.0)
        before = np.concatenate([[0], np.cumsum(loud)])
        held = before[length:] - before[: len(before) - length]
        return np.flatnonzero(2 * held >= held.max())

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, Span) and plan.length is not None
        part = wave[plan.start : plan.end]
        if self.short == "repeat":
            return fit(part, plan.length, "repeat")
        part = np.tile(part, plan.copies) if plan.copies > 1 else part
        return np.pad(part, (plan.before, plan.length - plan.before - len(part)))


@AUGMENTATIONS.register("shift", stage="clip")
class Shift:
    """A shift in time by up to `most` seconds to either side, evenly drawn (default: anywhere).

    ends: circular (what leaves at one end comes in at the other) or zeros. Paper 004 (section 2.4.3) does not say which.
    Circular is the default because no sound leaves: a shift that fills with zeros can push out what the tags are about,
    and so needs a `most`.
    """

    def __init__(self, sample_rate: int, most: float | None = None, ends: Literal["circular", "zeros"] = "circular"):
        if most is not None and not most > 0:
            refuse(f"most is {most:g} s: it must be above 0; leave it out to shift by any time")
        elif most is not None:
            check_between("most", most, 0, 600, "s")
        if most is None and ends == "zeros":
            refuse("a shift anywhere that fills with zeros can leave silence: give `most`, in seconds")
        if ends not in ("circular", "zeros"):
            refuse(f"ends is {ends!r}: it is circular or zeros")
        self.most_samples = None if most is None else max(1, round(most * sample_rate))
        self.most, self.ends = most, ends

    def unfit(self, seconds: float) -> str:
        """What is wrong with it where it shifts windows of so many seconds; "" where nothing is."""
        if self.ends != "zeros" or self.most is None or self.most < seconds:
            return ""
        return (
            f"most is {self.most:g} s, and windows are {seconds:g} s long: a shift by all of that, filled with zeros, leaves silence: take "
            "less, or ends: circular"
        )

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> int:
        """Samples, later if positive."""
        if self.most_samples is None:
            return int(generator.integers(max(1, len(wave))))
        most = min(self.most_samples, len(wave))
        return int(generator.integers(-most, most + 1))

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, int)
        if self.ends == "circular":
            return np.roll(wave, plan)
        kept = wave[max(0, -plan) : len(wave) - max(0, plan)]
        return np.pad(kept, (max(0, plan), max(0, -plan)))


@AUGMENTATIONS.register("gain", stage="clip", level=True)
class Gain:
    """Louder or softer by up to `db` decibels, evenly drawn."""

    def __init__(self, db: float = 6.0):
        check_between("db", db, 0, 60)
        self.db = db

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> float:
        return float(generator.uniform(-self.db, self.db))

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, float)
        return wave * np.float32(10.0 ** (plan / 20.0))


@AUGMENTATIONS.register("speed", stage="clip", resizes=True)
class Speed:
    """Faster and higher, or slower and lower: the wave is resampled by a factor from 1 / most to `most`.

    The factor's logarithm is evenly drawn.
    """

    def __init__(self, most: float = 1.15):
        if not 1 <= most <= 4:
            refuse(f"most is {most:g}: it lies between 1 and 4")
        self.most = most

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> float:
        return float(self.most ** generator.uniform(-1, 1))

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, float)
        # only the ratio of the two rates matters; whole Hz are fine enough and keep the filter short
        return audio.resample(wave, round(RATE * plan), RATE)


@AUGMENTATIONS.register("equalise", stage="clip")
class Equalise:
    """Another microphone, another place: each part of the spectrum is louder or softer by up to `db` decibels.

    A gain is evenly drawn at the Nyquist frequency and at every `octaves` octaves below it, down to 20 Hz; between them it
    is linear in decibels over the frequency's logarithm, below them constant. No sound moves in time (zero phase). The
    idea is that of FilterAugment (Nam and others, 2022), which does it to spectrograms; waves get it here, for any net.
    """

    LOWEST = 20.0  # Hz
    PAD = 0.1  # seconds of silence, into which the filter may ring instead of round the other end

    def __init__(self, sample_rate: int, db: float = 6.0, octaves: float = 2.0):
        check_between("db", db, 0, 60)
        check_between("octaves", octaves, 0.25, 10, say=stop)
        self.sample_rate, self.db = sample_rate, db
        steps = max(0, int(np.log2(sample_rate / 2 / self.LOWEST) / octaves))
        self.knots = sample_rate / 2 / 2.0 ** (octaves * np.arange(steps, -1, -1))  # Hz, rising

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> NDArray[np.float64]:
        """Decibels at each of `knots`."""
        return generator.uniform(-self.db, self.db, len(self.knots))

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, np.ndarray)
        if not len(wave):
            return wave
        size = len(wave) + round(self.PAD * self.sample_rate)
        size += -size % 1024  # lengths with large prime factors are slow
        frequencies = np.fft.rfftfreq(size, 1 / self.sample_rate)
        frequencies[0] = frequencies[1]  # has no logarithm
        decibels = np.interp(np.log2(frequencies), np.log2(self.knots), plan)
        spectrum = np.fft.rfft(wave, size) * np.float32(10.0) ** (decibels / 20).astype(np.float32)
        return np.fft.irfft(spectrum, size)[: len(wave)].astype(np.float32)
