"""What a scene will be: which sound when and how loud, drawn before anything is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio import check_rate
from earmark.data.soundscapes.sound import Sound, frame_length
from earmark.errors import AudioError, EarmarkError, counted
from earmark.registry import did_you_mean

COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}  # power falls with frequency to this power: 3 dB an octave each
SHORTEST, LONGEST = 0.1, 600.0  # s of a scene: in memory as a whole, and again for each of its events
LOUDEST = 120.0  # dB of SNR either way: what 24 bits hold is less
DRAWN, NOISE = 1, 2  # what a generator is for: part of its seed, so that no two are alike
TRIES = 20  # clips drawn for an event that does not fit
ATTEMPTS = 20  # scenes begun anew where not all events fit


@dataclass(frozen=True)
class Mix:
    """How scenes are mixed. Pairs are lowest and highest values.

    length: seconds. overlap: how many events may be heard at once. snr: dB. background: a colour, "none" or a folder.
    trim: dB below the loudest frame of a clip, from where on its ends are quiet.
    """

    length: float = 10.0
    events: tuple[int, int] = (1, 5)
    overlap: int = 2
    snr: tuple[float, float] = (0.0, 20.0)
    background: str = "brown"
    sample_rate: int = 16_000
    seed: int = 0
    trim: float = 40.0

    def __post_init__(self) -> None:
        check_rate(self.sample_rate)
        ways = (
            (
                isfinite(self.length) and SHORTEST <= self.length <= LONGEST,
                f"a scene of {self.length:g} s: give a length from {SHORTEST:g} to {LONGEST:g} s",
            ),
            (
                0 <= self.events[0] <= self.events[1] and self.events[1] >= 1,
                f"{_told(self.events)} events a scene: give fewest:most, such as 1:5, with 1 or more at most",
            ),
            (self.overlap >= 1, f"an overlap of {self.overlap}: 1 is for events one at a time, 2 for two at once"),
            (
                -LOUDEST <= self.snr[0] <= self.snr[1] <= LOUDEST,
                f"a signal-to-noise ratio of {_told(self.snr)} dB: give lowest:highest, such as 0:20, "
                f"from {-LOUDEST:g} to {LOUDEST:g}",
            ),
            (0 <= self.seed < 1 << 32, f"a seed of {self.seed}: give a whole number from 0 to {(1 << 32) - 1}"),
            (
                self.background in (*COLOURS, "none") or Path(self.background).is_dir(),
                f"{self.background!r} is no background{did_you_mean(self.background, (*COLOURS, 'none'))} "
                f"Give {', '.join(COLOURS)}, none, or a folder of recordings",
            ),
            (self.trim > 0, f"ends quieter by {self.trim:g} dB: give more than 0, such as 40"),
        )
        for fine, mistake in ways:
            if not fine:
                raise EarmarkError(mistake)

    @property
    def folder(self) -> Path | None:
        """Of the background recordings."""
        return None if self.background in (*COLOURS, "none") else Path(self.background)

    @property
    def samples(self) -> int:
        """Of a scene."""
        return round(self.length * self.sample_rate)


class TooFew(EarmarkError):
    """A fold has fewer clips that can be used than its scenes need. unread: why others cannot be."""

    def __init__(self, told: str, unread: Sequence[AudioError] = ()):
        super().__init__(told)
        self.unread = tuple(unread)


@dataclass(frozen=True)
class PlacedEvent:
    """A sound in a scene. onset, offset: seconds of the scene. at: seconds of the clip's recording where it begins.

    snr: dB. group: what the clip must stay together with.
    """

    tag: str
    onset: float
    offset: float
    clip: str
    group: str
    at: float
    snr: float


@dataclass(frozen=True)
class ScenePlan:
    """One scene. wanted: how many events were drawn; fewer are there where no more fit.

    background: a colour, "none", or the name of a recording in the folder, heard from `background_at` s on.
    """

    fold: str
    scene: int
    seed: int
    sample_rate: int
    samples: int
    background: str
    background_at: float | None
    wanted: int
    events: tuple[PlacedEvent, ...]

    @property
    def name(self) -> str:
        return f"scene_{self.fold}_{self.scene:05d}" if self.fold else f"scene_{self.scene:05d}"

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"events": [asdict(event) for event in self.events]}


@dataclass(frozen=True)
class SoundPool:
    """What the scenes of a fold are mixed from. backgrounds: recordings; empty where it is noise or nothing."""

    fold: str
    sounds: dict[str, list[Sound]]  # by tag
    backgrounds: tuple[Sound, ...] = ()


@dataclass(frozen=True)
class _Placed:
    """samples of the scene, and of the sound left out at its beginning."""

    sound: Sound
    onset: int
    offset: int
    skip: int


def pool(fold: str, sounds: Sequence[Sound], mix: Mix, backgrounds: Sequence[Sound] = ()) -> SoundPool:
    """The sounds of a fold by tag, in an order of their own. Raises TooFew."""
    most = mix.events[1]
    if len(sounds) < most:
        raise TooFew(
            f"{_whose(fold)} {counted(len(sounds), 'clip')} with one event that can be read, and up to "
            f"{counted(most, 'event')} a scene need {most}, since a clip is heard once a scene. Give fewer with --events, or "
            "a manifest with more"
        )
    by_tag: dict[str, list[Sound]] = {}
    for sound in sorted(sounds, key=lambda each: (each.tag, each.id)):
        by_tag.setdefault(sound.tag, []).append(sound)
    return SoundPool(fold, by_tag, tuple(backgrounds))


def generator(purpose: int, seed: int, fold: str, scene: int) -> np.random.Generator:
    return np.random.default_rng([purpose, seed, scene, *fold.encode()])


def draw(pool: SoundPool, mix: Mix, scene: int) -> ScenePlan:
    """The plan of a scene. Raises EarmarkError where not even the fewest events fit."""
    chance = generator(DRAWN, mix.seed, pool.fold, scene)
    name, at = mix.background, None
    if pool.backgrounds:
        recording = pool.backgrounds[chance.integers(len(pool.backgrounds))]
        name, at = recording.id, int(chance.integers(recording.samples - mix.samples + 1)) / mix.sample_rate
    fewest, most = mix.events
    wanted = int(chance.integers(fewest, most + 1))
    placed: list[_Placed] = []
    for _ in range(ATTEMPTS):
        if len(placed) == wanted:
            break
        placed = max(placed, _arrange(pool, mix, wanted, chance), key=len)
    if len(placed) < fewest:
        raise EarmarkError(
            f"scene {scene} of {pool.fold or 'all clips'}: no {counted(fewest, 'event')} fit in {mix.length:g} s with at most "
            f"{mix.overlap} at once and one of a tag; after {ATTEMPTS} attempts there were {len(placed)}. Give longer "
            "scenes with --length, fewer events with --events, more at once with --overlap, or clips of more tags"
        )
    events = tuple(_event(each, mix, chance) for each in sorted(placed, key=lambda p: (p.onset, p.sound.id)))
    return ScenePlan(pool.fold, scene, mix.seed, mix.sample_rate, mix.samples, name, at, wanted, events)


def _arrange(pool: SoundPool, mix: Mix, wanted: int, chance: np.random.Generator) -> list[_Placed]:
    """Up to `wanted` sounds, each somewhere where it fits beside those before it."""
    left = {tag: list(sounds) for tag, sounds in pool.sounds.items()}
    placed: list[_Placed] = []
    for _ in range(wanted):
        one = None
        for _ in range(TRIES):
            if one or not left:
                break
            tag = list(left)[chance.integers(len(left))]
            sound = left[tag].pop(int(chance.integers(len(left[tag]))))
            if not left[tag]:
                del left[tag]
            one = _place(sound, placed, mix, chance)
        if one is None:
            break
        placed.append(one)
    return placed


def _place(sound: Sound, placed: Sequence[_Placed], mix: Mix, chance: np.random.Generator) -> _Placed | None:
    """At an onset that is as likely as any other that is left; None where none is."""
    skip, samples = _excerpt(sound, mix, chance)
    heard = [(each.onset, each.offset, each.sound.tag == sound.tag) for each in placed]
    rooms = room(heard, samples, mix.samples, mix.overlap)
    if not rooms:
        return None
    sizes = np.array([last - first + 1 for first, last in rooms])
    pick = int(chance.integers(sizes.sum()))
    which = int(np.searchsorted(sizes.cumsum(), pick, side="right"))
    onset = rooms[which][0] + pick - int(sizes[:which].sum())
    return _Placed(sound, onset, onset + samples, skip)


def _excerpt(sound: Sound, mix: Mix, chance: np.random.Generator) -> tuple[int, int]:
    """(samples left out at the beginning, samples heard) of a sound, which is cropped where it exceeds the scene."""
    if sound.samples <= mix.samples:
        return 0, sound.samples
    frame = frame_length(mix.sample_rate)
    most = mix.samples // frame
    before = np.concatenate([[0], np.cumsum(sound.heard)])
    begins = np.flatnonzero(before[most:] > before[:-most])  # of stretches in which something is heard
    begin = int(begins[chance.integers(len(begins))])
    inside: NDArray[np.bool_] = sound.heard[begin : begin + most]
    first, end = begin + int(np.argmax(inside)), begin + len(inside) - int(np.argmax(inside[::-1]))
    return first * frame, min(end * frame, sound.samples) - first * frame


def room(heard: Sequence[tuple[int, int, bool]], samples: int, total: int, overlap: int) -> list[tuple[int, int]]:
    """(first, last) onsets where a sound of so many samples fits into `total`, both included, in order.

    heard: (onset, offset, whether of the same tag) of the others. Nowhere more than `overlap` at once, none of its tag.
    """
    edges = sorted({0, total, *(edge for onset, offset, _ in heard for edge in (onset, offset))})
    gaps: list[tuple[int, int]] = []
    for begin, end in pairwise(edges):
        there = [same for onset, offset, same in heard if onset <= begin and offset >= end]
        if len(there) >= overlap or any(there):
            continue
        if gaps and gaps[-1][1] == begin:
            gaps[-1] = (gaps[-1][0], end)
        else:
            gaps.append((begin, end))
    return [(begin, end - samples) for begin, end in gaps if end - begin >= samples]


def _event(placed: _Placed, mix: Mix, chance: np.random.Generator) -> PlacedEvent:
    sound, rate = placed.sound, mix.sample_rate
    at = (sound.first + placed.skip) / rate
    snr = float(chance.uniform(*mix.snr))
    return PlacedEvent(sound.tag, placed.onset / rate, placed.offset / rate, sound.id, sound.group, at, snr)


def _whose(fold: str) -> str:
    return f"fold {fold!r} has" if fold else "the manifest has"


def _told(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g}:{pair[1]:g}"
