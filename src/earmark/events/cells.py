"""Cells, lines and rows of text that hold events: what several formats share."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from earmark.errors import ScoresError, counted
from earmark.files.tables import Rows, decimal, missing, named_twice, separated, separator_of
from earmark.registry import did_you_mean
from earmark.scores import LONGEST, Event

COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
ByRecording = Mapping[str, Sequence[Event]]
COLUMNS = ("filename", "onset", "offset", "event_label", "score")
TIMES = ("onset_time", "offset_time")
CHANNEL = "channel"
CHANNELS = 1 << 16  # that a recording may have, at most: the format of WAV counts no more


class Clock(Protocol):
    """What knows when a recording began: `earmark.audio.Began`."""

    def told(self, seconds: float) -> str:
        """The clock so many seconds later, in ISO 8601."""
        ...


@dataclass(frozen=True)
class More:
    """What files of events hold beside events. clocks: by recording, None where it is not known when it began; None for files
    without times. channels: whether they hold the channel of each event. paths: where each recording is, for formats that have a
    place for it; None for files that need not tell.
    """

    clocks: Mapping[str, Clock | None] | None = None
    channels: bool = False
    paths: Mapping[str, str] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a table, behind `COLUMNS`."""
        return (TIMES if self.clocks is not None else ()) + ((CHANNEL,) if self.channels else ())

    def times(self, recording: str, event: Event) -> tuple[str, ...]:
        """When an event began and ended by the clock, nothing where that is not known; () for files without times."""
        if self.clocks is None:
            return ()
        clock = self.clocks.get(recording)
        return ("", "") if clock is None else (clock.told(event.onset), clock.told(event.offset))

    def cells(self, recording: str, event: Event) -> tuple[str, ...]:
        """Of `columns`."""
        channel = "" if event.channel is None else str(event.channel)
        return self.times(recording, event) + ((channel,) if self.channels else ())


NO_MORE = More()


class Found(dict[str, list[Event]]):
    """The events of each recording, as a format's file tells them.

    points: (recording, event, where it stands) of those without a length, which are events of none yet. notes: what else
    is to be said of the file, one line each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[str, Event, str]] = []
        self.notes: list[str] = []

    def add(
        self, recording: str, onset: Any, offset: Any, tag: Any, score: Any, what: str, channel: Any = None
    ) -> None:
        """Take in cells. what: where they stand, as "line 3". Where onset, offset and label are all missing, nothing is heard.

        Raises ScoresError.
        """
        heard = self.setdefault(recording, [])
        if all(missing(cell) for cell in (onset, offset, tag)):
            return
        if _is_point(onset, offset):
            event = event_of(onset, seconds(offset) + 1.0, tag, score, what, channel)
            self.points.append((recording, replace(event, offset=event.onset), what))
        else:
            heard.append(event_of(onset, offset, tag, score, what, channel))

    def unused(self, header: Sequence[str], used: Collection[str]) -> None:
        """Note the columns that hold nothing of an event."""
        if others := [name for name in header if name not in used]:
            self.notes.append(f"columns left out: {', '.join(others)}")


def _is_point(onset: Any, offset: Any) -> bool:
    try:
        return seconds(onset) == seconds(offset) and 0 <= seconds(onset) <= LONGEST
    except (TypeError, ValueError):
        return False


def seconds(cell: Any) -> float:
    """A cell's number; a comma for its point, as programs write it in much of Europe, is taken for one. Raises as `decimal` does.

    >>> seconds("1,25"), seconds("1.25"), seconds(2)
    (1.25, 1.25, 2.0)
    """
    return decimal(cell.replace(",", ".") if isinstance(cell, str) and COMMA.fullmatch(cell.strip()) else cell)


def channel_of(cell: Any) -> int | None:
    """A cell's channel, from 1; None: it tells none. Raises ValueError in words.

    >>> channel_of("2"), channel_of("2.0"), channel_of("2,0"), channel_of("")  # pandas and spreadsheets write a column with gaps so
    (2, 2, 2, None)
    """
    if missing(cell):
        return None
    try:
        told = seconds(cell)
        if told == int(told) and 1 <= told <= CHANNELS:
            return int(told)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"channel is {cell!r}: give a whole number from 1 on, or leave it empty")


def number(value: float) -> str:
    """Six digits after the point, or as many as it takes."""
    short = f"{value:.6f}"
    return short if float(short) == value else repr(float(value))


class NoEvents(ScoresError):
    """A text that is no file of events at all, as notes beside them are."""


class UnfitName(ScoresError):
    """A recording's name that a format cannot hold: others can be written."""


def one_line(value: str) -> str:
    """A tag as a cell between tabs. Raises ScoresError where it cannot be one."""
    return _in_a_line(value, ScoresError)


def name_in_a_line(value: str) -> str:
    """A recording's name as a cell between tabs. Raises UnfitName where it cannot be one."""
    return _in_a_line(value, UnfitName)


