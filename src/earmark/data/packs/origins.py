"""What the clips of a pack were made from: the digest of each one's recording, and which part of it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from earmark.audio import members
from earmark.data.manifest import Manifest
from earmark.errors import AudioError
from earmark.files.stores import opened

BLOCK = 1 << 20  # bytes that are read at once
KEPT = 10_000  # recordings whose digests are kept, since many clips may be parts of one
Part = tuple[float | None, float | None]


class Origins:
    """Of the clips of a manifest, which may be those of a pack: then what that tells is passed on."""

    def __init__(self, manifest: Manifest):
        self._manifest = manifest
        self._told = "source_sha256" in manifest.table.column_names
        self._of = lru_cache(maxsize=KEPT)(_digest)

    def digest(self, row: int, data: bytes) -> bytes | None:
        """SHA-256 of the recording that a clip is of; None where `data`, what is kept of it, are its very bytes.

        Raises AudioError.
        """
        if self._told and _whole(self._manifest, row):
            told = self._manifest.table["source_sha256"][row].as_py()
            if told is not None:
                return bytes(told)
        path = self._manifest.root / self._manifest.table["path"][row].as_py()
        try:
            found = _digest(path) if _whole(self._manifest, row) else self._of(path)
        except (OSError, ValueError) as error:
            raise AudioError(path, f"cannot be read again ({error})", "Check its disk or its store") from error
        return None if found == hashlib.sha256(data).digest() else found


def part_of(manifest: Manifest, row: int) -> Part:
    """Where in its recording a clip begins and ends, in seconds; None where it is all of it."""
    table = manifest.table
    if _whole(manifest, row):
        start, end = (table[name][row].as_py() if name in table.column_names else None for name in OF_SOURCE)
    else:
        start, end = (table[name][row].as_py() for name in ("start", "end"))
    return start, end


OF_SOURCE = ("source_start", "source_end")


def _whole(manifest: Manifest, row: int) -> bool:
    return all(manifest.table[name][row].as_py() is None for name in ("start", "end"))


def _digest(path: Path) -> bytes:
    """Of a file or of a member of a shard."""
    if (member := members.within(path)) is not None:
        return hashlib.sha256(members.fetch(member)).digest()
    digest = hashlib.sha256()
    with opened(path) as file:
        while part := file.read(BLOCK):
            digest.update(part)
    return digest.digest()
