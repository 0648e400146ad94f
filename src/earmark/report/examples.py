"""Pictures of the events of a few clips of an evaluation: one that was heard well, a middling one, and the worst."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from earmark.data import matching
from earmark.errors import EarmarkError
from earmark.evaluation.events import Example
from earmark.evaluation.tracks import Detected, examples
from earmark.events import EventRules, hear
from earmark.progress import QUIET, Progress
from earmark.report.pictures import events as pictures
from earmark.scores import Event

LONGEST = 120.0  # s: of longer clips the events are too narrow to be seen


def draw_examples(detected: Detected, folder: Path, stem: str, progress: Progress = QUIET) -> tuple[Example, ...]:
    """Draw {stem}.events.best.png and others into the folder; what was drawn. progress: told why one is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = dict(zip(detected.clips.ids.tolist(), detected.clips.paths(), strict=True))
    reference = matching.events_of(detected.clips)
    with_pictures = []
    for example in examples(detected.figures.clips_f1 if detected.figures else {}):
        clip = example.id
        tracked = detected.tracked[clip]
        if tracked.duration > LONGEST:
            progress.say(f"{clip}: no picture of a clip of {tracked.duration:.0f} s, longer than {LONGEST:g} s")
            continue
        rules = tracked.rules or EventRules.alike(tracked.track.tags)
        known = [Event(onset, offset, tag, 1.0) for tag, onset, offset in reference[clip]]
        scene = pictures.Scene(
            paths[clip], tracked.start, tracked.duration, tracked.track, rules, hear(tracked.track, rules), known, clip
        )
        file = folder / f"{stem}.events.{example.what}.png"
        try:
            pictures.draw(scene, detected.rates[clip], file, salvage=True)
        except EarmarkError as error:
            progress.say(f"no picture of {clip}: {error}")
            continue
        with_pictures.append(replace(example, picture=file.name))
    return tuple(with_pictures)
