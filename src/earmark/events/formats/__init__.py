"""Files of events: what other programs open, read back without loss.

tsv      a row an event: filename, onset, offset, event_label, score; the columns of DESED and a score. A recording in which
         nothing is heard has a row with its name alone, as there. Tabs, or for `csv` commas.
json     a list with an object a recording: path, and events with onset, offset, label and score, 0 to 1.
audacity a label track, one file a recording: onset, offset and "tag (score)", separated by tabs, no header. Lines of
         frequencies, which open with a backslash, are passed over in reading.
raven    a selection table of Raven Pro, one file a recording: tabs, the seven columns that every table has, the file, and
         Tag and Score. Low and High Freq are 0 and the highest frequency that the tagger hears, as events have no band.

Onset and offset are seconds from the start of the recording. Numbers that six digits do not hold are written in full. A
score that a file does not tell is 1. Text is UTF-8. A label track of another program whose labels end with a number in
brackets is read as if that were the score.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from earmark.errors import ScoresError
from earmark.files import write_text
from earmark.registry import did_you_mean
from earmark.scores import Event

Format = Literal["tsv", "csv", "json", "audacity", "raven"]
ByRecording = Mapping[str, Sequence[Event]]
ENDINGS: dict[Format, str] = {
    "tsv": ".tsv",
    "csv": ".csv",
    "json": ".json",
    "audacity": ".txt",
    "raven": ".Table.1.selections.txt",
}
EACH: tuple[Format, ...] = ("audacity", "raven")  # formats with a file for each recording
COLUMNS = ("filename", "onset", "offset", "event_label", "score")
RAVEN = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Begin File", "Tag", "Score",
)  # fmt: skip
LABELS = ("Tag", "Annotation", "Species", "Label", "Common Name")  # how Raven's users call the column of the tag
SCORED = re.compile(r"(?s)(.*) \((-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\)")


def text(events: ByRecording, form: Format, highest: float | None = None) -> str:
    """The file's text. highest: Hz, for Raven. Raises ScoresError."""
    for name, heard in events.items():
        for event in heard:
            _check(event.onset, event.offset, event.score, f"an event of {event.tag!r} in {name}")
    if form in EACH:
        if len(events) != 1:
            raise ScoresError(
                f"a file for {form.capitalize()} is of one recording, not of {len(events)}: write one for each"
            )
        ((name, heard),) = events.items()
        return _audacity(heard) if form == "audacity" else _raven(name, heard, highest)
    if form == "json":
        return _json(events)
    return _table(events, "\t" if form == "tsv" else ",")


def write(events: ByRecording, path: str | Path, form: Format, highest: float | None = None) -> None:
    """Write a file; the old one stays whole until the new one is."""
    write_text(path, text(events, form, highest), newline="")


def read(path: str | Path, form: Format | None = None) -> dict[str, list[Event]]:
    """The events of each recording, by its name in the file. form: default by the file's ending and first line.

    The recording of a label track, and of a selection table that does not name it, is the file's name without the ending.
    """
    path = Path(path)
    try:
        told = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise ScoresError(f"{path}: cannot be read ({error.strerror})") from error
    form = form or _form(path, told)
    try:
        if form == "json":
            return _read_json(told)
        if form == "audacity":
            return {_recording(path): _read_audacity(told)}
        return (
            _read_raven(told, _recording(path))
            if form == "raven"
            else _read_table(told, "\t" if form == "tsv" else ",")
        )
    except ScoresError as error:
        raise ScoresError(f"{path}: {error}") from error


def _form(path: Path, told: str) -> Format:
    if path.suffix == ".txt":
        return "raven" if told.startswith("Selection\t") else "audacity"
    for form, ending in ENDINGS.items():
        if path.suffix == ending:
            return form
    raise ScoresError(
        f"{path}: {path.suffix or 'a name without ending'} is no file of events: these end in .tsv, .csv, .json or .txt; "
        "say which format it is"
    )


def _recording(path: Path) -> str:
    """The recording's name from the file's, as `write` is given it: name.wav.txt."""
    name = path.name
    for form in ("raven", "audacity"):
        if name.endswith(ENDINGS[form]):
            return name.removesuffix(ENDINGS[form])
    return path.stem


# Writing


def number(value: float) -> str:
    """Six digits after the point, or as many as it takes."""
    short = f"{value:.6f}"
    return short if float(short) == value else repr(float(value))


def _table(events: ByRecording, separator: str) -> str:
    rows: list[tuple[str, ...]] = [COLUMNS]
    for name, heard in events.items():
        if not name:
            raise ScoresError("a recording has no name: a table needs one")
        rows += [(name, number(e.onset), number(e.offset), e.tag, number(e.score)) for e in heard]
        rows += [] if heard else [(name, "", "", "", "")]
    return "".join(separator.join(_quoted(cell, separator) for cell in row) + "\n" for row in rows)


def _quoted(cell: str, separator: str) -> str:
    # csv.writer leaves a lone carriage return bare where lines end with \n, and its reader then ends the line there
    return '"' + cell.replace('"', '""') + '"' if any(sign in cell for sign in f'{separator}"\r\n') else cell


def _json(events: ByRecording) -> str:
    records = [
        {
            "path": name,
            "events": [{"onset": e.onset, "offset": e.offset, "label": e.tag, "score": e.score} for e in heard],
        }
        for name, heard in events.items()
    ]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def _audacity(events: Sequence[Event]) -> str:
    lines = [f"{number(e.onset)}\t{number(e.offset)}\t{_cell(e.tag)} ({number(e.score)})\n" for e in events]
    return "".join(lines)


