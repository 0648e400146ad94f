"""Events in an evaluation: scored over time, judged, and drawn for a few clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.evaluation.clips import Judged
    from earmark.evaluation.events import Heard

LONGEST_PICTURE = 120.0  # s: of longer clips the events are too narrow to be seen


@dataclass(frozen=True)
class Detected:
    """section: of the report, plain values. clips: that were judged; heard: by id; rates: Hz, of their taggers."""

    section: dict[str, Any]
    clips: Manifest
    heard: dict[str, Heard]
    rates: dict[str, int]


def detect(
    parts: list[Judged], judged: Manifest, collars: str, *, resamples: int, batch: int, workers: int, salvage: bool
) -> Detected | None:
    """What was judged of the clips with known events, with the groups of `judged`; None where there are none."""
    from dataclasses import replace

    import numpy as np
    import pyarrow as pa

    from earmark.cli.console import say
    from earmark.data import matching
    from earmark.evaluation import clips as judging
    from earmark.evaluation import events as detection
    from earmark.events import EventRules, track

    seconds_off = _collars(collars)
    heard: dict[str, Heard] = {}
    rates: dict[str, int] = {}
    tables, kinds = [], set()
    for part in parts:
        known = _with_events(part)
        if not len(known):
            continue
        kind, scores, _ = judging.over_time(part.tagger, known, False, batch=batch, workers=workers, salvage=salvage)
        stored = part.tagger.facts.get("events", {})
        rules = EventRules.from_dict(stored["rules"]) if stored.get("rules") else None
        if rules is not None and stored.get("scores", kind) != kind:
            say(f"its rules for events were chosen on scores of {stored['scores']}, and these are scores of {kind}")
        starts = dict(zip(known.ids.tolist(), np.nan_to_num(known.start).tolist(), strict=True))
        for clip, (moments, seconds) in scores.items():
            heard[clip] = detection.Heard(track(moments), seconds, starts[clip], rules)
            rates[clip] = part.tagger.sample_rate
        tables.append(known.select(np.isin(known.ids, list(scores))).table)
        kinds.add(kind)
    if not heard:
        return None
    clips = replace(parts[0].clips, table=pa.concat_tables(tables))
    reference = matching.events_of(clips)
    if not any(reference.values()):
        say("no clip has an event: events are not judged")
        return None
    groups = {
        id_: group for id_, group in zip(judged.ids.tolist(), judged.groups.tolist(), strict=True) if id_ in heard
    }
    section = detection.judge(
        heard, reference, groups, scores=" and ".join(sorted(kinds)), collars=seconds_off, resamples=resamples
    )
    return Detected(section, clips, heard, rates)


def _collars(told: str) -> list[float]:
    """Seconds, from "0.2,0.4"."""
    from earmark.errors import EarmarkError

    try:
        return [float(each) for each in told.split(",")]
    except ValueError as error:
        raise EarmarkError(f"--collars {told}: give seconds joined by commas, such as 0.2,0.4") from error


def _with_events(part: Judged) -> Manifest:
    """The clips whose events are known."""
    return part.clips.select(part.clips.table["events"].is_valid().to_numpy())


def examples(section: dict[str, Any]) -> list[tuple[str, str, float]]:
    """(what, clip, F1) of the clip that was heard best, of a middling one and of the worst; ties by name."""
    known = sorted((value, clip) for clip, value in section["clips_f1"].items() if value is not None)
    if not known:
        return []
    picks = {"best": known[-1], "median": known[(len(known) - 1) // 2], "worst": known[0]}
    found: dict[str, tuple[str, str, float]] = {}
    for what, (value, clip) in picks.items():
        found.setdefault(clip, (what, clip, value))
    return list(found.values())


def draw(detected: Detected, folder: Path, stem: str) -> None:
    """Pictures of a few clips in the folder, told in the section."""
    from earmark.cli.console import say
    from earmark.data import matching
    from earmark.errors import EarmarkError
    from earmark.events import EventRules, hear
    from earmark.report.pictures import events as eventpicture
    from earmark.scores import Event

    folder.mkdir(parents=True, exist_ok=True)
    paths = dict(zip(detected.clips.ids.tolist(), detected.clips.paths(), strict=True))
    reference = matching.events_of(detected.clips)
    drawn = []
    for what, clip, value in examples(detected.section):
        heard = detected.heard[clip]
        if heard.duration > LONGEST_PICTURE:
            say(f"{clip}: no picture of a clip of {heard.duration:.0f} s, longer than {LONGEST_PICTURE:g} s")
            continue
        rules = heard.rules or EventRules.alike(heard.track.tags)
        known = [Event(onset, offset, tag, 1.0) for tag, onset, offset in reference[clip]]
        scene = eventpicture.Scene(
            paths[clip], heard.start, heard.duration, heard.track, rules, hear(heard.track, rules), known, clip
        )
        file = folder / f"{stem}.events.{what}.png"
        try:
            eventpicture.draw(scene, detected.rates[clip], file, salvage=True)
        except EarmarkError as error:
            say(f"no picture of {clip}: {error}")
            continue
        drawn.append({"what": what, "id": clip, "f1": value, "picture": file.name})
    detected.section["examples"] = drawn
