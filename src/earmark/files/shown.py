"""Names as they are shown to people: what would act on a terminal, or turn the line around, stands there escaped.

Names of recordings, tags and labels come from files that anybody may have made. In files of results (CSV, JSON, Parquet)
they stay as they are; in messages, tables and pictures of text for people their control characters are written out.
"""

from __future__ import annotations

import re
from typing import Any, TextIO

from earmark.errors import escaped, shortened

# C0 and C1 controls; marks that turn or isolate the direction of text; separators of lines
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_COLOUR = re.compile("(\x1b\\[[0-9;]*m)")
_NEW_LINE = re.compile(r"\n(?! )")


def shown(name: object) -> str:
    r"""A name in one line.

    >>> print(shown("dog\x1b[2J\nbark\u202e"))
    dog\x1b[2J\nbark\u202e
    """
    return _ACTING.sub(_escape, escaped(str(name)))


def written(name: object) -> str:
    r"""A name that may be no Unicode, as files hold it that must be UTF-8: what is none is escaped, all else stays.

    >>> print(written("M\udcfccke.wav"))
    M\xfccke.wav
    """
    return escaped(str(name))


def message(text: str) -> str:
    """A message: its own lines, which are indented after the first, stay; names in it are shown, and shortened.

    >>> message("table: 2 mistakes\\n  no id\\n  no path")
    'table: 2 mistakes\\n  no id\\n  no path'
    """
    lines = [shown(line) for line in _NEW_LINE.sub(r"\\n", text).split("\n")]
    return shortened("\n".join(lines))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(found[0])
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


class Terminal:
    """A terminal's stream: colours pass and lines end, everything else that would act on it is escaped."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        parts = _COLOUR.split(text)
        # every second part is a colour
        kept = [part if n % 2 else "\n".join(map(shown, part.split("\n"))) for n, part in enumerate(parts)]
        return self._stream.write("".join(kept))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
