"""The tags that reach their thresholds. How these are chosen: `earmark.evaluation.thresholds`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def reached(values: Floats, tags: Sequence[str], thresholds: Floats) -> list[tuple[str, float]]:
    """Of one clip or window: the tags whose scores (tags,) reach their thresholds (tags,), the surest first.

    >>> reached(np.array([0.4, 0.9, 0.6]), ["dog", "rain", "wind"], np.array([0.3, 0.5, 0.7]))
    [('rain', 0.9), ('dog', 0.4)]
    """
    columns = [i for i in np.argsort(-np.asarray(values), kind="stable").tolist() if values[i] >= thresholds[i]]
    return [(tags[i], float(values[i])) for i in columns]
