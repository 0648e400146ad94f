"""Events judged, as paper 003's Table 3 (section 5) does: with 0.5 for all tags, with swept thresholds, with medians too.

Each row of the table is a way to make events of the same scores; its columns are event-based F1 with collars of 200 and
400 ms on both edges, and segment F1 of 1 s, means over tags. PSDS looks at all thresholds at once, so that rules make no
difference to it: PSDS 1 asks for the time (dtc = gtc = 0.7), PSDS 2 for the tag (dtc = gtc = 0.1, cross triggers). All have
95 % intervals over groups of clips.

An offset may also be off by 20 % of the event, as in the DCASE challenges. Times are taken from the start of each clip;
reference events of one tag that overlap or touch are one event. Tags without a reference event are left out of the means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from earmark import metrics
from earmark.errors import ScoresError
from earmark.events import EventRules, Track, hear
from earmark.metrics.events import Counts, Events, Timed
from earmark.scores import Event

COLLARS = (0.2, 0.4)  # s
SEGMENT = 1.0  # s
HALF = "0.5"
THRESHOLDS = "swept thresholds"
MEDIANS = "swept thresholds and median filters"
PSDS_SETTINGS = {"PSDS 1": metrics.PSDS1, "PSDS 2": metrics.PSDS2}


@dataclass(frozen=True)
class Heard:
    """A clip: its scores over time, how long it is and where it starts in its recording, seconds, and its tagger's rules."""

    track: Track
    duration: float
    start: float = 0.0
    rules: EventRules | None = None


def judge(
    clips: Mapping[str, Heard],
    reference: Events,
    groups: Mapping[str, str] | None = None,
    *,
    scores: str = "frames",
    collars: Sequence[float] = COLLARS,
    resamples: int = 1000,
) -> dict[str, Any]:
    """The section of a report, plain values. clips, reference: by id, seconds of the recording. scores: of what.

    rows: [{"rules", "found", "event_f1_0.2", "event_f1_0.4", "segment_f1"}], psds: {name: figure}, tags: a row each,
    outside: reference events that lie beyond the ends of their clips and so are not judged. clips_f1: event-based F1 of
    each clip alone with the last row's rules and the first collar. Raises ScoresError.
    """
    if not collars or len(set(collars)) < len(collars):
        raise ScoresError(f"collars are {list(collars)}: give one at least, each once, in seconds, such as 0.2,0.4")
    tags = _tags(clips)
    metrics.events.check_clips(reference, clips, "scores")
    known = {clip: shifted(events, clips[clip].start) for clip, events in reference.items()}
    named = metrics.events.checked_tags(known, None)
    if unknown := [tag for tag in named if tag not in tags]:
        raise ScoresError(f"the clips have events of {unknown[0]!r}, which is none of the tagger's {len(tags)} tags")
    durations = {clip: heard.duration for clip, heard in clips.items()}
    told = sum(map(len, known.values()))
    known = {clip: _inside(events, durations[clip]) for clip, events in known.items()}
    rows: list[dict[str, Any]] = []
    by_tag: dict[str, dict[str, Any]] = {tag: {"tag": tag} for tag in named}
    for name, rules in ways(clips, tags).items():
        found = {clip: predicted(heard, rules[clip], named) for clip, heard in clips.items()}
        rows.append({"rules": name, "found": sum(map(len, found.values()))})
        counts = _counts(known, found, durations, named, collars)
        for column, each in counts.items():
            _add(rows[-1], by_tag, column, each, groups, resamples, name)
    psds = _psds(clips, known, durations, tags, named, groups, resamples)
    for tag, row in by_tag.items():
        row["events"] = sum(event[0] == tag for events in known.values() for event in events)
        row |= {name: score.tags[tag].value for name, score in psds.items()}
    return {
        "scores": scores,
        "step": float(np.median([heard.track.step for heard in clips.values()])),
        "clips": len(clips),
        "events": sum(map(len, known.values())),
        "outside": told - sum(map(len, known.values())),
        "hours": sum(durations.values()) / 3600,
        "event_length": float(np.median([offset - onset for each in known.values() for _, onset, offset in each])),
        "rows": rows,
        "psds": {name: score.value.as_dict() for name, score in psds.items()},
        "settings": {
            "collars": list(collars), "share": metrics.Collars().share, "segment": SEGMENT,
            "psds": {name: asdict(criteria) for name, criteria in PSDS_SETTINGS.items()},
        },
        "tags": [{"tag": tag, "events": row.pop("events"), **row} for tag, row in by_tag.items()],
        "without events": [tag for tag in tags if tag not in named],
        "clips_f1": _by_clip(counts[_column(collars[0])]),
    }  # fmt: skip


