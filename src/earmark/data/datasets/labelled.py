"""Recordings with files of labels beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from earmark.data import labelfiles
from earmark.data.datasets import AUDIO, SHOWN, choose, dataset, refuse
from earmark.data.excerpts import excerpts, left
from earmark.data.labelfiles import Event, Labels
from earmark.data.manifest import Manifest, build, few
from earmark.errors import AudioError, ManifestError, agreed, counted

LAYOUT = {
    "night.wav": AUDIO,
    "night.txt": "0.020000\t0.060000\towl\n",
    "day.wav": AUDIO,
    "day.Table.1.selections.txt": "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n1\t0.01\t0.05\tfrog\n",
}
PAST = 0.1  # s that labels may reach past the end of their recording without a word: programs round it
BACKGROUND = "background"


@dataset()
def labelled(
    root: Path,
    complete: bool = False,
    margin: float = 0.5,
    shortest: float = 0.0,
    background: str = BACKGROUND,
    piece: float = 5.0,
    others: Literal["absent", "unknown"] = "absent",
    missing: Literal["refuse", "skip"] = "refuse",
    points: float | None = None,
    least: float = 0.0,
    file: str | None = None,
    onset: str | None = None,
    offset: str | None = None,
    tag: str | None = None,
) -> Manifest:
    """Your own long recordings, with files of labels beside them: Audacity's, Raven's, BirdNET's, DESED's, or tables of events.

    Clips: every event with `margin` seconds to both sides, and wider where it would last less than `shortest`; events with the
    same edges share one. Tags: of the events in the clip. Groups: the recording, so that it stays on one side of a split.
    complete: all that is heard in these recordings is labelled. Then what lies `margin` away from every event is cut into clips
    of `piece` seconds with the tag `background`, which is learnt and never told (background="": without a tag). Without it
    nobody knows what is heard in the rest, and no clip is made of it.
    others: whether tags that a clip of an event does not have are absent from it, as whoever labels an event has listened
    there, or unknown. A tag of which a clip has a sliver only is unknown.
    missing: "refuse" names labels whose recording is not there, "skip" leaves them out and counts them. points: seconds that a
    label without a length lasts; without it such are left out. least: of scores, for tables that a program made. file, onset,
    offset, tag: what the columns of tables are called, where that is not as usual.
    """
    from earmark.audio import walk_folder

    choose("others", others, "absent", "unknown")
    choose("missing", missing, "refuse", "skip")
    _check(margin=margin, shortest=shortest, piece=piece)
    if not root.is_dir():
        refuse(root, LAYOUT, "is not a folder")
    walked = walk_folder(root, ManifestError)
    recordings = sorted(walked.recordings)
    if not recordings:
        refuse(root, LAYOUT, "no recordings in it")
    named = {key: value for key, value in {"file": file, "onset": onset, "offset": offset, "tag": tag}.items() if value}
    labels = labelfiles.read(root, recordings, walked.others, named=named, points=points, least=least)
    if not labels.files:
        refuse(
            root,
            LAYOUT,
            f"{counted(len(recordings), 'recording')}, and no file of labels (.txt, .tsv, .csv) that is called after one",
        )
    notes = _lost(root, labels, missing)
    rows, facts, told = _clips(root, labels.events, complete, margin, shortest, background, piece, others)
    without = sorted(set(recordings) - set(labels.events))
    if without:
        notes.append(
            f"{len(without):,} of {counted(len(recordings), 'recording')} {agreed(len(without), 'has', 'have')} no labels and "
            f"{agreed(len(without), 'is', 'are')} left out: {few(without)}"
        )
    if not rows["id"]:
        refuse(root, LAYOUT, f"no events in {counted(len(labels.files), 'file')} of labels")
    facts = {"files of labels": len(labels.files), "labelled in full": complete, **facts}
    facts |= {"recordings without labels": len(without)} if without else {}
    manifest = build(rows, root, facts=facts, name=str(root))
    return replace(manifest, notes=(*labels.notes, *notes, *told))


def _check(**seconds: float) -> None:
    for name, value in seconds.items():
        if not 0 <= value < 1e6 or (name == "piece" and value == 0):
            raise ManifestError(f"{name} is {value:g}: give seconds, {'above 0' if name == 'piece' else '0 or more'}")


def _lost(root: Path, labels: Labels, missing: str) -> list[str]:
    if not labels.lost:
        return []
    shown = [name if file in name else f"{name} (in {file})" for name, file in labels.lost.items()]
    told = (
        f"{counted(len(shown), 'recording that is labelled is', 'recordings that are labelled are')} not there: "
        f"{', '.join(shown[:SHOWN])}{' …' * (len(shown) > SHOWN)}"
    )
    if missing == "refuse":
        raise ManifestError(
            f"{root}: {told}. Put "
            f"{agreed(len(shown), 'it beside its labels, or leave it', 'them beside their labels, or leave them')} out: "
            f"earmark index labelled {root} -o clips.csv --set missing=skip"
        )
    return [told]


def _clips(
    root: Path, labels: dict[str, list[Event]], complete: bool, margin: float, shortest: float, background: str, piece: float, others: str,
) -> tuple[dict[str, list[Any]], dict[str, Any], list[str]]:  # fmt: skip
    """The columns of the manifest, facts, and notes."""
    rows: dict[str, list[Any]] = {
        name: [] for name in ("id", "path", "start", "end", "tags", "events", "unknown", "group")
    }
    vocabulary = sorted({tag for events in labels.values() for tag, _, _ in events})
    notes: list[str] = []
    seconds = {"events": 0.0, "rest": 0.0}
    for path, events in labels.items():
        duration, events = _within(root, path, events, notes)
        if duration is None:
            continue
        made = [(e.start, e.end, e.events, e.unknown) for e in excerpts(events, duration, margin, shortest)]
        seconds["events"] += sum(end - start for start, end, *_ in made)
        rest = left(events, duration, margin, piece)
        seconds["rest"] += sum(end - start for start, end in rest)
        made += [(start, end, [], []) for start, end in rest] if complete else []
        for start, end, inside, slivers in made:
            own = list(dict.fromkeys(tag for tag, _, _ in inside)) or ([background] if background else [])
            unknown = sorted(set(vocabulary) - set(own)) if others == "unknown" and inside else slivers
            values = (f"{path}@{start:.12g}-{end:.12g}", path, start, end, own, inside, unknown, path)
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    facts = {
        "events": sum(map(len, labels.values())),
        "seconds in clips of events": round(seconds["events"], 1),
        f"seconds of the rest, {'in clips too' if complete else 'unknown and left out'}": round(seconds["rest"], 1),
    }
    return rows, facts, notes


def _within(root: Path, path: str, events: list[Event], notes: list[str]) -> tuple[float | None, list[Event]]:
    """A recording's duration, and its events within it. Raises ManifestError for one that begins behind its end."""
    from earmark.audio import info

    try:
        duration = info(root / path).duration
    except AudioError as error:
        notes.append(f"left out: {error}")
        return None, []
    if duration is None:
        notes.append(f"{path}: left out, as its header does not say how long it is. Convert it to FLAC or WAV")
        return None, []
    late = [event for event in events if event[1] >= duration]
    if late:
        name, begin, _ = late[0]
        raise ManifestError(
            f"{root / path}: lasts {duration:g} s, and {len(late):,} of its {counted(len(events), 'label')} "
            f"{agreed(len(late), 'begins', 'begin')} after that, the first "
            f"{name!r} at {begin:g} s: {agreed(len(late), 'is it', 'are they')} of another recording, or counted from the "
            "start of a sequence of files?"
        )
    over = [event for event in events if event[2] > duration + PAST]
    if over:
        notes.append(
            f"{path}: {counted(len(over), 'label reaches', 'labels reach')} past its end at {duration:g} s and "
            f"{agreed(len(over), 'is', 'are')} cut there, the first {over[0][0]!r}"
        )
    return duration, [(name, begin, min(end, duration)) for name, begin, end in events]
