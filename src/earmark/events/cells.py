"""Cells, lines and rows of text that hold events: what several formats share."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from earmark.errors import ScoresError
from earmark.registry import did_you_mean
from earmark.scores import Event

ByRecording = Mapping[str, Sequence[Event]]
COLUMNS = ("filename", "onset", "offset", "event_label", "score")


def number(value: float) -> str:
    """Six digits after the point, or as many as it takes."""
    short = f"{value:.6f}"
    return short if float(short) == value else repr(float(value))


def one_line(value: str) -> str:
    """A tag or a name as a cell between tabs. Raises ScoresError where it cannot be one."""
    if any(sign in value for sign in "\t\r\n"):
        raise ScoresError(
            f"{value!r} holds a tab or the end of a line, which this format cannot: write csv or json, or rename it"
        )
    return value


def check(onset: float, offset: float, score: float, what: str) -> None:
    """Raises ScoresError for an event that cannot be. what: whose, for the message."""
    if not 0 <= onset < offset < math.inf:
        raise ScoresError(
            f"{what} goes from {onset} to {offset} s; an event starts at 0 or later and ends after its start"
        )
    if not math.isfinite(score):
        raise ScoresError(f"{what} has the score {score}: give a finite number")


def event_of(onset: Any, offset: Any, tag: Any, score: Any, what: str) -> Event:
    """Cells → an event; a score that is not told is 1. Raises ScoresError."""
    if not isinstance(tag, str):
        raise ScoresError(f"{what} has the label {tag!r}: give text")
    try:
        # "" is no score; what is no number is told by float
        event = Event(float(onset), float(offset), tag, 1.0 if score in (None, "") else float(score))
    except (TypeError, ValueError) as error:
        raise ScoresError(
            f"{what} holds something else than numbers where seconds and a score should be ({error})"
        ) from error
    check(event.onset, event.offset, event.score, what)
    return event


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of the lines in which something stands."""
    # not splitlines, which also cuts at signs that a tag may hold
    for count, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line:
            yield count, line


def table_of(events: ByRecording, separator: str) -> str:
    """A row an event, with the columns of DESED and a score; of a recording in which nothing is heard its name alone."""
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


def events_of_table(text: str, separator: str) -> dict[str, list[Event]]:
    """What `table_of` wrote, or any table with its columns but the score. Raises ScoresError."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
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
            heard.append(event_of(*told_of, f"row {count}"))
    except csv.Error as error:
        raise ScoresError(f"is no table that can be read ({error}, line {rows.line_num})") from error
    return found
