"""How good scores are: metrics over clips and tags, each with an interval.

A metric is a function of `values` (rows, tags) float, higher = surer, and `truth` (rows, tags) bool; a row is a clip.
The task is "one" (each clip has exactly one tag) or "many" (any number of them).

    accuracy                          one    share of the clips that were answered with their tag
    map, auc                          both   average precision, area under the ROC curve: means over the tags
    dprime                            both   √2 · Φ⁻¹(mean AUC)
    map@3                             both   mean average precision of the three highest tags of a clip (Kaggle)
    f1_micro, f1_macro, f1_instance   many   F1 of all decisions, mean over tags, mean over clips

Conventions:
- What has no answer is NaN and is left out of means, never counted as nought: a tag without a positive clip (and, for
  AUC, without a negative one). `undefined` names these tags.
- Equal scores of one tag share one threshold in average precision and count half in AUC, as in scikit-learn.
- Where the highest scores of a clip are equal, nothing was decided and the wrong tag is taken to come first: constant
  scores have an accuracy of nought. `answers` says so for accuracy, confusion and F1 of task one alike.
- Intervals are percentile bootstraps over groups: clips of one group are drawn together, or not at all. They hold for
  the tagger as it is; they say nothing about what another training run would give.
- A clip that is drawn twice stands next to itself in the ranking, which lifts average precision in every draw, more so
  the fewer clips a tag has; with hundreds of rare tags the whole interval would lie above the value. Metrics registered
  as `centred` (mAP, macro F1) have the mean of their draws moved to the value. Their interval is about the metric's
  mean over test sets of this size: mAP itself depends on the size.

Every tag is sorted once; a resample is a column of integer weights, which says how often each clip was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError
from earmark.registry import METRICS

Task = Literal["one", "many"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Weights = NDArray[np.int32] | None  # (rows, draws): how often each row was drawn; None: every row once, one draw

LEVEL = 0.95
TOP = 3  # of map@3
CHUNK = 2**20  # weights held at a time: 4 MB, which stays in the cache of most processors


@dataclass(frozen=True)
class Interval:
    """A metric's value and the limits of its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Ranking:
    """The clips of one tag from the highest score to the lowest, sorted once and then counted under any weights.

    order: (rows,) the row at each rank. hits: (positives,) the ranks that hold a positive clip. A stretch is a run of
    equal scores that holds at least one of them: first (stretches,) is its place in `hits`, start and end (stretches,)
    are its ranks.
    """

    order: NDArray[np.int32]
    hits: NDArray[np.int64]
    first: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @staticmethod
    def of(values: NDArray[Any], truth: Bools) -> Ranking:
        """values: (rows,) float. truth: (rows,) bool."""
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
        drawn = weights[self.order]  # (rows, draws)
        # reduceat gives an element, not 0, for an empty stretch: every edge once, and none behind the last rank
        edges = np.unique(np.concatenate([[0], self.start, self.end]))
        edges = edges[edges < len(drawn)]
        between = np.add.reduceat(drawn, edges, axis=0, dtype=np.int32)
        before = np.zeros((len(edges) + 1, drawn.shape[1]))
        np.cumsum(between, axis=0, out=before[1:])
        inside = np.add.reduceat(drawn[self.hits], self.first, axis=0, dtype=np.int32)
        at_start, at_end = np.searchsorted(edges, self.start), np.searchsorted(edges, self.end)
        return inside.astype(float), before[at_start], before[at_end], before[-1]

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


class Clips:
    """What is to be measured: values and truth, and all that does not change from draw to draw."""

    def __init__(self, values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5):
        self.values, self.truth = _checked(values, truth)
        self.threshold = np.asarray(threshold, float)
        if self.threshold.shape not in ((), self.values.shape[1:]):
            raise ScoresError(
                f"{self.threshold.size} thresholds for {self.values.shape[1]} tags: give one, or one a tag"
            )

    @cached_property
    def rankings(self) -> list[Ranking]:
        return list(_rankings(self.values, self.truth))

    @cached_property
    def right(self) -> Floats:
        return np.asarray(answers(self.values, self.truth) == _single(self.truth), float)

    @cached_property
    def top(self) -> Floats:
        return _precision_at(self.values, self.truth, TOP)

    @cached_property
    def decided(self) -> Bools:
        """(rows, tags): the tags of each clip whose score reaches the threshold."""
        return np.asarray(self.values >= self.threshold)


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


