"""Curves behind the figures: precision against recall, and how far scores can be taken for probabilities.

values: (clips, tags) or one column of it; truth: the same shape, bool. The area under the steps of a precision-recall
curve is the average precision: a precision holds from the recall before it up to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark import metrics
from earmark.scores import Task

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]  # recall, rising, and the precision at it

BINS = 10
STEPS = 200  # of a drawn curve: more are finer than a pixel


def precision_recall(values: ArrayLike, truth: ArrayLike) -> Curve:
    """Recall and precision at each distinct score, from the highest down. values, truth: (clips,), one of them true."""
    values, truth = np.asarray(values), np.asarray(truth, bool)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits = np.cumsum(truth[order])[ends]
    return hits / hits[-1], hits / (ends + 1)


def steps(curve: Curve, most: int = STEPS) -> Curve:
    """The points where recall rises, which is all that the area depends on; of more than `most`, evenly chosen ones."""
    recall, precision = curve
    rising = np.flatnonzero(np.diff(recall, prepend=0) > 0)
    if len(rising) > most:
        rising = rising[np.linspace(0, len(rising) - 1, most).round().astype(int)]
    return recall[rising], precision[rising]


def mean(curves: Sequence[Curve], points: int = 100) -> Curve:
    """The mean over tags of the precision at each recall."""
    grid = np.arange(1, points + 1) / points
    # the recall of a step may lie a rounding below the grid's
    at = [precision[np.searchsorted(recall, grid - 1e-9)] for recall, precision in map(_whole, curves)]
    return grid, np.mean(at, axis=0)


def _whole(curve: Curve) -> Curve:
    recall, precision = curve
    rising = np.diff(recall, prepend=0) > 0
    return recall[rising], precision[rising]


def calibration(values: ArrayLike, truth: ArrayLike, task: Task, bins: int = BINS) -> dict[str, Any] | None:
    """How often scores of each height are right; None where scores are no probabilities (outside of 0 … 1).

    Task one: the highest score of each clip, and whether its tag is the answer's (`metrics.answers`). Task many: each
    score of each tag, and whether the clip has the tag. "error" is the expected calibration error, the mean over these
    of |share that is right − mean score| of their bin (Guo et al. 2017, equation 3), in `bins` bins of equal width, a
    score on an edge in the upper one. Empty bins are left out.
    """
    values, truth = np.asarray(values), np.asarray(truth, bool)
    if not values.size or values.min() < 0 or values.max() > 1:
        return None
    if task == "one":
        score, right = values.max(1), metrics.answers(values, truth) == truth.argmax(1)
    else:
        score, right = values.ravel(), truth.ravel()
    place = np.minimum((score * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    total = np.maximum(count, 1)
    confidence = np.bincount(place, score.astype(float), bins) / total
    share = np.bincount(place, right.astype(float), bins) / total
    return {
        "of": "the highest score of each clip" if task == "one" else "each score of each tag",
        "error": float((count * np.abs(share - confidence)).sum() / count.sum()),
        "bins": [
            {
                "low": k / bins,
                "high": (k + 1) / bins,
                "count": int(count[k]),
                "confidence": float(confidence[k]),
                "right": float(share[k]),
            }
            for k in np.flatnonzero(count).tolist()
        ],
    }
