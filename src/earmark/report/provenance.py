"""The protocol of a report in plain sentences: what was judged, what it learnt from, what chose the epoch, how often
the test clips were looked at.

facts: what `earmark evaluate` tells, or anything else: what has no sentence of its own is told as key and value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from earmark.errors import agreed, counted
from earmark.report import wording

NOT_GIVEN = "Not given. Nobody can tell from this report what chose the epoch and the thresholds."
BY_FOLD = "by fold"
OVER_FOLDS = "over folds"
RULES = ("rules for events chosen on", "thresholds of tags chosen on")
WORDED = {
    "tagger",
    "data",
    "folds",
    "unreadable",
    "chosen",
    "split",
    "validation",
    "looks",
    "taggers",
    BY_FOLD,
    OVER_FOLDS,
    *RULES,
}


def sentences(facts: Mapping[str, Any]) -> list[str]:
    """The protocol, a sentence each; a table of the folds is `by_fold`'s."""
    if not facts:
        return [NOT_GIVEN]
    said = [_judged(facts), *_learnt(facts), *_chosen(facts), *_rules(facts), *_looked(facts)]
    missing = facts.get("unreadable")
    if isinstance(missing, int):
        said.append(
            f"{counted(missing, 'clip was', 'clips were')} left out, because {agreed(missing, 'it', 'they')} could not be read."
            if missing
            else "All clips could be read."
        )
    said += [f"{key}: {_plain(value)}." for key, value in facts.items() if key not in WORDED or not _known(key, value)]
    return [sentence for sentence in said if sentence]


def by_fold(facts: Mapping[str, Any]) -> tuple[list[str], list[list[str]]] | None:
    """Head and rows of the figures of each fold, where the protocol has them."""
    folds = facts.get(BY_FOLD)
    if not _known(BY_FOLD, folds) or not folds:
        return None
    metrics = sorted({key for row in folds.values() for key, value in row.items() if _is_number(value)})
    metrics.sort(key=wording.position)
    rows = []
    for fold, row in folds.items():
        figures = [wording.number(row[m]) if _is_number(row.get(m)) else "–" for m in metrics]
        rows.append([str(fold), *figures, _epoch(row.get("chosen"))])
    over: Any = facts.get(OVER_FOLDS)
    for what in ("mean", "lowest", "highest") if _known(OVER_FOLDS, over) else ():
        values = [over.get(metric, {}).get(what) for metric in metrics]
        rows.append([what, *(wording.number(value) if _is_number(value) else "–" for value in values), ""])
    return ["fold", *map(wording.title, metrics), "epoch"], rows


def _judged(facts: Mapping[str, Any]) -> str:
    tagger = facts.get("tagger")
    many = isinstance(tagger, list) and len(tagger) > 1
    identity = ", ".join(map(str, tagger)) if isinstance(tagger, list) else tagger
    who = f"The {'taggers' if many else 'tagger'} {identity}" if tagger else "A tagger that is not named"
    where = f" on the data set {facts['data']}" if "data" in facts else ""
    folds = f", {_folds(facts['folds'])}" if facts.get("folds") else ""
    return f"{who} {'were' if many else 'was'} judged{where}{folds}" + (", each on its own fold." if many else ".")


def _learnt(facts: Mapping[str, Any]) -> list[str]:
    split: Any = facts.get("split")
    if not _known("split", split):
        return [] if _known(BY_FOLD, facts.get(BY_FOLD)) else ["Which clips it learnt from is not given."]
    phrases = []
    for part, verb in (("train", "trained"), ("validation", "validated"), ("test", "tested")):
        row = split.get(part) or {}
        if not row.get("clips"):
            phrases.append(f"{verb} on none")
            continue
        where = f" ({_folds(row['folds'])})" if row.get("folds") else ""
        phrases.append(f"{verb} on {counted(row['clips'], 'clip')}{where}")
    return [f"By its file it was {wording.row(phrases)}."]


def _chosen(facts: Mapping[str, Any]) -> list[str]:
    chosen: Any = facts.get("chosen")
    if not _known("chosen", chosen) or not chosen:
        return [] if _known(BY_FOLD, facts.get(BY_FOLD)) else ["What chose the epoch is not given."]
    reason = str(chosen.get("by", "a rule that is not given"))
    of = f" of {chosen['of']}" if "of" in chosen else ""
    sentence = f"Epoch {chosen.get('epoch', '–')}{of} was chosen: {reason}"
    figures: Any = facts.get("validation")
    if _known("validation", figures):
        known = [f"{wording.title(key)} {wording.number(value)}" for key, value in figures.items() if _is_number(value)]
        sentence += f". On the validation clips it reached {wording.row(known)}" if known else ""
    return [sentence + "."]


def _rules(facts: Mapping[str, Any]) -> list[str]:
    sentences = []
    for key in RULES:
        row: Any = facts.get(key)
        if key in facts and _known(key, row):
            where = f" ({_folds(row['folds'])})" if row.get("folds") else ""
            what = key.removesuffix(" chosen on").capitalize()
            sentences.append(f"{what} were chosen on {counted(row['clips'], 'clip')}{where} of {row['data']}.")
    return sentences


def _looked(facts: Mapping[str, Any]) -> list[str]:
    looks, taggers = facts.get("looks"), facts.get("taggers")
    if not isinstance(looks, int):
        return []
    if looks == 1:
        return ["It is the first time that these test clips were looked at in this run folder."]
    judged = f", at {counted(taggers, 'different tagger')} in all" if isinstance(taggers, int) else ""
    warning = " Whoever looks often and changes something in between has chosen on the test clips."
    return [
        f"These test clips were looked at {counted(looks, 'time')} in this run folder, this time included{judged}.{warning}"
    ]


def _known(key: str, value: Any) -> bool:
    """Whether the value has the form that the sentence of this key needs."""
    if key in ("chosen", "validation"):
        return isinstance(value, Mapping)
    if key in RULES:
        return isinstance(value, Mapping) and isinstance(value.get("clips"), int) and "data" in value
    if key in ("split", BY_FOLD, OVER_FOLDS):
        return isinstance(value, Mapping) and all(isinstance(row, Mapping) for row in value.values())
    return isinstance(value, int) if key in ("looks", "taggers", "unreadable") else True


def _folds(folds: Any) -> str:
    names = [str(fold) for fold in folds] if isinstance(folds, list | tuple) else [str(folds)]
    return f"{agreed(len(names), 'fold', 'folds')} {wording.row(names)}"


def _epoch(chosen: Any) -> str:
    if not isinstance(chosen, Mapping) or "epoch" not in chosen:
        return "–"
    return f"{chosen['epoch']}" + (f" of {chosen['of']}" if "of" in chosen else "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
