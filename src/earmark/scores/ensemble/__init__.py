"""Ensembles: the scores of several taggers → the scores of all of them together. NumPy alone.

    combine         members' scores → one Scores: arithmetic, geometric or rank mean, weighted
    align           members' scores with the same rows and columns in the same order
    search_weights  weights that suit a metric, by greedy forward selection on out-of-fold scores
    search_across   the same without the clips that are combined: an honest figure
    agreement       who answers like whom, and what each member adds to the rest

The rules are in `earmark.scores.ensemble.rules`, how rows are matched is in `earmark.scores.ensemble.rows`. Members that were each
tested on other clips (the taggers of a run over folds) are members like any others when they score new clips; their
out-of-fold scores are pooled with `earmark.scores.concat`, and weights are searched on these. An ensemble of taggers in
one file is `earmark.models.ensemble.Ensemble`; a mean of weights instead of scores is `earmark.models.averaging.average`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from earmark.errors.kinds import checked
from earmark.scores import Scores, Task
from earmark.scores.ensemble.agreement import Agreement, Contribution, Pair, agreement
from earmark.scores.ensemble.rows import Only, align, labels_of, left_out
from earmark.scores.ensemble.rules import Name, Over, Rule, check_scales, mean, shares
from earmark.scores.ensemble.search import OPTIMISTIC, Crossed, Metric, Search, Step, search_across, search_weights

__all__ = [
    "OPTIMISTIC",
    "Agreement",
    "Contribution",
    "Crossed",
    "Metric",
    "Name",
    "Only",
    "Over",
    "Pair",
    "Rule",
    "Search",
    "Step",
    "Task",
    "agreement",
    "align",
    "combine",
    "mean",
    "search_across",
    "search_weights",
    "shares",
]


@checked
def combine(
    members: Sequence[Scores],
    rule: Name = "arithmetic",
    weights: Sequence[float] | None = None,
    *,
    over: Over = "clips",
    task: Task = "many",
    only: Only = "same",
    names: Sequence[str] | None = None,
) -> Scores:
    """The members' scores, combined: the rows and tags of the first member, in its order.

    weights: one a member, in any proportion; default: all the same. over: what the rank rule ranks. task: with "one",
    the geometric mean is made to sum to one again. only: what to do with clips and tags that not all have. names: of
    the members, for messages. Raises ScoresError where the members do not fit together, and for an arithmetic mean of members
    of which some lie within 0 … 1 and others do not.

    >>> import numpy as np
    >>> rows = {"ids": np.array(["a"]), "start": np.zeros(1), "end": np.ones(1), "tags": ("dog", "rain")}
    >>> members = [Scores(np.array([values], np.float32), **rows) for values in ([0.75, 0.25], [0.25, 0.5])]
    >>> combine(members, weights=[3, 1]).values
    array([[0.625 , 0.3125]], dtype=float32)
    """
    counts = shares(weights, len(members))
    full_rule = Rule(rule, over, task)
    same = align(members, only, names)
    own = [member.values for member in same]
    check_scales(full_rule, own, labels_of(members, names), counts)
    values = mean(full_rule, own, counts)
    facts: dict[str, Any] = {**full_rule.as_dict(), "weights": counts.tolist(), "members": [m.facts for m in members]}
    if names is not None:
        facts["names"] = list(names)
    if only == "common":
        facts["left out"] = left_out(members, same[0])
    first = same[0]
    return Scores(values, first.ids, first.start, first.end, first.tags, {"ensemble": facts})