def ways(clips: Mapping[str, Heard], tags: Sequence[str]) -> dict[str, dict[str, EventRules]]:
    """The rows of the table, and the rules of each clip in them; gap and shortest of stored rules are in all rows."""
    stored = {clip: heard.rules for clip, heard in clips.items()}
    told = {clip: rules or EventRules.alike(tags) for clip, rules in stored.items()}
    half = EventRules.alike(tags)
    alike = {
        clip: replace(rules, thresholds=half.thresholds, medians=half.medians)
        if set(rules.thresholds) == set(tags)
        else half
        for clip, rules in told.items()
    }
    if None in stored.values():
        return {HALF: alike}
    swept = {clip: replace(rules, medians=dict.fromkeys(rules.thresholds, 0.0)) for clip, rules in told.items()}
    return {HALF: alike, THRESHOLDS: swept, MEDIANS: told}


def predicted(heard: Heard, rules: EventRules, tags: Sequence[str]) -> list[Timed]:
    """The events of these tags found in a clip, from its start."""
    return _inside(shifted(hear(heard.track, rules), heard.start, tags), heard.duration)


def shifted(events: Sequence[Timed | Event], start: float, tags: Sequence[str] | None = None) -> list[Timed]:
    """Seconds of the recording → from the start of a clip; those of one tag that overlap or touch are one."""
    found = [(tag, onset - start, offset - start) for tag, onset, offset in map(metrics.events.timed, events)]
    return metrics.joined([event for event in found if tags is None or event[0] in tags])


def _inside(events: Sequence[Timed], duration: float) -> list[Timed]:
    """Without what rounding, or a table that tells too much, puts outside of the clip."""
    cut = [(tag, max(0.0, onset), min(offset, duration)) for tag, onset, offset in events]
    return [event for event in cut if event[2] > event[1]]


def _tags(clips: Mapping[str, Heard]) -> tuple[str, ...]:
    if not clips:
        raise ScoresError("no clips to judge events in")
    tags = next(iter(clips.values())).track.tags
    for clip, heard in clips.items():
        if heard.track.tags != tags:
            raise ScoresError(f"clip {clip!r} has scores of other tags than the first clip")
    return tags


def _column(collar: float) -> str:
    return f"event_f1_{collar:g}"


def _counts(
    known: Events, found: Events, durations: Mapping[str, float], tags: Sequence[str], collars: Sequence[float]
) -> dict[str, Counts]:
    """By column of the table: hits and errors by the edges of events, then by segments."""
    counts = {
        _column(collar): metrics.match_events(known, found, tags=tags, collars=metrics.Collars(collar, collar))
        for collar in collars
    }
    return counts | {"segment_f1": metrics.match_segments(known, found, durations, tags=tags, length=SEGMENT)}


def _add(
    row: dict[str, Any],
    by_tag: dict[str, dict[str, Any]],
    column: str,
    counts: Counts,
    groups: Mapping[str, str] | None,
    resamples: int,
    name: str,
) -> None:
    figures = metrics.detection_f1(counts, groups, resamples=resamples)
    row[column] = figures.macro.as_dict()
    for tag, figure in figures.tags.items():
        by_tag[tag][f"{column}, {name}"] = figure.value


def _psds(
    clips: Mapping[str, Heard],
    known: Events,
    durations: Mapping[str, float],
    tags: Sequence[str],
    named: Sequence[str],
    groups: Mapping[str, str] | None,
    resamples: int,
) -> dict[str, metrics.PSDS]:
    columns = [tags.index(tag) for tag in named]
    frames = {}
    for clip, heard in clips.items():
        # where no row covers a time, nothing is heard
        values = np.nan_to_num(heard.track.values[:, columns], nan=0.0)
        frames[clip] = metrics.FrameScores(values, heard.track.edges - heard.start)
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
