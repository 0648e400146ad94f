"""`tune`: the rules for events of a tagger, and the thresholds of its tags, chosen on validation clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from earmark.data import matching
from earmark.data.manifest import Manifest
from earmark.data.splits import ClipSet
from earmark.data.together import grouped
from earmark.errors import EarmarkError, ScoresError, agreed, counted
from earmark.errors.kinds import checked
from earmark.evaluation.heldout import clips_of
from earmark.evaluation.scoring import (
    ClipScores,
    Settings,
    TimedScores,
    Unread,
    none_read,
    score_clips,
    score_over_time,
)
from earmark.evaluation.thresholds import events, tags
from earmark.evaluation.thresholds.chosen import Chosen
from earmark.evaluation.tracks import with_events
from earmark.evaluation.vocabulary import Vocabulary
from earmark.metrics import Collars
from earmark.metrics.clips import checked_number
from earmark.metrics.events import timed as timed_event
from earmark.models import loading
from earmark.models.anytagger import unheard
from earmark.models.facts import ChosenOn, EventTuning, Facts, TagTuning
from earmark.progress import QUIET, Progress

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger


@dataclass(frozen=True, eq=False)
class Tuning:
    """events, tags: what was chosen, None where there was nothing to choose by. clips: on which. facts: what a tagger file
    tells of it. unread: clips that could not be read. notes: what was done to the audio of others, "path: what"."""

    tagger: AnyTagger
    clips: Manifest
    events: Chosen | None
    tags: Chosen | None
    facts: Facts
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]

    @checked
    def store(self, file: str | Path) -> None:
        """Write the tagger with what was chosen."""
        own = self.tagger.facts.own(self.tagger.identity())
        self.tagger.facts = own.retuned(events=self.facts.events, tags=self.facts.tags)
        self.tagger.save(file)


@checked
def tune(
    tagger: str | Path | Any,
    data: str | Path | Manifest,
    *,
    folds: Sequence[str] | None = None,
    dataset: str | None = None,
    collar: float = 0.2,
    hit: str = "sed_eval",
    gap: float = 0.0,
    low: float | None = None,
    shortest: float = 0.0,
    merge: str | Path | None = None,
    on_test: bool = False,
    resamples: int = 1000,
    batch: int | None = None,
    workers: int = 2,
    salvage: bool = False,
    strict: bool = False,
    device: str = "cpu",
    progress: Progress = QUIET,
) -> Tuning:
    """Each tag's threshold and median filter of the best F1: for events where clips have known ones, and for the tags of
    clips where a clip may have several.

    tagger: a file, the name of a shipped one, or a loaded tagger, which stays as it is until `Tuning.store`. data: as in
    `earmark.evaluate`. folds: default those that chose the tagger's epoch. collar: seconds that an edge may be off. hit: by
    "sed_eval", whose offsets may also be off by 20 % of the event, or by "length", paper 003's rule. gap: events less than so
    many seconds apart are joined; low: so are those between which the score stays at this share of the threshold or above; shortest:
    shorter ones are dropped. merge: choose in the merged tags of a table, as in
    `earmark.evaluate` by "highest": all tags that are merged into
    one get its threshold and median length, and tags that are left out keep 0.5. on_test: allow the folds that the tagger is
    tested on. The rest as in `earmark.evaluate`.

    Raises EarmarkError for clips that the tagger is tested on and where none can be read, ScoresError where there is
    nothing to choose.

        >>> from earmark.evaluation.tuning import tune
        >>> tuning = tune("tagger.safetensors", "scenes.parquet", folds=["4"])  # doctest: +SKIP
        >>> tuning.events.thresholds  # doctest: +SKIP
        {'dog': 0.35, 'rain': 0.6}
    """
    checked_number("resamples", resamples)
    loaded = loading.loaded(tagger, device)
    for line in unheard(loaded):
        progress.say(line)
    name = dataset or loaded.facts.dataset
    clips = clips_to_choose_on(loaded, clips_of(loaded, data, name), folds, name, on_test, progress)
    settings = Settings(batch, workers, salvage, strict)
    Collars.by(hit, collar)  # refused before the work
    vocabulary = None if merge is None else Vocabulary.load(merge)
    if vocabulary is not None:
        for sentence in vocabulary.notes(loaded.vocabulary, clips):
            progress.say(sentence)
        clips = vocabulary.manifest(clips)
    timed = _with_events(clips, loaded.task, progress)
    of_events = of_tags = None
    if timed is not None:
        rules = {"gap": gap, "low": low, "shortest": shortest, "resamples": resamples}
        of_events = _events(loaded, timed, str(name), (hit, collar), rules, settings, vocabulary, progress)
    if loaded.task == "many":
        of_tags = _tags(loaded, clips, str(name), resamples, settings, vocabulary, progress)
    scored_parts = [part.scored for part in (of_events, of_tags) if part is not None]
    return Tuning(
        loaded,
        clips,
        of_events.chosen if of_events else None,
        of_tags.chosen if of_tags else None,
        Facts(events=of_events.facts if of_events else None, tags=of_tags.facts if of_tags else None),
        tuple(dict.fromkeys(clip for scored in scored_parts for clip in scored.unread)),
        tuple(dict.fromkeys(note for scored in scored_parts for note in scored.notes)),
    )


@dataclass(frozen=True)
class _OfEvents:
    chosen: Chosen
    facts: EventTuning
    scored: TimedScores


@dataclass(frozen=True)
class _OfTags:
    chosen: Chosen
    facts: TagTuning
    scored: ClipScores


def _events(
    tagger: AnyTagger,
    clips: Manifest,
    name: str,
    judged: tuple[str, float],
    rules: dict[str, Any],
    settings: Settings,
    vocabulary: Vocabulary | None,
    progress: Progress,
) -> _OfEvents:
    timed = score_over_time(tagger, clips, settings, progress)
    timed = timed if vocabulary is None else vocabulary.timed(timed)
    collars = Collars.by(*judged)
    read = _read(clips, list(timed.clips), timed.unread)
    reference = matching.events_of(read)
    groups = dict(zip(read.ids.tolist(), grouped(read).groups.tolist(), strict=True))
    scores = {clip: timed.clips[clip].scores for clip in reference}
    chosen = events.choose(scores, reference, collars=collars, groups=groups, **rules)
    if chosen.without:
        progress.say(f"no events in these clips, left at 0.5: {', '.join(chosen.without)}")
    facts = replace(
        events.as_facts(chosen),
        scores=timed.of,
        chosen_on=ChosenOn(name, ClipSet.of(read)),
        metric=f"event-based F1, mean over tags, hits by {judged[0]}" + _in(vocabulary),
        collars={**asdict(collars), "hit": judged[0]},
        rates=rates(reference, {clip: timed.clips[clip].duration for clip in reference}),
    )
    if vocabulary is not None and chosen.rules is not None:
        own = vocabulary.of(tagger.vocabulary)
        without = tuple(tag for tag in tagger.vocabulary if own.get(tag, tag) in (None, *chosen.without))
        facts = replace(facts, rules=vocabulary.spread_rules(chosen.rules, tagger.vocabulary), without=without)
    return _OfEvents(chosen, facts, timed)


def _tags(
    tagger: AnyTagger,
    clips: Manifest,
    name: str,
    resamples: int,
    settings: Settings,
    vocabulary: Vocabulary | None,
    progress: Progress,
) -> _OfTags:
    scored = score_clips(tagger, clips, settings, progress)
    scored = scored if vocabulary is None else replace(scored, scores=vocabulary.scores(scored.scores))
    read = _read(clips, scored.scores.ids.tolist(), scored.unread)
    matched = matching.match(scored.scores, grouped(read))
    chosen = tags.choose(matched.values, matched.judged, scored.scores.tags, matched.groups, resamples=resamples)
    chosen_on = ChosenOn(name, ClipSet.of(read))
    facts = replace(tags.as_facts(chosen), chosen_on=chosen_on, metric="F1 of each tag" + _in(vocabulary))
    if vocabulary is not None:
        own = vocabulary.of(tagger.vocabulary)
        without = tuple(tag for tag in tagger.vocabulary if own.get(tag, tag) in (None, *chosen.without))
        spread = vocabulary.spread(chosen.thresholds, tagger.vocabulary, tags.DEFAULT)
        facts = replace(facts, thresholds=spread, without=without)
    return _OfTags(chosen, facts, scored)


def rates(reference: Mapping[str, Sequence[Any]], durations: Mapping[str, float]) -> dict[str, float]:
    """Known events of each tag an hour. reference: by clip; durations: seconds.

    >>> rates({"a": [("dog", 1.0, 2.0)], "b": []}, {"a": 900.0, "b": 900.0})
    {'dog': 2.0}
    """
    hours = sum(durations[clip] for clip in reference) / 3600
    counts = Counter(timed_event(event)[0] for events in reference.values() for event in events)
    return {tag: round(count / hours, 3) for tag, count in sorted(counts.items())} if hours else {}


def _in(vocabulary: Vocabulary | None) -> str:
    return "" if vocabulary is None else f", in the merged tags of {vocabulary.name}"


def _read(clips: Manifest, ids: list[str], unread: tuple[Unread, ...]) -> Manifest:
    if not ids:
        raise none_read(len(clips), unread)
    return clips.select(np.isin(clips.ids, ids))


def _with_events(clips: Manifest, task: str, progress: Progress) -> Manifest | None:
    """The clips whose events are known; None where there are none and thresholds of tags can be chosen instead."""
    known = with_events(clips)
    if len(known) and pc.sum(pc.list_value_length(known.table["events"])).as_py():
        if len(known) < len(clips):
            progress.say(
                f"{len(known):,} of {counted(len(clips), 'clip')} {agreed(len(known), 'has', 'have')} known events: rules for "
                "events are chosen on these"
            )
        return known
    if task == "many":
        none = "an event, as is known of all" if len(known) == len(clips) else "known events"
        progress.say(
            f"no clip has {none}: only thresholds of tags are chosen, and no rules for events, of which --collar, "
            "--gap, --low, --shortest and --tried are"
        )
        return None
    unknown = len(clips) - len(known)
    raise ScoresError(
        f"the events of {unknown:,} of {counted(len(clips), 'clip')} are not known, and none has one. The "
        "tagger gives one tag a clip, the surest, which needs no thresholds: so there is nothing to choose"
    )


def clips_to_choose_on(
    tagger: AnyTagger, whole: Manifest, fold: Sequence[str] | None, name: str | None, on_test: bool, progress: Progress
) -> Manifest:
    """The clips to choose on. Those that the tagger is tested on are refused unless the user says so."""
    facts = tagger.facts
    # folds that are called alike in another folder are other clips
    parts = facts.split.parts() if facts.split else {}
    apart = bool(parts) and not any(part.is_of(whole.ids.tolist()) for part in parts.values())
    same = name is not None and name == facts.dataset and not apart
    validated = facts.clips("validation").folds if same else ()
    folds = list(fold or []) or [name_of_fold for name_of_fold in validated if name_of_fold in whole.fold_names()]
    if not folds and whole.fold_names():
        raise EarmarkError(
            f"say with --fold which clips the rules are chosen on: there are {', '.join(whole.fold_names())}. Take a fold "
            "that nothing is reported on"
        )
    clips = whole.in_folds(folds) if folds else whole
    test = facts.clips("test")
    tested = sorted(set(test.folds) & set(folds)) if same else []
    if (tested or test.known(clips.ids.tolist()).any() or ClipSet.of(clips).sha256 == test.sha256) and not on_test:
        which = f"fold {', '.join(tested)}" if tested else "these clips"
        apart_from_test = [name_of_fold for name_of_fold in validated if name_of_fold not in test.folds]
        way = (
            f"Choose on fold {', '.join(apart_from_test)}"
            if apart_from_test
            else "Choose on clips that neither taught nor test it"
        )
        raise EarmarkError(
            f"the tagger is tested on {which}: with rules chosen there its figures would be too good. {way}, or say --on-test "
            "and report other clips"
        )
    if same and (learnt := sorted(set(facts.clips("train").folds) & set(folds))):
        progress.say(f"the tagger was trained on fold {', '.join(learnt)}, where its scores are better than elsewhere")
    return clips
