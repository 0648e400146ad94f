"""Which form results are written in: what --format says or, where it says nothing, how the name of the file ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from earmark.errors import EarmarkError

ANY = (".txt", "")  # endings that say nothing of what a file holds


def of_file(asked: str | None, out: Path | None, endings: Mapping[str, str], otherwise: str) -> str:
    """asked: by --format. endings: of the files of each form, the first of two that end alike before the other.

    Raises EarmarkError for a form in a file whose name ends as those of another.
    """
    ending = "" if out is None else out.suffix.lower()
    found = [form for form, each in endings.items() if each == ending and each not in ANY]
    if asked is None:
        return found[0] if found else otherwise
    if found and asked not in found:
        raise EarmarkError(
            f"--out {out}: ends as a file of {' or '.join(found)} does, and --format {asked} was asked for. "
            f"Take {found[0]}, or another name"
        )
    return asked
