"""What the figures say of a claim's systems: means, differences, and two p-values of each.

Each system has runs: one a seed, or one a fold that validated. All runs are scores of the same clips. A system's figure is
the mean of its runs' figures. For a pair (better, worse) of a claim:

- the difference of the two figures, with a 95 % interval of the paired bootstrap: the same groups of clips are drawn for
  all runs of both systems.
- p over clips, of a permutation test, two-sided: in a random half of the groups the two systems are swapped, run k of one
  with run k of the other, in all runs at once (see `earmark.metrics.comparison`). It says what other clips of this kind
  would tell of these trained nets.
- p over trainings, of a paired t test, two-sided, on the differences of single trainings: one a seed, or one a fold, on the
  fold's clips. It says what other trainings would tell on these clips. Trainings on folds share most of their clips, so that
  their differences vary too little: the variance is corrected as Nadeau and Bengio (Machine Learning 52, 2003) have it.

What follows from them is in `claims.judging`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from claims.claim import EVENT_F1
from earmark.errors import ScoresError
from earmark.metrics import Clips, Counts, Draw, Interval, resample
from earmark.metrics.comparison import ROUNDING, Both, swaps
from earmark.metrics.intervals import centred, interval, measure

Floats = NDArray[np.float64]
Weights = NDArray[np.int32] | None


class Run(Protocol):
    """What one training, or several together, say of the clips."""

    def figure(self, weights: Weights = None) -> Floats:
        """(draws,) under weights (rows, draws); (1,) without."""

    def below(self, other: Self) -> Self:
        """Its rows, and the other's below them."""


@dataclass(frozen=True)
class ScoredClips:
    """Scores of clips, and a metric of `earmark list metrics`."""

    clips: Clips
    metric: str

    def figure(self, weights: Weights = None) -> Floats:
        return measure(self.metric, Draw(self.clips, weights))

    def below(self, other: ScoredClips) -> ScoredClips:
        return ScoredClips(Both(self.clips, other.clips), self.metric)


@dataclass(frozen=True)
class FoundEvents:
    """Counts of events in clips; the figure is F1, the mean over tags that have events."""

    counts: Counts

    def figure(self, weights: Weights = None) -> Floats:
        weights = np.ones((len(self.counts.ids), 1), np.int32) if weights is None else weights
        parts = (self.counts.hits, self.counts.false, self.counts.missed)
        hits, false, missed = (part.T.astype(float) @ weights for part in parts)  # (tags, draws)
        there = hits + missed > 0  # a tag without a known event is left out of the draw's mean
        f1 = np.where(there, 2 * hits / np.maximum(2 * hits + false + missed, 1), 0)
        with np.errstate(invalid="ignore"):
            return np.asarray(f1.sum(0) / there.sum(0))

    def below(self, other: FoundEvents) -> FoundEvents:
        mine, theirs = self.counts, other.counts
        parts = [np.concatenate([getattr(mine, n), getattr(theirs, n)]) for n in ("hits", "false", "missed")]
        return FoundEvents(Counts((*mine.ids, *theirs.ids), mine.tags, *parts))


@dataclass(frozen=True)
class Evidence:
    """The runs of each system on the same clips. groups: (clips,) names of what is drawn together.

    turns: (clips,) the fold that each clip was tested in, where a run is several trainings, one a fold; else nothing.
    """

    runs: dict[str, list[Run]]
    groups: NDArray[np.str_]
    turns: NDArray[np.str_] | None = None


@dataclass(frozen=True)
class Figure:
    """A system's mean figure with its interval, and that of each run."""

    value: Interval
    runs: tuple[float, ...]


@dataclass(frozen=True)
class Pair:
    """better − worse, as the paper has it: mean, what each pair of runs alone says, and each pair of trainings.

    trainings: empty where one system has a single run for several of the other's, whose differences are not independent.
    """

    better: str
    worse: str
    difference: Interval
    runs: tuple[float, ...]
    p: float
    trainings: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        told = {"better": self.better, "worse": self.worse, "difference": self.difference.value}
        told |= {"low": self.difference.low, "high": self.difference.high, "runs": list(self.runs)}
        return told | {"p": self.p, "trainings": list(self.trainings)}


def figures(
    systems: Mapping[str, Sequence[Run]], groups: NDArray[Any], metric: str, resamples: int = 1000
) -> dict[str, Figure]:
    """groups: (rows,) names."""
    told = {}
    for name, runs in systems.items():
        alone = tuple(float(run.figure()[0]) for run in runs)
        drawn = [_mean([run.figure(weights) for run in runs]) for weights in _drawn(groups, resamples)]
        told[name] = Figure(interval(float(np.mean(alone)), drawn, (0, 1) if _centred(metric) else None), alone)
    return told