def _checked(values: ArrayLike, truth: ArrayLike) -> tuple[NDArray[Any], Bools]:
    values, truth = np.asarray(values), np.asarray(truth)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if values.ndim != 2 or values.shape != truth.shape:
        raise ScoresError(f"values have the shape {values.shape} and truth {truth.shape}; both must be (rows, tags)")
    if not values.size:
        raise ScoresError(f"nothing to measure: {values.shape[0]} clips and {values.shape[1]} tags")
    if truth.dtype != np.bool_:
        raise ScoresError(f"truth must be bool, not {truth.dtype}: compare it with a threshold first")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ScoresError(f"the score in row {row}, column {column} is {values[row, column]}, not a finite number")
    return values, truth


def _single(truth: Bools) -> NDArray[np.int64]:
    """(rows, tags) → (rows,): the one tag of each clip."""
    count = truth.sum(1)
    if (count != 1).any():
        row = int(np.flatnonzero(count != 1)[0])
        raise ScoresError(
            f"row {row} has {count[row]} tags, but in task 'one' every clip has exactly 1 "
            f"({int((count != 1).sum())} rows differ). Clips with several tags or none need task 'many'"
        )
    return np.asarray(truth.argmax(1))


def _rankings(values: NDArray[Any], truth: Bools) -> Iterator[Ranking]:
    for column in range(values.shape[1]):
        yield Ranking.of(np.ascontiguousarray(values[:, column]), truth[:, column])


def _over_tags(by_tag: Floats) -> Floats:
    """(tags, draws) → (draws,): mean over the tags that are not NaN; NaN where there is none."""
    known = ~np.isnan(by_tag)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, by_tag, 0.0).sum(0) / known.sum(0))


def _precision_at(values: NDArray[Any], truth: Bools, k: int) -> Floats:
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


def _f1(hits: Floats, answered: Floats, positives: Floats) -> Floats:
    """2 · hits / (answered + positives); NaN where nothing was there and nothing was answered."""
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * hits / (answered + positives))


def _accuracy(draw: Draw) -> Floats:
    return draw.mean(draw.clips.right)


def _map(draw: Draw) -> Floats:
    return _over_tags(draw.by_tag[0])


def _auc(draw: Draw) -> Floats:
    return _over_tags(draw.by_tag[1])


def _dprime(draw: Draw) -> Floats:
    return np.array([_sensitivity(area) for area in _auc(draw)])


def _sensitivity(area: float) -> float:
    if math.isnan(area):
        return math.nan
    if area <= 0 or area >= 1:
        return math.copysign(math.inf, area - 0.5)
    return math.sqrt(2) * NormalDist().inv_cdf(area)


def _top(draw: Draw) -> Floats:
    return draw.mean(draw.clips.top)


def _f1_micro(draw: Draw) -> Floats:
    truth, decided = draw.clips.truth, draw.clips.decided
    return _f1(*(draw.total(cells.sum(1)) for cells in (truth & decided, decided, truth)))


def _f1_macro(draw: Draw) -> Floats:
    truth, decided = draw.clips.truth, draw.clips.decided
    positives = draw.totals(truth)
    by_tag = _f1(draw.totals(truth & decided), draw.totals(decided), positives)
    return _over_tags(np.where(positives > 0, by_tag, np.nan))


def _f1_instance(draw: Draw) -> Floats:
    truth, decided = draw.clips.truth, draw.clips.decided
    rows = _f1(*(cells.sum(1).astype(float) for cells in (truth & decided, decided, truth)))
    return draw.mean(np.nan_to_num(rows, nan=1.0))


@METRICS.register("accuracy", tasks=("one",), weighted=_accuracy)
def accuracy(values: ArrayLike, truth: ArrayLike) -> float:
    """Share of the clips whose own tag has the highest score, alone. Equal highest scores count as wrong."""
    return float(_accuracy(Draw(Clips(values, truth)))[0])


@METRICS.register("map", tasks=("one", "many"), weighted=_map, centred=True)
def mean_average_precision(values: ArrayLike, truth: ArrayLike) -> float:
    """Mean over tags of the average precision: the area under the stepwise precision-recall curve, not interpolated."""
    return float(_map(Draw(Clips(values, truth)))[0])


