"""Events in an evaluation: the clips whose events are known are heard over time, and what is found is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from earmark.data import matching
from earmark.data.manifest import Manifest
from earmark.errors import counted
from earmark.evaluation import wording
from earmark.evaluation.events import COLLARS, EventFigures, Example, TrackedClip, measure, predicted, ways
from earmark.evaluation.heldout import HeldOut
from earmark.evaluation.scoring import Settings, TimedScores, score_over_time
from earmark.evaluation.vocabulary import Vocabulary
from earmark.events import EventRules, track
from earmark.inference.asked import LACKED
from earmark.inference.detection import without
from earmark.progress import QUIET, Progress

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

NOT_THESE = "were chosen in other windows than these, and are left out"


@dataclass(frozen=True)
class Detected:
    """figures: None where it is known of all clips that they have no event. clips: that were judged. tracked: by id. rates: Hz, of their
    taggers. notes: what was done to the audio. told: of the rules by which they were judged, and of what is found where there is nothing
    to find, in sentences for the report.
    """

    figures: EventFigures | None
    clips: Manifest
    tracked: dict[str, TrackedClip]
    rates: dict[str, int]
    notes: tuple[str, ...]
    told: tuple[str, ...] = ()


def detect(
    parts: Sequence[HeldOut],
    judged: Manifest,
    *,
    vocabulary: Vocabulary | None = None,
    collars: Sequence[float] = COLLARS,
    hit: str = "sed_eval",
    resamples: int = 1000,
    settings: Settings | None = None,
    progress: Progress = QUIET,
) -> Detected | None:
    """Of the clips with known events, with the groups of `judged`; None where the events of none are known. collars: seconds.
    vocabulary: in which they are judged, default that of the taggers. hit: as in `earmark.evaluation.events`.

    Tags that are never told have no events, neither found nor known.

    A clip that cannot be read is left out: the scores of clips have told so.
    """
    settings = replace(settings or Settings(), strict=False)
    tracked_clips: dict[str, TrackedClip] = {}
    rates: dict[str, int] = {}
    notes: list[str] = []
    told: list[str] = []
    tables, kinds, reserved = [], set(), set[str]()
    for part in parts:
        known = with_events(part.clips)
        if not len(known):
            continue
        timed = score_over_time(part.tagger, known, settings, progress)
        rules, of_rules = _stored_rules(part.tagger, timed, vocabulary, progress)
        told += of_rules
        if vocabulary is not None:
            timed, known = vocabulary.timed(timed), vocabulary.manifest(known)
        never = set(part.tagger.reserved)
        never = never if vocabulary is None else set(vocabulary.reserved(part.tagger.vocabulary, never))
        shown = {id_: replace(clip, scores=without(clip.scores, never)) for id_, clip in timed.clips.items()}
        timed, reserved = replace(timed, clips=shown), reserved | never
        tracked_clips |= tracked(timed, known, rules)
        rates |= dict.fromkeys(timed.clips, part.tagger.sample_rate)
        tables.append(known.select(np.isin(known.ids, list(timed.clips))).table)
        kinds.add(timed.of)
        notes += timed.notes
    if not tracked_clips:
        return None
    clips = replace(parts[0].clips, table=pa.concat_tables(tables))
    reference = {
        id_: [event for event in events if event[0] not in reserved]
        for id_, events in matching.events_of(clips).items()
    }
    if reserved:
        notes.append(f"events of {', '.join(sorted(reserved))}, which are never told, are not judged")
    if not any(reference.values()):
        told += _all_false(tracked_clips)
        progress.say(f"{told[-1][0].lower()}{told[-1][1:].rstrip('.')}")
        return Detected(None, clips, tracked_clips, rates, tuple(notes), tuple(dict.fromkeys(told)))
    groups = {
        id_: group
        for id_, group in zip(judged.ids.tolist(), judged.groups.tolist(), strict=True)
        if id_ in tracked_clips
    }
    of = " and ".join(sorted(kinds))
    figures = measure(tracked_clips, reference, groups, scores=of, collars=collars, hit=hit, resamples=resamples)
    return Detected(figures, clips, tracked_clips, rates, tuple(notes), tuple(dict.fromkeys(told)))


def tracked(timed: TimedScores, clips: Manifest, rules: EventRules | None) -> dict[str, TrackedClip]:
    """By id: the scores over time of each clip that could be read, where it starts, and the rules of its tagger."""
    starts = dict(zip(clips.ids.tolist(), np.nan_to_num(clips.start).tolist(), strict=True))
    return {
        id_: TrackedClip(track(clip.scores), clip.duration, starts[id_], rules) for id_, clip in timed.clips.items()
    }


def _all_false(clips: Mapping[str, TrackedClip]) -> list[str]:
    """Of clips that have no event: how many are found with each row of rules, all of them false, in a sentence."""
    tags = next(iter(clips.values())).track.tags
    hours = sum(clip.duration for clip in clips.values()) / 3600
    found = {
        name: sum(len(predicted(clip, rules[id_], tags)) for id_, clip in clips.items())
        for name, rules in ways(clips, tags).items()
    }
    each = [f"{counted(count, 'event')} with {name}" for name, count in found.items()]
    return [
        f"No clip has an event, as is known of {counted(len(clips), 'clip')} of {hours:.3g} h: F1 and PSDS of events, which collars and "
        f"hit are for, have no value. All that is found there is false: {wording.row(each)}."
    ]


def with_events(clips: Manifest) -> Manifest:
    """The clips whose events are known, if only that there is none."""
    return clips.select(clips.table["events"].is_valid().to_numpy())


def _stored_rules(
    tagger: AnyTagger, timed: TimedScores, vocabulary: Vocabulary | None, progress: Progress
) -> tuple[EventRules | None, list[str]]:
    """The tagger's rules in the tags that are judged, None where none are left; sentences for the report on what does not hold of them."""
    stored = tagger.facts.events
    if LACKED in tagger.facts.lacking:
        progress.say(f"its {LACKED} {NOT_THESE}")
        return None, [f"Its {LACKED} {NOT_THESE}."]
    if stored is None or stored.rules is None:
        return None, []
    rules, told, lost = stored.rules, list[str](), tuple[str, ...]()
    if (chosen_on := stored.scores or timed.of) != timed.of:
        told.append(f"its rules for events were chosen on scores of {chosen_on}, and these are scores of {timed.of}")
    if vocabulary is not None:
        rules, lost = vocabulary.rules(rules, tagger.vocabulary)
        told += vocabulary.without_own("rules for events", lost, tagger.vocabulary)
    for line in told:
        progress.say(line)
    sentences = [f"{line[0].upper()}{line[1:].rstrip('.')}." for line in told]
    return None if len(lost) == len(rules.thresholds) else rules, sentences


def examples(clips_f1: dict[str, float | None]) -> list[Example]:
    """The clip that was heard best, a middling one and the worst, by F1 of each clip; ties by name."""
    known = sorted((value, clip) for clip, value in clips_f1.items() if value is not None)
    if not known:
        return []
    picks = {"best": known[-1], "median": known[(len(known) - 1) // 2], "worst": known[0]}
    shown: dict[str, Example] = {}
    for what, (value, clip) in picks.items():
        shown.setdefault(clip, Example(what, clip, value))
    return list(shown.values())
