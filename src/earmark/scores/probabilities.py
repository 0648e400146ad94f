"""Probabilities: when scores are some. Told here alone, so that every figure, list of doubts and ensemble says the same of a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# How far rounding alone takes a probability beyond 0 … 1, and the sum of a clip's from 1. The largest that is met is half precision's,
# in which other tools may write scores: its step above 1 is 2^-10, so 9.8e-4. Three decimals are rounded by 5e-4, and float32 sums of a
# thousand tags are off by less. What is further off, such as 1.01, is no rounding.
ROUNDING = 1e-3


def bounded(values: NDArray[Any], *, alone: bool = False) -> NDArray[Any] | None:
    """Scores (rows, tags) that are probabilities → the same within 0 … 1: what rounding took beyond is brought to the bound. None: they
    are no probabilities. alone: of one tag a row, so that those of each row also sum to 1.

    >>> bounded(np.array([[1.0000001, 0.25]])).tolist(), bounded(np.array([[1.01, 0.25]]))
    ([[1.0, 0.25]], None)
    """
    if not values.size:
        return values
    low, high = float(values.min()), float(values.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also of what is no number
        return None
    if alone and not one_in_each(values).all():
        return None
    return values if low >= 0 and high <= 1 else np.clip(values, 0, 1)


def probable(values: NDArray[Any], *, alone: bool) -> bool:
    """Whether scores (rows, tags) are probabilities, as `bounded` tells it."""
    return bounded(values, alone=alone) is not None


def one_in_each(values: NDArray[Any]) -> NDArray[np.bool_]:
    """(rows,): whether the scores of a row (rows, tags) are probabilities that sum to 1, but for rounding."""
    within = (values >= -ROUNDING) & (values <= 1 + ROUNDING)
    return np.asarray(within.all(1) & (np.abs(values.sum(1, dtype=float) - 1) <= ROUNDING))
