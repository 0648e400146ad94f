"""Names in tables that a spreadsheet may take for formulas: told, and left as they are, so that they read back exactly.

Names of recordings, tags and folds may begin with = + - @, a tab or a carriage return, and a spreadsheet that opens a CSV
file may run such a cell. An escape in the file would be a part of the name for every other reader.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from earmark.cli.terminal.console import say
from earmark.errors import agreed, counted
from earmark.files.shown import shown

SIGNS = ("=", "+", "-", "@", "\t", "\r")
SEPARATORS: Mapping[str, str] = {".csv": ",", ".tsv": "\t"}
SHOWN = 60  # characters of a name


class Formulas:
    """What a command's tables hold of such names."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}  # in the order of the tables

    def look(self, text: str, ending: str) -> str:
        """A table, or some of its rows, as they are written; itself, unchanged. ending: of such files, others are no tables."""
        if ending in SEPARATORS and any(sign in text for sign in SIGNS):
            self._rows(io.StringIO(text, newline=""), SEPARATORS[ending])
        return text

    def look_at(self, file: Path) -> None:
        """A file that was written."""
        if file.suffix not in SEPARATORS:
            return
        try:
            with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
                self._rows(lines, SEPARATORS[file.suffix])
        except OSError:  # it was written: who cannot read it now has been told of worse
            return

    def say(self, otherwise: str) -> None:
        """One line, where there are some. otherwise: the way to results without them."""
        if not self.names:
            return
        first = shown(next(iter(self.names)))
        first = first if len(first) <= SHOWN else f"{first[:SHOWN]}…"
        say(
            f"{counted(len(self.names), 'name')} in these tables {agreed(len(self.names), 'begins', 'begin')} with one of = + "
            f"- @, a tab or a carriage return, such as {first}: a spreadsheet "
            f"may run {agreed(len(self.names), 'it as a formula', 'them as formulas')}: open as text{otherwise}"
        )

    def _rows(self, lines: Iterable[str], separator: str) -> None:
        try:
            for row in csv.reader(lines, delimiter=separator):
                for cell in row:
                    if cell.startswith(SIGNS) and not _number(cell):
                        self.names[cell] = None
        except csv.Error:  # a cell of more than the 128 KiB that the reader takes
            return


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
