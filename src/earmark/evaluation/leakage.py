"""What makes a figure one that can be trusted: which clips a tagger learnt from, leaks to them, and looks at test clips.

A tagger file tells the folds and digests of its parts (`earmark.data.splits.Parts`). A run folder remembers each look at its
test clips in looks.jsonl, one line a look, so that a report can say how many there were before it: whoever looks often
and changes something in between has chosen on the test clips.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earmark.data import sampled, sounds
from earmark.data.leaks import Leak
from earmark.data.leaks import leaks as leaks_of
from earmark.data.manifest import SCHEMA, Manifest
from earmark.data.splits import ClipSet
from earmark.errors import EarmarkError, ManifestError, agreed, counted
from earmark.models.facts import ChosenOn, Facts
from earmark.registry import DATASETS

LOOKS = "looks.jsonl"


BETTER = "Figures are better than on clips that have nothing to do with training."
MORE = "; on more of the others too, as far as a sample tells"
RULES = {"events": "rules for events", "tags": "thresholds of tags"}  # facts that tell what they were chosen on


def learnt(facts: Facts, data: str | None, whole: Manifest | None = None) -> dict[str, ClipSet]:
    """The parts of a data set that a tagger or its bases learnt from or were tuned on, by name, as its file tells them.

    data: the name of its layout. whole: its clips. A fold is one of a data set: parts of which less than half is there are
    of another folder or manifest, though their folds may be called alike. Files that were written before they told a
    sample of their clips say nothing of that: there the name of a fold decides, but for clips that are `foreign`.
    """
    if data is None:
        return {}
    parts = facts.split.parts() if facts.split and data == facts.dataset else {}
    for number, base in enumerate(facts.bases or (), 1):
        # the name of a layout is that of any data in it, unless the training found its clips to be the same
        if (base.same and data == facts.dataset) or (data == base.data and official(data)):
            own = {"train": base.train, "validation": base.validation}
            parts |= {f"{name} of base {number}": clips for name, clips in own.items() if clips is not None}
    parts |= {what: on.clips for what, on in tuned_on(facts).items() if on.data == data}
    if whole is None:
        return parts
    ids, others = whole.ids.tolist(), foreign(data, whole)
    return {
        name: clips
        for name, clips in parts.items()
        if clips.is_of(ids) and (clips.sample or not others or _are(clips, whole))
    }


def foreign(data: str | None, clips: Manifest) -> bool:
    """Whether no clip has a name as those of an official data set have them, neither its id nor its file's."""
    pattern = DATASETS[data].facts.get("ids") if data is not None and official(data) else None
    if pattern is None or not len(clips):
        return False
    return not any(re.search(pattern, name) for name in (*clips.ids.tolist(), *(path.name for path in clips.paths())))


def _are(part: ClipSet, clips: Manifest) -> bool:
    """Whether these clips, or those of the part's folds, are the part, as its digest tells."""
    within = clips.select(np.isin(clips.folds, list(part.folds)))
    return part.sha256 in {ClipSet.of(clips).sha256, ClipSet.of(within).sha256}


def untold(facts: Facts, data: str | None, clips: Manifest) -> list[str]:
    """A sentence for the report where a tagger's file does not tell its clips, and these were taken for others by their names."""
    if data is None or data != facts.dataset or not foreign(data, clips):
        return []
    parts = {name: each for name, each in learnt(facts, data).items() if name != "test" and each.clips}
    if (parts and all(each.sample for each in parts.values())) or learnt(facts, data, clips):
        return []
    return [
        f"The tagger's file does not tell which clips of {data} it learnt from. None of these has a name as clips of {data} have, so "
        "they were taken for others: that they are no renamed copies is for you to know."
    ]


def met(parts: Mapping[str, ClipSet], test: Manifest) -> str:
    """Which of the test clips a tagger learnt from, as far as its file tells, in words; "" for none. parts: what it learnt from."""
    known = _known({name: clips for name, clips in parts.items() if name != "test"}, test)
    return _example(test, known) if known.any() else ""


def _known(learnt: Mapping[str, ClipSet], test: Manifest) -> NDArray[np.bool_]:
    """(clips,): which are surely among those learnt from, by their ids."""
    ids, known = test.ids.tolist(), np.zeros(len(test), bool)
    for part in learnt.values():
        known |= part.known(ids)
    return known


def _example(test: Manifest, known: NDArray[np.bool_]) -> str:
    return f"{int(known.sum()):,} of the {counted(len(test), 'clip')}, such as {str(test.ids[known][0])!r}"


