"""Windows of unlabelled recordings, drawn by chance: weak examples of none of the tags.

Most of a long recording holds none of what is looked for, so its windows teach what else there is where the tagger will listen;
the few that do hold some are outweighed by the clips. What overlaps a clip of the manifest is not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.manifest import Manifest
from earmark.errors import AudioError, EarmarkError, counted
from earmark.inference import Recording
from earmark.progress import QUIET, Progress
from earmark.train.heads.store import Store, digests, keyed

WEIGHT = 0.2  # of a window, where one of a clip has 1
WINDOWS = 2_000  # of a recording: nearly all of twenty minutes, whose other sounds are what is to be told apart


@dataclass(frozen=True)
class Asked:
    """recordings: files and folders. weight: of a window. windows: of a recording at most. seed: of the draw."""

    recordings: Sequence[Path]
    weight: float = WEIGHT
    windows: int = WINDOWS
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise EarmarkError(f"--weak-weight {self.weight:g}: give above 0 and up to 1, what a clip's window counts")
        if self.windows < 1:
            raise EarmarkError(f"--weak-windows {self.windows}: give how many windows of a recording, from 1")


@dataclass(frozen=True, eq=False)
class Background:
    """vectors: (windows, width); levels: (windows,), root mean squares. facts: for the tagger's file."""

    vectors: NDArray[np.float32]
    levels: NDArray[np.float32]
    facts: dict[str, Any]


def draw(
    asked: Asked, clips: Manifest, store: Store, progress: Progress = QUIET, apart: Sequence[tuple[Path, float, float]] = ()
) -> Background:  # fmt: skip
    """apart: parts of recordings, seconds, that nothing is drawn from either, if others are left.

    Raises EarmarkError where no recording can be read.
    """
    found = audio.find(list(asked.recordings), progress.say)
    digest = digests([*found, *clips.paths(), *(path for path, _, _ in apart)], store.workers)
    taken: dict[str, list[tuple[float, float]]] = {}
    for path, start, end in zip(clips.paths(), clips.start, clips.end, strict=True):
        taken.setdefault(digest[path], []).append(
            (float(np.nan_to_num(start)), float("inf") if np.isnan(end) else float(end))
        )
    for path, begin, stop in apart:
        taken.setdefault(digest[path], []).append((begin, stop))
    wanted: list[Recording] = []
    used = 0
    for path in dict.fromkeys(found):
        try:
            free = _free(asked, path, digest[path], store.tagger.windows.length, taken.get(digest[path], ()))
        except AudioError as error:
            progress.say(str(error))
            continue
        wanted += free
        used += bool(free)
    heard, failures, _ = store.of(keyed(wanted, digest), progress)
    if failures:
        progress.say(
            f"{len(failures):,} of {counted(len(wanted), 'window')} of background could not be read, the first: {failures[0].error}"
        )
    known = [each for each in heard if each is not None]
    if not known and apart:
        progress.say(
            "background: all of the recordings was reviewed, or lies too near: it is drawn from what was reviewed, too"
        )
        return draw(asked, clips, store, progress)
    if not known:
        raise EarmarkError(
            f"--recordings: no window could be drawn from {', '.join(map(str, asked.recordings))}: give recordings that hold no clips"
        )
    vectors = np.concatenate([each.vectors for each in known])
    facts = {
        "recordings": used,
        "windows": len(vectors),
        "weight": asked.weight,
        "of each": asked.windows,
        "seed": asked.seed,
    }
    progress.say(
        f"background: {counted(len(vectors), 'window')} of {counted(used, 'recording')}, each counting {asked.weight:g} of a clip's window"
    )
    return Background(vectors, np.concatenate([each.levels for each in known]), facts)


def _free(
    asked: Asked, path: Path, digest: str, length: float, taken: Sequence[tuple[float, float]]
) -> list[Recording]:
    """Windows drawn from a recording, of `length` seconds, in order, without those that reach into what is taken. Raises AudioError."""
    seconds = audio.info(path).duration or 0.0
    # by its sound: in another folder or beside others the same windows are drawn
    chance = np.random.default_rng([asked.seed, int(digest or "0", 16) % 2**63])
    many = min(asked.windows, max(1, int(2 * seconds / length)))
    starts = np.round(np.sort(chance.uniform(0, max(0.0, seconds - length), many)), 3).tolist()
    return [Recording(path, s, s + length) for s in starts if all(s + length <= a or s >= b for a, b in taken)]