def _raven(name: str, events: Sequence[Event], highest: float | None) -> str:
    if highest is None or not 0 < highest < math.inf:
        raise ScoresError(f"a table for Raven needs the highest frequency of its selections, above 0 Hz, not {highest}")
    lines = ["\t".join(RAVEN)]
    for count, event in enumerate(events, 1):
        cells = [str(count), "Spectrogram 1", "1", number(event.onset), number(event.offset), "0", f"{highest:g}"]
        lines.append("\t".join([*cells, _cell(name), _cell(event.tag), number(event.score)]))
    return "\n".join(lines) + "\n"


def _cell(value: str) -> str:
    if any(sign in value for sign in "\t\r\n"):
        raise ScoresError(
            f"{value!r} holds a tab or the end of a line, which this format cannot: write csv or json, or rename it"
        )
    return value


# Reading


def _check(onset: float, offset: float, score: float, what: str) -> None:
    if not 0 <= onset < offset < math.inf:
        raise ScoresError(
            f"{what} goes from {onset} to {offset} s; an event starts at 0 or later and ends after its start"
        )
    if not math.isfinite(score):
        raise ScoresError(f"{what} has the score {score}: give a finite number")


def _event(onset: Any, offset: Any, tag: Any, score: Any, what: str) -> Event:
    if not isinstance(tag, str):
        raise ScoresError(f"{what} has the label {tag!r}: give text")
    try:
        # "" is no score; what is no number is told by float
        event = Event(float(onset), float(offset), tag, 1.0 if score in (None, "") else float(score))
    except (TypeError, ValueError) as error:
        raise ScoresError(
            f"{what} holds something else than numbers where seconds and a score should be ({error})"
        ) from error
    _check(event.onset, event.offset, event.score, what)
    return event


def _read_table(told: str, separator: str) -> dict[str, list[Event]]:
    rows = csv.reader(io.StringIO(told, newline=""), delimiter=separator, strict=True)
    found: dict[str, list[Event]] = {}
    try:
        header = next(rows, [])
        missing = [name for name in COLUMNS[:4] if name not in header]
        if missing:
            raise ScoresError(
                f"has no column {missing[0]!r}{did_you_mean(missing[0], header)} It has {', '.join(header) or 'none'}"
            )
        places = {name: header.index(name) for name in COLUMNS if name in header}
        for count, row in enumerate(rows, 1):
            if not row:
                continue
            if any(row[len(header) :]):
                raise ScoresError(
                    f"row {count} has {len(row)} cells, the header {len(header)}: put a cell that holds the separator in quotes"
                )
            # a row with a name alone may end there
            cells = {name: row[at] if at < len(row) else "" for name, at in places.items()}
            if not cells["filename"]:
                raise ScoresError(f"row {count} names no recording")
            heard = found.setdefault(cells["filename"], [])
            if not cells["onset"] and not cells["offset"] and not cells["event_label"]:
                continue
            told_of = cells["onset"], cells["offset"], cells["event_label"], cells.get("score")
            heard.append(_event(*told_of, f"row {count}"))
    except csv.Error as error:
        raise ScoresError(f"is no table that can be read ({error}, line {rows.line_num})") from error
    return found


def _read_json(told: str) -> dict[str, list[Event]]:
    try:
        records = json.loads(told)
    except (ValueError, RecursionError) as error:
        raise ScoresError(f"is not JSON ({error})") from error
    found: dict[str, list[Event]] = {}
    try:
        for record in records:
            heard = found.setdefault(str(record["path"]), [])
            for count, e in enumerate(record["events"], 1):
                what = f"event {count} of {record['path']}"
                heard.append(_event(e["onset"], e["offset"], e["label"], e.get("score"), what))
    except (LookupError, TypeError, AttributeError) as error:
        raise ScoresError(
            "is no list of recordings with path and events, each with onset, offset and label "
            f"({type(error).__name__}: {error})"
        ) from error
    return found


def _lines(told: str) -> Iterator[tuple[int, str]]:
    # not splitlines, which also cuts at signs that a tag may hold
    for count, line in enumerate(told.replace("\r\n", "\n").split("\n"), 1):
        if line:
            yield count, line


def _read_audacity(told: str) -> list[Event]:
    found = []
    for count, line in _lines(told):
        if line.startswith("\\"):
            continue
        cells = line.split("\t", 2)
        if len(cells) < 2:
            raise ScoresError(f"line {count} is no label: onset, offset and label, separated by tabs")
        label = cells[2] if len(cells) == 3 else ""
        scored = SCORED.fullmatch(label)
        tag, score = scored.groups() if scored else (label, None)
        found.append(_event(cells[0], cells[1], tag, score, f"line {count}"))
    return found


def _read_raven(told: str, recording: str) -> dict[str, list[Event]]:
    lines = list(_lines(told))
    header = lines[0][1].split("\t") if lines else []
    label = next((name for name in LABELS if name in header), None)
    if label is None or not {"Begin Time (s)", "End Time (s)"} <= set(header):
        raise ScoresError(
            "a selection table has the columns Begin Time (s), End Time (s) and one of the tag, called "
            f"{', '.join(LABELS)}; this has {', '.join(header) or 'none'}"
        )
    found: dict[str, list[Event]] = {}
    seen: set[tuple[str | None, ...]] = set()
    for count, line in lines[1:]:
        row = dict(zip(header, line.split("\t"), strict=False))
        # a table that shows a selection in the waveform and in the spectrogram has two rows for it
        selection = tuple(row.get(name) for name in ("Selection", "Begin File", "Begin Time (s)", "End Time (s)"))
        if selection[0] and selection in seen:
            continue
        seen.add(selection)
        heard = found.setdefault(row.get("Begin File") or recording, [])
        heard.append(
            _event(
                row.get("Begin Time (s)"),
                row.get("End Time (s)"),
                row.get(label, ""),
                row.get("Score"),
                f"line {count}",
            )
        )
    return found or {recording: []}