def unmet(parts: Mapping[str, ClipSet], test: Manifest, bear: bool, leave: bool = False) -> tuple[Manifest, list[str]]:
    """The test clips that a tagger did not learn from, whatever their folds are called, and sentences for the report.

    parts: what it learnt from, also in other folders of the layout. Where its file tells all of these clips, those that
    are among the test clips are left out. Where it tells a sample of them, ManifestError, unless that is borne, or those
    that it tells are to be left out (`leave`).
    """
    learnt = {name: clips for name, clips in parts.items() if name != "test"}
    ids, known = test.ids.tolist(), _known(learnt, test)
    if not known.any():
        return test, []
    met = _example(test, known)
    if known.all():
        raise EarmarkError(
            f"the tagger was trained, or its epoch or its rules chosen, on all {counted(len(ids), 'clip')}, such as "
            f"{ids[0]!r}: figures would be too good. Report other clips, or say --seen"
        )
    if (sure := all(part.told for part in learnt.values())) or leave:
        return test.select(~known), [
            f"{met}: left out, as the tagger was trained, or its epoch or its rules chosen, on them{'' if sure else MORE}."
        ]
    sentence = f"the tagger was trained, or its epoch or its rules chosen, on {met}, and on more of them, as far as a sample tells"
    if not bear:
        raise ManifestError(
            f"{sentence}: figures would be too good. Report other clips, or bear it with --leaks report"
        )
    return test, [f"{sentence[0].upper()}{sentence[1:]}. {BETTER}"]


def sounding(facts: Facts) -> dict[str, ClipSet]:
    """The parts that a tagger or its bases learnt from whose file tells their sounds, by name, of whatever data they are."""
    parts = facts.split.parts() if facts.split else {}
    for number, base in enumerate(facts.bases or (), 1):
        own = {"train": base.train, "validation": base.validation}
        parts |= {f"{name} of base {number}": clips for name, clips in own.items() if clips is not None}
    return {name: clips for name, clips in parts.items() if clips.sounds}


def unheard(
    parts: Mapping[str, ClipSet], test: Manifest, bear: bool, said: Sequence[Leak] = (), leave: bool = False
) -> tuple[Manifest, list[str]]:
    """The test clips whose very sound a tagger did not learn from, whatever they are called and wherever they lie; sentences.

    parts: of `sounding`. Files are read for it only where there are some. What is borne is told and not left out; said: leaks
    that were told already. As with ids: clips are left out where the file tells all sounds, or `leave` says so, and else refused
    where it tells a sample.
    """
    if not parts or not len(test):
        return test, []
    ids, keys = test.ids.tolist(), list(sounds.keys(test, sounds.of_files(test)))
    known = np.any([part.heard(keys) for part in parts.values()], axis=0)
    told = {id_ for leak in said if leak.kind == "audio" for id_ in leak.ids}
    known &= ~np.isin(ids, sorted(told))
    if not known.any():
        return test, []
    which = f"the very sound of {int(known.sum()):,} of the {counted(len(ids), 'clip')}, such as {str(test.ids[known][0])!r}"
    learner = "the tagger, or one that it began with or was taught by,"
    every = all(part.clips <= sampled.KEPT for part in parts.values())
    more = "" if every else ", and on more of them, as far as a sample tells"
    sentence = f"{learner} was trained, or its epoch chosen, on {which}, whatever it was called there{more}"
    if bear:
        return test, [f"{sentence[0].upper()}{sentence[1:]}. {BETTER}"]
    if known.all() or not (every or leave):
        raise ManifestError(
            f"{sentence}: figures would be too good. Report other clips, or bear it with --leaks report"
        )
    return test.select(~known), [f"{sentence[0].upper()}{sentence[1:]}: left out."]


def apart(leaks: Sequence[Leak], test: Manifest) -> tuple[Manifest, list[str]]:
    """The test clips that nothing ties to clips learnt from, and a sentence on those left out. ManifestError where none is left."""
    tied = np.isin(test.ids, sorted({id_ for leak in leaks for id_ in leak.ids}))
    if not tied.any():
        return test, []
    sentence = (
        f"{int(tied.sum()):,} of the {counted(len(test), 'clip')} {agreed(int(tied.sum()), 'is', 'are')} tied to those that "
        f"the tagger learnt from, the first: {leaks[0].sentence}"
    )
    if tied.all():
        raise ManifestError(f"{sentence}: none is left. Give clips that it did not learn from")
    return test.select(~tied), [f"{sentence}: left out."]


def trained(parts: Mapping[str, ClipSet]) -> dict[str, ClipSet]:
    """Those parts without what only chose an epoch, the tagger's or that of one that it began with weights of."""
    return {name: clips for name, clips in parts.items() if not name.startswith("validation")}


