"""Events judged, as paper 003's Table 3 (section 5) does: with 0.5 for all tags, with swept thresholds, with medians too.

Each row of the table is a way to make events of the same scores; its columns are event-based F1 with collars of 200 and
400 ms on both edges, and segment F1 of 1 s, means over tags. PSDS looks at all thresholds at once, so that rules make no
difference to it: PSDS 1 asks for the time (dtc = gtc = 0.7), PSDS 2 for the tag (dtc = gtc = 0.1, cross triggers). All have
95 % intervals over groups of clips.

What counts as a hit is named: "sed_eval", as in the DCASE challenges, where an offset may also be off by 20 % of the event;
or "length", as paper 003 has it, where both edges are within the collar and a found event lasts at least 80 % of the known
one. Times are taken from the start of each clip;
reference events of one tag that overlap or touch are one event. Tags without a reference event are left out of the means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from earmark import metrics
from earmark.errors import ScoresError, counted
from earmark.events import EventRules, Track, hear
from earmark.metrics import Interval
from earmark.metrics.events import Counts, Events, Timed
from earmark.scores import Event

COLLARS = (0.2, 0.4)  # s
SEGMENT = 1.0  # s
HALF = "0.5"
THRESHOLDS = "swept thresholds"
MEDIANS = "swept thresholds and median filters"
SEGMENTS = "segment_f1"  # what F1 of segments is called in files
PSDS_SETTINGS = {"PSDS 1": metrics.PSDS1, "PSDS 2": metrics.PSDS2}


@dataclass(frozen=True)
class TrackedClip:
    """A clip: its scores over time, how long it is and where it starts in its recording, seconds, and its tagger's rules."""

    track: Track
    duration: float
    start: float = 0.0
    rules: EventRules | None = None


@dataclass(frozen=True)
class RulesFigures:
    """A row of the table: what is found with these rules. found: events. events: F1 by collar, s. segments: their F1."""

    rules: str
    found: int
    events: dict[float, Interval]
    segments: Interval

    def as_dict(self) -> dict[str, Any]:
        by_collar = {column(collar): figure.as_dict() for collar, figure in self.events.items()}
        return {"rules": self.rules, "found": self.found, **by_collar, SEGMENTS: self.segments.as_dict()}


@dataclass(frozen=True)
class TagF1:
    """F1 of one tag with the rules of a row. events: by collar, s."""

    events: dict[float, float]
    segments: float


@dataclass(frozen=True)
class TagEvents:
    """Of one tag. events: how many there are. f1: by the names of the rows. psds: by name."""

    tag: str
    events: int
    f1: dict[str, TagF1]
    psds: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {"tag": self.tag, "events": self.events}
        for rules, figures in self.f1.items():
            row |= {f"{column(collar)}, {rules}": value for collar, value in figures.events.items()}
            row[f"{SEGMENTS}, {rules}"] = figures.segments
        return row | self.psds


@dataclass(frozen=True)
class Settings:
    """collars: s, of onsets and offsets. share: of an event's length that its offset may be off. segment: s. hit: the rule,
    of `earmark.metrics.events.HITS`. least: share of a known event's length that a found one lasts at least."""

    collars: tuple[float, ...]
    share: float
    segment: float
    psds: dict[str, metrics.Criteria]
    hit: str = "sed_eval"
    least: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"collars": list(self.collars)}


@dataclass(frozen=True)
class Example:
    """A clip that a report shows. what: best, median or worst. f1: of its events alone. picture: the file's name."""

    what: str
    id: str
    f1: float
    picture: str = ""


