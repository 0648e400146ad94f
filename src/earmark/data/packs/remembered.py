"""What a pack's sidecar remembers: clips that could not be read when somebody learnt from them.

A line a clip, added and never changed, so that several processes may add at once; a disk that cannot be written to keeps none.
Whoever begins to learn leaves them out. To have them tried again, delete the file.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from earmark.files.tables import line_of

UNREADABLE = "unreadable.csv"
HEAD = "id,path,reason\n"
LONGEST = 10_000_000  # bytes of it that are read


def remember(folder: Path, name: str, path: str, reason: str) -> bool:
    """Add a clip; whether that could be done. name: its id. path: in the pack."""
    line = line_of([name, path, reason])
    try:
        handle = os.open(folder / UNREADABLE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError:
        return False
    with os.fdopen(handle, "ab", buffering=0) as file:
        text = (HEAD if not os.fstat(handle).st_size else "") + line
        file.write(text.encode("utf-8", "surrogateescape"))
    return True


def unreadable(folder: Path) -> dict[str, str]:
    """The paths in the pack, and the reasons. A line that was cut off counts for nothing."""
    try:
        with (folder / UNREADABLE).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read(LONGEST)
    except OSError:
        return {}
    whole = text[: text.rfind("\n") + 1]
    return {row[1]: row[2] for row in csv.reader(io.StringIO(whole, newline="")) if len(row) == 3 and row[1] != "path"}
