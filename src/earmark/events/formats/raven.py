"""Raven: a selection table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from earmark.errors import ScoresError, agreed, counted
from earmark.events.cells import (
    NO_MORE,
    ByRecording,
    Found,
    More,
    channel_of,
    lines_of,
    name_in_a_line,
    number,
    one_line,
    seconds,
)  # fmt: skip
from earmark.events.formats import event_format
from earmark.files.tables import missing, named_twice
from earmark.scores import Event

COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Begin File", "Tag", "Score",
)  # fmt: skip
PATHED = (*COLUMNS[:8], "Begin Path", *COLUMNS[8:])  # where it is known
# of recordings that were heard by their channels: Channel is 1 for a mix, too, as Raven draws no selection without one
HEARD = "Heard Channel"
OWN = "Tag"  # as the tables call it that are written here
LABELS = (OWN, "Annotation", "Species", "Label", "Common Name")  # how Raven's users call the column of the tag
SCORES = ("Score", "Confidence")
READ = (
    "Selection",
    "Begin Time (s)",
    "End Time (s)",
    "Begin File",
    "Begin Path",
    "End File",
    "File Offset (s)",
)  # besides these two
NOTHING = ("nocall", "No call")  # how BirdNET says that it heard nothing
CLOCK = ("Begin Date", "Begin Clock Time", "End Date", "End Clock Time")  # as Raven Pro calls these measurements
PLACE = ("Begin Path", "End File", "End Path", "File Offset (s)", "Delta Time (s)")  # of a selection, in other words


@event_format(ending=".Table.1.selections.txt", each=True, opens="Selection\t", more=True)
class Raven:
    """A selection table of Raven Pro, one file a recording: tabs, the seven columns that every table has, the file, where
    that is if it is known, Tag, Score, and Heard Channel where recordings were heard by their channels.

    Low and High Freq are 0 and the highest frequency that the tagger hears and the recording holds, as events have no band.
    Tables over a sequence of files are read too: times count from the start of the sequence there, `File Offset (s)` from
    the start of `Begin File`, whose event it is; without it the file is the last name of `Begin Path`. BirdNET's tables, whose
    score is `Confidence`, are such tables. Without Heard Channel it is Channel that tells it, where a table has others than the first;
    a selection with a row for each of several is of none of them.
    """

    @staticmethod
    def text(events: ByRecording, highest: float | None = None, more: More = NO_MORE) -> str:
        ((name, found),) = events.items()
        if highest is None or not 0 < highest < math.inf:
            raise ScoresError(
                f"a table for Raven needs the highest frequency of its selections, above 0 Hz, not {highest}"
            )
        also = ((HEARD,) if more.channels else ()) + (CLOCK if more.clocks is not None else ())
        lines = ["\t".join((*(COLUMNS if more.paths is None else PATHED), *also))]
        place = [] if more.paths is None else [_place(more.paths.get(name, ""))]
        for count, event in enumerate(found, 1):
            cells = [
                str(count),
                "Spectrogram 1",
                str(event.channel or 1),
                number(event.onset),
                number(event.offset),
                "0",
                f"{highest:g}",
            ]
            cells += [name_in_a_line(name), *place, one_line(event.tag), number(event.score)]
            cells += ["" if event.channel is None else str(event.channel)] * more.channels
            cells += [part for time in more.times(name, event) for part in _clock(time)]
            lines.append("\t".join(cells))
        return "\n".join(lines) + "\n"

    @staticmethod
    def wrote(text: str) -> bool:
        """By its columns, as its frequencies cannot be known; Raven's users have others."""
        headers = [
            (*columns, *heard, *clock)
            for columns in (COLUMNS, PATHED)
            for heard in ((), (HEARD,))
            for clock in ((), CLOCK)
        ]
        return tuple(text.partition("\n")[0].split("\t")) in headers

    @staticmethod
    def read(text: str, recording: str) -> dict[str, list[Event]]:
        lines = list(lines_of(text))
        header = lines[0][1].split("\t") if lines else []
        label = next((name for name in LABELS if name in header), None)
        if label is None or not {"Begin Time (s)", "End Time (s)"} <= set(header):
            raise ScoresError(
                "a selection table has the columns Begin Time (s), End Time (s) and one of the tag, called "
                f"{', '.join(LABELS)}; this has {', '.join(header) or 'none'}"
            )
        found = Found()
        score = next((name for name in SCORES if name in header), "Score")
        if twice := named_twice(header, (*READ, HEARD, "Channel", label, score)):
            raise ScoresError(twice)
        found.unused(header, {*COLUMNS[:8], *PLACE, *CLOCK, HEARD, label, score})
        over = []
        for count, row, channel in _channels(_selections(lines, header), found):
            name = row.get("Begin File") or re.split(r"[/\\]", row.get("Begin Path", ""))[-1] or recording
            if label != OWN and row.get(label) in NOTHING:
                found.setdefault(name, [])
                continue
            onset, offset = _within_file(row, f"line {count}")
            found.add(name, onset, offset, row.get(label, ""), row.get(score), f"line {count}", channel)
            if row.get("End File", name) not in ("", name):
                over.append(f"line {count}")
        if over:
            found.notes.append(
                f"{counted(len(over), 'selection ends', 'selections end')} in a later file than "
                f"{agreed(len(over), 'it begins', 'they begin')} in ({over[0]} …): told to go on"
            )
        if len(found) > 1 and "File Offset (s)" not in header:
            found.notes.append(
                f"{counted(len(found), 'recording')} and no column File Offset (s): Begin Time (s) is taken to count from the start of each"
            )
        if not found:
            found[recording] = []
        return found


