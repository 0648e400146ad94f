"""The files of a report: a folder, and a name for all of them that stays inside it."""

from __future__ import annotations

from pathlib import Path

from earmark.errors import ScoresError


def folder_for(folder: str | Path, stem: str) -> Path:
    """The folder, made where it is missing. Raises ScoresError for a name that is none."""
    if stem in ("", ".", "..") or Path(stem).name != stem:
        raise ScoresError(f"a report's name is a file name without folders, not {stem!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
