"""How figures came about: what a report says of the taggers, their clips and what was chosen on which; plain values."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np

from earmark import metrics
from earmark.data.manifest import Manifest
from earmark.evaluation import leakage
from earmark.evaluation.heldout import HeldOut, Source, pooled, run_folder


def describe(parts: Sequence[HeldOut]) -> dict[str, Any]:
    """tagger, data, folds, unreadable; of one tagger what its file tells, of several a row of figures for each fold."""
    protocol: dict[str, Any] = {
        "tagger": parts[0].tagger.identity() if len(parts) == 1 else [part.tagger.identity() for part in parts],
        "engine": "; ".join(dict.fromkeys(part.tagger.engine for part in parts)),
        "data": str(parts[0].dataset),
        "folds": [fold for part in parts for fold in part.clips.fold_names()],
        "unreadable": sum(len(part.unread) for part in parts),
    }
    if len(parts) > 1:
        bases = dict.fromkeys(base.words() for part in parts for base in part.tagger.facts.bases or ())
        protocol |= {"began with the weights of": "; ".join(bases)} if bases else {}
        folds = {", ".join(part.clips.fold_names()): _fold(part) for part in parts}
        return protocol | {"by fold": folds, "over folds": _over(list(folds.values()))}
    facts = parts[0].tagger.facts
    plain = facts.as_dict()
    if facts.split is not None:
        plain["split"] = {part: clips.as_dict() for part, clips in facts.split.parts().items()}
    protocol |= {key: plain[key] for key in ("chosen", "split", "validation") if key in plain}
    for key, taught in (("began with the weights of", False), ("was taught by", True)):
        told = [base.words() for base in facts.bases or () if base.taught is taught]
        protocol |= {key: "; ".join(told)} if told else {}
    protocol |= {"trained in": facts.precision.words()} if facts.precision else {}
    protocol |= {"adopted": facts.adopted.words()} if facts.adopted else {}
    protocol |= {"head": facts.head.words()} if facts.head else {}
    tuned = leakage.tuned_on(facts).items()
    return protocol | {f"{what} chosen on": {"data": on.data, **on.clips.as_dict()} for what, on in tuned}


def _fold(part: HeldOut) -> dict[str, Any]:
    scores, clips = pooled([part])
    order = {id_: row for row, id_ in enumerate(scores.ids.tolist())}
    values = scores.values[[order[id_] for id_ in clips.ids.tolist()]]
    truth = clips.judged_as(part.tagger.task, part.tagger.vocabulary)
    figures = {"map": metrics.mean_average_precision(values, truth)}
    if part.tagger.task == "one":
        figures["accuracy"] = metrics.accuracy(values, truth)
        figures["map@3"] = metrics.map_at_k(values, truth)
    losses = {"log_loss": metrics.log_loss} if part.tagger.task == "one" else {"log_loss_tags": metrics.log_loss_tags}
    figures |= {key: each for key, loss in losses.items() if np.isfinite(each := loss(values, truth))}
    return {
        **{key: round(value, 4) for key, value in figures.items()},
        "chosen": part.tagger.facts.chosen.as_dict() if part.tagger.facts.chosen else {},
        **({"head": part.tagger.facts.head.words()} if part.tagger.facts.head else {}),
    }


def _over(folds: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """By metric: the mean over the folds, each counting alike, the lowest and the highest; of those that all folds have."""
    common = [
        key
        for key in folds[0]
        if key not in ("chosen", "head") and all(np.isfinite(fold.get(key, np.nan)) for fold in folds)
    ]
    values = {key: [float(fold[key]) for fold in folds] for key in common}
    return {
        key: {"mean": round(fmean(each), 4), "lowest": min(each), "highest": max(each)} for key, each in values.items()
    }


def look(tagger: Source, parts: Sequence[HeldOut], test: Manifest, seen: bool) -> dict[str, int]:
    """Remember in the run folder, if there is one, that these clips were looked at; what the report says of it."""
    run = run_folder(tagger)
    if run is None or seen:
        return {}
    return leakage.look(run, [part.tagger.identity() for part in parts], test).as_dict()
