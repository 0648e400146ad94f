"""What is asked for when a net is adopted, whatever its file is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import EarmarkError


@dataclass(frozen=True)
class Asked:
    """What to adopt. file, labels: paths. licence, source: in words, or as an address."""

    file: Path
    labels: Path
    licence: str
    source: str


def check_words(asked: Asked) -> None:
    """Raises EarmarkError where licence or source are not told: only who fetched weights knows what may be done with them."""
    for option, value in (("--licence", asked.licence), ("--origin", asked.source)):
        if not value.strip():
            raise EarmarkError(
                f"{option} is empty: say what the weights may be used for, such as Apache-2.0, and where they are from"
            )


def digest(file: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
