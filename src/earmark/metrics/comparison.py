"""Comparison: can two systems be told apart on the same clips?

For every metric and every pair (A, B) `compare` gives A − B with

- a 95 % interval of the paired bootstrap: the same groups are drawn for both. For metrics registered as `centred` the
  draws are moved so that their mean is the difference.
- p of a permutation test: were A and B alike, then which of them gave the scores of a group would be chance. A and B are
  swapped in a random half of the groups, again and again; p = (1 + swaps with a difference at least as far from 0) /
  (1 + swaps), two-sided. A swap whose difference equals the one seen (to rounding) counts as at least as far, and so
  does one without a value (∞ − ∞); so p errs upwards. Where the groups allow no more different swaps than are asked
  for, each is made once and p is exact.
- p after Holm's correction for the pairs of one metric (S. Holm, 1979). Metrics are not corrected for each other: name
  the one that decides before looking.

Metrics that rank clips (mAP, AUC, d′) see the systems' ranks within each tag when swapped, not their scores, as two
systems may use different scales for the same order; those within a clip (accuracy, MAP@3, lwlrap, F1) see the scores.
Metrics of one's own, registered without `weighted`, see the scores too.
"""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import checked
from earmark.metrics import intervals
from earmark.metrics.clips import Clips, Draw, checked_number, single
from earmark.metrics.intervals import Interval, centred, checked_groups, chosen, interval, measure, measured
from earmark.metrics.ranking import Floats, Ranking
from earmark.scores import Task

ROUNDING = 1e-12  # of metrics
Drawn = list[dict[str, Floats]]  # of each system, by metric: (draws,)


@dataclass(frozen=True)
class Difference:
    """One metric of two systems: their values; A − B with its limits; p, and p after Holm's correction."""

    metric: str
    a: str
    b: str
    value_a: float
    value_b: float
    difference: Interval
    p: float
    p_holm: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@checked
def compare(
    values: Sequence[ArrayLike] | Mapping[str, ArrayLike],
    truth: ArrayLike,
    groups: ArrayLike,
    task: Task,
    *,
    resamples: int = 1000,
    permutations: int = 1000,
    seed: int = 0,
    metrics: Sequence[str] | None = None,
    thresholds: Sequence[float | Floats] | None = None,
) -> tuple[Difference, ...]:
    """Each metric (default: all of the task) of each pair of systems, in the order of metrics, then of systems.

    values: of each system (rows, tags), rows and columns alike; a mapping names the systems, otherwise they are A, B, …
    groups: (rows,) names. thresholds: of the F1s, one of each system, which may be (tags,); default 0.5. p is NaN with
    one group only, without permutations, or where the difference is not a number.
    """
    checked_number("resamples", resamples)
    checked_number("permutations", permutations)
    checked_number("seed", seed)
    names, systems = _systems(values, truth, task, thresholds)
    chosen_metrics = chosen(metrics, task)
    rows = checked_groups(groups, len(systems[0].values))
    whole = [measured(chosen_metrics, Draw(clips), metrics) for clips in systems]
    chosen_metrics = [name for name in chosen_metrics if all(name in each for each in whole)]
    if metrics is None:
        values_of = [{name: float(figure[0]) for name, figure in each.items()} for each in whole]
        chosen_metrics = intervals.measurable(chosen_metrics, values_of)
    several = len(np.unique(rows)) > 1
    drawn: list[Drawn] = []
    for weights in intervals.resample(rows, resamples, seed) if several else ():
        draws = [Draw(clips, weights) for clips in systems]
        drawn.append([{name: measure(name, draw) for name in chosen_metrics} for draw in draws])
    pairs = list(itertools.combinations(range(len(systems)), 2))
    swaps = permutations if several else 0
    swapped = [_swapped(systems[a], systems[b], rows, swaps, seed, chosen_metrics) for a, b in pairs]
    result = []
    for name in chosen_metrics:
        seen = [_minus(whole[a][name], whole[b][name]) for a, b in pairs]
        p = [_p(float(d[0]), under[name]) for d, under in zip(seen, swapped, strict=True)]
        corrected = holm(p)
        for i, (a, b) in enumerate(pairs):
            moved = [_minus(draw[a][name], draw[b][name]) for draw in drawn]
            limits = interval(float(seen[i][0]), moved, _span(name) if centred(name) else None)
            value_a, value_b = float(whole[a][name][0]), float(whole[b][name][0])
            result.append(Difference(name, names[a], names[b], value_a, value_b, limits, p[i], corrected[i]))
    return tuple(result)


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for being several: the k-th smallest of n times n − k + 1, at least the one before, at most 1.

    NaN stays NaN and is not counted. Raises ScoresError for what is no probability.
    """
    if beyond := [value for value in p if not isinstance(value, numbers.Real) or value < 0 or value > 1]:
        raise ScoresError(f"a p-value lies in 0 to 1, or is nan where there is none; this is {beyond[0]!r}")
    result, highest = [math.nan] * len(p), 0.0
    order = sorted((i for i, value in enumerate(p) if not math.isnan(value)), key=lambda i: p[i])
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, p[i] * (len(order) - place)))
        result[i] = highest
    return result


def _systems(
    values: Sequence[ArrayLike] | Mapping[str, ArrayLike],
    truth: ArrayLike,
    task: Task,
    thresholds: Sequence[float | Floats] | None,
) -> tuple[list[str], list[Clips]]:
    if isinstance(values, Mapping):
        names, arrays = [str(name) for name in values], list(values.values())
    else:
        arrays = list(values)
        names = [_letter(i) for i in range(len(arrays))]
    if len(arrays) < 2:
        raise ScoresError(f"a comparison needs at least 2 systems, not {len(arrays)}")
    levels = [0.5] * len(arrays) if thresholds is None else list(thresholds)
    if len(levels) != len(arrays):
        raise ScoresError(
            f"{counted(len(levels), 'threshold')} for {counted(len(arrays), 'system')}: give one a system"
        )
    systems = [Clips(array, truth, level, alone=task == "one") for array, level in zip(arrays, levels, strict=True)]
    if task == "one":
        single(systems[0].truth)
    return names, systems


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"system {place + 1}"


class Both(Clips):
    """The clips of two systems below each other, so that a swap is a choice of rows and nothing is sorted again."""

    def __init__(self, a: Clips, b: Clips):
        shape = a.values.shape
        levels = [np.broadcast_to(clips.threshold, shape) for clips in (a, b)]
        truth = np.concatenate([a.truth, b.truth])
        if a.known is not None:
            truth = np.ma.masked_array(truth, ~np.concatenate([a.known, a.known]))
        super().__init__(np.concatenate([a.values, b.values]), truth, np.concatenate(levels))

    @cached_property
    def rankings(self) -> list[Ranking]:
        rows = len(self.values) // 2
        result = []
        for column, (values, truth) in enumerate(zip(self.values.T, self.truth.T, strict=True)):
            known = np.ones(len(values), bool) if self.known is None else self.known[:, column]
            places = np.zeros(len(values), np.float32)
            for half in (slice(rows), slice(rows, None)):  # each system's among the clips that are known
                places[half][known[half]] = _places(values[half][known[half]])
            ranked = None if self.known is None else np.flatnonzero(known)
            result.append(Ranking.of(places, np.ascontiguousarray(truth), ranked))
        return result


def _places(values: NDArray[Any]) -> NDArray[np.float32]:
    """(rows,): rank from the lowest score up; equal scores have the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], np.float32)


