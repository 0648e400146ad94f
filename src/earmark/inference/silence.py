"""Where there is nothing to hear: digital silence, found in the samples that a net gets, and levels.

Digital silence is a run of equal samples: zeros of a dead or muted channel, or any other constant, which an unplugged
converter gives; or what stays below -90 dBFS, a step of 16 bits. A net answers it like anything else, often with great
certainty; but nothing is to be heard in it. What is said here of a window depends on its own samples alone, not on how the
recording came in blocks.

    windows   all of whose samples are equal hold nothing
    frames    within a run of equal samples of LASTING seconds or more, as far as the run lies within their window, hold nothing
    short     a recording of less than SHORTEST seconds holds nothing either
    faint     windows whose level is below the tagger's floor hold nothing either: it learnt from far louder clips, and answers
              by level
    quiet     what hears any level has a recording reported whose loudest sample is below QUIET dBFS. 0 dBFS is full scale; the
              level is half of what lies between the largest and the smallest sample, so that an offset counts for nothing

The floor is MARGIN dB below the quietest clips that the tagger learnt from, where its file tells their level, and never above
FLOOR, which it is where the file tells nothing: ESC-10's quietest clips lie at -18 dBFS, and of the shipped `esc10` 0.91 of the
clips of its test fold are right as they are, 0.23 made 20 dB softer, 0.11 (chance is 0.10) made 30 dB softer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.windows import Stretch

Wave = NDArray[np.float32]

LASTING = 1.0  # s; pauses of gates and dropouts of players are shorter, and an event goes on over them
SHORTEST = 0.025  # s: a frame of most features; of less no spectrum can be told
QUIET = -55.0  # dBFS; of 5,000 clips of ESC-10, FSDD, Speech Commands and others one (labelled silence) is below
FLOOR = -50.0  # dBFS, the highest floor
MARGIN = 30.0  # dB
FLOORLESS = -math.inf  # dBFS, of what hears any level
# A constant other than 0 at another rate is constant to 2e-6 of itself, but for up to 512 samples after its beginning and
# before its end, where the filter rings (soxr HQ, 8 to 44.1 kHz; measured)
STEADY, RINGING = 4e-6, 1_024
LOOKS = 64  # at places of a run that would be long enough
NOTHING = (
    2**-15
)  # of full scale, -90 dBFS: a step of 16 bits, and no more is left of silence with dither, of codecs' silence or
# of opposite channels that are mixed
SILENT = 20 * math.log10(NOTHING)  # dBFS: what is no louder at its loudest sample holds nothing


@dataclass(frozen=True)
class Run:
    """A stretch's window `number`, from its sample `first` to `end`: equal samples. whole: they are all that it has."""

    number: int
    first: int
    end: int
    whole: bool


@dataclass
class Level:
    """The largest and smallest samples of a recording, as its blocks come. sample_rate: Hz."""

    sample_rate: int
    low: float = math.inf
    high: float = -math.inf
    samples: int = field(default=0)

    def push(self, block: Wave) -> None:
        if len(block):
            self.low, self.high = min(self.low, float(block.min())), max(self.high, float(block.max()))
            self.samples += len(block)

    @property
    def short(self) -> bool:
        """Whether, if this is all, nothing can be told of it."""
        return self.samples < SHORTEST * self.sample_rate

    @property
    def peak(self) -> float:
        """dBFS; -inf where all samples are equal.

        >>> level = Level(8_000)
        >>> level.push(np.array([-0.1, 0.1], np.float32))
        >>> round(level.peak, 3)
        -20.0
        """
        half = (self.high - self.low) / 2
        return 20 * math.log10(half) if half > 0 else -math.inf


