"""Reading FlatBuffers: tables, vectors and strings by their offsets, none of which is trusted.

A file is little-endian. A table begins with the signed distance back to its vtable, which tells by field how far behind
the table's start its value lies, 0 where it is absent; see https://flatbuffers.dev/internals. Nothing here recurs or
follows what it has not been asked for, so that a circle of offsets ends where the schema does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import TaggerError, counted

LONGEST_TEXT = 4096  # bytes of a name
LARGEST_COUNT = 20_000  # of tables in a vector
FORMATS = {"b": 1, "B": 1, "H": 2, "h": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}  # bytes of each


@dataclass(frozen=True)
class Bytes:
    """A file's content. place: of the file, for errors."""

    data: bytes
    place: str

    def refuse(self, why: str) -> TaggerError:
        return TaggerError(f"{self.place}: {why}: cut, altered or no file of this kind. Fetch it again")

    def number(self, form: str, at: int) -> Any:
        """Raises TaggerError where it does not lie in the file."""
        if not 0 <= at <= len(self.data) - FORMATS[form]:
            raise self.refuse(f"points to byte {at:,}, and has {len(self.data):,}")
        return struct.unpack_from("<" + form, self.data, at)[0]

    def root(self) -> Table:
        return Table(self, self.number("I", 0))


@dataclass(frozen=True)
class Table:
    """One table, which begins at byte `at`."""

    file: Bytes
    at: int

    def field(self, index: int, size: int) -> int | None:
        """Where the value of a field of so many bytes lies; None where it is absent."""
        vtable = self.at - self.file.number("i", self.at)
        length, own = self.file.number("H", vtable), self.file.number("H", vtable + 2)
        slot = 4 + 2 * index
        if slot + 2 > length:
            return None
        offset = self.file.number("H", vtable + slot)
        if offset and offset + size > own:
            raise self.file.refuse(
                f"a table of {counted(own, 'byte')} at byte {self.at:,} has a value of {size} at its byte {offset}"
            )
        return self.at + offset if offset else None

    def number(self, index: int, form: str, default: float = 0) -> Any:
        at = self.field(index, FORMATS[form])
        return default if at is None else self.file.number(form, at)

    def table(self, index: int) -> Table | None:
        at = self._target(index)
        return None if at is None else Table(self.file, at)

    def numbers(self, index: int, kind: str, most: int | None = None) -> NDArray[Any]:
        """A vector as a view of the file, nothing copied: empty where it is absent. kind: of NumPy, such as "<f4"."""
        dtype, (at, count) = np.dtype(kind), self._vector(index)
        if most is not None and count > most:
            raise self.file.refuse(
                f"a list at byte {at:,} has {counted(count, 'entry', 'entries')}, and {most:,} are the most"
            )
        if at + count * dtype.itemsize > len(self.file.data):
            raise self.file.refuse(
                f"a list at byte {at:,} of {counted(count, 'entry', 'entries')} reaches beyond its end"
            )
        return np.frombuffer(self.file.data, dtype, count, at) if count else np.empty(0, dtype)

    def tables(self, index: int) -> Iterator[Table]:
        places, (at, _) = self.numbers(index, "<u4", LARGEST_COUNT), self._vector(index)
        for number, offset in enumerate(places.tolist()):
            yield Table(self.file, at + 4 * number + offset)

    def text(self, index: int) -> str:
        """Nothing where it is absent."""
        return self.numbers(index, "u1", LONGEST_TEXT).tobytes().decode("utf-8", "replace")

    def _target(self, index: int) -> int | None:
        at = self.field(index, 4)
        return None if at is None else at + int(self.file.number("I", at))

    def _vector(self, index: int) -> tuple[int, int]:
        """(first byte, entries)."""
        at = self._target(index)
        return (0, 0) if at is None else (at + 4, int(self.file.number("I", at)))
