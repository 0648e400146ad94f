"""A temperature for the scores of one tag a clip: how sure a mean of several members is, without another answer.

Scores p become p^(1/T) / Σ p^(1/T). T below 1 makes them surer, above 1 less sure; the order of a clip's tags stays, and so do
its answer and MAP@k. The geometric mean of members that are sure of different things is too unsure of what they agree on.
T is chosen for the least log loss. It is convex in 1/T, so that a search by halves finds it (Guo, Pleiss, Sun and
Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2, on the logarithms of the means).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError
from earmark.scores.ensemble.rows import folds_of
from earmark.scores.ensemble.rules import TINY
from earmark.scores.probabilities import bounded

LEAST, MOST = 0.05, 20.0  # temperatures
Floats = NDArray[np.float64]


def checked(temperature: float) -> float:
    """Raises ScoresError for one that is none."""
    if not (math.isfinite(temperature) and LEAST <= temperature <= MOST):
        raise ScoresError(
            f"a temperature is {temperature:g}: it lies from {LEAST:g} to {MOST:g}, and 1 changes nothing"
        )
    return float(temperature)


def tempered(values: NDArray[Any], temperature: float) -> NDArray[np.float32]:
    """(rows, tags) → the same at this temperature, each row summing to one.

    >>> tempered(np.array([[0.8, 0.2]]), 0.5).round(3)
    array([[0.941, 0.059]], dtype=float32)
    """
    logarithms = _logarithms(values) / checked(temperature)
    return np.asarray(np.exp(logarithms - _total(logarithms)), np.float32)


def fit(values: NDArray[Any], truth: ArrayLike) -> float:
    """The temperature with the least log loss on these clips. values: (rows, tags); truth: likewise, one tag a row.

    On clips that the members have not learnt from: on others they are too sure of themselves, and so would T be. One that
    would lie beyond LEAST or MOST, as where all answers are right, is that limit, and nothing that these clips tell: `at_edge`.
    """
    right = np.asarray(truth, bool)
    if right.shape != values.shape or not (right.sum(1) == 1).all():
        raise ScoresError("a temperature is chosen on clips with one tag each: these have several or none")
    logarithms = _logarithms(values)
    at = np.flatnonzero(right.ravel())

    def slope(inverse: float) -> float:
        """Of the log loss over 1/T: the mean of Σ p ln(score) less ln(the true tag's score)."""
        scaled = logarithms * inverse
        p = np.exp(scaled - _total(scaled))
        return float(((p * logarithms).sum(1) - logarithms.ravel()[at]).mean())

    low, high = 1 / MOST, 1 / LEAST
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return min(MOST, max(LEAST, 1 / math.sqrt(low * high)))


def at_edge(temperature: float) -> bool:
    """Whether a temperature that was chosen is a limit of the search, up to which the log loss falls: the clips do not tell one."""
    return any(math.isclose(temperature, limit) for limit in (LEAST, MOST))  # halves come near a limit, and no nearer


def across(
    values: NDArray[Any],
    truth: ArrayLike,
    folds: ArrayLike,
    of_fold: Callable[[str], NDArray[Any]] | None = None,
) -> tuple[NDArray[np.float32], dict[str, float]]:
    """Each fold's scores at the temperature that the other folds chose, and these. folds: (rows,) names.

    of_fold: of a fold, all rows (rows, tags) as what the others chose for it makes them; default: `values`, which no fold
    has had a part in. Where each fold has weights of its own, the scores of the other folds were made with weights that it
    helped to choose, and a temperature of those scores would be its own, in part.
    """
    names, right = folds_of(folds, len(values), "temperatures that are"), np.asarray(truth, bool)
    result = np.zeros(values.shape, np.float32)
    chosen = {}
    for fold in np.unique(names).tolist():
        here = names == fold
        whole = values if of_fold is None else of_fold(fold)
        chosen[fold] = fit(whole[~here], right[~here])
        result[here] = tempered(whole[here], chosen[fold])
    return result, chosen


def _logarithms(values: NDArray[Any]) -> Floats:
    within = bounded(np.asarray(values, float), alone=True)
    if within is None:
        raise ScoresError(
            "a temperature is for scores of one tag a clip that sum to one in each, and these do not: ranks and scores of many "
            "tags have none"
        )
    return np.asarray(np.log(np.maximum(within, TINY)))


def _total(logarithms: Floats) -> Floats:
    """(rows, 1): ln Σ exp."""
    highest = logarithms.max(1, keepdims=True)
    return np.asarray(highest + np.log(np.exp(logarithms - highest).sum(1, keepdims=True)))
