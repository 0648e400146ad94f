"""Curves behind the figures: precision against recall.

values: (clips,) scores of one tag; truth: the same shape, bool. The area under the steps of a precision-recall
curve is the average precision: a precision holds from the recall before it up to its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]  # recall, rising, and the precision at it

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
