"""What a head learns from: windows of clips with the clips' tags, and how much each counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.inference.silence import NOTHING
from earmark.train.heads.store import Heard

LOUD = 25.0  # dB below a clip's loudest window: what is softer is its background, or silence that fills it up
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lesson:
    """vectors: (rows, width), targets: (rows, tags), weights: (rows,); clip: (rows,) the number of its clip, -1 for background.

    A target that is NaN is not known: no head learns from it.
    """

    vectors: Floats
    targets: Floats
    weights: Floats
    clip: NDArray[np.int64]


def loud(levels: Floats) -> NDArray[np.bool_]:
    """(windows,): which of a clip's windows may stand for its tags; none of a silent one.

    >>> loud(np.array([0.0, 0.1, 0.5], np.float32)).tolist(), loud(np.zeros(2, np.float32)).tolist()
    ([False, True, True], [False, False])
    """
    least = max(float(levels.max()) * 10 ** (-LOUD / 20), NOTHING)
    return np.asarray(levels >= least)


def of_clips(clips: Sequence[Heard], targets: Floats) -> Lesson:
    """The loud windows of clips, each clip counting as much as the others: as the mean number of windows that they have.

    targets: (clips, tags), NaN where it is not known whether a clip has a tag; one of which nothing is known is left out.
    """
    told = np.any(~np.isnan(targets), axis=1)
    kept = [loud(each.levels) & some for each, some in zip(clips, told, strict=True)]
    counts = np.array([int(each.sum()) for each in kept])
    mean = float(counts[counts > 0].mean()) if counts.any() else 1.0
    clip = np.repeat(np.arange(len(clips)), counts)
    weights = np.repeat(mean / np.maximum(counts, 1), counts)
    vectors = np.concatenate([each.vectors[rows] for each, rows in zip(clips, kept, strict=True)])
    return Lesson(vectors, targets[clip].astype(np.float32), weights.astype(np.float32), clip)


def with_background(lesson: Lesson, vectors: Floats, weight: float) -> Lesson:
    """The same with windows of none of the tags, each of this weight, where a clip's window has one of about 1."""
    count, tags = len(vectors), lesson.targets.shape[1]
    return Lesson(
        np.concatenate([lesson.vectors, vectors]),
        np.concatenate([lesson.targets, np.zeros((count, tags), np.float32)]),
        np.concatenate([lesson.weights, np.full(count, weight, np.float32)]),
        np.concatenate([lesson.clip, np.full(count, -1)]),
    )
