"""How often and how long each tag is heard, by site, day and hour; with how long was recorded, so that none differs from not known.

An event counts where it begins; its minutes, and those that were recorded, lie in the hours that they lie in, over midnight too.
Of recordings whose beginning nobody knows the date and the hour are None. What is heard in several channels at once is one event,
from where the first of them begins to where the last ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from earmark.audio import Began
from earmark.scores import Event

COLUMNS = ("site", "date", "hour", "tag", "events", "minutes", "recorded_minutes")
Cell = tuple[str, str | None, int | None]  # site, date in ISO 8601, hour of the day


@dataclass(frozen=True)
class Heard:
    """What was heard in a recording. duration: seconds. began: None where it is not known. site: where it was recorded. unheard: seconds of
    it that hold nothing that can be heard; None: not known.
    """

    recording: str
    duration: float
    events: Sequence[Event]
    began: Began | None = None
    site: str = ""
    unheard: float | None = None


@dataclass(frozen=True)
class Count:
    """Of one tag, or of none where only what was recorded is told. minutes: how long it was heard."""

    site: str
    date: str | None
    hour: int | None
    tag: str
    events: int
    minutes: float
    recorded: float

    def cells(self) -> tuple[Any, ...]:
        """Of `COLUMNS`; times to a thousandth of a minute."""
        told = (self.site, self.date, self.hour, self.tag, self.events, round(self.minutes, 3), round(self.recorded, 3))
        return told


def count(heard: Iterable[Heard]) -> list[Count]:
    """A row for each site, date and hour in which something was recorded and each tag that is heard anywhere, 0 included.

    Where no tag is heard at all, a row without one tells what was recorded.

    >>> from datetime import datetime
    >>> began = Began(datetime(2021, 4, 23, 23, 59), "name")
    >>> for row in count([Heard("a.wav", 120.0, [Event(30, 90, "dog")], began)]): print(row.cells())
    ('', '2021-04-23', 23, 'dog', 1, 0.5, 1.0)
    ('', '2021-04-24', 0, 'dog', 0, 0.5, 1.0)
    """
    recorded: dict[Cell, float] = defaultdict(float)
    events: dict[tuple[Cell, str], int] = defaultdict(int)
    seconds: dict[tuple[Cell, str], float] = defaultdict(float)
    tags: set[str] = set()
    for each in heard:
        for cell, part in _cells(each, 0.0, each.duration):
            recorded[cell] += part
        for event in _of_all_channels(each.events):
            tags.add(event.tag)
            parts = list(_cells(each, event.onset, event.offset))
            events[parts[0][0], event.tag] += 1
            for cell, part in parts:
                seconds[cell, event.tag] += part
    for cell, _ in events:  # of an event that begins where the recording ends
        recorded.setdefault(cell, 0.0)
    order = sorted(recorded, key=lambda cell: (cell[0], cell[1] or "", -1 if cell[2] is None else cell[2]))
    return [
        Count(*cell, tag, events[cell, tag], seconds[cell, tag] / 60, recorded[cell] / 60)
        for cell in order
        for tag in sorted(tags) or [""]
    ]


def _of_all_channels(events: Sequence[Event]) -> Sequence[Event]:
    """Events of one tag that overlap in different channels as one; those of a single channel, or of the mix, as they are."""
    if len({event.channel for event in events}) < 2:
        return events
    whole: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda each: each.onset):
        known = whole.setdefault(event.tag, [])
        if known and event.onset < known[-1].offset:
            known[-1] = replace(known[-1], offset=max(known[-1].offset, event.offset))
        else:
            known.append(event)
    return [event for each in whole.values() for event in each]


def _cells(heard: Heard, start: float, end: float) -> Iterator[tuple[Cell, float]]:
    """From a second to another → the hours that they lie in, and how many seconds of each."""
    if heard.began is None:
        yield (heard.site, None, None), end - start
        return
    at = start
    while True:
        clock = heard.began.at(at)
        left = timedelta(hours=1) - timedelta(
            minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond
        )
        until = min(end, at + left.total_seconds())
        yield (heard.site, clock.date().isoformat(), clock.hour), until - at
        if until >= end - 5e-4:  # clocks are told to the millisecond
            return
        at = until


def sites(recordings: Iterable[Path]) -> dict[Path, str]:
    """The folder of each recording, below the lowest that holds them all; its name where it is the only one.

    >>> sites([Path("card/north/a.wav"), Path("card/south/a.wav")])[Path("card/north/a.wav")]
    'north'
    """
    folders = {path: path.absolute().parent for path in recordings}
    if not folders:
        return {}
    first, *others = sorted(set(folders.values()))
    if not others:
        return dict.fromkeys(folders, first.name)
    above = next(each for each in (first, *first.parents) if all(other.is_relative_to(each) for other in others))
    return {path: folder.relative_to(above).as_posix() for path, folder in folders.items()}
