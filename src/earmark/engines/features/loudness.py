"""Waves of one loudness in NumPy: see `earmark.models.loudness`, which says what it is for."""

from __future__ import annotations

import numpy as np

from earmark.engines.features.framing import Singles
from earmark.recipe.hearing import Normalise

TINY = 1e-30  # under the root, whose slope at 0 is infinite
SILENT = 1e-10  # below this, 200 dB under full scale, a window stays as quiet as it is


def normalised(waves: Singles, how: Normalise) -> Singles:
    """Waves (batch, samples) → the same with a largest absolute sample of 1 (peak), or a root mean square of 1 (rms).

    >>> normalised(np.array([[0.1, -0.2, 0.0, 0.2], [0.0, 0.0, 0.0, 0.0]], np.float32), "peak").tolist()
    [[0.5, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    """
    if how == "none":
        return waves
    if how == "peak":
        size = np.abs(waves).max(-1, keepdims=True)
    else:
        size = np.sqrt(np.maximum(np.square(waves).mean(-1, keepdims=True), np.float32(TINY)))
    return np.asarray(waves / np.where(size > SILENT, size, np.float32(1)), np.float32)