def by(systems: Mapping[str, Sequence[Run]], metric: str) -> dict[str, list[Run]]:
    """The same scores of clips, by another metric."""
    return {
        name: [ScoredClips(run.clips, metric) for run in runs if isinstance(run, ScoredClips)]
        for name, runs in systems.items()
    }


def compare(
    systems: Mapping[str, Sequence[Run]],
    pairs: Sequence[tuple[str, str]],
    groups: NDArray[Any],
    metric: str,
    *,
    turns: NDArray[Any] | None = None,
    resamples: int = 1000,
    permutations: int = 10_000,
) -> list[Pair]:
    """One for each of the claim's pairs, in their order. Raises ScoresError where runs cannot be paired."""
    found = []
    for better, worse in pairs:
        matched = _matched(systems[better], systems[worse], better, worse)
        alone = tuple(float((a.figure() - b.figure())[0]) for a, b in matched)
        seen = float(np.mean(alone))
        drawn = [
            _mean([a.figure(weights) - b.figure(weights) for a, b in matched]) for weights in _drawn(groups, resamples)
        ]
        p = _chance(matched, seen, groups, permutations)
        limits = interval(seen, drawn, (-1, 1) if _centred(metric) else None)
        own = len(systems[better]) == len(systems[worse])
        found.append(Pair(better, worse, limits, alone, p, _single(matched, alone, turns) if own else ()))
    return found


def over_trainings(differences: Sequence[float], folds: int | None = None) -> float:
    """p of the paired t test on the differences of trainings, two-sided; NaN for fewer than two, or where all are equal.

    folds: how many they take turns in, or none where each training has a seed of its own. With folds the variance of the
    mean is s² · (1/n + 1/(folds − 1)), as tests and trainings have 1 to folds − 1 clips, instead of s²/n.
    """
    count = len(differences)
    spread = float(np.std(differences, ddof=1)) if count > 1 else 0.0
    if not spread > ROUNDING:
        return math.nan
    shared = 1 / (folds - 1) if folds else 0.0
    return student(float(np.mean(differences)) / (spread * math.sqrt(1 / count + shared)), count - 1)


def student(t: float, freedom: int) -> float:
    """P(|T| ≥ |t|) of Student's t with so many degrees of freedom, a whole number (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = total = cosine if odd else 1.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    if not odd:
        return 1 - sine * total
    return 1 - 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))


def _single(
    matched: Sequence[tuple[Run, Run]], alone: tuple[float, ...], turns: NDArray[Any] | None
) -> tuple[float, ...]:
    """The differences of single trainings: of runs, or of each run's folds on their own clips."""
    if turns is None:
        return alone
    own = np.stack([turns == turn for turn in np.unique(turns)], 1).astype(np.int32)
    return tuple(float(each) for a, b in matched for each in a.figure(own) - b.figure(own))


def _matched(first: Sequence[Run], second: Sequence[Run], a: str, b: str) -> list[tuple[Run, Run]]:
    """Runs of the two systems in pairs; where one system has a single run, it meets all of the other's."""
    if len(first) != len(second) and 1 not in (len(first), len(second)):
        raise ScoresError(f"{a} has {len(first)} runs and {b} has {len(second)}: they cannot be paired")
    many = max(len(first), len(second))
    return [(first[i % len(first)], second[i % len(second)]) for i in range(many)]


def _drawn(groups: NDArray[Any], resamples: int) -> Any:
    return resample(groups, resamples) if len(np.unique(groups)) > 1 else ()


def _chance(matched: Sequence[tuple[Run, Run]], seen: float, groups: NDArray[Any], permutations: int) -> float:
    """Two-sided p; NaN where there is one group only."""
    if len(np.unique(groups)) < 2 or math.isnan(seen):
        return math.nan
    both: Any = [a.below(b) for a, b in matched]
    far = total = 0
    for kept in swaps(groups, permutations):
        first, second = np.concatenate([kept, 1 - kept]), np.concatenate([1 - kept, kept])
        under = _mean([run.figure(first) - run.figure(second) for run in both])
        far += int((np.isnan(under) | (np.abs(under) >= abs(seen) - ROUNDING)).sum())
        total += len(under)
    return (1 + far) / (1 + total)


def _mean(values: Sequence[Floats]) -> Floats:
    return np.asarray(np.mean(values, axis=0))


def _centred(metric: str) -> bool:
    return metric == EVENT_F1 or centred(metric)