@dataclass(frozen=True)
class EventFigures:
    """Events judged.

    scores: frames or windows. step: s, from score to score. events: reference events that were judged; outside: those
    beyond the ends of their clips, which were not. hours: of all clips. event_length: s, the median. rows: a way to make
    events each. without: tags that have no event. clips_f1: event-based F1 of each clip alone with the last row's rules
    and the first collar, None where nothing is and nothing was found. examples: with pictures, where some were drawn.
    """

    scores: str
    step: float
    clips: int
    events: int
    outside: int
    hours: float
    event_length: float
    rows: tuple[RulesFigures, ...]
    psds: dict[str, Interval]
    settings: Settings
    tags: tuple[TagEvents, ...]
    without: tuple[str, ...]
    clips_f1: dict[str, float | None]
    examples: tuple[Example, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As reports hold it: {"scores", "step", "clips", "events", "outside", "hours", "event_length",
        "rows": [{"rules", "found", "event_f1_0.2", "event_f1_0.4", "segment_f1"}], "psds": {name: figure}, "settings",
        "tags": [{"tag", "events", "event_f1_0.2, RULES", …, "PSDS 1", "PSDS 2"}], "without events": [tags], "clips_f1",
        "examples"}."""
        report = {
            **{
                key: getattr(self, key)
                for key in ("scores", "step", "clips", "events", "outside", "hours", "event_length")
            },
            "rows": [row.as_dict() for row in self.rows],
            "psds": {name: figure.as_dict() for name, figure in self.psds.items()},
            "settings": self.settings.as_dict(),
            "tags": [tag.as_dict() for tag in self.tags],
            "without events": list(self.without),
            "clips_f1": self.clips_f1,
        }
        return (
            report if self.examples is None else report | {"examples": [asdict(example) for example in self.examples]}
        )


def column(collar: float) -> str:
    """What event-based F1 with a collar, s, is called in files."""
    return f"event_f1_{collar:g}"


def measure(
    clips: Mapping[str, TrackedClip],
    reference: Events,
    groups: Mapping[str, str] | None = None,
    *,
    scores: str = "frames",
    collars: Sequence[float] = COLLARS,
    hit: str = "sed_eval",
    resamples: int = 1000,
) -> EventFigures:
    """Events found in clips, judged by those that are known.

    clips, reference: by id, seconds of the recording. groups: of clips, for the intervals; default each its own. scores:
    whose they are. hit: the rule. Raises ScoresError.

        >>> track = Track(np.arange(5.0), np.array([[0.1], [0.9], [0.9], [0.1]]), ("dog",))
        >>> figures = measure({"a": TrackedClip(track, 4.0)}, {"a": [("dog", 1.0, 3.0)]}, resamples=0)
        >>> figures.rows[0].found, figures.rows[0].events[0.2].value
        (1, 1.0)
    """
    tags, named, whole = _checked(clips, reference, collars)
    edges = [metrics.Collars.by(hit, collar) for collar in collars]
    known = {clip: _inside(events, clips[clip].duration) for clip, events in whole.items()}
    durations = {clip: tracked.duration for clip, tracked in clips.items()}
    rows: list[RulesFigures] = []
    f1: dict[str, dict[str, TagF1]] = {tag: {} for tag in named}
    for name, rules in ways(clips, tags).items():
        found = {clip: predicted(tracked, rules[clip], named) for clip, tracked in clips.items()}
        counts = _by_collar(known, found, named, edges)
        segments = metrics.match_segments(known, found, durations, tags=named, length=SEGMENT)
        row, by_tag = _row(name, sum(map(len, found.values())), counts, segments, groups, resamples)
        rows.append(row)
        for tag in named:
            f1[tag][name] = by_tag[tag]
    psds = _psds(clips, known, durations, tags, named, groups, resamples)
    judged = sum(map(len, known.values()))
    return EventFigures(
        scores=scores,
        step=float(np.median([tracked.track.step for tracked in clips.values()])),
        clips=len(clips),
        events=judged,
        outside=sum(map(len, whole.values())) - judged,
        hours=sum(durations.values()) / 3600,
        event_length=float(np.median([offset - onset for events in known.values() for _, onset, offset in events])),
        rows=tuple(rows),
        psds={name: score.value for name, score in psds.items()},
        settings=Settings(tuple(collars), edges[0].share, SEGMENT, PSDS_SETTINGS, hit, edges[0].least),
        tags=tuple(
            TagEvents(
                tag,
                sum(event[0] == tag for events in known.values() for event in events),
                f1[tag],
                {name: score.tags[tag].value for name, score in psds.items()},
            )
            for tag in named
        ),
        without=tuple(tag for tag in tags if tag not in named),
        clips_f1=_by_clip(counts[collars[0]]),
    )


def _row(
    name: str,
    found: int,
    counts: Mapping[float, Counts],
    segments: Counts,
    groups: Mapping[str, str] | None,
    resamples: int,
) -> tuple[RulesFigures, dict[str, TagF1]]:
    """A row of the table, and the same of each tag."""
    events = {collar: metrics.detection_f1(count, groups, resamples=resamples) for collar, count in counts.items()}
    whole = metrics.detection_f1(segments, groups, resamples=resamples)
    row = RulesFigures(name, found, {collar: figures.macro for collar, figures in events.items()}, whole.macro)
    by_tag = {
        tag: TagF1({collar: figures.tags[tag].value for collar, figures in events.items()}, figure.value)
        for tag, figure in whole.tags.items()
    }
    return row, by_tag


def _checked(
    clips: Mapping[str, TrackedClip], reference: Events, collars: Sequence[float]
) -> tuple[tuple[str, ...], Sequence[str], dict[str, list[Timed]]]:
    """(the tagger's tags, those that have events, the events of each clip from its start)."""
    if not collars or len(set(collars)) < len(collars):
        raise ScoresError(f"collars are {list(collars)}: give one at least, each once, in seconds, such as 0.2,0.4")
    tags = _tags(clips)
    metrics.events.check_clips(reference, clips, "scores")
    known = {clip: shifted(events, clips[clip].start) for clip, events in reference.items()}
    named = metrics.events.checked_tags(known, None)
    if unknown := [tag for tag in named if tag not in tags]:
        raise ScoresError(
            f"the clips have events of {unknown[0]!r}, which is none of the tagger's {counted(len(tags), 'tag')}"
        )
    return tags, named, known


def ways(clips: Mapping[str, TrackedClip], tags: Sequence[str]) -> dict[str, dict[str, EventRules]]:
    """The rows of the table, and the rules of each clip in them; gap and shortest of stored rules are in all rows."""
    stored = {clip: tracked.rules for clip, tracked in clips.items()}
    used = {clip: rules or EventRules.alike(tags) for clip, rules in stored.items()}
    half = EventRules.alike(tags)
    alike = {
        clip: replace(rules, thresholds=half.thresholds, medians=half.medians)
        if set(rules.thresholds) == set(tags)
        else half
        for clip, rules in used.items()
    }
    if None in stored.values():
        return {HALF: alike}
    swept = {clip: replace(rules, medians=dict.fromkeys(rules.thresholds, 0.0)) for clip, rules in used.items()}
    return {HALF: alike, THRESHOLDS: swept, MEDIANS: used}


def predicted(tracked: TrackedClip, rules: EventRules, tags: Sequence[str]) -> list[Timed]:
    """The events of these tags found in a clip, from its start."""
    return _inside(shifted(hear(tracked.track, rules), tracked.start, tags), tracked.duration)


def shifted(events: Sequence[Timed | Event], start: float, tags: Sequence[str] | None = None) -> list[Timed]:
    """Seconds of the recording → from the start of a clip; those of one tag that overlap or touch are one."""
    moved = [(tag, onset - start, offset - start) for tag, onset, offset in map(metrics.events.timed, events)]
    return metrics.joined([event for event in moved if tags is None or event[0] in tags])


def _inside(events: Sequence[Timed], duration: float) -> list[Timed]:
    """Without what rounding, or a table that tells too much, puts outside of the clip."""
    cut = [(tag, max(0.0, onset), min(offset, duration)) for tag, onset, offset in events]
    return [event for event in cut if event[2] > event[1]]


def _tags(clips: Mapping[str, TrackedClip]) -> tuple[str, ...]:
    if not clips:
        raise ScoresError("no clips to judge events in")
    tags = next(iter(clips.values())).track.tags
    for clip, tracked in clips.items():
        if tracked.track.tags != tags:
            raise ScoresError(f"clip {clip!r} has scores of other tags than the first clip")
    return tags


def _by_collar(
    known: Events, found: Events, tags: Sequence[str], collars: Sequence[metrics.Collars]
) -> dict[float, Counts]:
    """Hits and errors by the edges of events."""
    return {each.onset: metrics.match_events(known, found, tags=tags, collars=each) for each in collars}


def _psds(
    clips: Mapping[str, TrackedClip],
    known: Events,
    durations: Mapping[str, float],
    tags: Sequence[str],
    named: Sequence[str],
    groups: Mapping[str, str] | None,
    resamples: int,
) -> dict[str, metrics.PSDS]:
    columns = [tags.index(tag) for tag in named]
    frames = {}
    for clip, tracked in clips.items():
        # where no row covers a time, nothing is heard
        values = np.nan_to_num(tracked.track.values[:, columns], nan=0.0)
        frames[clip] = metrics.FrameScores(values, tracked.track.edges - tracked.start)
    return {
        name: metrics.psds(frames, known, durations, named, criteria, groups, resamples=resamples)
        for name, criteria in PSDS_SETTINGS.items()
    }


def _by_clip(counts: Counts) -> dict[str, float | None]:
    """Event-based F1 of each clip; None where nothing is and nothing was found."""
    hits, false, missed = (part.sum(1).tolist() for part in (counts.hits, counts.false, counts.missed))
    return {
        clip: 2 * h / (2 * h + f + m) if h + f + m else None
        for clip, h, f, m in zip(counts.ids, hits, false, missed, strict=True)
    }
