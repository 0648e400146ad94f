"""What is said of a disk that is full, cannot be written or fails: whoever asks over HTTP sees none of its own messages."""

from __future__ import annotations

import errno
import sqlite3

STATE = "the disk that holds what the service keeps (--state)"
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
