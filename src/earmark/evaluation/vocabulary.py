"""A smaller vocabulary: scores, clips, events and rules of a tagger in merged tags, by a table with the columns tag, merged.

A tag that the table does not name stays as it is. One with an empty cell under `merged` is left out, of scores, clips and
events alike, and that is told. Shipped tables, which `--merge` takes by name:

    speechcommands-twelve   the words of Speech Commands, v0.01 and v0.02, into the 12 classes of its test files: all words
                            but the ten commands are "_unknown_" (paper 001 trains on 31 classes and tests on 12)
    audioset-desed          the 527 tags of AudioSet into the ten of DESED, for paper 003's section 5. It is made from the
                            names and the tree of AudioSet's ontology: a class and all classes below it. Speech, Dog and
                            Cat are classes of both; Alarm_bell_ringing is Alarm and Bell; Dishes is "Dishes, pots, and
                            pans" and "Cutlery, silverware"; Frying is "Frying (food)"; Running_water is "Water tap,
                            faucet", "Sink (filling or washing)" and "Bathtub (filling or washing)"; Electric_shaver_
                            toothbrush is "Electric shaver, electric razor" and "Electric toothbrush". Growling, below Dog
                            and Cat, and Hiss, below Cat and Water, are left out with all others. The paper does not tell
                            its own table
    audioset-esc10          the same tags, and so YAMNet's 521, into the ten of ESC-10, by the same tree: Crying, sobbing;
                            Sneeze; Dog; Chicken, rooster; Rain; Ocean; Fire; Helicopter; Chainsaw; Clock; and all below

A table may have a third column, `below`: a tag with "audioset" there brings along all classes below it in AudioSet's ontology
(`earmark.evaluation.ontology`), so that "Dog" includes "Bark". What the table names itself, or lies below a nearer one, goes
where that says.

Events of merged tags that overlap or touch are one event. A merged tag has a threshold and a median length where all tags
that it stands for have the same ones, as `earmark calibrate --merge` stores them; others have 0.5, which is told, and move no other tag's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earmark.data import manifest as manifests
from earmark.data.datasets import columns
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError, ManifestError, agreed, counted
from earmark.evaluation import ontology, wording
from earmark.evaluation.scoring import TimedScores
from earmark.events import DEFAULT, EventRules
from earmark.inference import Scored
from earmark.metrics import joined
from earmark.metrics.merging import merge_tags, merged_tags
from earmark.registry import did_you_mean
from earmark.scores import Scores
from earmark.scores.reserved import RESERVED

MergeBy = Literal["highest", "sum"]
Value = TypeVar("Value")


def shipped() -> dict[str, Path]:
    """The tables in the package, by name."""
    folder = Path(str(resources.files("earmark.evaluation"))) / "vocabularies"
    return {path.stem: path for path in sorted(folder.glob("*.csv"))}


def find(table: str | Path) -> Path:
    """A table's file, by path or by the name of a shipped one.

    >>> find("speechcommands-twelve").name
    'speechcommands-twelve.csv'
    """
    path, known = Path(table), shipped()
    if not path.is_file() and str(table) in known:
        return known[str(table)]
    if not path.is_file():
        raise EarmarkError(
            f"{table}: no such table of tags{did_you_mean(str(table), known)} Give a file with the columns tag, merged, or "
            f"one of the shipped: {', '.join(known)}"
        )
    return path


@dataclass(frozen=True)
class Vocabulary:
    """name: of the table. mapping: tag → merged tag, None: left out. rule: as in `earmark.metrics.merging`."""

    name: str
    mapping: Mapping[str, str | None]
    rule: MergeBy = "highest"

    @staticmethod
    def load(table: str | Path, rule: MergeBy = "highest") -> Vocabulary:
        """Raises EarmarkError for no such table, ManifestError for one that names a tag twice."""
        file = find(table)
        read = manifests.load_table(file)
        old, new = columns(read, file, "tag", "merged")
        mapping: dict[str, str | None] = {}
        for row, (tag, merged) in enumerate(zip(old, new, strict=True), 2):
            if not _cell(tag):
                raise ManifestError(f"{file}: line {row} names no tag")
            into = str(merged) if _cell(merged) else None
            if mapping.get(tag, into) != into:
                raise ManifestError(f"{file}: line {row} merges {tag!r} into {merged!r}, an earlier one into another")
            mapping[str(tag)] = into
        if "below" in read.column_names:
            (trees,) = columns(read, file, "below")
            mapping = ontology.grown(mapping, dict(zip(map(str, old), trees, strict=True)), str(file))
        return Vocabulary(file.name if Path(table).is_file() else str(table), mapping, rule)

    def of(self, tags: Sequence[str]) -> dict[str, str | None]:
        """The mapping of those of these tags that the table names. Raises EarmarkError where it names none."""
        own = {tag: self.mapping[tag] for tag in tags if tag in self.mapping}
        if not own:
            raise EarmarkError(
                f"{self.name}: none of its {counted(len(self.mapping), 'tag')}, such as {next(iter(self.mapping), '')!r}, is one of the "
                f"tagger's {len(tags)}, such as {tags[0]!r}: this table is for other taggers"
            )
        return own

    def made(self, tags: Sequence[str]) -> bool:
        """Whether these are merged tags already: none is the table's, and some are what it merges into."""
        return not set(tags) & set(self.mapping) and bool(set(tags) & set(self.mapping.values()))

    def scores(self, scores: Scores) -> Scores:
        return merge_tags(scores, self.of(scores.tags), self.rule)

    def names(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The merged tags of a tagger with these."""
        return merged_tags(tags, self.of(tags))[0]

    def members(self, tags: Sequence[str]) -> dict[str, list[str]]:
        """By merged tag: the tags of a tagger with these that it stands for."""
        names, place = merged_tags(tags, self.of(tags))
        members: dict[str, list[str]] = {name: [] for name in names}
        for tag, target in zip(tags, place, strict=True):
            if target is not None:
                members[names[target]].append(tag)
        return members

    def reserved(self, tags: Sequence[str], reserved: Collection[str]) -> tuple[str, ...]:
        """The merged tags that are made of reserved ones alone, or called as one is. tags: of the tagger."""
        merging = self.of(tags)
        told = {merging.get(tag, tag) for tag in tags if tag not in reserved}
        return tuple(name for name in self.names(tags) if name not in told or name in RESERVED)

    def scored(self, heard: Scored, tags: Sequence[str]) -> Scored:
        """A recording's scores in merged tags; of silence, nought stays nought. tags: of the tagger."""
        row = Scores(heard.values[None], np.array(["recording"]), np.zeros(1), np.ones(1), tuple(tags))
        windows = None if heard.windows is None else self.scores(heard.windows)
        return replace(heard, values=self.scores(row).values[0], windows=windows, vocabulary=self.names(tags))

    def as_dict(self) -> dict[str, Any]:
        """What a job goes on with: the same table, whatever its file is called."""
        return {"rule": self.rule, "tags": dict(self.mapping)}

    def timed(self, timed: TimedScores) -> TimedScores:
        """Scores over time in merged tags."""
        clips = {id_: replace(clip, scores=self.scores(clip.scores)) for id_, clip in timed.clips.items()}
        return replace(timed, clips=clips)

    def manifest(self, clips: Manifest) -> Manifest:
        """The same clips with tags and events in merged tags."""
        table_columns: dict[str, Any] = {name: clips.table[name] for name in clips.table.column_names}
        table_columns["tags"] = [self._merged(tags) for tags in clips.table["tags"].to_pylist()]
        pairs = zip(clips.table["tags"].to_pylist(), clips.table["unknown"].to_pylist(), strict=True)
        table_columns["unknown"] = [
            [tag for tag in self._merged(unknown) if tag not in self._merged(tags)] for tags, unknown in pairs
        ]
        events = [self._events(events) for events in clips.table["events"].to_pylist()]
        table_columns["events"] = pa.array(events, clips.table.schema.field("events").type)
        return manifests.build(table_columns, clips.root, facts=clips.facts, name=self.name)

    def rules(self, rules: EventRules, tags: Sequence[str]) -> tuple[EventRules, tuple[str, ...]]:
        """The rules of merged tags, and which of these have none of their own but 0.5: see `thresholds`. tags: of the tagger."""
        members = self.members(tags)
        lost = self._lost(members, rules.thresholds, rules.medians)
        thresholds = {name: DEFAULT if name in lost else rules.thresholds[own[0]] for name, own in members.items()}
        medians = {name: 0.0 if name in lost else rules.medians[own[0]] for name, own in members.items()}
        lows = {name: low for name, low in self.lows(rules.lows, tags).items() if name not in lost}
        return replace(rules, thresholds=thresholds, medians=medians, lows=lows), lost

    def lows(self, lows: Mapping[str, float], tags: Sequence[str]) -> dict[str, float]:
        """Of merged tags all of whose tags have one: the highest, which joins the least."""
        # more than 1: of a tag that is not joined
        shares = {name: max(lows.get(tag, math.inf) for tag in own) for name, own in self.members(tags).items()}
        return {name: share for name, share in shares.items() if share <= 1}

    def thresholds(
        self, values: NDArray[np.float64], tags: Sequence[str]
    ) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """(tags,) → (merged tags,), and which of these have none of their own but 0.5: those of several whose thresholds differ, or whose
        scores are summed, of which no threshold was chosen.
        """
        own, members = dict(zip(tags, values.tolist(), strict=True)), self.members(tags)
        lost = self._lost(members, own)
        return np.array([DEFAULT if name in lost else own[of[0]] for name, of in members.items()], float), lost

    def without_own(self, what: str, lost: Sequence[str], tags: Sequence[str]) -> list[str]:
        """A sentence on merged tags that have no rules or thresholds (`what`) of their own, as `rules` and `thresholds` tell them."""
        if not lost:
            return []
        why = "differ among tags that are merged into one"
        way = f"Choose {what} in merged tags with earmark calibrate --merge {self.name}"
        if self.rule != "highest":
            why, way = (
                "are of scores that are summed here",
                f"By the highest score they can be chosen: earmark calibrate --merge {self.name}",
            )
        others = "" if len(lost) == len(self.names(tags)) else ", and the others with their own"
        judged = f"{agreed(len(lost), 'it is', 'they are')} judged with 0.5{others}"
        return [f"The tagger's {what} of {wording.names(lost)} {why}: {judged}. {way}."]

    def spread(self, values: Mapping[str, Value], tags: Sequence[str], other: Value) -> dict[str, Value]:
        """Values of merged tags → those of the tags that they stand for; `other` for tags that are left out."""
        names = {tag: self.of(tags).get(tag, tag) for tag in tags}
        return {tag: other if name is None else values[name] for tag, name in names.items()}

    def spread_rules(self, rules: EventRules, tags: Sequence[str]) -> EventRules:
        thresholds = self.spread(rules.thresholds, tags, DEFAULT)
        names = {tag: self.of(tags).get(tag, tag) for tag in tags}
        lows = {tag: rules.lows[name] for tag, name in names.items() if name is not None and name in rules.lows}
        return replace(rules, thresholds=thresholds, medians=self.spread(rules.medians, tags, 0.0), lows=lows)

    def notes(self, tags: Sequence[str], clips: Manifest) -> list[str]:
        """What became of the tagger's tags, and of the tags and events of these clips, in sentences."""
        merging = self.of(tags)
        left = [tag for tag in tags if tag in merging and merging[tag] is None]
        names, _ = merged_tags(tags, merging)
        sentences = [
            f"Judged in merged tags ({self.name}, {self.rule}): the tagger's "
            f"{counted(len(tags) - len(left), 'tag is', 'tags are')} {len(names):,} "
            f"here: {wording.names(names)}."
        ]
        if left:
            sentences.append(f"{counted(len(left), 'tag')} of the tagger left out: {wording.names(left)}.")
        dropped = sorted({tag for tag in clips.vocabulary if tag in self.mapping and self.mapping[tag] is None})
        lost = [
            sum(tag in dropped for row in clips.table["tags"].to_pylist() for tag in row or ()),
            sum(event["tag"] in dropped for row in clips.table["events"].to_pylist() for event in row or ()),
        ]
        if any(lost):
            sentences.append(
                f"The table leaves out {wording.names(dropped)}: {counted(lost[0], 'tag')} and "
                f"{counted(lost[1], 'event')} of the clips {agreed(sum(lost), 'is', 'are')} not judged."
            )
        return sentences

    def _merged(self, tags: Sequence[str]) -> list[str]:
        names = (self.mapping.get(tag, tag) for tag in tags)
        return list(dict.fromkeys(name for name in names if name is not None))

    def _events(self, events: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
        """Unknown events stay unknown, and no event stays none."""
        if events is None:
            return None
        named = [(self.mapping.get(event["tag"], event["tag"]), event["onset"], event["offset"]) for event in events]
        merged = joined([(tag, onset, offset) for tag, onset, offset in named if tag is not None])
        return [
            dict(zip(("tag", "onset", "offset"), event, strict=True)) for event in sorted(merged, key=lambda e: e[1:])
        ]

    def _lost(self, members: Mapping[str, Sequence[str]], *told: Mapping[str, float]) -> tuple[str, ...]:
        """Those of several tags whose values differ, or whose scores are summed."""
        several = {name: own for name, own in members.items() if len(own) > 1}
        return tuple(
            name
            for name, own in several.items()
            if self.rule != "highest" or any(len({values[tag] for tag in own}) > 1 for values in told)
        )


def _cell(value: object) -> str:
    """Of a table; one of blanks alone looks empty, and is."""
    return "" if value is None else str(value).strip()
