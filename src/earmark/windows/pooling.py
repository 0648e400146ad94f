"""The scores of a recording's windows → one score a tag, with what each window counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.windows.settings import Combine, Weigh

TINY = 1e-12  # the smallest probability that the geometric mean tells from nought


def weights(windows: NDArray[np.float32], weigh: Weigh) -> NDArray[np.float64]:
    """(n,): how much each of the windows (n, length) counts.

    >>> windows = np.array([[0.5, -0.5], [0.0, 0.0]], np.float32)
    >>> weights(windows, "level"), weights(windows, "energy")
    (array([0.5, 0. ]), array([0.25, 0.  ]))
    """
    if weigh == "equal":
        return np.ones(len(windows))
    energy = np.asarray(np.einsum("ij,ij->i", windows, windows, dtype=np.float64) / windows.shape[1])
    return energy if weigh == "energy" else np.sqrt(energy)


class Pool:
    """Scores of windows → one score a tag, without keeping the windows.

    `mean` is the mean of probabilities, `geometric` their geometric mean (paper 004), both weighted; `max` the largest,
    whatever the weights. `normalise` makes the latter two sum to one again where the tags exclude each other. Where all
    weights are nought (digital silence), all windows count the same.

        >>> pool = Pool("mean")
        >>> pool.add(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1.0, 3.0]))
        >>> pool.result()
        array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, combine: Combine, normalise: bool = False):
        self.combine, self.normalise = combine, normalise
        self._plain: NDArray[np.float64] | None = None
        self._weighted: NDArray[np.float64] | None = None
        self.count, self.weight = 0, 0.0

    def add(self, values: NDArray[np.float32], weights: NDArray[np.float64] | None = None) -> None:
        """values: (windows, tags). weights: (windows,), default 1."""
        for i, row in enumerate(np.asarray(values, np.float64)):  # in order: the sum must not depend on batching
            term = np.log(np.maximum(row, TINY)) if self.combine == "geometric" else row
            weight = 1.0 if weights is None else float(weights[i])
            if self._plain is None or self._weighted is None:
                self._plain, self._weighted = term.copy(), weight * term
            elif self.combine == "max":
                np.maximum(self._plain, term, out=self._plain)
            else:
                self._plain += term
                self._weighted += weight * term
            self.count += 1
            self.weight += weight

    def result(self) -> NDArray[np.float32]:
        """(tags,) float32."""
        assert self._plain is not None
        assert self._weighted is not None
        if self.combine == "max":
            value = self._plain
        else:
            value = self._weighted / self.weight if self.weight > 0 else self._plain / self.count
            value = np.exp(value) if self.combine == "geometric" else value
        if self.normalise and self.combine != "mean":
            value = value / max(float(value.sum()), TINY)
        return value.astype(np.float32)
