"""The files of a report: a folder, and a name for all of them that stays inside it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark.errors import ScoresError
from earmark.files import write_text
from earmark.files.stores import place
from earmark.files.tables import Rows


def folder_for(folder: str | Path, stem: str) -> Path:
    """The folder, made where it is missing. Raises ScoresError for a name that is none."""
    if stem in ("", ".", "..") or Path(stem).name != stem:
        raise ScoresError(f"a report's name is a file name without folders, not {stem!r}")
    folder = place(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_page(path: Path, text: str) -> Path:
    """A text, whole or not at all; its path."""
    write_text(path, text)
    return path


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """A CSV; None is an empty cell, and what is in no column is left out."""
    text = io.StringIO()
    Rows(text).writerows([columns, *([row.get(name) for name in columns] for row in rows)])
    return write_page(path, text.getvalue())
