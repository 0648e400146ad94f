"""One tag's clips in the order of their scores, from which average precision and the area under the ROC curve follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Weights = NDArray[np.int32] | None  # (rows, draws): how often each row was drawn; None: every row once, one draw


@dataclass(frozen=True, eq=False)
class Ranking:
    """The clips of one tag from the highest score to the lowest, sorted once and then counted under any weights.

    order: (rows,) the row at each rank, of the rows that are ranked. hits: (positives,) the ranks that hold a
    positive clip. A stretch is a run of equal scores that holds at least one of them: first (stretches,) is its place in
    `hits`, start and end (stretches,) are its ranks.
    """

    order: NDArray[np.int32]
    hits: NDArray[np.int64]
    first: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @staticmethod
    def of(values: NDArray[Any], truth: Bools, rows: NDArray[np.int64] | None = None) -> Ranking:
        """values: (rows,) float. truth: (rows,) bool. rows: those that are ranked; None: all."""
        if rows is not None:
            some = Ranking.of(values[rows], truth[rows])
            return replace(some, order=rows[some.order].astype(np.int32))
        order = np.argsort(-values).astype(np.int32)
        ranked = values[order]
        runs = np.append(np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])), len(values))
        hits = np.flatnonzero(truth[order])
        run, first = np.unique(np.searchsorted(runs, hits, "right") - 1, return_index=True)
        return Ranking(order, hits, first, runs[run], runs[run + 1])

    def counts(self, weights: Weights) -> tuple[Floats, Floats, Floats, Floats]:
        """Positives in each stretch; clips ranked above it; clips down to its end (stretches, draws); all (draws,)."""
        if weights is None:
            inside = np.diff(np.append(self.first, len(self.hits)))
            above, upto, total = self.start, self.end, np.array([len(self.order)])
            return inside[:, None].astype(float), above[:, None].astype(float), upto[:, None].astype(float), total * 1.0
        drawn = weights.take(self.order, axis=0)  # (rows, draws); several times as fast as weights[order]
        # reduceat gives an element, not 0, for an empty stretch: every edge once, and none behind the last rank
        edges = np.unique(np.concatenate([[0], self.start, self.end]))
        edges = edges[edges < len(drawn)]
        between = np.add.reduceat(drawn, edges, axis=0, dtype=np.int32)
        before = np.zeros((len(edges) + 1, drawn.shape[1]))
        np.cumsum(between, axis=0, out=before[1:])
        inside = np.add.reduceat(drawn.take(self.hits, axis=0), self.first, axis=0, dtype=np.int32)
        at_start, at_end = np.searchsorted(edges, self.start), np.searchsorted(edges, self.end)
        return inside.astype(float), before.take(at_start, axis=0), before.take(at_end, axis=0), before[-1]

    def measure(self, weights: Weights) -> tuple[Floats, Floats]:
        """(average precision, AUC), each (draws,); NaN in the draws where a tag has none."""
        if not len(self.hits):
            none = np.full(1 if weights is None else weights.shape[1], np.nan)
            return none, none
        inside, above, upto, total = self.counts(weights)
        found = np.cumsum(inside, axis=0)
        positives, negatives = found[-1], total - found[-1]
        with np.errstate(invalid="ignore"):
            # where nothing was drawn down to here, inside is 0 too, and so is the term
            precision = found / np.maximum(upto, 1)
            average = (inside * precision).sum(0) / positives
            beaten = above - (found - inside) + 0.5 * (upto - above - inside)  # negatives that a positive does not beat
            auc = 1 - (inside * beaten).sum(0) / (positives * negatives)
        return np.asarray(average), np.asarray(auc)
