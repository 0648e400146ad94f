"""Folders for what is sent, one a service, and what services that were killed have left of theirs.

A service holds a lock in its folder while it lives, however it ends. What is deleted is a folder of the name, of this user, for nobody
else to enter, with a lock that was held and is not any more. A folder without one may just be begun, or is of an earlier earmark: it stays.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from earmark.files.lock import taken
from earmark.files.whole import whole

PREFIX = "earmark-serve-"
LOCK = "lock"
NAME = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")  # as `tempfile` names them
log = logging.getLogger("earmark")


def begin() -> tuple[Path, int]:
    """A new folder, and the handle of its lock: to be closed when the folder is gone."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    with whole(folder / LOCK, sync=False) as new:  # held already when it gets the name by which it is looked for
        handle = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
        taken(handle)
    return folder, handle


def sweep(place: Path) -> None:
    """Delete the folders below that services of this user have left. What cannot be deleted stays."""
    with contextlib.suppress(OSError):  # a folder that nobody may list
        for folder in sorted(place.glob(f"{PREFIX}*")):
            if NAME.fullmatch(folder.name) and _ours(folder):
                _delete(folder)


def _ours(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return own and stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077


def _delete(folder: Path) -> None:
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return
    try:
        if taken(handle):  # not where nobody can tell
            shutil.rmtree(folder, ignore_errors=True)
            log.info("%s: deleted; a service that was killed had left it", folder)
    finally:
        os.close(handle)
