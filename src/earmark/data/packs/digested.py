"""A tar file that is written from its beginning to its end, with its digest."""

from __future__ import annotations

import hashlib
import tarfile
from typing import BinaryIO

from earmark.data.packs.folder import BLOCK


class Digested:
    """size: bytes that are written so far."""

    def __init__(self, file: BinaryIO):
        self._file, self._digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def member(self, name: str, data: bytes) -> int:
        """Add a file; where its bytes begin. Owner, time and rights are always the same, so that shards are."""
        head = tarfile.TarInfo(name)
        head.size = len(data)
        self.write(head.tobuf(tarfile.USTAR_FORMAT))
        offset = self.size
        self.write(data)
        self.write(bytes(-len(data) % BLOCK))
        return offset

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
