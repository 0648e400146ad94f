"""The rules by which members' scores become one: each is a weighted mean of something, and what is made of that mean.

    arithmetic   of the scores (paper 003, table 2, "Avg": over the outputs of all epochs)
    geometric    of the scores, as the exponential of the mean logarithm (paper 004, section 2.5, over its five
                 fold models); made to sum to one again where a clip has one tag
    rank         of the scores' ranks, the lowest 0 and the highest 1; equal scores share their mean rank

Paper 002 (section 3.4) averages ranks with the weights 3:3:2:2:2:1:1:1 and does not say what is ranked.
`over="clips"`, the common practice, ranks the clips within each tag: it brings members of different scales together for
metrics that rank clips (mAP, AUC), but a clip's score then depends on which clips were scored with it. `over="tags"` ranks
the tags within each clip: it suits MAP@k and accuracy and needs no other clip. Ranks are no probabilities: a threshold
that was chosen for scores means nothing for them. A clip (or tag) that is ranked alone has the rank one half.

The arithmetic mean is of scores of one scale: logits beside probabilities would have all the say. Where some members lie within 0 … 1
and others do not, it is refused; of members that all lie beyond, such as logits of each, nothing tells whether they have one scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import checked
from earmark.scores.probabilities import ROUNDING, bounded
from earmark.scores.tags import Task

Name = Literal["arithmetic", "geometric", "rank"]
Over = Literal["clips", "tags"]
TINY = 1e-12  # the smallest score whose logarithm is taken
Floats = NDArray[np.float64]
HUGE = 1e290  # of which some sum to more than a number may be


@dataclass(frozen=True)
class Rule:
    """name: see the module's docstring. over: what is ranked. task: "one" tag a clip, or "many"."""

    name: Name = "arithmetic"
    over: Over = "clips"
    task: Task = "many"

    def __post_init__(self) -> None:
        for what, value, known in (("rule", self.name, Name), ("over", self.over, Over), ("task", self.task, Task)):
            if value not in get_args(known):
                raise ScoresError(f"{what} is {value!r}: take one of {', '.join(get_args(known))}")

    def before(self, values: NDArray[Any]) -> Floats:
        """What the mean is taken of, (rows, tags)."""
        values = np.asarray(values, np.float64)
        if self.name == "geometric":
            if (values < -ROUNDING).any():
                raise ScoresError(
                    f"a score is {values.min():g}, and the geometric mean is of scores from 0: these seem to be no "
                    "probabilities. Turn them into some, or take the rule rank"
                )
            return np.asarray(np.log(np.maximum(values, TINY)))
        if self.name == "rank":
            return ranks(values) if self.over == "clips" else np.ascontiguousarray(ranks(values.T).T)
        return values

    def after(self, mean: Floats) -> NDArray[np.float32]:
        """The mean → scores, (rows, tags); float32, in which means that are equal but for rounding are equal."""
        if self.name != "geometric":
            return mean.astype(np.float32)
        values = np.exp(mean)
        if self.task == "one":
            values /= np.maximum(values.sum(1, keepdims=True), TINY)
        return values.astype(np.float32)

    def as_dict(self) -> dict[str, str]:
        """Plain values; `over` only where something is ranked."""
        settings = asdict(self) | {"rule": self.name}
        del settings["name"]
        if self.name != "rank":
            del settings["over"]
        return dict(sorted(settings.items()))


def mean(rule: Rule, values: Sequence[NDArray[Any]], weights: Floats) -> NDArray[np.float32]:
    """values: (rows, tags) of each member. weights: (members,), summing to one. → (rows, tags).

    >>> mean(Rule("geometric"), [np.array([[0.25]]), np.array([[1.0]])], np.array([0.5, 0.5])).round(3)
    array([[0.5]], dtype=float32)
    """
    total = np.zeros(values[0].shape)
    for member, weight in zip(values, weights.tolist(), strict=True):
        total += weight * rule.before(member)
    return rule.after(total)


def check_scales(
    rule: Rule, values: Sequence[NDArray[Any]], names: Sequence[str], weights: Floats | None = None
) -> None:
    """Raises ScoresError for an arithmetic mean of members (rows, tags) of which some lie within 0 … 1 and others do not.

    weights: (members,); one without weight does not count.
    """
    if rule.name != "arithmetic":
        return
    within: list[str] = []
    beyond: list[str] = []
    for member, name, weight in zip(values, names, np.ones(len(values)) if weights is None else weights, strict=True):
        low, high = float(member.min()), float(member.max())
        told = f"{name} reach from {low:.4g} to {high:.4g}"
        if weight > 0:
            (beyond if bounded(member) is None else within).append(told)
    if within and beyond:
        raise ScoresError(
            f"the scores of {beyond[0]}, those of {within[0]}: an arithmetic mean of such different scales is little else than the "
            "wider one. Bring all to one scale first, such as probabilities from 0 to 1, or take the rule rank (--rule rank), for "
            "which scales do not count"
        )


def ranks(values: Floats) -> Floats:
    """(n, columns) → the rank of each value in its column, from 0 (lowest) to 1; equal values share their mean rank.

    >>> ranks(np.array([[0.1], [0.9], [0.9]])).ravel()
    array([0.  , 0.75, 0.75])
    """
    n = len(values)
    if n <= 1:
        return np.full(values.shape, 0.5)
    result = np.empty(values.shape)
    for column, order in enumerate(np.argsort(values, axis=0).T):
        ranked = values[order, column]
        first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
        length = np.diff(np.append(first, n))
        result[order, column] = np.repeat(first + (length - 1) / 2, length)
    return result / (n - 1)


@checked
def shares(weights: Sequence[float] | None, count: int) -> Floats:
    """Weights in any proportion → (members,) that sum to one; None: all the same. Raises ScoresError.

    >>> shares([3, 1], 2)
    array([0.75, 0.25])
    """
    if count < 1:
        raise ScoresError("no members: there is nothing to combine")
    if weights is None:
        return np.full(count, 1 / count)
    numbers = [float(weight) for weight in weights]
    if len(numbers) != count:
        raise ScoresError(
            f"{counted(len(numbers), 'weight')} for {counted(count, 'member')}: give one a member, such as {':'.join('1' * count)}"
        )
    wrong = [weight for weight in numbers if not math.isfinite(weight) or weight < 0]
    if wrong or max(numbers) <= 0:
        what = f"a weight is {wrong[0]:g}" if wrong else "all weights are 0"
        raise ScoresError(f"{what}: weights are 0 or more, and one at least is more")
    if max(numbers) > HUGE:
        numbers = [weight / max(numbers) for weight in numbers]
    return np.array(numbers) / math.fsum(numbers)
