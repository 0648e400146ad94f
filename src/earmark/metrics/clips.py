"""What is measured: scores and truth of clips, sorted once, and counted under any weights.

values: (rows, tags) float, higher = surer. truth: (rows, tags) bool, or a masked array of it, whose masked cells are not known
and are counted nowhere. A row is a clip. Weights are (rows, draws): how
often each clip was drawn. What does not change from draw to draw is kept in `Clips`, the rest is asked of a `Draw`.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError, counted
from earmark.metrics.ranking import Bools, Floats, Ranking, Weights
from earmark.registry import fixed

TOP = 3  # of map@3


class Clips:
    """What is to be measured: values and truth, and all that does not change from draw to draw.

    known: (rows, tags), which cells are known; None: all. truth is False where it is not known; values are as they were given.
    alone: of task one, where a clip's own tag excludes the others, so that all are known.
    """

    def __init__(self, values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5, *, alone: bool = False):
        # fixed: they may be the caller's own
        self.values: Floats
        self.truth: Bools
        self.values, self.truth = map(fixed, checked(values, truth))
        self.known = None if alone else known_of(truth)
        self.threshold = checked_threshold(threshold)
        if self.threshold.shape not in ((), self.values.shape[1:], self.values.shape):
            raise ScoresError(
                f"{counted(self.threshold.size, 'threshold')} for {counted(self.values.shape[1], 'tag')}: give one, or one a tag"
            )

    @cached_property
    def standing(self) -> NDArray[Any]:
        """(rows, tags): the scores, in which no tag that is not known stands above one that is."""
        return self.values if self.known is None else np.where(self.known, self.values, np.finfo(self.values.dtype).min)

    @cached_property
    def rankings(self) -> list[Ranking]:
        return list(_rankings(self.values, self.truth, self.known))

    @cached_property
    def right(self) -> Floats:
        return np.asarray(answers(self.values, self.truth) == single(self.truth), float)

    @cached_property
    def top(self) -> Floats:
        return precision_at(self.standing, self.truth, TOP)

    @cached_property
    def ranked(self) -> Floats:
        """(rows,): sum over the true tags of a clip of the precision down to each of them."""
        hits, standing = np.zeros(len(self.values)), self.standing
        for column in range(standing.shape[1]):
            rows = np.flatnonzero(self.truth[:, column])
            reached = standing[rows] >= standing[rows, column, None]
            hits[rows] += (reached & self.truth[rows]).sum(1) / reached.sum(1)
        return hits

    @cached_property
    def decided(self) -> Bools:
        """(rows, tags): the known tags of each clip whose score reaches the threshold."""
        reached = np.asarray(self.values >= self.threshold)
        return reached if self.known is None else reached & self.known


class Draw:
    """Clips under weights: what a weighted metric is a function of."""

    def __init__(self, clips: Clips, weights: Weights = None):
        self.clips, self.weights = clips, weights

    @cached_property
    def by_tag(self) -> tuple[Floats, Floats]:
        """(average precision, AUC), each (tags, draws)."""
        pairs = [ranking.measure(self.weights) for ranking in self.clips.rankings]
        return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])

    def mean(self, rows: Floats) -> Floats:
        """(rows,) → (draws,): weighted mean over the rows that are not NaN."""
        known = ~np.isnan(rows)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.total(np.where(known, rows, 0.0)) / self.total(known))

    def total(self, rows: NDArray[Any]) -> Floats:
        """(rows,) → (draws,): weighted sum."""
        if self.weights is None:
            return np.array([float(rows.sum())])
        return np.asarray(rows.astype(float) @ self.weights)

    def totals(self, cells: Bools) -> Floats:
        """(rows, tags) → (tags, draws): weighted sum of each column."""
        if self.weights is None:
            return np.asarray(cells.sum(0)[:, None], float)
        return np.stack([self.weights[np.flatnonzero(column)].sum(0, dtype=float) for column in cells.T])


def checked_number(what: str, number: float, least: int = 0) -> int:
    """A whole number. Raises ScoresError for another, and for one below the least."""
    real = isinstance(number, numbers.Real) and not isinstance(number, bool | np.bool_)
    if not real or not float(number).is_integer():
        raise ScoresError(f"{what} must be a whole number of at least {least}, not {number!r}")
    if number < least:
        raise ScoresError(f"{what} must be at least {least}, not {number}")
    return int(number)


def checked_threshold(threshold: ArrayLike) -> Floats:
    """A threshold, or one of each tag: numbers; an infinite one is never reached, or always. Raises ScoresError."""
    levels = np.asarray(threshold)
    if levels.dtype.kind not in "iuf":
        raise ScoresError(f"a threshold is a number, or one of each tag, not {threshold!r}")
    if np.isnan(levels).any():
        of = "" if not levels.ndim else f" of column {int(np.argwhere(np.isnan(levels))[0][-1])}"
        raise ScoresError(f"the threshold{of} is nan, which no score reaches. Give a number, such as 0.5")
    return np.asarray(levels, float)


def known_of(truth: ArrayLike) -> Bools | None:
    """(rows, tags): the cells of a masked truth that are known; None: all."""
    if not isinstance(truth, np.ma.MaskedArray) or not np.any(truth.mask):
        return None
    return np.asarray(~np.ma.getmaskarray(truth))


def cells_of(truth: ArrayLike) -> NDArray[Any]:
    """The cells of a truth, whether they are known or not. NumPy's own getdata takes what is inside a table of pandas for them."""
    return np.asarray(truth.data if isinstance(truth, np.ma.MaskedArray) else truth)


