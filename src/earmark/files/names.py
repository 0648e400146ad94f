"""Millions of paths in order, of which memory holds a few bytes each: their names lie in a file of this machine that nobody else sees.

A job over a store with a million recordings goes through them in order, once or twice; as Python's paths they would take 700
bytes each, and what the store said of each as much again.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from earmark.files.stores import Known, Stored, place

UNKNOWN = -1
BUFFER = 1 << 16  # bytes that are read at once, in order


class Paths(Sequence[Path]):
    """Something to go through by number; a slice is a view."""

    @overload
    def __getitem__(self, which: int) -> Path: ...

    @overload
    def __getitem__(self, which: slice) -> Sequence[Path]: ...

    def __getitem__(self, which: int | slice) -> Path | Sequence[Path]:
        numbers = range(len(self))[which]
        return self.at(numbers) if isinstance(numbers, int) else Some(self, numbers)

    def __iter__(self) -> Iterator[Path]:
        return map(self.at, range(len(self)))

    def at(self, number: int) -> Path:
        raise NotImplementedError


class Names(Paths):
    """rows: (path, bytes, time of change in ns); of what a store has told of a file as it was listed, else None.

    >>> Names([("a.wav", None, None), ("s3://bucket/b.wav", 3, 7)])[-1].stat().st_size
    3
    """

    def __init__(self, rows: Iterable[tuple[str, int | None, int | None]]):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
        self._ends, self._sizes, self._times = array("Q", [0]), array("q"), array("q")
        for name, size, changed in rows:
            data = os.fsencode(name)
            self._file.write(data)
            self._ends.append(self._ends[-1] + len(data))
            self._sizes.append(UNKNOWN if size is None else size)
            self._times.append(UNKNOWN if changed is None else changed)
        self._file.flush()
        self._first, self._held = 0, b""

    def __del__(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._sizes)

    def at(self, number: int) -> Path:
        """The path of this number, from 0."""
        first, end = self._ends[number], self._ends[number + 1]
        if not self._first <= first <= end <= self._first + len(self._held):
            self._file.seek(first)
            self._first, self._held = first, self._file.read(max(BUFFER, end - first))
        name = os.fsdecode(self._held[first - self._first : end - self._first])
        if self._sizes[number] == UNKNOWN:
            return place(name)
        path = Stored(name)
        path.known = Known(self._sizes[number], self._times[number])
        return path


def among(paths: Sequence[Path]) -> Sequence[Path]:
    """All recordings that these are some of, as those of a shard are."""
    return paths.paths if isinstance(paths, Some) else paths


class Some(Paths):
    """Those of these numbers."""

    def __init__(self, paths: Sequence[Path], numbers: Sequence[int]):
        self.paths, self.numbers = paths, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def at(self, number: int) -> Path:
        return self.paths[self.numbers[number]]
