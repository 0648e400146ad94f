"""Intervals: how far a metric would move on other clips like these, by drawing groups of clips anew."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError, agreed, counted
from earmark.errors.kinds import checked
from earmark.metrics.clips import Clips, Draw, checked_number, single
from earmark.metrics.naming import warn_of_former
from earmark.metrics.ranking import Bools, Floats
from earmark.registry import METRICS, Entry
from earmark.scores import Task

LEVEL = 0.95
ROUNDING = 1e-9  # of metrics, beyond their range
CHUNK = 2**20  # weights held at a time: 4 MB, which stays in the cache of most processors


@dataclass(frozen=True)
class Interval:
    """A metric's value and the limits of its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@checked
def resample(groups: ArrayLike, resamples: int, seed: int = 0) -> Iterator[NDArray[np.int32]]:
    """Weights (rows, draws ≤ CHUNK / rows) of `resamples` bootstraps of whole groups, in chunks.

    The draws depend on the names of the groups and the seed alone: not on the order of the rows or the chunks. Raises ScoresError.
    """
    return _drawn(checked_groups(groups), checked_number("resamples", resamples), checked_number("seed", seed))


def _drawn(groups: NDArray[Any], resamples: int, seed: int) -> Iterator[NDArray[np.int32]]:
    names, member = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // max(1, len(member)))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = generator.integers(len(names), size=(count, len(names)))
        drawn += np.arange(count)[:, None] * len(names)
        times = np.bincount(drawn.ravel(), minlength=count * len(names)).reshape(count, len(names))
        yield np.ascontiguousarray(times.T.astype(np.int32)[member])


@checked
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
    report: Callable[[str], None] | None = None,
) -> dict[str, Interval]:
    """Each metric (default: all of the task that these scores have) with the 95 % percentile interval of a bootstrap over groups.

    groups: (rows,) names; clips of one group stay together. threshold: of the F1s, one or (tags,). In a draw where a
    tag has no positive clip, this tag is left out of the draw's mean. The limits are NaN where there is nothing to draw
    from: one group only, no resamples, or no draw with a value. A metric of one's own is given clips alone of which every tag is
    known, unless it says that it takes a mask (see `measure`). report: takes a sentence on each metric of a plug-in that fails, and is
    left out where no metrics are asked for; default: Python's warnings. Raises ScoresError for arrays that do not fit together, and
    for values beyond its range of a metric that was asked for.
    """
    checked_number("resamples", resamples)
    checked_number("seed", seed)
    names = chosen(metrics, task)
    clips = Clips(values, truth, threshold, alone=task == "one")
    groups = checked_groups(groups, len(clips.values))
    if task == "one":
        single(clips.truth)
    value = {name: float(figure[0]) for name, figure in measured(names, Draw(clips), metrics, report).items()}
    names = list(value)
    if metrics is None:
        names = measurable(names, [value])
    drawn: dict[str, list[Floats]] = {name: [] for name in names}
    if len(np.unique(groups)) > 1:
        for weights in resample(groups, resamples, seed):
            found = measured(names, Draw(clips, weights), metrics, report)
            names = list(found)
            for name, figure in found.items():
                drawn[name].append(figure)
    return {name: interval(value[name], drawn[name], range_of(name) if centred(name) else None) for name in names}


def checked_groups(groups: ArrayLike, clips: int | None = None) -> NDArray[Any]:
    """(rows,) names, text or numbers. clips: how many there must be. Raises ScoresError."""
    # in a list of text NumPy would take nan for the name "nan"
    names = np.asarray(groups, object if isinstance(groups, list | tuple) else None)
    if names.shape != (clips,) if clips is not None else names.ndim != 1:
        need = "(rows,)" if clips is None else f"{counted(clips, 'clip needs', 'clips need')} ({clips},)"
        raise ScoresError(f"groups have the shape {names.shape}; {need}")
    if names.dtype == object:  # as pandas has text; of several kinds all are text, as in any array
        none = [row for row, name in enumerate(names.tolist()) if name is None or name != name]
        names = names if none else np.array(names.tolist())
    else:
        none = np.flatnonzero(names != names).tolist()
    if none:
        raise ScoresError(
            f"{len(none):,} of {counted(len(names), 'clip')} {agreed(len(none), 'has', 'have')} no group, the first in row "
            f"{none[0]} ({names[none[0]]}): clips of one group are drawn together. Give each a name, such as its own id where "
            "it stands alone"
        )
    if names.dtype.kind not in "USiufb":
        raise ScoresError(f"groups are {names.dtype}: name each clip's group by text or by a number")
    return names


def chosen(metrics: Sequence[str] | None, task: Task) -> list[str]:
    """The metrics that are asked for, by the names that they are asked by, each once; None: all of the task. Raises ScoresError."""
    if task not in ("one", "many"):
        raise ScoresError(f"the task is 'one' (one tag a clip) or 'many', not {task!r}")
    fitting = [name for name in METRICS.names() if task in METRICS[name].facts["tasks"]]
    for name in warn_of_former(metrics or ()):
        if name not in fitting:
            tasks = METRICS[name].facts["tasks"]  # an unknown name is answered here
            raise ScoresError(
                f"the metric {name!r} is for task {tasks[0]!r}, not {task!r}. Known: {', '.join(fitting)}"
            )
    return fitting if metrics is None else list(dict.fromkeys(metrics))


def measurable(names: Sequence[str], values: Sequence[Mapping[str, float]]) -> list[str]:
    """Without the metrics of probabilities where no system's scores are any: nobody has asked for those in particular."""
    return [
        name
        for name in names
        if not METRICS[name].facts.get("least") or any(not math.isnan(value[name]) for value in values)
    ]


