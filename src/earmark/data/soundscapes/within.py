"""Clips as they would sound in recordings of one's own: mixed into stretches of these, as loud as these are.

A clip from elsewhere is close, clean and cut off; what is looked for in a recording is far, faint and among other sound.
A head that learns from clips mixed into the very recordings in which it will listen hears them as it will find them.
What else is heard in a stretch is not known: it may hold the tag itself.

    onset, offset   where the clip's own sound lies, its quiet ends left out, in seconds of the stretch
    SNR             20·log10 of the RMS of the clip's sound over the RMS of the stretch, even over the range in dB
    level           that of the recording; where the sum would clip, the whole of it is scaled down
    chance          that of the seed, the clip's id and the number of the copy: other clips do not change it
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.manifest import Manifest
from earmark.data.soundscapes.plan import Mix, ScenePlan, draw, pool
from earmark.data.soundscapes.render import FLOOR, PEAK, parts
from earmark.data.soundscapes.sound import Sound, backgrounds, locate_all, single
from earmark.errors import AudioError, EarmarkError, counted

WITHIN = 3  # what a seed is for, beside those of plans
TRIES = 20  # stretches drawn where one is digital silence


@dataclass(frozen=True, eq=False)
class Within:
    """A clip in a stretch of a recording. wave: (samples,) float32. clip: its id. onset, offset: seconds of the wave."""

    wave: NDArray[np.float32]
    clip: str
    tag: str
    recording: str
    onset: float
    offset: float
    snr: float


def mixed_within(
    clips: Manifest,
    recordings: Sequence[str | Path],
    *,
    copies: int = 8,
    length: float = 8.0,
    snr: tuple[float, float] = (3.0, 20.0),
    sample_rate: int,
    seed: int = 0,
    workers: int = 2,
    salvage: bool = False,
) -> Generator[Within | AudioError]:
    """Each clip with one tag, `copies` times, each time in another stretch of `length` seconds of the recordings.

    recordings: files and folders. snr: lowest and highest, dB. sample_rate: Hz of the waves. salvage: what can be read of damaged files is
    mixed. What cannot be read is given out as an AudioError. Raises EarmarkError where no recording is as long as a stretch, or
    settings cannot be met.
    """
    found = audio.find(recordings)
    if not found:
        raise EarmarkError(
            f"no recordings in {', '.join(map(str, recordings))}: give files, or folders in which some lie"
        )
    if copies < 1:
        raise EarmarkError(f"{counted(copies, 'copy', 'copies')} of each clip: give 1 or more")
    listed, _ = single(clips)
    folder = found[0].absolute().parent
    dealt, unread = backgrounds(
        folder, [""], round(length * sample_rate), sample_rate, [path.absolute() for path in found], salvage
    )
    yield from unread
    paths = {clip.id: clip.path for clip in listed}
    with closing(locate_all(listed, sample_rate, 40.0, workers, salvage)) as located:
        for clip, (sound, _) in zip(listed, located, strict=True):
            if isinstance(sound, AudioError):
                yield sound
                continue
            mix = Mix(length, (1, 1), 1, snr, str(folder), sample_rate, _seed(seed, clip.id))
            for copy in range(copies):
                yield _one(sound, dealt[""], mix, copy, paths, folder, salvage)


def _seed(seed: int, clip: str) -> int:
    return zlib.crc32(f"{WITHIN}:{seed}:{clip}".encode())


def _one(
    sound: Sound, recordings: Sequence[Sound], mix: Mix, copy: int, paths: dict[str, Path], folder: Path, salvage: bool
) -> Within | AudioError:
    """A copy: of the stretches that are drawn for it the first that is no digital silence."""
    failure: AudioError | None = None
    for attempt in range(TRIES):
        plan = draw(pool("", [sound], mix, recordings), mix, copy * TRIES + attempt)
        try:
            return _mixed(plan, paths, folder, salvage)
        except AudioError as error:
            failure = error
            if error.path != str(folder / plan.background):  # the clip itself: another stretch would not help
                break
    assert failure is not None
    return failure


def _mixed(plan: ScenePlan, paths: dict[str, Path], folder: Path, salvage: bool) -> Within:
    stretch, (event,) = parts(plan, paths, folder, salvage)  # both levelled for a stretch of FLOOR dB
    placed = plan.events[0]
    own = audio.load(
        folder / plan.background,
        plan.sample_rate,
        plan.background_at or 0.0,
        plan.seconds,
        salvage=salvage,
        report=_silently,
    )
    level = float(np.sqrt(np.mean(np.square(own, dtype=np.float64)))) / 10 ** (FLOOR / 20)
    wave, first = stretch * level, round(placed.onset * plan.sample_rate)
    wave[first : first + len(event)] += event * level
    peak = float(np.abs(wave).max())
    wave *= min(1.0, PEAK / peak)
    return Within(
        wave.astype(np.float32), placed.clip, placed.tag, plan.background, placed.onset, placed.offset, placed.snr
    )


def _silently(_: str) -> None:
    """What was done to the audio is said when recordings are scored."""