def _swapped(
    a: Clips, b: Clips, groups: NDArray[Any], permutations: int, seed: int, metrics: Sequence[str]
) -> dict[str, Floats]:
    """The differences of each metric under swaps, (swaps,)."""
    both = Both(a, b)
    under: dict[str, list[Floats]] = {name: [np.zeros(0)] for name in metrics}
    for kept in swaps(groups, permutations, seed):
        first, second = Draw(both, np.concatenate([kept, 1 - kept])), Draw(both, np.concatenate([1 - kept, kept]))
        for name in metrics:
            under[name].append(_minus(measure(name, first), measure(name, second)))
    return {name: np.concatenate(parts) for name, parts in under.items()}


def swaps(groups: ArrayLike, permutations: int, seed: int = 0) -> Iterator[NDArray[np.int32]]:
    """(rows, swaps) in chunks: 1 where a clip stays with its system, 0 where its group is swapped.

    Every swap but the one that swaps nothing, where these are no more than `permutations`; otherwise random ones, which
    depend on the names of the groups and the seed alone. Raises ScoresError.
    """
    return _swaps(checked_groups(groups), checked_number("permutations", permutations), checked_number("seed", seed))


def _swaps(groups: NDArray[Any], permutations: int, seed: int) -> Iterator[NDArray[np.int32]]:
    names, member = np.unique(groups, return_inverse=True)
    # the mirror image of a swap has the same difference with the other sign, so half of them would do; all are counted
    every = 2 ** len(names) - 1 if len(names) < 63 else math.inf
    generator = np.random.default_rng([seed, 1])  # not the draws of the bootstrap
    step = max(1, intervals.CHUNK // max(1, 2 * len(member)))
    total = int(min(every, permutations))
    for start in range(0, total, step):
        count = min(step, total - start)
        if every <= permutations:
            bits = (np.arange(start + 1, start + count + 1)[:, None] >> np.arange(len(names))) & 1
        else:
            bits = generator.integers(2, size=(count, len(names)))
        yield np.ascontiguousarray((1 - bits).T.astype(np.int32)[member])


def _span(name: str) -> tuple[float, float] | None:
    """The least and the greatest difference of a metric's values."""
    limits = intervals.range_of(name)
    return None if limits is None else (limits[0] - limits[1], limits[1] - limits[0])


def _minus(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(a - b)


def _p(seen: float, under: Floats) -> float:
    if math.isnan(seen) or not len(under):
        return math.nan
    far = np.isnan(under) | (np.abs(under) >= abs(seen) - ROUNDING)
    return float((1 + far.sum()) / (1 + len(under)))
