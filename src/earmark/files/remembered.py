"""What was found out on this machine once: that an engine answers rightly for a tagger, how many windows at once are fast.

A JSON file in the user's cache folder, by keys that name all that it depends on (tagger, engine, version, precision, processor);
losing it costs a second look. `EARMARK_CACHE` names another folder.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from earmark.files.whole import write_bytes

MOST = 1000  # entries; the oldest go first
WRITING = threading.Lock()


def folder() -> Path:
    """Where it lies."""
    if told := os.environ.get("EARMARK_CACHE"):
        return Path(told)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earmark"


def recall(key: str) -> Any:
    """What is known of it, or None."""
    return _read().get(key)


def remember(key: str, value: Any) -> None:
    """Keeps a plain value; where the folder cannot be written to, for nobody."""
    with WRITING:
        known = _read()
        known.pop(key, None)
        known[key] = value
        kept = dict(list(known.items())[-MOST:])
        try:
            folder().mkdir(parents=True, exist_ok=True)
            write_bytes(folder() / "engines.json", json.dumps(kept, indent=1).encode())
        except OSError:
            return


def _read() -> dict[str, Any]:
    try:
        told = json.loads((folder() / "engines.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
