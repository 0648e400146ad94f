"""The tables beside a pack, for people and for who packs again: clips that could not be read, and what was done to others.

Both have a row a clip with its id, its path and a sentence; neither is there where it would have no row.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from earmark.data.packs.folder import ERRORS, NOTES, on_disk
from earmark.errors import ManifestError
from earmark.files import whole_text
from earmark.files.tables import Rows

Row = tuple[str, str, str]
WHAT = {ERRORS: "reason", NOTES: "note"}


def write(folder: Path, name: str, rows: Sequence[Row]) -> None:
    """rows: (id, path, sentence)."""
    if rows:
        with whole_text(folder / name) as file:
            Rows(file).writerows([("id", "path", WHAT[name]), *rows])


def read(folder: Path, name: str, count: int | None = None) -> tuple[Row, ...]:
    """The rows. count: how many there were; those that the file does not tell any more have a row without an id."""
    rows: list[Row] = []
    try:
        with on_disk(folder / name) as copy, copy.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = [(row[0], row[1], row[2]) for row in list(csv.reader(file))[1:] if len(row) == 3]
    except (OSError, csv.Error, ManifestError):  # it was taken away, or is of no pack that has one
        pass
    lost = max(0, (count or 0) - len(rows))
    return (
        *rows,
        *[("", str(folder), f"is a clip that {name} does not name any more: pack again to have it named")] * lost,
    )
