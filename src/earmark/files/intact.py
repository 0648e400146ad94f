"""Whether a file that appeared whole still is what was written: a copy that was cut off, or a disk that lost its power, leaves less.

A mark is a file's size and the CRC-32 of its bytes, in one number, of which a job keeps a million. Of files that were written
before there were marks only the form is known: how they open and close, and that text holds no NUL.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError, counted

BLOCK = 1 << 20
CRC = 32  # bits


class Damaged(EarmarkError):
    """files: results that are not what was written, or not there."""

    def __init__(self, files: Sequence[Path]):
        self.files = tuple(files)
        super().__init__(
            f"{counted(len(files), 'result is', 'results are')} not what the job wrote, such as {files[0]}: cut off or damaged, as by a "
            "copy or a disk. Run the job's command again, which hears that again"
        )


class State(Enum):
    """CHANGED: not as it was written, in a form that people change by hand, and not damaged as far as one can see."""

    WHOLE, CHANGED, DAMAGED = range(3)


@dataclass(frozen=True)
class Looks:
    """How files of one purpose look. empty: one in which nothing is told; None: each tells something. text: without NUL.

    by_hand: people change such files, as label tracks: then they need not open as they did.
    """

    opening: bytes = b""
    closing: bytes = b"\n"
    empty: bytes | None = None
    text: bool = True
    by_hand: bool = False

    def state(self, path: Path, mark: int | None) -> State:
        """Of a file that had this mark when it was written; None: nobody knows. One that cannot be read is as good as none."""
        try:
            now, first, last, nul = _read(path, max(len(self.opening), len(self.empty or b"")), len(self.closing))
        except OSError:
            return State.DAMAGED
        if now == mark:
            return State.WHOLE
        size = size_of(now)
        if size == 0:
            fits = self.empty == b""
        else:
            fits = first == self.empty if size == len(self.empty or b"") else last == self.closing
            fits = fits and not (self.text and nul) and (self.by_hand or first.startswith(self.opening))
        if mark is None:
            return State.WHOLE if fits else State.DAMAGED
        return State.CHANGED if fits and self.by_hand and size else State.DAMAGED

    def fits_size(self, size: int, mark: int | None) -> bool:
        """Whether a file of so many bytes may be one that is whole, or was changed by hand."""
        if mark is None:
            return size > 0 or self.empty == b""
        return size == size_of(mark) or (self.by_hand and size > 0)


TEXT = Looks()
JSON = Looks(b"[\n", b"\n]\n", b"[]\n")
BY_HAND = Looks(empty=b"", by_hand=True)
PARQUET = Looks(b"PAR1", b"PAR1", text=False)


def mark_of(path: Path) -> int:
    """Raises OSError."""
    return _read(path, 0, 0)[0]


def size_of(mark: int) -> int:
    """Bytes."""
    return mark >> CRC


def bytes_of(path: Path) -> int | None:
    """How many are in a file; None: there is no such file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def as_dict(mark: int | None) -> dict[str, Any]:
    """As it is written down.

    >>> as_dict(3 << 32 | 0x891087B8), from_dict({"bytes": 3, "crc32": "891087b8"}) == 3 << 32 | 0x891087B8
    ({'bytes': 3, 'crc32': '891087b8'}, True)
    """
    return {} if mark is None else {"bytes": size_of(mark), "crc32": f"{mark & (1 << CRC) - 1:08x}"}


def from_dict(told: Mapping[str, Any]) -> int | None:
    """None where nothing was written down. Raises LookupError, TypeError and ValueError."""
    if "bytes" not in told:
        return None
    return int(told["bytes"]) << CRC | int(told["crc32"], 16)


def _read(path: Path, opening: int, closing: int) -> tuple[int, bytes, bytes, bool]:
    """A file's mark, its first and last bytes, and whether it holds a NUL."""
    size = crc = 0
    first = last = b""
    nul = False
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            first = first or block[:opening]
            last = (last + block)[-closing:] if closing else b""
            nul = nul or b"\0" in block
            crc = zlib.crc32(block, crc)
            size += len(block)
    return size << CRC | crc, first, last, nul
