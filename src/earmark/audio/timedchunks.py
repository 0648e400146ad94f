"""When a recording began, by what recorders write into the chunks of a WAV file.

    guan    GUANO (guano-md.org, 1.0): lines `key: value` in UTF-8; `Timestamp` in ISO 8601, with its offset from UTC or without
    LIST    INFO, ICMT: AudioMoth's comment, "Recorded at 19:00:00 23/04/2021 (UTC+2) by AudioMoth …"
    bext    EBU Tech 3285: OriginationDate and OriginationTime, in ASCII, without a zone

A chunk that is damaged, or tells no time, tells nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

from earmark.audio import containers
from earmark.audio.timednames import FIRST, LAST, iso

LONGEST = 1 << 20  # bytes of a chunk that are read
MOTH = re.compile(
    rb"Recorded at (\d\d):(\d\d):(\d\d)(?:\.(\d{3}))? (\d\d)/(\d\d)/(\d{4}) \(UTC(?:([+-])(\d{1,2})(?::(\d\d))?)?\)"
)
BEXT_DATE, BEXT_TIME = slice(320, 330), slice(330, 338)


def chunked(path: Path) -> dict[str, datetime]:
    """When the recording began by each chunk that tells it; nothing of a file that is no WAV, or cannot be read."""
    try:
        with path.open("rb") as file:
            return _told(file)
    except OSError:
        return {}


def _told(file: BinaryIO) -> dict[str, datetime]:
    if containers.peek(file, 0, 4) not in (b"RIFF", b"RF64", b"BW64"):
        return {}
    found: dict[str, datetime] = {}
    readers = {b"guan": ("GUANO", _guano), b"LIST": ("AudioMoth's comment", _moth), b"bext": ("bext", _bext)}
    for name, begin, size in containers.chunks(file):
        if name in readers:
            source, read = readers[name]
            when = read(containers.peek(file, begin, min(size, LONGEST)))
            if when is not None and FIRST <= when.year <= LAST:
                found.setdefault(source, when)
    return found


def _guano(content: bytes) -> datetime | None:
    for line in content.decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == "Timestamp":
            return iso(value.strip("\0 \t"))
    return None


def _moth(content: bytes) -> datetime | None:
    match = MOTH.search(content) if content[:4] == b"INFO" else None
    if match is None:
        return None
    hour, minute, second, fraction, day, month, year, sign, hours, minutes = match.groups(b"0")
    away = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        zone = UTC if not away else timezone(-away if sign == b"-" else away)
        milli = 1000 * int(fraction)
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), milli, zone)
    except ValueError:
        return None


def _bext(content: bytes) -> datetime | None:
    date = re.fullmatch(rb"(\d{4})[-_:./ ](\d\d)[-_:./ ](\d\d)", content[BEXT_DATE])
    time = re.fullmatch(rb"(\d\d)[-_:./ ](\d\d)[-_:./ ](\d\d)", content[BEXT_TIME])
    if date is None or time is None:
        return None
    try:
        return datetime(*(int(part) for part in (*date.groups(), *time.groups())))  # type: ignore[arg-type]
    except ValueError:
        return None
