"""Who answers like whom, and what each member adds: why a weaker member can help an ensemble.

A member helps where it is right and the others are wrong, so what matters beside its own figure is how seldom it errs
together with them. In task one a clip is answered with the tag of the highest score; where several are highest nothing
was decided, which is wrong and like no other answer. In task many a clip is answered with all tags at or above the
threshold. The correlation is Pearson's, over the scores of all clips and tags. Both compare members with each other, whether or
not it is known which tags the clips have; figures of the truth count what is known alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError, counted
from earmark.scores import Scores, Task
from earmark.scores.ensemble.rows import align, labels_of
from earmark.scores.ensemble.rules import Name, Over, Rule, check_scales, mean, shares
from earmark.scores.ensemble.search import Metric, checked_truth


@dataclass(frozen=True)
class Pair:
    """Two members. alike: share of the clips answered alike. correlation: of their scores; None where one is constant.

    both, only_a, only_b, neither: shares of the clips that were answered rightly by these (task one, with truth).
    """

    a: str
    b: str
    alike: float
    correlation: float | None
    both: float | None = None
    only_a: float | None = None
    only_b: float | None = None
    neither: float | None = None


@dataclass(frozen=True)
class Contribution:
    """One member. alone: its own figure. without: that of the ensemble without it.

    gain: by how much adding it to the rest betters the figure: above 0 it helps, also where less is better.
    """

    name: str
    weight: float
    alone: float
    without: float | None
    gain: float | None


@dataclass(frozen=True)
class Agreement:
    """pairs: of members. parts: the members, where there is a truth. value: the figure of the whole ensemble.

    least: whether less of the metric is better, as of a loss.
    """

    clips: int
    pairs: tuple[Pair, ...]
    parts: tuple[Contribution, ...] = ()
    metric: str | None = None
    value: float | None = None
    least: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """Two tables for people: pairs, then what each member adds."""
        columns = ["a", "b", "alike", "both", "only_a", "only_b", "neither", "correlation"]
        heads = ["A", "B", "alike", "both right", "only A", "only B", "both wrong", "correlation"]
        pair_rows = [asdict(pair) for pair in self.pairs]
        shown = [name for name in columns if any(row[name] is not None for row in pair_rows)]
        kept = [head for head, name in zip(heads, columns, strict=True) if name in shown]
        tables = [_table(kept, [[_cell(row[name], name) for name in shown] for row in pair_rows])] if pair_rows else []
        if self.parts:
            rows = [
                [
                    part.name,
                    f"{part.weight:.3f}",
                    _cell(part.alone, ""),
                    _cell(part.without, ""),
                    _cell(part.gain, "gain"),
                ]
                for part in self.parts
            ]
            rows.append(["all together", "", _cell(self.value, ""), "", ""])
            gain = "it takes off" if self.least else "it adds"
            tables.append(_table(["member", "weight", str(self.metric), "without it", gain], rows))
        return "\n\n".join(tables)


def agreement(
    members: Sequence[Scores],
    truth: ArrayLike | None = None,
    metric: Metric | None = None,
    rule: Name = "arithmetic",
    weights: Sequence[float] | None = None,
    *,
    over: Over = "clips",
    task: Task = "one",
    threshold: float = 0.5,
    names: Sequence[str] | None = None,
    metric_name: str = "metric",
    least: bool = False,
) -> Agreement:
    """Compare members that scored the same clips.

    truth: (rows, tags) bool, in the rows and tags of the first member, masked where it is not known. With it and a metric
    (higher = better; least: lower = better), what each member adds to the ensemble of the rest is told, by the rule and the
    weights. threshold: of the answers in task many.
    """
    full_rule = Rule(rule, over, task)
    labels = labels_of(members, names)
    same = align(members, names=labels)
    if len(same) < 2:
        raise ScoresError("agreement needs two members at least")
    counts = shares(weights, len(same))
    true = None if truth is None else checked_truth(truth, same[0], task)
    if true is not None and task == "one" and (true.sum(1) != 1).any():
        row = int(np.flatnonzero(true.sum(1) != 1)[0])
        raise ScoresError(
            f"the clip {same[0].ids[row]} has {counted(int(true[row].sum()), 'tag')}: task one needs exactly 1"
        )
    answers = [_answers(member.values, task, threshold) for member in same]
    right = [_right(answer, true) for answer in answers] if true is not None and task == "one" else None
    pairs = []
    for a, b in combinations(range(len(same)), 2):
        alike = float(_alike(answers[a], answers[b]).mean())
        correlation = _correlation(same[a].values, same[b].values)
        shared = {} if right is None else _shares(right[a], right[b])
        pairs.append(Pair(labels[a], labels[b], alike, correlation, **shared))
    if true is None or metric is None:
        return Agreement(len(same[0]), tuple(pairs))
    values = [member.values for member in same]
    check_scales(full_rule, values, labels, counts)
    whole = float(metric(mean(full_rule, values, counts), true))
    parts = []
    for i, label in enumerate(labels):
        others = np.delete(counts, i)
        alone = float(metric(mean(full_rule, [values[i]], np.ones(1)), true))
        without = None
        if others.sum() > 0:
            without = float(metric(mean(full_rule, values[:i] + values[i + 1 :], others / others.sum()), true))
        gain = None if without is None else (without - whole if least else whole - without)
        parts.append(Contribution(label, float(counts[i]), alone, without, gain))
    return Agreement(len(same[0]), tuple(pairs), tuple(parts), metric_name, whole, least)


def _answers(values: NDArray[np.float32], task: Task, threshold: float) -> NDArray[Any]:
    """Task one: (rows,) the column of the highest score, −1 where it is not alone. Task many: (rows, tags) bool."""
    if task == "many":
        return values >= threshold
    highest = values == values.max(1, keepdims=True)
    return np.where(highest.sum(1) == 1, values.argmax(1), -1)


def _alike(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    if a.ndim == 2:
        return np.asarray((a == b).all(1))
    return np.asarray((a == b) & (a >= 0))


def _right(answers: NDArray[Any], truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(answers == truth.argmax(1))


def _shares(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> dict[str, float]:
    cells = {"both": a & b, "only_a": a & ~b, "only_b": ~a & b, "neither": ~a & ~b}
    return {name: float(cell.mean()) for name, cell in cells.items()}


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float | None:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    x, y = (values.ravel().astype(np.float64) for values in (a, b))
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _cell(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "–"
    if name in ("alike", "both", "only_a", "only_b", "neither"):
        return f"{100 * value:.1f} %"
    return f"{value:+.4f}" if name == "gain" else f"{value:.4f}"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    """Columns under each other: names to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    names = sum(head in ("A", "B", "member") for head in heads)
    lines = []
    for row in [heads, *rows]:
        cells = [
            cell.ljust(w) if i < names else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
