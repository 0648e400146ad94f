"""Calibration: how far scores can be taken for probabilities, by bins of equal width (Guo et al. 2017)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from earmark.metrics.clips import answers, checked, checked_number, known_of
from earmark.scores import Task
from earmark.scores.probabilities import bounded

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Scores from low to high. count: of scores. confidence: their mean. right: the share of them that is right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """of: which scores, in words. error: the expected calibration error. bins: those that hold scores, rising."""

    of: str
    error: float
    bins: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"of": self.of, "error": self.error, "bins": [asdict(each) for each in self.bins]}


def calibration_of(values: ArrayLike, truth: ArrayLike, task: Task, bins: int = BINS) -> Calibration | None:
    """How often scores of each height are right; None where scores are no probabilities
    (`earmark.scores.probabilities`).

    values: (clips, tags); truth: the same shape, bool, masked where it is not known. Task one: the highest score of each clip,
    and whether its tag is the answer's (`earmark.metrics.answers`). Task many: each score of each tag of which it is known
    whether the clip has it, and whether it has. The expected calibration error is the mean over these of |share that is right −
    mean score| of their bin (Guo et al. 2017, equation 3), in `bins` bins of equal width, a score on an edge in the upper
    one. Empty bins are left out.
    """
    bins = checked_number("bins", bins, 1)
    if not np.size(values):
        return None
    known = known_of(truth)
    values, truth = checked(values, truth)
    within = bounded(values)
    if within is None:
        return None
    if task == "one":
        score, right = within.max(1), answers(values, truth) == truth.argmax(1)
    else:
        score, right = (within.ravel(), truth.ravel()) if known is None else (within[known], truth[known])
        if not len(score):
            return None
    place = np.minimum((score * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    total = np.maximum(count, 1)
    confidence = np.bincount(place, score.astype(float), bins) / total
    share = np.bincount(place, right.astype(float), bins) / total
    return Calibration(
        "the highest score of each clip" if task == "one" else "each score of each tag",
        float((count * np.abs(share - confidence)).sum() / count.sum()),
        tuple(
            Bin(k / bins, (k + 1) / bins, int(count[k]), float(confidence[k]), float(share[k]))
            for k in np.flatnonzero(count).tolist()
        ),
    )
