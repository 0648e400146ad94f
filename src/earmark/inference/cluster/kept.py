"""Pieces of recordings that are not whole yet, as files in a folder of the job, until they are joined.

    KEY-3.arrow         the piece 3 (from 0) of a recording
    KEY-7-last.arrow    nothing follows: its last piece, or what it could not be read for

KEY is of the recording's path, channel, size, time of change, and of how it is cut: what was heard of a file that has changed
since, or in other pieces, is not taken for it. A name appears with all that is in it, and what is in it depends on its name
alone: a piece that was heard twice, as its machine was thought dead, is written once more with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files.whole import write_bytes
from earmark.inference.cluster import hearing
from earmark.inference.cluster.cutting import Cut
from earmark.inference.cluster.hearing import Heard
from earmark.inference.recordings import Recording

SUM = b"crc32"  # and four bytes: what stands at the end of a file, after the piece
_NAME = re.compile(r"([0-9a-f]{24})-(\d+)(-last)?\.arrow")


def key_of(recording: Recording, cut: Cut) -> str:
    """Twenty-four hexadecimal digits."""
    try:
        status = recording.path.stat()
        state: tuple[int, int] | None = (status.st_size, status.st_mtime_ns)
    except (OSError, ValueError):
        state = None
    told: list[Any] = [str(recording.path), recording.channel, recording.start, recording.end, state, cut.as_dict()]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24]


def _checked(data: bytes) -> bytes:
    """The piece in a file; of before, without a sum, all of it. Raises EarmarkError for one that is not what was written."""
    end = len(data) - len(SUM) - 4
    if end < 0 or not data.startswith(SUM, end):
        return data
    if data[-4:] != struct.pack("<I", zlib.crc32(memoryview(data)[:end])):
        raise EarmarkError("this is no piece of a recording as it was written: its bytes have changed")
    return data[:end]


class Kept:
    """The pieces in a folder, which is made."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._there: dict[str, dict[int, bool]] = {}  # of each key: numbers, and whether nothing follows
        for entry in os.scandir(folder):
            if match := _NAME.fullmatch(entry.name):
                self._there.setdefault(match[1], {})[int(match[2])] = match[3] is not None

    def done(self, key: str) -> list[int]:
        """The pieces that are there."""
        return sorted(self._there.get(key, ()))

    def complete(self, key: str) -> bool:
        """Whether all pieces are there, up to one after which nothing follows."""
        there = self._there.get(key, {})
        last = min((number for number, ends in there.items() if ends), default=None)
        return last is not None and all(number in there for number in range(last))

    def put(self, key: str, number: int, last: bool, data: bytes) -> None:
        write_bytes(self._path(key, number, last), data + SUM + struct.pack("<I", zlib.crc32(data)), sync=False)
        self._there.setdefault(key, {})[number] = last

    def pieces(self, key: str) -> Iterator[Heard]:
        """All of a complete recording, in order, one at a time. Raises EarmarkError for a file that is damaged."""
        there = self._there[key]
        for number in sorted(there):
            path = self._path(key, number, there[number])
            try:
                heard = hearing.from_bytes(_checked(path.read_bytes()))
            except EarmarkError as error:
                path.unlink()
                raise EarmarkError(f"{path}: {error}. It is taken away: run the command again") from error
            yield heard
            if heard.last:
                return

    def drop(self, key: str) -> None:
        """What was joined is kept elsewhere."""
        for number, last in self._there.pop(key, {}).items():
            self._path(key, number, last).unlink(missing_ok=True)

    def _path(self, key: str, number: int, last: bool) -> Path:
        return self.folder / f"{key}-{number}{'-last' if last else ''}.arrow"
