"""Weights that suit a metric: greedy forward selection with replacement.

Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble selection from libraries of models" (ICML 2004), sections 2 and 2.1:
starting from none, the member whose addition makes the mean best is added, again and again, also one that is in already;
a member's weight is the share of the additions that it got. Of all rounds the earliest with the best figure is kept; of
members that do equally well the first is added. There is no chance in it.

The figure of the weights on the clips that chose them is optimistic. `search_across` gives one that is not: each fold is
combined with the weights that the other folds chose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError
from earmark.errors.kinds import checked
from earmark.scores import Scores, Task
from earmark.scores.ensemble.rows import align, folds_of, labels_of
from earmark.scores.ensemble.rules import Name, Over, Rule, check_scales, mean, shares

Metric = Callable[[NDArray[Any], NDArray[np.bool_]], float]

ROUNDS = 30
OPTIMISTIC = (
    "The weights were chosen on these very clips, so the figure on them is optimistic: report the ensemble on clips that "
    "chose nothing"
)


@dataclass(frozen=True)
class Step:
    """One round: the member (counted from 0) that was added, and the metric with it."""

    member: int
    value: float


@dataclass(frozen=True)
class Search:
    """counts: how often each member was added up to the best round. value: the metric there. path: all rounds."""

    counts: tuple[int, ...]
    value: float
    path: tuple[Step, ...]
    rule: Rule

    @property
    def weights(self) -> tuple[float, ...]:
        """0 or more, summing to one."""
        return tuple(count / sum(self.counts) for count in self.counts)

    def negated(self) -> Search:
        """The same with the metric's sign turned: of a search for the least of a loss, which was told its negative."""
        return replace(self, value=-self.value, path=tuple(Step(step.member, -step.value) for step in self.path))

    def as_dict(self) -> dict[str, Any]:
        path = [{"member": step.member, "value": step.value} for step in self.path]
        facts = {"counts": list(self.counts), "weights": list(self.weights), "value": self.value, "path": path}
        return {**facts, **self.rule.as_dict(), "note": OPTIMISTIC}


@dataclass(frozen=True)
class Crossed:
    """scores: see `search_across`. value: the metric of all of them. counts: of each fold's clips, chosen on the others."""

    scores: Scores
    value: float
    counts: dict[str, tuple[int, ...]]

    def of_fold(self, fold: str, members: Sequence[Scores], rule: Rule) -> NDArray[np.float32]:
        """(rows, tags): all rows of the members, combined with the weights that the other folds chose for this one."""
        return mean(rule, [member.values for member in members], shares(self.counts[fold], len(members)))


@checked
def search_weights(
    members: Sequence[Scores],
    truth: ArrayLike,
    metric: Metric,
    rule: Name = "arithmetic",
    *,
    over: Over = "clips",
    task: Task = "many",
    rounds: int = ROUNDS,
    names: Sequence[str] | None = None,
) -> Search:
    """The weights with which the members' mean has the best metric, higher = better.

    members: out-of-fold scores of the same clips (see `earmark.scores.concat`). truth: (rows, tags) bool, in the rows and
    tags of the first member, masked where it is not known. metric: (values, truth) → figure; in task many it is given the
    masked truth, in task one a clip's own tag excludes the others. The figure found is optimistic: see `OPTIMISTIC`.

    >>> rows = {"ids": np.array(["a", "b"]), "start": np.zeros(2), "end": np.ones(2), "tags": ("dog", "rain")}
    >>> members = [Scores(np.array(v, np.float32), **rows) for v in ([[0.1, 0.9], [0.9, 0.1]], [[0.7, 0.3], [0.2, 0.8]])]
    >>> truth = np.array([[True, False], [False, True]])
    >>> search_weights(members, truth, lambda values, truth: (values.argmax(1) == truth.argmax(1)).mean()).weights
    (0.0, 1.0)
    """
    full_rule = Rule(rule, over, task)
    same = align(members, names=names)
    check_scales(full_rule, [member.values for member in same], labels_of(same, names))
    return _search([member.values for member in same], checked_truth(truth, same[0], task), metric, full_rule, rounds)


def _search(
    values: Sequence[NDArray[np.float32]], true: NDArray[np.bool_], metric: Metric, full_rule: Rule, rounds: int
) -> Search:
    """values: (rows, tags) of each member. true: (rows, tags)."""
    if rounds < 1:
        raise ScoresError(f"rounds is {rounds}: there must be 1 at least")
    terms = [full_rule.before(member) for member in values]
    total = np.zeros(terms[0].shape)
    path: list[Step] = []
    for done in range(rounds):
        figures = [_figure(metric, full_rule.after((total + term) / (done + 1)), true) for term in terms]
        best = int(np.argmax(figures))
        total += terms[best]
        path.append(Step(best, figures[best]))
    last = int(np.argmax([step.value for step in path]))
    added = [step.member for step in path[: last + 1]]
    return Search(tuple(added.count(i) for i in range(len(terms))), path[last].value, tuple(path), full_rule)


@checked
def search_across(
    members: Sequence[Scores],
    truth: ArrayLike,
    folds: ArrayLike,
    metric: Metric,
    rule: Name = "arithmetic",
    *,
    over: Over = "clips",
    task: Task = "many",
    rounds: int = ROUNDS,
    names: Sequence[str] | None = None,
) -> Crossed:
    """The scores of each fold, combined with the weights found on the other folds: no clip chose its own weights.

    folds: (rows,) names, in the rows of the first member; the rest as in `search_weights`. Clips are ranked within folds.
    """
    full_rule = Rule(rule, over, task)
    same = align(members, names=names)
    true, fold_names = checked_truth(truth, same[0], task), folds_of(folds, len(same[0]), "weights that are")
    check_scales(full_rule, [member.values for member in same], labels_of(same, names))
    values = np.zeros(same[0].values.shape, np.float32)
    counts: dict[str, tuple[int, ...]] = {}
    for fold in np.unique(fold_names).tolist():
        here = fold_names == fold
        search = _search([member.values[~here] for member in same], true[~here], metric, full_rule, rounds)
        values[here] = mean(full_rule, [member.values[here] for member in same], shares(search.counts, len(same)))
        counts[fold] = search.counts
    facts: dict[str, Any] = {**full_rule.as_dict(), "counts by fold": {fold: list(c) for fold, c in counts.items()}}
    facts["members"] = [member.facts for member in members]
    return Crossed(replace(same[0], values=values, facts={"ensemble": facts}), _figure(metric, values, true), counts)


def checked_truth(truth: ArrayLike, scores: Scores, task: Task) -> NDArray[np.bool_]:
    """(rows, tags) bool, of the shape of the scores; in task many a masked array where some of it is not known. Raises ScoresError."""
    hidden = np.ma.getmaskarray(truth) if isinstance(truth, np.ma.MaskedArray) else None
    true = np.asarray(truth.data if isinstance(truth, np.ma.MaskedArray) else truth)
    if true.shape != scores.values.shape or true.dtype != np.bool_:
        raise ScoresError(
            f"truth is {true.dtype} of the shape {true.shape}; these scores need bool of the shape {scores.values.shape}"
        )
    if hidden is None or not hidden.any():
        return true
    true = true & ~hidden
    return true if task == "one" else np.ma.masked_array(true, hidden)


def _figure(metric: Metric, values: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    value = float(metric(values, truth))
    if math.isnan(value):
        raise ScoresError(
            "the metric has no value on these clips: no tag has both clips that are known to have it and clips that are known not "
            "to, or it is of probabilities, and these scores are none (ranks, logits)"
        )
    return value
