"""Ranges of the large files of a store: single ones as they are asked for, or many that lie near each other by blocks.

A file is opened once and stays open; any number of threads may read it. What the store does not give is an OSError, after the
attempts of `earmark.files.stores`.
"""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from earmark.files import stores
from earmark.files.stores import Stored

BLOCK = 8 << 20  # bytes of a request where files are read in order
FILES = 512  # that are open
LEAST = 4  # blocks that are held
MOST = 1 << 30  # bytes of them


def read(path: Path, offset: int, size: int) -> bytes:
    """`size` bytes of a file of a store from the byte `offset` on; fewer where it ends. Raises OSError."""
    file, there = _opened(path)
    size = min(size, there - offset)
    with stores.named(path):
        return bytes(file.read_at(size, offset)) if size > 0 else b""


def length(path: Path) -> int:
    """Bytes of a file of a store. Raises OSError."""
    return _opened(path)[1]


def _opened(path: Path) -> tuple[Any, int]:
    assert isinstance(path, Stored)
    return _kept(str(path), os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))


@lru_cache(maxsize=FILES)
def _kept(uri: str, endpoint: str | None) -> tuple[Any, int]:
    path = Stored(uri)
    system, inside = path._inside
    with stores.named(path):
        file = system.open_input_file(inside)
        return file, file.size()


class ReadAhead:
    """Files that are read about in order, by BLOCK bytes: the next block is asked for while this one is worked on.

    within: bytes that lie between what is read before and what is read after it, at most; so many are held.
    """

    def __init__(self, within: int):
        self._most = max(LEAST, min(math.ceil(within / BLOCK) + LEAST, MOST // BLOCK))
        self._held: OrderedDict[tuple[Path, int], Future[bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2)
        self.requests = 0

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """As `read`. Raises OSError."""
        numbers = range(offset // BLOCK, -(-(offset + size) // BLOCK))
        wanted = [self._block(path, number) for number in numbers]
        if (numbers[-1] + 1) * BLOCK < length(path):
            self._block(path, numbers[-1] + 1)
        try:
            data = b"".join(each.result() for each in wanted)
        except OSError:
            with self._lock:  # asked for anew, and not told of again
                for number in numbers:
                    self._held.pop((path, number), None)
            raise
        first = offset - numbers[0] * BLOCK
        return data[first : first + size]

    def _block(self, path: Path, number: int) -> Future[bytes]:
        with self._lock:
            key = (path, number)
            if (held := self._held.get(key)) is not None:
                self._held.move_to_end(key)
                return held
            self.requests += 1
            self._held[key] = made = self._pool.submit(read, path, number * BLOCK, BLOCK)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
            return made