def checked(values: ArrayLike, truth: ArrayLike) -> tuple[NDArray[Any], Bools]:
    """Both as arrays that fit together; the truth is False where it is not known."""
    known = known_of(truth)
    _check_alike(values, truth)
    if known_of(values) is not None:
        raise ScoresError("some values are masked: only a truth may be, where it is not known. Give a score for each")
    values, truth = np.asarray(values), cells_of(truth)
    if values.dtype not in (np.float32, np.float64):
        if values.dtype.kind not in "biufO":
            raise ScoresError(f"values are {values.dtype}: give scores as real numbers")
        values = values.astype(np.float64)
    if values.ndim != 2 or values.shape != truth.shape:
        raise ScoresError(f"values have the shape {values.shape} and truth {truth.shape}; both must be (rows, tags)")
    if not values.size:
        raise ScoresError(
            f"nothing to measure: {counted(values.shape[0], 'clip')} and {counted(values.shape[1], 'tag')}"
        )
    if truth.dtype != np.bool_:
        raise ScoresError(f"truth must be bool, not {truth.dtype}: compare it with a threshold first")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ScoresError(f"the score in row {row}, column {column} is {values[row, column]}, not a finite number")
    return values, truth if known is None else truth & known


def _check_alike(values: ArrayLike, truth: ArrayLike) -> None:
    """Raises ScoresError for two tables of pandas with other columns or rows, or in another order: arrays know no names."""
    for what in ("columns", "index"):
        names, others = ([*getattr(each, what, ())] if hasattr(each, "columns") else [] for each in (values, truth))
        if names and others and len(names) == len(others) and names != others:
            first = next(pair for pair in zip(names, others, strict=True) if pair[0] != pair[1])
            raise ScoresError(
                f"the {'columns' if what == 'columns' else 'rows'} of values and truth have other names: {first[0]!r} stands "
                f"where {first[1]!r} does. Put both in one order: truth.reindex(index=values.index, columns=values.columns)"
            )


def single(truth: Bools) -> NDArray[np.int64]:
    """(rows, tags) → (rows,): the one tag of each clip."""
    count = truth.sum(1)
    if (count != 1).any():
        row = int(np.flatnonzero(count != 1)[0])
        raise ScoresError(
            f"row {row} has {counted(count[row], 'tag')}, but in task 'one' every clip has exactly 1 "
            f"({counted(int((count != 1).sum()), 'row differs', 'rows differ')}). Clips with several tags or none need task 'many'"
        )
    return np.asarray(truth.argmax(1))


def _rankings(values: NDArray[Any], truth: Bools, known: Bools | None) -> Iterator[Ranking]:
    for column in range(values.shape[1]):
        rows = None if known is None else np.flatnonzero(known[:, column])
        yield Ranking.of(np.ascontiguousarray(values[:, column]), truth[:, column], rows)


def over_tags(by_tag: Floats) -> Floats:
    """(tags, draws) → (draws,): mean over the tags that are not NaN; NaN where there is none."""
    known = ~np.isnan(by_tag)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, by_tag, 0.0).sum(0) / known.sum(0))


def answers(values: ArrayLike, truth: ArrayLike) -> NDArray[np.int64]:
    """(rows,): the column that each clip is answered with, the highest; the first wrong one where several are highest.

    Task one.
    """
    values, truth = checked(values, truth)
    highest = values == values.max(1, keepdims=True)
    return np.asarray(np.where(highest, np.where(truth, 1, 2), 0).argmax(1))


def undefined(truth: ArrayLike, negatives: bool = False) -> list[int]:
    """The columns without a positive clip; with `negatives`, also those without a negative one, which have no AUC."""
    known, truth = known_of(truth), np.asarray(cells_of(truth), bool)
    if known is not None:
        truth = truth & known
    empty = ~truth.any(0)
    always = (truth if known is None else truth | ~known).all(0)
    return [int(i) for i in np.flatnonzero(empty | always if negatives else empty)]


def precision_at(values: NDArray[Any], truth: Bools, k: int) -> Floats:
    """(rows,): average precision of the k highest tags of each row; NaN for a row without tags."""
    rows, tags = values.shape
    left = values.astype(float)
    hits, gained = np.zeros(rows), np.zeros(rows)
    for place in range(1, min(k, tags) + 1):
        highest = left == left.max(1, keepdims=True)
        # among equals a wrong tag comes first
        chosen = np.where(highest, np.where(truth, 1, 2), 0).argmax(1)
        hit = truth[np.arange(rows), chosen]
        hits += hit
        gained += hit * hits / place
        left[np.arange(rows), chosen] = -np.inf
    count = truth.sum(1)
    return np.where(count > 0, gained / np.clip(count, 1, k), np.nan)