def measured(
    names: Sequence[str], draw: Draw, asked: Sequence[str] | None, report: Callable[[str], None] | None = None
) -> dict[str, Floats]:
    """Each metric (draws,); one of a plug-in that fails, and nobody asked for, is left out and told, and the others stay.

    report: takes a sentence on it; default: Python's warnings.
    """
    found = {}
    for name in names:
        try:
            found[name] = measure(name, draw)
        except ScoresError as error:
            if asked is not None or METRICS[name].own:
                raise
            if report is None:
                warnings.warn(f"{error}. The other metrics are measured", stacklevel=4)
            else:
                report(f"{error}. The other metrics are measured.")
    return found


def measure(name: str, draw: Draw) -> Floats:
    """(draws,). A metric registered without `weighted` is given each clip as often as it was drawn: slow, but right.

    Such a one is given clips alone of which every tag is known, unless it is registered with masked=True: then the truth is
    a masked array. NaN where there is none. Raises ScoresError for values beyond the metric's range, and where one of a plug-in
    says something else of all clips the second time.
    """
    entry = METRICS[name]
    found = _measure(entry, draw)
    if draw.weights is None and not entry.own:
        again = _measure(entry, draw)
        if found.shape != again.shape or not np.allclose(found, again, rtol=ROUNDING, atol=ROUNDING, equal_nan=True):
            raise ScoresError(
                f"the metric {name!r} gives {found.flat[0]:g} and, of the same clips, {again.flat[0]:g}: it draws by chance, and nobody "
                "could make its figure again. Let it draw from a generator that it makes anew each time, as by np.random.default_rng(0)"
            )
    return _within(name, found)


def _measure(entry: Entry, draw: Draw) -> Floats:
    if "weighted" in entry.facts:
        return np.asarray(entry.facts["weighted"](draw))
    rows = whole_clips(entry.name, draw.clips)
    drawn = [rows] if draw.weights is None else (np.repeat(rows, times[rows]) for times in draw.weights.T)
    return np.array([_of_rows(entry, draw.clips, each) for each in drawn])


def whole_clips(name: str, clips: Clips) -> NDArray[np.int64]:
    """The rows that a metric is given: those of which every tag is known, or all where it takes a mask."""
    if clips.known is None or takes_unknown(name):
        return np.arange(len(clips.values))
    return np.flatnonzero(clips.known.all(1))


def takes_unknown(name: str) -> bool:
    """Whether a metric knows what to make of tags that are unknown: those of earmark do."""
    return "weighted" in METRICS[name].facts or bool(METRICS[name].facts.get("masked"))


def left_out(names: Iterable[str], known: Bools | None) -> list[str]:
    """A sentence on each metric that leaves clips out for what is not known of them. known: (rows, tags); None: all."""
    count = 0 if known is None else int((~known.all(1)).sum())
    if known is None or not count:
        return []
    of = f"{count:,} of {counted(len(known), 'clip')}, of which some tag is unknown, {agreed(count, 'is', 'are')} left out of it"
    way = "a metric says with masked=True that it takes a masked truth"
    return [f"{name}: {of}; {way}." for name in names if not takes_unknown(name)]


def _of_rows(entry: Entry, clips: Clips, rows: NDArray[np.int64]) -> float:
    """What a metric's own function says of clips, some of them several times."""
    if not len(rows):
        return math.nan
    truth = clips.truth[rows]
    if clips.known is not None and entry.facts.get("masked"):
        truth = np.ma.masked_array(truth, ~clips.known[rows])
    value = entry.function(clips.values[rows], truth)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ScoresError(
            f"the metric {entry.name!r} gives {value!r}, which is no number: its function returns one"
        ) from error


def range_of(name: str) -> tuple[float, float] | None:
    """The least and the greatest value of a metric; None: it says none. One that is centred, and says none, lies in 0 … 1."""
    facts = METRICS[name].facts
    told = facts.get("range", (0, 1) if facts.get("centred") else None)
    if told is None:
        return None
    pair = np.asarray(told)
    if pair.shape != (2,) or pair.dtype.kind not in "iuf" or not pair[0] < pair[1]:
        raise ScoresError(
            f"the metric {name!r} is registered with range={told!r}: give its least and greatest value, as in (0, 100)"
        )
    return float(pair[0]), float(pair[1])


def _within(name: str, found: Floats) -> Floats:
    """Values of a metric, held against its range: the draws of a centred one are cut off there, and would lose its value."""
    limits = range_of(name)
    if limits is None:
        return found
    low, high = limits
    beyond = found[(found < low - ROUNDING) | (found > high + ROUNDING)]
    if len(beyond):
        raise ScoresError(
            f"the metric {name!r} gives {beyond[0]:g}, but its values are said to lie in {low:g} to {high:g}, beyond which its "
            "interval is cut off. Register it with the range that it has, as in range=(0, 100)"
        )
    return found


def interval(value: float, drawn: Sequence[Floats], limits: tuple[float, float] | None = None) -> Interval:
    """limits: of the metric, whose draws are then moved so that their mean is the value; None leaves them in place.

    Order statistics, not interpolated: d' may be infinite, and half-way to infinity is nowhere.
    """
    values = np.concatenate(drawn) if drawn else np.zeros(0)
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return Interval(value, math.nan, math.nan)
    if limits is not None:
        values = np.clip(values - values.mean() + value, *limits)
    tail = (1 - LEVEL) / 2 * (len(values) - 1)
    return Interval(value, float(values[math.floor(tail)]), float(values[math.ceil(len(values) - 1 - tail)]))


def centred(name: str) -> bool:
    """Whether the draws of this metric are moved so that their mean is the value, within its range."""
    return bool(METRICS[name].facts.get("centred", False))