def runs(stretch: Stretch, sample_rate: int, samples: int | None = None) -> list[Run]:
    """The digital silence in each window: whole windows, and runs of LASTING seconds in others.

    samples: of the whole recording, where that is known; what lies behind them is filled in and does not count.

    >>> wave = np.concatenate([np.ones(4), np.arange(4)]).astype(np.float32)
    >>> runs(Stretch(wave, np.array([0, 4]), 4, 4), 8_000)
    [Run(number=0, first=0, end=4, whole=True)]
    """
    wave = stretch.wave
    lasting = max(1, round(LASTING * sample_rate))
    ringing = min(RINGING, stretch.length // 4)
    least = min(lasting, stretch.length - 2 * ringing, samples or len(wave))
    if not _perhaps(wave, least):
        return []
    broken = np.flatnonzero(~_steady(wave))
    firsts, ends = np.concatenate([[0], broken + 1]), np.concatenate([broken + 1, [len(wave)]])
    long = np.flatnonzero(ends - firsts >= least)
    found: list[Run] = []
    for first, end in zip(firsts[long].tolist(), ends[long].tolist(), strict=True):
        ringing_here = ringing if abs(wave[first]) > NOTHING else 0
        for number in range(max(0, (first - stretch.length) // stretch.hop), len(stretch)):
            begin = number * stretch.hop
            if begin >= end:
                break
            there = stretch.length if samples is None else min(stretch.length, samples - int(stretch.starts[number]))
            into, until = max(0, first - begin), min(there, end - begin)
            whole = into <= ringing_here and until >= there - ringing_here
            if until > into and (whole or until - into >= lasting):
                found.append(Run(number, 0 if whole else into, there if whole else until, whole))
    return found


def floor_of(level: float | None) -> float:
    """dBFS, below which windows hold nothing for a tagger. level: of the quietest clips that it learnt from; None: not known.

    >>> floor_of(None), floor_of(-18.0), floor_of(-45.0)
    (-50.0, -50.0, -75.0)
    """
    return FLOOR if level is None else min(FLOOR, level - MARGIN)


def quiet(stretch: Stretch, floor: float) -> list[int]:
    """The windows whose level is below `floor` dBFS.

    >>> quiet(Stretch(np.float32([0.0, 0.1, 0.0, 1e-4]), np.array([0, 2]), 2, 2), -50.0)
    [1]
    """
    if floor == FLOORLESS:
        return []
    least = np.float32(2 * 10 ** (floor / 20))
    windows = stretch.windows()
    # a part of a window's samples tells of nearly all that they are loud enough
    some = windows[:, :: max(1, stretch.length // LOOKS)]
    doubtful = np.flatnonzero(some.max(1) - some.min(1) < least)
    return [n for n in doubtful.tolist() if windows[n].max() - windows[n].min() < least]


def all_equal(wave: Wave) -> bool:
    """Whether a recording that is shorter than a window is digital silence.

    >>> all_equal(np.full(2_000, 0.1, np.float32)), all_equal(np.arange(2_000, dtype=np.float32))
    (True, False)
    """
    if len(wave) == 0:
        return True
    ringing = min(RINGING, len(wave) // 4)
    inner = wave[ringing : len(wave) - ringing] if abs(wave[len(wave) // 2]) > NOTHING else wave
    return bool(_steady(inner).all())


def _perhaps(wave: Wave, least: int) -> bool:
    """False only where no run of `least` equal samples is in it: such a run is one at every place between, so some are looked at.

    Ordinary sound has none, and to look at all its samples would take a tenth of the time that decoding it takes.
    """
    step = max(1, (least - 1) // LOOKS)
    at = np.arange(0, len(wave) - 1, step)
    return int(_alike(wave[at], wave[at + 1]).sum()) >= (least - 1) // step


def _steady(wave: Wave) -> NDArray[np.bool_]:
    """(samples - 1,): whether a sample is followed by its equal, or both are next to nothing."""
    return _alike(wave[:-1], wave[1:])


def _alike(sample: Wave, following: Wave) -> NDArray[np.bool_]:
    size = np.abs(sample)
    little = size <= NOTHING
    alike: NDArray[np.bool_] = np.abs(following - sample) <= STEADY * size
    return alike | (little & (np.abs(following) <= NOTHING))


def told_of_level(level: Level, silent: bool, in_part: bool, floor: float = FLOORLESS, faint: bool = False) -> str:
    """What a user must know of a recording's level, "" where it is ordinary. silent, in_part: what was taken as silence.

    floor: dBFS, below which windows were taken to hold nothing. faint: whether some were.
    """
    if silent and level.short:
        return f"lasts less than {SHORTEST:g} s, too short for anything to be heard: it counts as silent"
    if level.peak <= SILENT:
        problem = "is silent: its samples are all equal, or below -90 dBFS"
        remedy = "Check the microphone, the channels (opposite ones cancel out when they are mixed) or --gain"
        return f"{problem}, so that nothing is heard in it. {remedy}" if silent else problem
    if silent and faint:
        return (
            f"is too quiet: its loudest sample is at {level.peak:.0f} dBFS, and below {floor:.0f} dBFS, far below what this tagger "
            f"learnt from, nothing is told. Raise it (--gain {-20 - round(level.peak)}), or lower the level (--floor)"
        )
    if silent:
        return "is silent: in none of its windows there is anything to be heard"
    if level.peak < QUIET:
        return (
            f"is very quiet: its loudest sample is at {level.peak:.0f} dBFS. Taggers learnt from louder recordings and answer "
            f"by level: raise it (--gain {-20 - round(level.peak)}), or do not trust its tags"
        )
    if faint:
        what = f"{'digital silence, or ' if in_part else ''}less than {floor:.0f} dBFS (--floor)"
        return f"has {what} in part of it, where nothing is told"
    return "has digital silence in part of it, where nothing is heard" if in_part else ""
