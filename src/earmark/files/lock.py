"""A folder in which one process works at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from earmark.errors import EarmarkError


def lock(handle: int, folder: Path, work: str) -> None:
    """Keep others out until the handle is closed, or the process ends, however it ends. work: what the folder holds.

    Raises EarmarkError where another process has it. Does nothing on Windows and on disks that know no locks.
    """
    if taken(handle) is False:
        raise EarmarkError(f"{folder}: another process is at work on this {work}. Wait for it, or stop it")


def taken(handle: int) -> bool | None:
    """Keep others out as `lock` does, and say whether that is so. False: another has it. None: on Windows, and on disks that know no
    locks, where nobody can tell.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def locked(folder: Path, work: str) -> Iterator[None]:
    """The same for the time of a block, over a folder that is there: no file of it need be."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # a system that does not open folders
        yield
        return
    try:
        lock(handle, folder, work)
        yield
    finally:
        os.close(handle)