def official(data: str) -> bool:
    """Whether the name of a data set is that of certain clips, not of a layout that any may have."""
    return data in DATASETS.names() and bool(DATASETS[data].facts.get("licence"))


def tuned_on(facts: Facts) -> dict[str, ChosenOn]:
    """By the rules, in words: what they were chosen on."""
    by_rules = {
        RULES["events"]: facts.events.chosen_on if facts.events else None,
        RULES["tags"]: facts.tags.chosen_on if facts.tags else None,
    }
    return {what: on for what, on in by_rules.items() if on is not None}


def learnt_folds(parts: Mapping[str, ClipSet]) -> set[str]:
    """The folds that trained a tagger, chose its epoch or its rules, by what its file tells."""
    return {fold for name, clips in parts.items() if name != "test" for fold in clips.folds}


def left_out(test: ClipSet, parts: Mapping[str, ClipSet]) -> list[str]:
    """The folds of test clips that nothing was learnt from and no rules chosen on, whatever their folds were called then."""
    if test.sha256 in {part.sha256 for name, part in parts.items() if name in RULES.values()}:
        return []
    learnt = learnt_folds(parts)
    return [fold for fold in test.folds if fold not in learnt]


def calibrated_on(parts: Mapping[str, ClipSet], test: Manifest) -> list[str]:
    """The rules, in words, that were chosen on just these clips, whether or not they have folds."""
    digest = ClipSet.of(test).sha256
    return [what for what in RULES.values() if what in parts and parts[what].sha256 == digest]


def leaks(parts: Mapping[str, ClipSet], whole: Manifest, test: Manifest) -> list[Leak]:
    """What ties test clips to clips that the tagger learnt from: groups, recordings, files with the same bytes.

    whole: the data set of the split, with the folds of the training. Nothing is found where that has none of the folds.
    Where more clips were learnt from than the named folds have, those without a fold were among them.
    """
    named = np.isin(whole.folds, sorted(learnt_folds(parts)))
    learning = sum(clips.clips for name, clips in parts.items() if name != "test" and name not in RULES.values())
    if learning > named.sum():
        named |= whole.folds == ""
    learnt = whole.select(named & ~np.isin(whole.ids, test.ids))
    if not len(learnt) or not len(test):
        return []
    sides = ["learnt from"] * len(learnt) + ["tested on"] * len(test)
    table = pa.concat_tables([learnt.table, test.table])
    table = table.set_column(SCHEMA.get_field_index("fold"), SCHEMA.field("fold"), pa.chunked_array([pa.array(sides)]))
    return leaks_of(replace(whole, table=table))


def refuse(leaks: list[Leak], asked_for: bool) -> list[str]:
    """Sentences on leaks for the report; ManifestError unless they are borne (`asked_for`)."""
    if not leaks:
        return []
    clips = len({id_ for leak in leaks for id_ in leak.ids})
    kinds = ", ".join(
        f"{sum(leak.kind == kind for leak in leaks)} by {kind}" for kind in dict.fromkeys(k.kind for k in leaks)
    )
    sentence = (
        f"{counted(clips, 'clip ties', 'clips tie')} the test clips to those that the tagger learnt from ({kinds}), the first: "
        f"{leaks[0].sentence}"
    )
    if not asked_for:
        raise ManifestError(
            f"{sentence}: figures would be too good. Choose other folds, or bear it with --leaks report"
        )
    return [f"{sentence}. {BETTER}"]


@dataclass(frozen=True)
class Looks:
    """Looks at test clips that a run folder remembers, this one included, and the different taggers that they judged."""

    looks: int
    taggers: int

    def as_dict(self) -> dict[str, int]:
        return {"looks": self.looks, "taggers": self.taggers}


def look(folder: Path, taggers: list[str], test: Manifest) -> Looks:
    """Remember a look at these test clips. A line that cannot be read, as a kill leaves one, counts as a look at them."""
    file = folder / LOOKS
    digest = ClipSet.of(test).sha256
    entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "taggers": taggers, "clips": digest}
    before = file.read_bytes() if file.is_file() else b""
    torn = bool(before) and not before.endswith(b"\n")
    with file.open("a", encoding="utf-8") as stream:
        stream.write(("\n" if torn else "") + json.dumps(entry) + "\n")
    seen: set[str] = set()
    looks = 0
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            same, judged = row["clips"] == digest, [str(name) for name in row["taggers"]]
        except (ValueError, KeyError, TypeError):
            same, judged = True, []
        looks += same
        seen |= set(judged) if same else set()
    return Looks(looks, len(seen))
