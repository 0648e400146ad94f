"""Files of labels that lie beside recordings, as people make them in other programs → the events of each recording.

    Audacity    a label track, without a header: onset, offset and label between tabs
    Raven       a selection table, with Begin Time (s) and End Time (s); over a sequence of files it has Begin File or Begin Path
                and File Offset (s); a selection that several views or channels show is one event
    tables      with a header that names onset and offset (or duration), the tag, and the recording unless the file's own name
                does: DESED's, BirdNET's results, anybody's CSV, with commas, semicolons or tabs

What a file is its first line tells, not its name. Text is UTF-8, with or without a mark, or what its own mark says (UTF-16,
as programs on Windows write it); other text is refused with its line. A comma may stand for the point of a number.

A file that names no recording belongs to the one whose name it begins with: owl.txt, owl.wav.txt, owl.Table.1.selections.txt and
owl.BirdNET.results.csv to owl.wav, which lies beside it or, where no other is called so, in another folder. A recording that is
named is looked for from the file's folder, then among all, by its name with its ending and then without.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.data.manifest import few
from earmark.errors import EarmarkError, ManifestError, agreed, counted
from earmark.files.bounds import EVENTS
from earmark.files.tables import decimal, missing, named_twice, separated, separator_of
from earmark.files.texts import MARKS, problem
from earmark.registry import EVENT_FORMATS, did_you_mean

ENDINGS = (".txt", ".tsv", ".csv")
# how columns are called, in lower case, by what they hold
USUAL = {
    "file": (
        "filename", "file", "fname", "path", "filepath", "file_path", "file_name", "audio_path", "begin file", "begin path",
        "recording", "audio", "source_file",
    ),
    "onset": ("onset", "start", "start (s)", "begin time (s)", "start_time", "start time", "begin", "start_s", "onset_s", "starttime"),
    "offset": ("offset", "end", "end (s)", "end time (s)", "end_time", "end time", "stop", "end_s", "offset_s", "endtime"),
    "duration": ("duration", "duration (s)", "duration_s", "length", "length (s)"),
    "tag": (
        "event_label", "label", "tag", "annotation", "common name", "common_name", "species", "category", "class", "scientific name",
        "scientific_name",
    ),
    "score": ("score", "confidence", "probability"),
}  # fmt: skip
NOTHING = ("nocall", "no call")  # how BirdNET says that it heard nothing
NUMBERS = re.compile(r"\s*[-+]?\d[\d.,eE+-]*\s*\t\s*[-+]?\d[\d.,eE+-]*\s*(\t|$)")
Event = tuple[str, float, float]  # tag, onset and offset in seconds from the start of the recording


@dataclass
class Labels:
    """events: by recording, sorted, each once; none where it is said that nothing is heard. files: that hold some.

    lost: recordings that are named and not there, with the file that names them. notes: for people, one line each.
    """

    events: dict[str, list[Event]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(
    root: Path,
    recordings: Sequence[str],
    others: Iterable[str],
    *,
    named: Mapping[str, str] | None = None,
    points: float | None = None,
    least: float = 0.0,
) -> Labels:
    """The labels in those of the other files of a folder that hold some. All paths are relative to `root`.

    named: what columns are called, by the keys of USUAL, where that is not as usual. points: seconds that a label without a
    length lasts; without it such are left out, and said. least: of scores, below which an event is left out. Raises
    ManifestError for a file that is called after a recording and holds something else, and for what cannot be read.
    """
    labels, places = Labels(), _Places(recordings)
    found: dict[str, set[Event]] = defaultdict(set)
    strangers = []
    for name in sorted(others):
        if not name.lower().endswith(ENDINGS):
            continue
        text, own = _text(root / name), places.of_file(name)
        try:
            told = _events(text, named or {})
        except ManifestError as error:
            raise ManifestError(f"{root / name}: {error}") from error
        except EarmarkError as error:
            raise ManifestError(f"{root / name}: {error}") from error
        if told is None or (own is None and not text.strip()):
            if own is not None:
                raise ManifestError(_what_is(root / name, text, own))
            strangers.append(name)
            continue
        _gather(labels, found, told, name, own, places, points, least)
    if strangers:
        labels.notes.append(
            f"{counted(len(strangers), 'file holds', 'files hold')} no labels and "
            f"{agreed(len(strangers), 'belongs', 'belong')} to no recording: {few(strangers)}"
        )
    labels.events = {name: sorted(events, key=lambda e: (e[1], e[2], e[0])) for name, events in sorted(found.items())}
    return labels


def _gather(
    labels: Labels, found: dict[str, set[Event]], told: Any, name: str, own: str | None, places: _Places,
    points: float | None, least: float,
) -> None:  # fmt: skip
    """Take in the events of one file. told: a `earmark.events.cells.Found`."""
    labels.files.append(name)
    labels.notes += [f"{name}: {note}" for note in told.notes if not note.startswith("columns left out")]
    pointed: dict[str, list[Any]] = defaultdict(list)
    for recording, event, _ in told.points:
        pointed[recording].append(event)
    if told.points and points is None:
        labels.notes.append(
            f"{name}: {counted(len(told.points), 'label')} without a length {agreed(len(told.points), 'is', 'are')} left out; "
            f"points= gives {agreed(len(told.points), 'it', 'them')} one"
        )
    low = 0
    for recording, events in told.items():
        place = own if not recording else places.named(recording, name)
        if place is None:
            labels.lost.setdefault(recording or f"one that is called as {name} is", name)
            continue
        known = found[place]
        known |= {(e.tag.strip(), e.onset, e.offset) for e in events if e.score >= least}
        low += sum(e.score < least for e in events)
        if points is not None:
            known |= {(e.tag.strip(), e.onset, e.onset + points) for e in pointed[recording]}
    if low:
        labels.notes.append(
            f"{name}: {counted(low, 'event with a score', 'events with scores')} below {least:g} {agreed(low, 'is', 'are')} left out"
        )


class _Places:
    """Where recordings are, by their names."""

    def __init__(self, recordings: Sequence[str]):
        self.all = set(recordings)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        for path in recordings:
            name = path.rpartition("/")[2]
            self.by_name[name.lower()].append(path)
            self.by_stem[name.rpartition(".")[0].lower()].append(path)

    def of_file(self, label: str) -> str | None:
        """The recording, beside it or else anywhere, that a file of labels is called after; of several the longest name."""
        folder, _, name = label.rpartition("/")
        prefix = f"{folder}/" if folder else ""
        parts = name.split(".")
        for count in range(len(parts) - 1, 0, -1):
            head = ".".join(parts[:count])
            if prefix + head in self.all:
                return prefix + head
            known = self.by_name[head.lower()] or self.by_stem[head.lower()]
            beside = [path for path in known if path.rpartition("/")[0] == folder] or known
            if len(beside) > 1:
                raise ManifestError(f"{label}: belongs to {' or to '.join(beside)}? Name it after one with its ending")
            if beside:
                return beside[0]
        return None

    def named(self, recording: str, label: str) -> str | None:
        """The recording that a file of labels names. Raises ManifestError where several are called so."""
        told = recording.replace("\\", "/")
        folder = label.rpartition("/")[0]
        for place in (f"{folder}/{told}" if folder else told, told):
            if place in self.all:
                return place
        name = told.rpartition("/")[2].lower()
        for known in (self.by_name[name], self.by_stem[name], self.by_stem[name.rpartition(".")[0]]):
            beside = [path for path in known if path.rpartition("/")[0] == folder] or known
            if len(beside) > 1:
                raise ManifestError(
                    f"{label}: names {recording}, and there are {' and '.join(beside)}: give the path from here"
                )
            if beside:
                return beside[0]
        return None


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > EVENTS:
            raise ManifestError(
                f"{path}: is longer than a file of labels may be, {EVENTS // 1_000_000} MB: is it one? Split it"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        for mark, name in MARKS:
            if content.startswith(mark):
                return content.decode(name)
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: its mark says {name}, and it is not ({error}). Save it as UTF-8") from error
    if (wrong := problem(content)) is not None:
        raise ManifestError(f"{path}: {wrong}")
    return content.decode("utf-8-sig")


def _events(text: str, named: Mapping[str, str]) -> Any:
    """What a text tells, a `Found` under "" where it names no recording; None: it holds no labels."""
    text, separator = separated(text.replace("\r\n", "\n").replace("\r", "\n"))
    first = next((line for line in text.split("\n") if line.strip()), "")
    raven: Any = EVENT_FORMATS["raven"].function
    if {"Begin Time (s)", "End Time (s)"} <= set(first.split("\t")) and not named:
        return raven.read(text, "")
    if not first or NUMBERS.match(first):
        track: Any = EVENT_FORMATS["audacity"].function
        return track.read(text, "")
    return _table(text, first, named, separator)


def _table(text: str, first: str, named: Mapping[str, str], separator: str | None) -> Any:
    """Events of a table with a header; None where no column is called as onset, offset and tag are. separator: where it is told."""
    separator = separator or separator_of(first)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [cell.strip() for cell in next(row for row in rows if any(cell.strip() for cell in row))]
        places = _columns(header, named)
        if places is None:
            return None
        cells: Any = EVENT_FORMATS["audacity"].function
        found = cells.read("", "")  # an empty `Found`
        found.clear()
        for row in rows:
            if any(cell.strip() for cell in row):
                told = {key: row[at].strip() if at < len(row) else "" for key, at in places.items()}
                _take(found, told, f"line {rows.line_num}")
    except csv.Error as error:
        raise ManifestError(f"is no table that can be read ({error}, line {rows.line_num})") from error
    return found


def _take(found: Any, told: Mapping[str, str], what: str) -> None:
    recording = re.split(r"[/\\]", told["file"])[-1] if "file" in told and ":" in told["file"] else told.get("file", "")
    if "file" in told and not recording:
        raise ManifestError(f"{what} names no recording")
    if told["tag"].lower() in NOTHING:
        found.setdefault(recording, [])
        return
    offset: Any = told.get("offset", "")
    if "offset" not in told and not missing(told["onset"]):
        try:
            begin, lasts = (decimal(told[name].replace(",", ".")) for name in ("onset", "duration"))
        except ValueError as error:
            raise ManifestError(f"{what} holds something else than seconds ({error})") from error
        offset = round(begin + lasts, 9)
    found.add(recording, told["onset"], offset, told["tag"], told.get("score") or None, what)


def _columns(header: Sequence[str], named: Mapping[str, str]) -> dict[str, int] | None:
    """The places of our columns. Raises ManifestError for one that was named and is not there."""
    lower = [name.lower() for name in header]
    places = {}
    for column, usual in USUAL.items():
        if column in named:
            if named[column] not in header:
                hint = did_you_mean(named[column], header) or "."
                raise ManifestError(f"no column {named[column]!r} for {column}{hint} It has {', '.join(header)}")
            places[column] = header.index(named[column])
        elif there := next((name for name in usual if name in lower), None):
            places[column] = lower.index(there)
    if "offset" in places:
        places.pop("duration", None)
    # of those that were named, as they were; of others in whatever case
    read = {column: named[column] if column in named else lower[place] for column, place in places.items()}
    for column, name in read.items():
        if twice := named_twice(header if column in named else lower, [name]):
            raise ManifestError(twice)
    return places if {"onset", "tag"} <= set(places) and {"offset", "duration"} & set(places) else None


def _what_is(path: Path, text: str, recording: str) -> str:
    first = next((line for line in text.split("\n") if line.strip()), "")
    return (
        f"{path}: is called after {recording}, and holds no labels that are known here: its first line is {first[:80]!r}. A label "
        "track has onset, offset and label between tabs; a table has a header with onset, offset and label, or name its columns "
        "with onset=, offset=, tag= and file="
    )