class _Selection(NamedTuple):
    """The line of its first row, the cells of that by their columns, and what Channel is in each of its rows."""

    line: int
    row: dict[str, str]
    channels: list[str]


def _selections(lines: Sequence[tuple[int, str]], header: Sequence[str]) -> list[_Selection]:
    """Each once: a table that shows one in the waveform and in the spectrogram, or in several channels, has several rows for it."""
    found: dict[tuple[str | int | None, ...], _Selection] = {}
    for count, line in lines[1:]:
        row = dict(zip(header, line.split("\t"), strict=False))
        key = tuple(row.get(name) for name in ("Selection", "Begin File", "Begin Time (s)", "End Time (s)", HEARD))
        each = found.setdefault(key if key[0] else (count,), _Selection(count, row, []))
        each.channels.append(row.get("Channel", ""))
    return list(found.values())


def _channels(selections: Sequence[_Selection], found: Found) -> list[tuple[int, dict[str, str], str | int | None]]:
    """(line, row, the channel that its event was heard in; None: their mix)."""
    wrong: dict[str, int] = {}
    told: list[set[int | None]] = []
    for line, row, cells in selections:
        told.append(set())
        for cell in () if HEARD in row else cells:
            try:
                told[-1].add(channel_of(cell))
            except ValueError:
                wrong.setdefault(cell, line)
    if wrong:
        cell, line = next(iter(wrong.items()))
        found.notes.append(f"Channel is {cell!r} on line {line}, which is no number from 1 on: it tells no channel")
    # else all are in the first, which is what a mix and a recording of one channel have, too
    apart = any(len(channels) == 1 and not channels <= {1, None} for channels in told)
    return [
        (line, row, row[HEARD] if HEARD in row else next(iter(channels)) if apart and len(channels) == 1 else None)
        for (line, row, _), channels in zip(selections, told, strict=True)
    ]


def _place(path: str) -> str:
    """Nothing for a path that is no cell, in a folder whose name holds a tab: the recording is named all the same."""
    try:
        return one_line(path)
    except ScoresError:
        return ""


def _clock(time: str) -> tuple[str, str]:
    """ISO 8601 → date and time of day as Raven writes them, 2021/04/23 and 19:00:12.500; the zone has no place there."""
    date, _, clock = time.partition("T")
    return date.replace("-", "/"), clock[:12]


def _within_file(row: dict[str, str], what: str) -> tuple[str | float, str | float]:
    """Onset and offset from the start of the file that the selection begins in. Raises ScoresError."""
    begin, end = row.get("Begin Time (s)"), row.get("End Time (s)")
    if begin is None or end is None:
        raise ScoresError(f"{what} holds something else than a selection: it ends before its times do")
    if "File Offset (s)" not in row or (missing(begin) and missing(end)):
        return begin, end
    try:
        here = seconds(row["File Offset (s)"])
        # rounded to the nanosecond, so that what is 1.5 s long in the table is so here
        return here, round(here + seconds(end) - seconds(begin), 9)
    except ValueError as error:
        raise ScoresError(
            f"{what} holds something else than seconds in its times or File Offset (s) ({error})"
        ) from error
