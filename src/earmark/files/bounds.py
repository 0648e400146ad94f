"""How much a file may hold and stand for: bounds by kind of file, held before anything of that size is made.

What is compressed, repeated or only named in a file can stand for far more than the file's bytes. A table is refused where
it stands for more than EXPANDED bytes and for more than RATIO times its file: a long table of one's own is read, however
long. Docs: bounds.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError, counted

HEADER = 10_000_000  # bytes of JSON in a tagger, or of a run folder's files
TENSORS = 20_000  # of a tagger
COLUMNS = 10_000  # of a table
LINE = 1_000_000  # characters of a table's first line
EXPANDED = 256_000_000  # bytes that a table may stand for, whatever its file has
RATIO = 200  # times the bytes of its file that a larger one may stand for
EVENTS = 256_000_000  # bytes of a file of events


class TooMuch(EarmarkError):
    """A file that holds or stands for more than its kind may."""


def check_expanded(name: str | Path, size: int, expanded: int, what: str) -> None:
    """Raises TooMuch where a table of `size` bytes stands for too many. what: of it, for the message.

    >>> check_expanded("a.parquet", 1_000, 10**12, "its rows")
    Traceback (most recent call last):
    ...
    earmark.files.bounds.TooMuch: a.parquet: its rows would take 1,000,000 MB, and the file has 1,000 bytes: more than 256 MB \
and 200 times the file are refused, as damaged or made to fill the memory
    """
    if expanded > max(EXPANDED, RATIO * size):
        raise TooMuch(
            f"{name}: {what} would take {expanded // 1_000_000:,} MB, and the file has {counted(size, 'byte')}: more than "
            f"{EXPANDED // 1_000_000} MB and {RATIO} times the file are refused, as damaged or made to fill the memory"
        )


def check_columns(name: str | Path, columns: int) -> None:
    """Raises TooMuch for a table of more columns than any has."""
    if columns > COLUMNS:
        raise TooMuch(
            f"{name}: has {counted(columns, 'column')}, and a table may have {COLUMNS:,}: is it turned on its side?"
        )


def check_texts(name: str | Path, size: int, texts: Any) -> None:
    """Raises TooMuch where texts, an Arrow array, would not fit into memory in NumPy, where each is as wide as the longest."""
    import pyarrow.compute as pc

    longest = pc.max(pc.utf8_length(texts)).as_py() or 0
    check_expanded(
        name,
        size,
        4 * longest * len(texts),
        f"{counted(len(texts), 'name')}, the longest of {counted(longest, 'character')},",
    )


def first_line(path: Path, above: int = 0) -> str:
    """Of a text in UTF-8, or that below so many others. Raises TooMuch for one without end, OSError, UnicodeDecodeError."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for _ in range(above + 1):
            line = file.readline(LINE + 1)
    if len(line) > LINE:
        raise TooMuch(f"{path}: its first line has more than {LINE:,} characters, which no table's header has")
    return line


def read_json(path: Path, longest: int = HEADER) -> Any:
    """The values in a file of JSON. Raises TooMuch, OSError, and ValueError for what is none."""
    with path.open("rb") as file:
        data = file.read(longest + 1)
    if len(data) > longest:
        raise TooMuch(f"{path}: is longer than {counted(longest, 'byte')}, more than a file of its kind has")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
