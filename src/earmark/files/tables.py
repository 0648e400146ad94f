"""Tables as text: how others separate their cells, say that one is empty or name columns twice, and how rows are written."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from earmark.errors import counted

# as Excel is told it in the first line; where another program saved that again, with its own quotes and its own separators behind it
SEPARATED = re.compile(r'"?sep=([,;|\t])"?([,;|\t]*)(?=\r|\n|\Z)', re.IGNORECASE)

# how tables say that a cell has no value: pandas' list, in lower case
MISSING = frozenset({"", "nan", "-nan", "na", "n/a", "<na>", "#n/a", "#na", "null", "none"})

WRITTEN = ("nan", "-nan", "<na>")  # of these the ones that programs write where they are told to write nothing

# with what is no number or has no end, as programs write it: whoever asked says what is wrong with that
DECIMAL = re.compile(r"[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|nan|inf(inity)?)", re.ASCII | re.IGNORECASE)


def missing(cell: Any) -> bool:
    """Whether a cell says that there is no value.

    >>> [missing(cell) for cell in ("", "NaN", None, float("nan"), "0", 0.0, "owl")]
    [True, True, True, True, False, False, False]
    """
    if isinstance(cell, str):
        return cell.strip().lower() in MISSING
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def separated(text: str) -> tuple[str, str | None]:
    """(a table without the line that tells Excel its separator, that separator, None where none is told). The line stays there, empty, so
    that lines count as they do in the file.

    >>> separated("sep=;\\nonset;offset\\n")
    ('\\nonset;offset\\n', ';')
    >>> separated("onset,offset\\n")
    ('onset,offset\\n', None)
    """
    if (told := SEPARATED.match(text)) is None:
        return text, None
    return text[told.end() :], (told[2] or told[1])[0]


def separator_of(header: str, usual: str = ",") -> str:
    r"""Comma, semicolon or tab, whichever stands most often in a table's first line. usual: where none does.

    >>> [separator_of(line) for line in ("onset;offset", "onset\toffset", "onset")]
    [';', '\t', ',']
    """
    return max(",;\t", key=lambda sign: (header.count(sign), sign == usual))


class Writing(Protocol):
    def write(self, text: str, /) -> Any: ...


class Rows:
    r"""Writes rows of a table, as csv.writer does, with lines that end in \n.

    csv.writer itself leaves a lone carriage return without quotes then (before Python 3.13), and whoever reads it ends the row there.

    file: what has `write`.

    >>> import io
    >>> Rows(text := io.StringIO()).writerow(["two\rparts.wav", 0.5])
    >>> text.getvalue()
    '"two\rparts.wav",0.5\n'
    """

    def __init__(self, file: Writing, separator: str = ","):
        self._file, self._line = file, io.StringIO(newline="")
        self._writer = csv.writer(self._line, delimiter=separator, lineterminator="\r\n")

    def writerow(self, cells: Iterable[Any]) -> None:
        self._writer.writerow(cells)
        self._file.write(self._line.getvalue().removesuffix("\r\n") + "\n")
        self._line.seek(0)
        self._line.truncate()

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        for cells in rows:
            self.writerow(cells)


def line_of(cells: Iterable[Any]) -> str:
    """One row of a table, with the end of its line."""
    Rows(text := io.StringIO(newline="")).writerow(cells)
    return text.getvalue()


def named_twice(header: Sequence[str], names: Iterable[str]) -> str | None:
    """Why a header cannot be read: it has two columns of one of the names that are read; None: it has not. Others may be there twice.

    >>> named_twice(["tag", "answer", "note", "answer", "note"], ["tag", "answer"])
    "has 2 columns 'answer', number 2 and number 4: which one counts, nothing tells. Take one out, or call it otherwise"
    """
    for name in names:
        places = [f"number {place}" for place, told in enumerate(header, 1) if told == name]
        if len(places) > 1:
            return (
                f"has {counted(len(places), 'column')} {name!r}, {' and '.join(places)}: which one counts, nothing tells. "
                "Take one out, or call it otherwise"
            )
    return None


def decimal(cell: Any) -> float:
    """The number in a cell: of a text a plain decimal one, with a point and an exponent if need be, and blanks around it.

    Python would take 1_0 and the digits of other scripts too. nan and inf come as they are. Raises ValueError and TypeError, as float does.

    >>> decimal(" 1.50 "), decimal("2e-3"), decimal(3)
    (1.5, 0.002, 3.0)
    """
    if isinstance(cell, bool) or (isinstance(cell, str) and not DECIMAL.fullmatch(cell.strip(" \t"))):
        raise ValueError(f"no plain decimal number, such as 12.5: {cell!r}")
    return float(cell)