@METRICS.register("auc", tasks=("one", "many"), weighted=_auc)
def mean_auc(values: ArrayLike, truth: ArrayLike) -> float:
    """Mean over tags of the area under the ROC curve: how often a positive clip is scored above a negative one."""
    return float(_auc(Draw(Clips(values, truth)))[0])


@METRICS.register("dprime", tasks=("one", "many"), weighted=_dprime)
def dprime(values: ArrayLike, truth: ArrayLike) -> float:
    """√2 · Φ⁻¹(mean AUC), as in the AudioSet papers; infinite where the mean AUC is 1."""
    return float(_dprime(Draw(Clips(values, truth)))[0])


@METRICS.register("map@3", tasks=("one", "many"), weighted=_top)
def map_at_k(values: ArrayLike, truth: ArrayLike, k: int = TOP) -> float:
    """Mean over clips of Σ precision(i) · [tag i is true] / min(k, tags of the clip), i = 1 … k (Kaggle).

    Clips without tags are left out. With one tag a clip this is the mean of 1 / rank, 0 beyond rank k.
    """
    if k < 1:
        raise ScoresError(f"k of map@k must be at least 1, not {k}")
    clips = Clips(values, truth)
    return float(Draw(clips).mean(_precision_at(clips.values, clips.truth, k))[0])


@METRICS.register("f1_micro", tasks=("many",), weighted=_f1_micro)
def f1_micro(values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5) -> float:
    """F1 of all decisions together; a tag is decided where its score reaches the threshold, one or (tags,)."""
    return float(_f1_micro(Draw(Clips(values, truth, threshold)))[0])


@METRICS.register("f1_macro", tasks=("many",), weighted=_f1_macro, centred=True)
def f1_macro(values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5) -> float:
    """Mean over tags of their F1; tags without clips are left out, so their false alarms show in f1_micro only."""
    return float(_f1_macro(Draw(Clips(values, truth, threshold)))[0])


@METRICS.register("f1_instance", tasks=("many",), weighted=_f1_instance)
def f1_instance(values: ArrayLike, truth: ArrayLike, threshold: float | Floats = 0.5) -> float:
    """Mean over clips of their F1; a clip without tags that is answered with none counts as 1."""
    return float(_f1_instance(Draw(Clips(values, truth, threshold)))[0])


def answers(values: ArrayLike, truth: ArrayLike) -> NDArray[np.int64]:
    """(rows,): the column that each clip is answered with, the highest; the first wrong one where several are highest.

    Task one.
    """
    values, truth = _checked(values, truth)
    highest = values == values.max(1, keepdims=True)
    return np.asarray(np.where(highest, np.where(truth, 1, 2), 0).argmax(1))


def confusion(values: ArrayLike, truth: ArrayLike) -> NDArray[np.int64]:
    """(tags, tags): clips by their own tag (row) and the tag answered (column). Task one; its diagonal is accuracy."""
    values, truth = _checked(values, truth)
    tags = values.shape[1]
    cells = _single(truth) * tags + answers(values, truth)
    return np.bincount(cells, minlength=tags * tags).reshape(tags, tags)


def undefined(truth: ArrayLike, negatives: bool = False) -> list[int]:
    """The columns without a positive clip; with `negatives`, also those without a negative one, which have no AUC."""
    truth = np.asarray(truth, bool)
    empty = ~truth.any(0)
    return [int(i) for i in np.flatnonzero(empty | truth.all(0) if negatives else empty)]


def per_tag(
    values: ArrayLike, truth: ArrayLike, task: Task, threshold: float | Floats = 0.5
) -> dict[str, NDArray[Any]]:
    """Columns of (tags,) each: clips (positives), average_precision, auc, precision, recall, f1; NaN where undefined.

    The last three are of the answers in task one and of the scores that reach the threshold in task many.
    """
    clips = Clips(values, truth, threshold)
    if task == "one":
        _single(clips.truth)
        decided = np.zeros_like(clips.truth)
        decided[np.arange(len(decided)), answers(clips.values, clips.truth)] = True
    else:
        decided = clips.decided
    average, auc = (column[:, 0] for column in Draw(clips).by_tag)
    positives, answered = clips.truth.sum(0), decided.sum(0)
    hits = (clips.truth & decided).sum(0)
    with np.errstate(invalid="ignore"):
        return {
            "clips": positives,
            "average_precision": average,
            "auc": auc,
            "precision": hits / answered,
            "recall": hits / positives,
            "f1": np.where(positives > 0, _f1(hits, answered, positives), np.nan),
        }


