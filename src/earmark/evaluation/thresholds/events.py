"""Rules for events chosen on validation clips, as paper 003 (section 5) does: a threshold, then a median length, by tag.

Each tag has its own sweep: without a median filter the threshold of the highest event-based F1, and with that threshold the
median length of the highest. Of equals it is the threshold nearest to 0.5 (the lower of two) and the shortest median, so
that the same scores always give the same rules. A tag without reference events in these clips keeps 0.5 and no filter.
The paper sweeps on its test set, which makes the figures there too good: choose on clips that nothing is reported on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from earmark.errors import ScoresError
from earmark.evaluation.thresholds.chosen import Chosen, Tried, plain
from earmark.events import DEFAULT, EventRules, Track, hear, track
from earmark.metrics.events import (
    Collars,
    Counts,
    Events,
    Timed,
    check_clips,
    checked_tags,
    detection_f1,
    match_events,
    timed,
)
from earmark.metrics.intersection import joined
from earmark.models.facts import EventTuning
from earmark.registry import did_you_mean
from earmark.scores import Event, Scores

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
METRIC = "event_f1"
MEDIANS = (3, 5, 7, 9, 13, 17, 25)  # frames


def as_facts(chosen: Chosen) -> EventTuning:
    """As a tagger file tells it, without what was tried."""
    figures = {name: plain(row[METRIC]) for name, row in chosen.figures.items()}
    return EventTuning(chosen.rules, chosen.without, figures)


def choose(
    scores: Mapping[str, Scores],
    reference: Events,
    *,
    collars: Collars | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    medians: Sequence[float] | None = None,
    gap: float = 0.0,
    low: float | None = None,
    shortest: float = 0.0,
    groups: Mapping[str, str] | None = None,
    resamples: int = 1000,
) -> Chosen:
    """The rules with the highest event-based F1 of each tag. scores, reference: of each clip, by id.

    medians: seconds; default 3 to 25 frames, odd numbers. groups: of clips, for the intervals of the figures. Reference
    events of one tag that overlap or touch are one event, as in `earmark.evaluation.events`, where the rules are judged.
    """
    tracks, reference, tags, with_events = _checked(scores, reference)
    if not thresholds:
        raise ScoresError("no thresholds to choose from: give one at least")
    lengths = _medians(tracks) if medians is None else sorted({float(value) for value in medians} - {0.0})
    rules = EventRules.alike(tags, gap=gap, shortest=shortest, low=low)
    chosen, swept = dict(rules.thresholds), dict(rules.medians)
    tried: list[Tried] = []
    for tag in tags:
        if tag not in with_events:
            continue
        best, points = _Sweep(tag, tracks, reference, collars, (gap, shortest, low)).best(thresholds, lengths)
        chosen[tag], swept[tag] = best.threshold, best.median
        tried += points
    ways = {
        "0.5": rules,
        "thresholds": replace(rules, thresholds=chosen),
        "thresholds and medians": replace(rules, thresholds=chosen, medians=swept),
    }
    figures = {}
    for name, rules_of_row in ways.items():
        predicted = {clip: _of(hear(over_time, rules_of_row), with_events) for clip, over_time in tracks.items()}
        counts = match_events(reference, predicted, tags=with_events, collars=collars)
        figures[name] = detection_f1(counts, groups, resamples=resamples)
    without = tuple(tag for tag in tags if tag not in with_events)
    pairs = {tag: (figures["0.5"].tags[tag].value, figures[name].tags[tag].value) for tag in with_events}
    return Chosen(
        chosen,
        without,
        {tag: pairs.get(tag, (math.nan, math.nan)) for tag in tags},
        {name: {METRIC: figure.macro} for name, figure in figures.items()},
        ways[name],
        tuple(tried),
    )


def _checked(
    scores: Mapping[str, Scores], reference: Events
) -> tuple[dict[str, Track], dict[str, list[Timed]], tuple[str, ...], Sequence[str]]:
    """(scores over time and reference events of each clip, all tags, those that have events)."""
    check_clips(reference, scores, "scores")
    known = {clip: joined([timed(event) for event in events]) for clip, events in reference.items()}
    tracks = {clip: track(scores[clip]) for clip in known}
    tags = next(iter(tracks.values())).tags
    for clip, over_time in tracks.items():
        if over_time.tags != tags:
            raise ScoresError(f"clip {clip!r} has scores of other tags than the first clip")
    with_events = checked_tags(known, None)
    if unknown := [tag for tag in with_events if tag not in tags]:
        raise ScoresError(f"the reference has events of the unknown tag {unknown[0]!r}{did_you_mean(unknown[0], tags)}")
    return tracks, known, tags, with_events


def _medians(tracks: Mapping[str, Track]) -> list[float]:
    """Odd numbers of frames, in seconds."""
    step = float(np.median([over_time.step for over_time in tracks.values() if len(over_time.values)] or [0.0]))
    return [round(step * frames, 6) for frames in MEDIANS] if step else []


def _of(events: Sequence[Event], tags: Sequence[str]) -> list[Event]:
    return [event for event in events if event.tag in tags]


class _Sweep:
    """One tag's columns and reference events, scored again and again."""

    def __init__(
        self,
        tag: str,
        tracks: Mapping[str, Track],
        reference: Events,
        collars: Collars | None,
        others: tuple[float, float, float | None],
    ):
        """others: gap, shortest and low, which stay as they are."""
        self.tag, self.collars, self.others = tag, collars, others
        column = next(iter(tracks.values())).tags.index(tag)
        self.tracks = {
            clip: Track(over_time.edges, over_time.values[:, column : column + 1], (tag,))
            for clip, over_time in tracks.items()
        }
        self.reference = {
            clip: [event for event in map(timed, events) if event[0] == tag] for clip, events in reference.items()
        }

    def best(self, thresholds: Sequence[float], lengths: Sequence[float]) -> tuple[Tried, list[Tried]]:
        """The best point, and all that were tried. lengths: of the median, seconds."""
        points = [self.at(value, 0.0) for value in sorted(set(thresholds))]
        best = max(points, key=lambda p: (p.f1, -abs(round(p.threshold - DEFAULT, 9)), -p.threshold))
        filtered = [self.at(best.threshold, value) for value in lengths]
        return max([best, *filtered], key=lambda p: (p.f1, -p.median)), points + filtered

    def at(self, threshold: float, median: float) -> Tried:
        rules = EventRules.alike((self.tag,), threshold, median, *self.others)
        predicted = {clip: hear(over_time, rules) for clip, over_time in self.tracks.items()}
        counts = match_events(self.reference, predicted, tags=[self.tag], collars=self.collars)
        hits, false, missed = _sums(counts)
        return Tried(self.tag, threshold, median, 2 * hits / (2 * hits + false + missed), hits, false, missed)


def _sums(counts: Counts) -> tuple[int, int, int]:
    return int(counts.hits.sum()), int(counts.false.sum()), int(counts.missed.sum())
