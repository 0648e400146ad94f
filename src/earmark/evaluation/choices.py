"""What a file of scores tells of why its figures may be too good: what chose its weights and its temperature, and what was borne.

On the clips that chose them figures are too good, as on those that a tagger learnt from; but where each fold has those that
the others chose, no clip chose its own. What `evaluate` was asked to bear, clips that the tagger knows or that are tied to them, its
scores tell whoever takes them later. Scores in a CSV, and weights that are given as numbers, tell nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from earmark.data.clipset import ClipSet, sorted_digest
from earmark.errors import EarmarkError, ScoresError, agreed, counted
from earmark.scores import Scores

WHAT = ("weights", "temperature")
CHOSEN = tuple(f"{what} chosen" for what in WHAT)  # keys of the facts of an ensemble
BORNE = "borne"  # key of the facts of scores: sentences
NOBODY_KNOWS = "Of scores in a file nobody knows what made them has learnt from: that these clips were not among it is for you to know."


@dataclass(frozen=True)
class Choice:
    """what: one of WHAT, in words. by: the metric. across: whether each fold has what the others chose. clips: that chose."""

    what: str
    by: str
    across: bool
    clips: ClipSet

    def words(self) -> str:
        """For people."""
        folds = f" of fold {', '.join(self.clips.folds)}" if self.clips.folds else ""
        how = ", for each fold by the others" if self.across else ""
        return f"by {self.by} on {counted(self.clips.clips, 'clip')}{folds}{how}"


def fact(by: str, across: bool, clips: ClipSet) -> dict[str, Any]:
    """What a file of scores keeps of a choice."""
    return {"by": by, "across folds": across, **clips.as_facts()}


def shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an ensemble without the samples of clips, which say nothing to people."""
    return {
        key: {name: each for name, each in value.items() if name != "sample"} if key in CHOSEN else value
        for key, value in facts.items()
    }


def choices(scores: Scores, source: str) -> list[Choice]:
    """All that was chosen for these scores or for a member of them. Raises ScoresError for facts that tell it otherwise."""
    try:
        return list(dict.fromkeys(_found(scores.facts, "")))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ScoresError(
            f"{source}: tells what chose its weights or its temperature in a form that earmark cannot read ({error}). "
            "Write it anew with `earmark ensemble`"
        ) from error


def _found(facts: Any, of: str) -> Iterator[Choice]:
    ensemble = facts.get("ensemble") if isinstance(facts, Mapping) else None
    if not isinstance(ensemble, Mapping):
        return
    for what, key in zip(WHAT, CHOSEN, strict=True):
        if (told := ensemble.get(key)) is not None:
            yield Choice(what + of, str(told.get("by")), bool(told.get("across folds")), ClipSet.read(told))
    for member in ensemble.get("members") or ():
        yield from _found(member, " of a member")


def bearing(scores: Scores, sentences: Iterable[str]) -> Scores:
    """The scores, which tell what was borne when they were made."""
    told = list(dict.fromkeys(sentences))
    return replace(scores, facts={**scores.facts, BORNE: told}) if told else scores


def borne(scores: Scores) -> list[str]:
    """What was borne when these scores, or a member of them, were made: sentences, each once."""
    return list(dict.fromkeys(_borne(scores.facts)))


def _borne(facts: Any) -> Iterator[str]:
    if not isinstance(facts, Mapping):
        return
    told, ensemble = facts.get(BORNE), facts.get("ensemble")
    yield from (each for each in told if isinstance(each, str)) if isinstance(told, list) else ()
    if isinstance(ensemble, Mapping) and isinstance(members := ensemble.get("members"), list):
        for member in members:
            yield from _borne(member)


def told(scores: Scores, source: str) -> dict[str, str]:
    """For a report's protocol: what was chosen, and how."""
    return {f"{each.what} chosen": each.words() for each in choices(scores, source)}


def check(source: str, scores: Scores, judged: Iterable[str], seen: bool) -> list[str]:
    """Sentences for the report, what was borne among them. judged: ids of the clips that figures are of.

    Raises EarmarkError where some of them chose the scores' weights or temperature, unless `seen` allows them.
    """
    ids, rows = sorted(set(judged)), set(scores.ids.tolist())
    on: dict[str, list[str]] = {}
    notes = [f"{source}: {line}" for line in borne(scores)]
    for each in choices(scores, source):
        if each.across or not ids:
            continue
        count, sure = _chose(each.clips, rows, ids)
        if count:
            which = (
                f"all {counted(len(ids), 'clip')}"
                if count == len(ids)
                else f"{count:,} of the {counted(len(ids), 'clip')}"
            )
            on.setdefault(
                f"on {which} that {agreed(len(ids), 'is', 'are')} judged{'' if sure else ', at least'}", []
            ).append(each.what)
        elif not sure:
            notes.append(
                f"{source}: its {each.what} {_verb([each.what])} chosen on {counted(each.clips.clips, 'clip')}. Whether clips "
                "that are judged were among them cannot be known from the file: if so, figures are too good."
            )
    if not on:
        return notes
    sentence = "; ".join(f"its {' and '.join(what)} {_verb(what)} chosen {which}" for which, what in on.items())
    if not seen:
        raise EarmarkError(
            f"{source}: {sentence}: figures would be too good. Combine with --cross, so that each fold has what the others "
            "chose, report other clips, or say --seen"
        )
    return [f"{source}: {sentence}. Figures are better than on clips that chose nothing.", *notes]


def _chose(chosen: ClipSet, rows: set[str], judged: list[str]) -> tuple[int, bool]:
    """How many of the judged clips chose, and whether that is sure; 0 and False where nothing tells it."""
    if chosen.sha256 in (sorted_digest(rows), sorted_digest(judged)):
        return len(judged), True
    return int(chosen.known(judged).sum()), chosen.told


def _verb(what: list[str]) -> str:
    return "was" if len(what) == 1 and what[0].startswith("temperature") else "were"
