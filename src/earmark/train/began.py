"""What a run began with beside its recipe and its clips: what the command alone says.

    began.json    {"salvage": false, "unread": {"train": ["a.wav"], "validation": []}}

salvage: whether what can be read of damaged clips is learnt from. unread: ids of the clips that could not be read, by part, of clips in
files of their own. A run of an earlier version does not tell all of this: what it tells is compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files import write_text

FILE = "began.json"


@dataclass(frozen=True)
class Began:
    """See the module's docstring; what is not known before clips are read comes later."""

    salvage: bool = False

    def write(self, folder: Path) -> None:
        _write(folder, {"salvage": self.salvage})

    def check(self, folder: Path) -> None:
        """Raises EarmarkError where the run in a folder began otherwise."""
        before = read(folder)
        salvage = before.get("salvage", self.salvage)
        if salvage != self.salvage:
            how = "with" if salvage else "without"
            raise EarmarkError(
                f"{folder}: was started {how} --salvage, which decides what of damaged clips is learnt from: resume {how} it, or take "
                "another --out"
            )


def read(folder: Path) -> dict[str, Any]:
    """What a run tells of its beginning; nothing where it is of an earlier version. Raises EarmarkError where it cannot be read."""
    file = folder / FILE
    try:
        told = json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise EarmarkError(
            f"{file}: cannot be read ({error}), and tells what the run began with: take another --out"
        ) from error
    return dict(told)


def settle(folder: Path, unread: Mapping[str, list[str]]) -> None:
    """Keep which clips could not be read."""
    _write(folder, read(folder) | {"unread": dict(unread)})


def _write(folder: Path, told: Mapping[str, Any]) -> None:
    write_text(folder / FILE, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
