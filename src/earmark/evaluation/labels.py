"""Which labels the taggers doubt: clips ranked by how surely they were given another tag than their own.

The scores must be out of fold: each clip's from a tagger that was not trained on it, as `earmark evaluate` of a run over
folds gives them. A tagger that has learnt a wrong label by heart does not doubt it.

A doubt is a pair of a clip and a tag. Where each clip has one tag, the clip is doubted by the margin between the highest
other score and its own tag's (Northcutt, Jiang, Chuang: Confident Learning, JAIR 2021, section 3.2, its "normalised
margin", with the sign turned). Where clips have any number of tags, each tag is doubted by itself: one that is given by
what its score lacks to 1, one that is not by its score. Tags differ in the level of their scores: one that always scores
low would fill the top of the list. So a tag's even odds are taken to lie half-way between the mean log-odds of the clips
that have it and of those that have not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError
from earmark.scores import Task

Floats = NDArray[np.float64]
TINY = 1e-6  # the smallest probability whose odds are taken


@dataclass(frozen=True)
class Doubt:
    """A clip's label that the scores speak against.

    row: of the clip. tag: column of the tag in doubt, given or not. suggested: the column of the tag that they speak for
    instead, where there is one. score: of the tag in doubt. other: of the suggested one. doubt: 0 … 1, the ranking.
    """

    row: int
    tag: int
    given: bool
    suggested: int | None
    score: float
    other: float | None
    doubt: float


def rank(values: ArrayLike, truth: ArrayLike, task: Task) -> list[Doubt]:
    """Doubts in falling order; equal ones in the order of the rows. values: (clips, tags) in 0 … 1; truth: the same, bool.

    Only labels that the scores speak against are there: another tag scores higher (one), or the tag's own odds fall on
    the other side of even (many). Raises ScoresError for shapes that differ, for scores outside of 0 … 1, and where
    "one" is not so.
    """
    scores, given = np.asarray(values, np.float64), np.asarray(truth, bool)
    if scores.shape != given.shape or scores.ndim != 2:
        raise ScoresError(f"scores of the shape {scores.shape} do not fit labels of the shape {given.shape}")
    if not np.isfinite(scores).all() or scores.min(initial=0) < 0 or scores.max(initial=0) > 1:
        raise ScoresError("the scores are not probabilities between 0 and 1: no doubt can be told from them")
    doubts = _one(scores, given) if task == "one" else _many(scores, given)
    return sorted(doubts, key=lambda doubt: (-doubt.doubt, doubt.row, doubt.tag))


def _one(scores: Floats, given: NDArray[np.bool_]) -> list[Doubt]:
    if scores.shape[1] < 2:
        raise ScoresError("with one tag there is none to doubt a clip for")
    several = np.flatnonzero(given.sum(1) != 1)
    if len(several):
        raise ScoresError(
            f"{len(several)} clips do not have one tag each, the first in row {several[0] + 1}: rank them as task 'many'"
        )
    own = given.argmax(1)
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, own] = -np.inf
    best = others.argmax(1)
    margin = others[rows, best] - scores[rows, own]
    return [
        Doubt(
            int(i),
            int(own[i]),
            True,
            int(best[i]),
            float(scores[i, own[i]]),
            float(scores[i, best[i]]),
            float(margin[i]),
        )
        for i in np.flatnonzero(margin > 0)
    ]


def _many(scores: Floats, given: NDArray[np.bool_]) -> list[Doubt]:
    clipped = np.clip(scores, TINY, 1 - TINY)
    odds = np.log(clipped) - np.log1p(-clipped)
    # tags without a clip keep their level: there is nothing to compare them with
    level = np.array([odds[given[:, k], k].mean() if given[:, k].any() else 0.0 for k in range(odds.shape[1])])
    base = np.array([odds[~given[:, k], k].mean() if (~given[:, k]).any() else 0.0 for k in range(odds.shape[1])])
    even = np.where(given.any(0) & (~given).any(0), (level + base) / 2, 0.0)
    chance = 1 / (1 + np.exp(-(odds - even)))
    doubt = np.where(given, 1 - chance, chance)
    return [
        Doubt(int(i), int(k), bool(given[i, k]), None, float(scores[i, k]), None, float(doubt[i, k]))
        for i, k in zip(*np.nonzero(doubt > 0.5), strict=True)
    ]