def _in_a_line(value: str, error: type[ScoresError]) -> str:
    if any(sign in value for sign in "\t\r\n"):
        raise error(
            f"{value!r} holds a tab or the end of a line, which this format cannot: write csv or json, or rename it"
        )
    return value


def check(onset: float, offset: float, score: float, what: str) -> None:
    """Raises ScoresError for an event that cannot be. what: whose, for the message."""
    if not 0 <= onset < offset <= LONGEST:
        raise ScoresError(
            f"{what} goes from {onset} to {offset} s; an event starts at 0 or later and ends after its start, "
            f"at {LONGEST:.0e} s or before"
        )
    if not math.isfinite(score):
        raise ScoresError(f"{what} has the score {score}: give a finite number")


def check_label(tag: str, what: str) -> None:
    """Raises ScoresError for a label that is no text."""
    if not tag.strip():
        raise ScoresError(f"{what} has no label: write what is heard, or take it out")
    if any("\udc80" <= sign <= "\udcff" for sign in tag):  # bytes that are no UTF-8, as they were read
        raise ScoresError(f"{what} has the label {tag!r}, which is no text")


def event_of(onset: Any, offset: Any, tag: Any, score: Any, what: str, channel: Any = None) -> Event:
    """Cells → an event; a score that is not told is 1. Raises ScoresError."""
    if not isinstance(tag, str):
        raise ScoresError(f"{what} has the label {tag!r}: give text")
    check_label(tag, what)
    try:
        heard_in = channel_of(channel)
    except ValueError as error:
        raise ScoresError(f"{what}: {error}") from error
    try:
        # "" is no score; what is no number is told by float
        told = 1.0 if score in (None, "") else seconds(score)
        event = Event(seconds(onset), seconds(offset), tag, told, heard_in)
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


def table_of(events: ByRecording, separator: str, more: More = NO_MORE) -> str:
    """A row an event, with the columns of DESED, a score and `more`; of a recording in which nothing is heard its name alone."""
    rows: list[tuple[str, ...]] = [(*COLUMNS, *more.columns)]
    for name, heard in events.items():
        if not name:
            raise ScoresError("a recording has no name: a table needs one")
        rows += [(name, number(e.onset), number(e.offset), e.tag, number(e.score), *more.cells(name, e)) for e in heard]
        rows += [] if heard else [(name, *[""] * (len(rows[0]) - 1))]
    Rows(text := io.StringIO(newline=""), separator).writerows(rows)
    return text.getvalue()


def events_of_table(text: str, separator: str) -> Found:
    """What `table_of` wrote, or any table with its columns but the score. Raises ScoresError.

    separator: where the first line has as many of another.
    """
    text, told = separated(text)
    told = told or separator_of(text.lstrip("\r\n").partition("\n")[0], separator)  # spreadsheets put in another
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=told, strict=True)
    found = Found()
    try:
        header = [name.strip() for name in next(filter(None, rows), [])]
        missing = [name for name in COLUMNS[:4] if name not in header]
        if missing:
            raise ScoresError(
                f"has no column {missing[0]!r}{did_you_mean(missing[0], header)} It has {', '.join(header) or 'none'}"
            )
        if twice := named_twice(header, (*COLUMNS, CHANNEL)):
            raise ScoresError(twice)
        found.unused(header, (*COLUMNS, *TIMES, CHANNEL))
        places = {name: header.index(name) for name in (*COLUMNS, CHANNEL) if name in header}
        for count, row in enumerate(rows, 1):
            if not row:
                continue
            if any(row[len(header) :]):
                raise ScoresError(
                    f"row {count} has {counted(len(row), 'cell')}, the header {len(header)}: put a cell that holds the separator in quotes"
                )
            # a row with a name alone may end there
            cells = {name: row[at] if at < len(row) else "" for name, at in places.items()}
            if not cells["filename"]:
                raise ScoresError(f"row {count} names no recording")
            told_of = cells["onset"], cells["offset"], cells["event_label"], cells.get("score")
            found.add(cells["filename"], *told_of, f"line {rows.line_num}, row {count}", cells.get(CHANNEL))
    except csv.Error as error:
        raise ScoresError(f"is no table that can be read ({error}, line {rows.line_num})") from error
    return found


def wrote_table(text: str, separator: str) -> bool:
    """Whether `table_of` made a text: times, which depend on the recording, are taken as they stand. Raises ScoresError."""
    header = tuple(text.partition("\n")[0].split(separator))
    told = [More(channels=channels) for channels in (False, True)]
    if header in [(*COLUMNS, *more.columns) for more in told]:
        return table_of(events_of_table(text, separator), separator, More(channels=CHANNEL in header)) == text
    return header in [(*COLUMNS, *TIMES, *more.columns) for more in told]
