"""What is said of a disk that is full, cannot be written or fails: whoever asks over HTTP sees none of its own messages."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

STATE = "the disk that holds what the service keeps (--state)"
SENT = "the disk for recordings that are sent (TMPDIR)"
ROOM = 1 << 20  # bytes that must be free: what a request writes beside the recording that it sends
PATIENCE = 2.0  # s until a disk is told not to answer
FULL = (errno.ENOSPC, errno.EDQUOT)
SHUT = (errno.EROFS, errno.EACCES, errno.EPERM)
FAILING = (errno.EIO, errno.EFBIG, errno.ENXIO, errno.ENODEV, errno.ESTALE)
MANY = (errno.EMFILE, errno.ENFILE)


def told(error: OSError | sqlite3.Error, where: str = "a disk of the service") -> str | None:
    """What is wrong, and the way out; None where it is no matter of disks, but a mistake. where: the disk, of an OSError.

    >>> told(OSError(errno.ENOSPC, "No space left on device"))
    'a disk of the service is full: make room there, then ask again'
    """
    return _of_store(error) if isinstance(error, sqlite3.Error) else _of_system(error, where)


def _of_system(error: OSError, where: str) -> str | None:
    why = error.strerror or type(error).__name__
    if error.errno in FULL:
        return f"{where} is full: make room there, then ask again"
    if error.errno in SHUT:
        return f"{where} cannot be written ({why}): let the service's user write there, then ask again"
    if error.errno in FAILING:
        return f"{where} fails ({why}): see that it is there and sound, then ask again"
    if error.errno in MANY:
        return f"the service has too many files open ({why}): ask again later, or let it open more (ulimit -n)"
    return None


def _of_store(error: sqlite3.Error) -> str | None:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # what is above tells more of the same
        case sqlite3.SQLITE_FULL:
            return f"{STATE} is full: make room there, then ask again"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return f"{STATE} cannot be written ({error}): let the service's user write there, then ask again"
        case sqlite3.SQLITE_IOERR:
            return f"{STATE} fails ({error}): see that it is there, has room and is sound, then ask again"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"another program holds what the service keeps, serve.sqlite in --state ({error}): end it, then ask again"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return (
                f"what the service keeps, serve.sqlite in --state, is damaged ({error}): stop the service, move that file away, and start "
                "it again"
            )
    return None


@dataclass
class Places:
    """Where requests write, looked at without writing. folders: by what they are called. again: writes once more where the last write
    failed, and raises why it does so still.
    """

    folders: Mapping[str, Path]
    again: Callable[[], None]
    _looking: asyncio.Future[str | None] | None = field(default=None, repr=False)

    async def wrong(self) -> str | None:
        """Why a request could not write, in words; None where it could. One look at a time: a disk that hangs holds one thread."""
        if self._looking is None or self._looking.done() or self._looking.get_loop() is not asyncio.get_running_loop():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self.look))
        try:
            return await asyncio.wait_for(asyncio.shield(self._looking), PATIENCE)
        except TimeoutError:
            return f"{' or '.join(self.folders)} does not answer: see that it is there and sound"

    def look(self) -> str | None:
        for name, folder in self.folders.items():
            try:
                _check(folder)
            except OSError as error:
                return told(error, name) or f"{name} cannot be looked at ({error.strerror}): see that {folder} is there"
        try:
            self.again()
        except sqlite3.Error as error:
            return told(error) or f"{STATE} cannot be written ({error})"
        return None


def _check(folder: Path) -> None:
    """Raises OSError as a write would."""
    if not os.access(folder, os.W_OK):
        folder.stat()  # else it is not there
        raise OSError(errno.EACCES, "not for the service's user, or read only")
    if shutil.disk_usage(folder).free < ROOM:
        raise OSError(errno.ENOSPC, "too little is free")