def resample(groups: ArrayLike, resamples: int, seed: int = 0) -> Iterator[NDArray[np.int32]]:
    """Weights (rows, draws ≤ CHUNK / rows) of `resamples` bootstraps of whole groups, in chunks.

    The draws depend on the names of the groups and the seed alone: not on the order of the rows or the chunks.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // max(1, len(member)))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = generator.integers(len(names), size=(count, len(names)))
        drawn += np.arange(count)[:, None] * len(names)
        times = np.bincount(drawn.ravel(), minlength=count * len(names)).reshape(count, len(names))
        yield np.ascontiguousarray(times.T.astype(np.int32)[member])


def evaluate(
    values: ArrayLike,
    truth: ArrayLike,
    groups: ArrayLike,
    task: Task,
    *,
    resamples: int = 1000,
    seed: int = 0,
    metrics: Sequence[str] | None = None,
    threshold: float | Floats = 0.5,
) -> dict[str, Interval]:
    """Each metric (default: all of the task) with the 95 % percentile interval of a bootstrap over groups.

    groups: (rows,) names; clips of one group stay together. threshold: of the F1s, one or (tags,). In a draw where a
    tag has no positive clip, this tag is left out of the draw's mean. The limits are NaN where there is nothing to draw
    from: one group only, no resamples, or no draw with a value. Raises ScoresError for arrays that do not fit together.
    """
    clips = Clips(values, truth, threshold)
    names = _chosen(metrics, task)
    groups = np.asarray(groups)
    if groups.shape != (len(clips.values),):
        raise ScoresError(
            f"groups have the shape {groups.shape}; {len(clips.values)} clips need ({len(clips.values)},)"
        )
    if task == "one":
        _single(clips.truth)
    value = {name: float(_measure(name, Draw(clips))[0]) for name in names}
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    if len(np.unique(groups)) > 1:
        for weights in resample(groups, resamples, seed):
            draw = Draw(clips, weights)
            for name in names:
                drawn[name].append(_measure(name, draw))
    return {name: _interval(name, value[name], drawn[name]) for name in names}


def _chosen(metrics: Sequence[str] | None, task: Task) -> list[str]:
    if task not in ("one", "many"):
        raise ScoresError(f"the task is 'one' (one tag a clip) or 'many', not {task!r}")
    fitting = [name for name in METRICS.names() if task in METRICS[name].facts["tasks"]]
    for name in metrics or ():
        if name not in fitting:
            tasks = METRICS[name].facts["tasks"]  # an unknown name is answered here
            raise ScoresError(
                f"the metric {name!r} is for task {tasks[0]!r}, not {task!r}. Known: {', '.join(fitting)}"
            )
    return fitting if metrics is None else list(metrics)


def _measure(name: str, draw: Draw) -> Floats:
    """(draws,). A metric registered without `weighted` is given each clip as often as it was drawn: slow, but right."""
    entry = METRICS[name]
    if "weighted" in entry.facts:
        return np.asarray(entry.facts["weighted"](draw))
    values, truth = draw.clips.values, draw.clips.truth
    if draw.weights is None:
        return np.array([float(entry.function(values, truth))])
    rows = (np.repeat(np.arange(len(values)), times) for times in draw.weights.T)
    return np.array([float(entry.function(values[row], truth[row])) for row in rows])


def _interval(name: str, value: float, drawn: list[Floats]) -> Interval:
    """Order statistics, not interpolated: d' may be infinite, and half-way to infinity is nowhere."""
    values = np.concatenate(drawn) if drawn else np.zeros(0)
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return Interval(value, math.nan, math.nan)
    if centred(name):
        values = np.clip(values - values.mean() + value, 0, 1)
    tail = (1 - LEVEL) / 2 * (len(values) - 1)
    return Interval(value, float(values[math.floor(tail)]), float(values[math.ceil(len(values) - 1 - tail)]))


def centred(name: str) -> bool:
    """Whether the draws of this metric are moved so that their mean is the value; such a metric lies in 0 … 1."""
    return bool(METRICS[name].facts.get("centred", False))
