"""When a recording began, and so when by the clock each of its seconds was.

The first of these that tells it: the user, for one recording; the chunks GUANO and of AudioMoth's comment; the file's name, or a
pattern of it; the chunk bext, which programs for editing write too. What the others tell otherwise is said. A time that names no
zone is of the zone that is given, else of a clock without a zone; unknown stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from earmark.audio.timedchunks import chunked
from earmark.audio.timednames import FIRST, LAST, by_pattern, compiled, iso, named, offset
from earmark.errors import EarmarkError

NEAR = timedelta(seconds=2)  # two sources that differ by no more agree: names have whole seconds


@dataclass(frozen=True)
class Began:
    """when: with a zone where one is known. by: what told it. notes: what is to be said of it, a sentence each."""

    when: datetime
    by: str
    notes: tuple[str, ...] = ()

    def at(self, seconds: float) -> datetime:
        """The clock so many seconds later, to the millisecond; over a change of the hour as that zone's clocks go.

        >>> Began(datetime(2021, 4, 23, 23, 59, 58), "name").at(3.5).isoformat()
        '2021-04-24T00:00:01.500000'
        """
        later = timedelta(milliseconds=round(1000 * seconds))
        if self.when.tzinfo is None:
            return self.when + later
        return (self.when.astimezone(UTC) + later).astimezone(self.when.tzinfo)

    def told(self, seconds: float) -> str:
        """The same in ISO 8601, as files of events have it."""
        return self.at(seconds).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Clocks:
    """How the beginnings of recordings are told. start: of one recording, in ISO 8601; pattern: of names, as
    `earmark.audio.timednames` reads it; zone: a name such as Europe/Berlin, or an offset such as +02:00, of clocks that do not
    tell theirs, and in which times are told. Raises EarmarkError for what is none of these.

        >>> Clocks(zone="+02:00").began("SITE_20210423_190000.wav").when.isoformat()
        '2021-04-23T19:00:00+02:00'
    """

    start: str | None = None
    pattern: str | None = None
    zone: str | None = None

    def __post_init__(self) -> None:
        zone_of(self.zone)
        self._start()
        if self.pattern is not None:
            compiled(self.pattern)

    def began(self, path: str | Path) -> Began | None:
        """When a recording began; None where nothing tells it."""
        path = Path(path)
        told: dict[str, datetime] = {}
        if (start := self._start()) is not None:
            told["--start"] = start
        chunks = chunked(path)
        bext = chunks.pop("bext", None)
        told |= chunks
        by_name = named(path.stem) if self.pattern is None else by_pattern(path.stem, self.pattern)
        told |= {} if by_name is None else {"the file's name": by_name}
        told |= {} if bext is None else {"bext": bext}
        if not told:
            return None
        (by, first), *others = told.items()
        zone = zone_of(self.zone)
        notes = [_conflict(by, first, *other) for other in others if not _agree(first, other[1], zone)]
        when = first.replace(tzinfo=zone) if first.tzinfo is None else first.astimezone(zone or first.tzinfo)
        return Began(when, by, (*notes, *_doubts(first, when, zone)))

    def as_dict(self) -> dict[str, Any]:
        """What the times depend on."""
        return {"start": self.start, "pattern": self.pattern, "zone": self.zone}

    def _start(self) -> datetime | None:
        if self.start is None:
            return None
        if (when := iso(self.start)) is None:
            raise EarmarkError(
                f"--start {self.start}: is no date and time: give it as 2021-04-23T19:00:00, with +02:00 behind where it is known; years "
                f"go from {FIRST} to {LAST}"
            )
        return when


def zone_of(told: str | None) -> tzinfo | None:
    """Raises EarmarkError for a zone that nobody knows."""
    if told is None:
        return None
    if (fixed := offset(told)) is not None:
        return fixed
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(told)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EarmarkError(
            f"--zone {told}: is no zone that this computer knows: give a name such as Europe/Berlin, or an offset such as "
            "+02:00 or Z. Where it knows none by name: pip install tzdata"
        ) from error


def _agree(one: datetime, other: datetime, zone: tzinfo | None) -> bool:
    """Whether two tell one moment. One without a zone may be of the given zone, of the other's, or of UTC."""
    if (one.tzinfo is None) == (other.tzinfo is None):
        return abs(one - other) <= NEAR
    known, bare = (one, other) if other.tzinfo is None else (other, one)
    # a recorder whose clock runs in UTC names its files so, wherever the user says that it stood
    zones = [known.tzinfo, UTC] + [zone] * (zone is not None)
    return any(abs(known - bare.replace(tzinfo=each)) <= NEAR for each in zones)


def _conflict(by: str, when: datetime, other: str, its: datetime) -> str:
    return f"began {when.isoformat()} by {by}, which is taken, and {its.isoformat()} by {other}"


def _doubts(told: datetime, when: datetime, zone: tzinfo | None) -> tuple[str, ...]:
    """Where the clocks of a zone show a time twice, or never."""
    if told.tzinfo is not None or zone is None:
        return ()
    if when.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != told:
        return (f"began {told.isoformat()}, which clocks of its zone never show: they were put forward over it",)
    if when.replace(fold=1).utcoffset() != when.utcoffset():
        return (f"began {told.isoformat()}, which clocks of its zone show twice: the first is taken",)
    return ()
