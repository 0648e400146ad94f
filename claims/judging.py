"""From figures to verdicts, by rule. All that the rule needs is in a result, so that stored ones are judged anew by it.

A pair of systems reads

- CANNOT BE TOLD HERE AT ANY SIZE where the claim says why not (`limit`), whatever else is known;
- NOT TRAINED ENOUGH TO TELL where a training of either had not learnt what its net can (see `claims.learnt`), whatever p is;
- HOLDS where the difference is above nought (of a loss: below), DOES NOT HOLD in the other direction, with p over clips and p over
  trainings both below LEVEL, each after Holm's correction for all pairs of the claim;
- CANNOT BE TOLD at this size otherwise.

A statement reads HOLDS if all of its pairs do, and otherwise the first of these that a pair of it has, in this order: cannot be
told at any size, not trained enough, does not hold, cannot be told. A claim of one statement has its verdict; one of several
that do not agree reads BY STATEMENT.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from claims.claim import Claim
from claims.learnt import NOT_KEPT
from claims.verdict import over_trainings
from earmark.metrics import holm
from earmark.registry import METRICS

LEVEL = 0.05
HOLDS, NOT, UNTOLD = "holds", "does not hold", "cannot be told at this size"
UNTRAINED, NEVER = "not trained enough to tell", "cannot be told here at any size"
BY_STATEMENT = "differs by statement"
NO_P = {
    "clips": "all of them are one group",
    "trainings": "the figures of single trainings were not kept, or there is one only, or they do not differ",
}


def judge(told: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
    """A result with its verdicts: of each pair with `why`, of each statement, of the claim.

    told: `pairs` with difference, p, runs and trainings (nothing in results that did not keep them); `folds` that trainings
    take turns in, or nothing; `learnt`, see `claims.learnt.of` (nothing in results that did not keep it).
    """
    pairs = [dict(pair) for pair in told["pairs"]]
    for pair in pairs:
        pair["p_trainings"] = _over_trainings(pair, told, claim)
    for key in ("p", "p_trainings"):
        for pair, after in zip(pairs, holm([_number(pair[key]) for pair in pairs]), strict=True):
            pair[f"{key}_holm"] = after
    for pair in pairs:
        pair["verdict"], pair["why"] = verdict(pair, _untrained(pair, told, claim), claim.limit, least(claim.metric))
    statements = []
    for statement, own in (claim.statements or {claim.statement: claim.pairs}).items():
        whole = overall([pair["verdict"] for pair in pairs if (pair["better"], pair["worse"]) in own])
        statements.append({"statement": statement, "verdict": whole, "pairs": [list(pair) for pair in own]})
    verdicts = {str(each["verdict"]) for each in statements}
    whole = verdicts.pop() if len(verdicts) == 1 else BY_STATEMENT
    return {**told, "pairs": pairs, "statements": statements, "verdict": whole}


def verdict(
    pair: Mapping[str, Any], untrained: str = "", limit: str | None = None, least: bool = False
) -> tuple[str, str]:
    """(verdict, why) of a pair. untrained: why its systems do not count as trained, or nothing. least: less is better."""
    if limit:
        return NEVER, limit
    if untrained:
        return UNTRAINED, untrained
    difference = _number(pair["difference"])
    for key, over in (("p_holm", "clips"), ("p_trainings_holm", "trainings")):
        p = _number(pair[key])
        if math.isnan(p):
            return UNTOLD, f"there is no p over {over} ({NO_P[over]})"
        if p >= LEVEL:
            return UNTOLD, f"p over {over} is {p:.2f}"
    if math.isnan(difference) or difference == 0:
        return UNTOLD, "there is no difference"
    return (HOLDS if (difference < 0) == least else NOT), f"p over clips and p over trainings are below {LEVEL}"


def overall(verdicts: Sequence[str]) -> str:
    """Of a statement, from those of its pairs."""
    if verdicts and set(verdicts) == {HOLDS}:
        return HOLDS
    return next((one for one in (NEVER, UNTRAINED, NOT) if one in verdicts), UNTOLD)


def _untrained(pair: Mapping[str, Any], told: Mapping[str, Any], claim: Claim) -> str:
    learnt = told.get("learnt") or {}
    for name in (pair["better"], pair["worse"]):
        for source in claim.learnt_by(name):
            why = learnt.get(source, {"why": NOT_KEPT})["why"]
            if why:
                return f"{source}: {why}"
    return ""


def _over_trainings(pair: Mapping[str, Any], told: Mapping[str, Any], claim: Claim) -> float:
    """NaN where the differences of single trainings are not known."""
    kept = pair.get("trainings")
    if kept is None:
        # one run a seed, each of a single training: what was kept of runs is of trainings
        committee = any(claim.systems[pair[side]].committee for side in ("better", "worse"))
        kept = pair["runs"] if claim.folds is None and not committee else []
    if any(each is None for each in kept):
        return math.nan
    return over_trainings(kept, told.get("folds"))


def least(metric: str) -> bool:
    """Whether a metric is a loss, of which less is better."""
    return metric in METRICS and bool(METRICS[metric].facts.get("least"))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
