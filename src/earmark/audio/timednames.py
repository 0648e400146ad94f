"""When a recording began, by its file's name, as recorders and people write it there.

    5E90A4D4.WAV                          AudioMoth until 2020: seconds since 1970 in UTC, eight capital hexadecimal digits
    20210423_190000.WAV                   AudioMoth since, Song Meter; also with T, - or $ between, or nothing
    SITE_0+1_20210423$190000_000.wav      Wildlife Acoustics: a prefix, channels, $ for a clock that GPS set; what follows is left
    2021-04-23T19-00-00Z, 20210423T190000+1000_SITE.wav      ISO 8601 and likenesses of it, with its offset from UTC or without,
    20210423T190000-03.wav, 20210423_190000Z.wav             also of hours alone, and Z and + behind any time

Nothing is guessed: a date without a time, years of two digits, eight hexadecimal digits without a letter and two different times
in one name tell nothing; a pattern says how such names are to be read.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

from earmark.errors import EarmarkError

FIRST, LAST = 1990, 2100  # years that a recording may be of
MOTHS = datetime(2016, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)  # when recorders wrote hexadecimal names
HEX = re.compile(r"(?=.*[A-F])[0-9A-F]{8}")
STAMP = re.compile(
    r"(?<!\d)(?P<Y>\d{4})(?P<d1>[-._]?)(?P<m>\d{2})(?P=d1)(?P<d>\d{2})(?P<between>[T_$ -]?)"
    r"(?P<H>\d{2})(?P<d2>[-._:h]?)(?P<M>\d{2})(?P=d2)(?P<S>\d{2})(?!\d)(?:[.,](?P<f>\d{1,6})(?!\d))?(?P<z>Z(?![A-Za-z])|[+-]\d{2}(?:[:-]?\d{2})?(?!\d))?"
)
# what a pattern may hold, as of strftime; %s: seconds since 1970, %X: the same in hexadecimal
DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d{2})", "m": r"(?P<m>\d{2})", "d": r"(?P<d>\d{2})", "j": r"(?P<j>\d{3})",
    "H": r"(?P<H>\d{2})", "M": r"(?P<M>\d{2})", "S": r"(?P<S>\d{2})", "f": r"(?P<f>\d{1,6})", "z": r"(?P<z>Z|[+-]\d{2}(?::?\d{2})?)",
    "s": r"(?P<s>\d{9,10})", "X": r"(?P<X>[0-9A-Fa-f]{8})", "%": "%",
}  # fmt: skip
SIGNS = {"s": r"\d", "X": "[0-9A-Fa-f]"}  # what they are of


def named(stem: str) -> datetime | None:
    """When a recording began by its name without the ending; without a zone where it names none. None: it does not tell.

    >>> named("SITE_20210423_190000")
    datetime.datetime(2021, 4, 23, 19, 0)
    """
    if HEX.fullmatch(stem):
        moment = datetime.fromtimestamp(int(stem, 16), UTC)
        return moment if MOTHS[0] <= moment < MOTHS[1] else None
    found = {when for match in STAMP.finditer(stem) if (when := _moment(match.groupdict())) is not None}
    return found.pop() if len(found) == 1 else None


def by_pattern(stem: str, pattern: str) -> datetime | None:
    """The same by a pattern such as "%d%m%y-%H%M%S", which may stand anywhere in the name. Raises EarmarkError."""
    match = compiled(pattern).search(stem)
    return None if match is None else _moment(match.groupdict())


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of a name. Raises EarmarkError for one that does not tell a time."""
    made, used = "", set()
    for literal, sign in re.findall(r"([^%]+)|%(.?)", pattern):
        if literal:
            made += re.escape(literal)
            continue
        if sign not in DIRECTIVES or sign in used:
            known = ", ".join(f"%{each}" for each in DIRECTIVES)
            what = "twice" if sign in used else "unknown"
            raise EarmarkError(f"the pattern {pattern!r} has %{sign}, {what}: names are read by {known}, each once")
        used |= {sign} - {"%"}
        made += DIRECTIVES[sign]
    day = ({"Y"} <= used or {"y"} <= used) and ({"m", "d"} <= used or "j" in used)
    if not (used & {"s", "X"} or (day and {"H", "M"} <= used)):
        raise EarmarkError(
            f"the pattern {pattern!r} tells no moment: give year, month, day, hour and minute as in %Y%m%d_%H%M%S, or seconds "
            "since 1970, %s or %X"
        )
    if (
        first := re.match("%([sX])", pattern)
    ) is not None:  # not out of a longer number; behind other words it may be anything
        made = f"(?<!{SIGNS[first[1]]})" + made
    if (last := re.search("%([sX])$", pattern)) is not None:
        made += f"(?!{SIGNS[last[1]]})"
    return re.compile(made)


def _moment(told: dict[str, str | None]) -> datetime | None:
    """The parts of a time → the time; None where it is none, such as of a 31st of June."""
    if (since := told.get("s") or (told.get("X") and str(int(told["X"] or "", 16)))) is not None:
        moment = datetime.fromtimestamp(int(since), UTC)
        return moment if FIRST <= moment.year <= LAST else None
    # a date from a time by a sign that stands within them too is no date: 2021_04_23_19_00_00 is one all the same
    year = int(told["Y"] or 0) if told.get("Y") else 2000 + int(told.get("y") or 0)
    try:
        if told.get("j"):
            day = datetime(year, 1, 1) + timedelta(days=int(told["j"] or 0) - 1)
            if day.year != year:
                return None
        else:
            day = datetime(year, int(told["m"] or 0), int(told["d"] or 0))
        clock = int(told["H"] or 0), int(told["M"] or 0), int(told.get("S") or 0)
        when = day.replace(hour=clock[0], minute=clock[1], second=clock[2])
    except ValueError:
        return None
    when += timedelta(microseconds=int((told.get("f") or "0").ljust(6, "0")))
    if not FIRST <= when.year <= LAST:
        return None
    # a hyphen after 20210423_190000 is most often followed by a counter: only ISO's T opens an offset by it
    counter = (told.get("z") or "").startswith("-") and told.get("between", "T") != "T"
    return when if counter else when.replace(tzinfo=offset(told.get("z") or ""))


def iso(told: str) -> datetime | None:
    """A moment in ISO 8601; None for what is none, for a date alone, which is no midnight, and for a year of no recording."""
    try:
        when = datetime.fromisoformat(told)
    except ValueError:
        return None
    try:
        date.fromisoformat(told)
    except ValueError:
        return when if FIRST <= when.year <= LAST else None
    return None


def offset(told: str) -> timezone | None:
    """Z, +02:00, -0330, +10 → the offset from UTC, to a quarter of an hour; None: it is none."""
    if told in ("Z", "UTC"):
        return UTC
    match = re.fullmatch(r"([+-])(\d{2})(?:[:-]?(\d{2}))?", told)
    if match is None or int(match[2]) > 14 or int(match[3] or 0) not in (0, 15, 30, 45):
        return None
    minutes = 60 * int(match[2]) + int(match[3] or 0)
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
