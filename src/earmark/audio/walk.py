"""Which files of a folder are recordings: found by their endings, in sorted order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from earmark.errors import EarmarkError

ENDINGS = """
    3g2 3gp aac ac3 aif aifc aiff amr ape asf au avi bwf caf flac m4a m4b mka mkv mov mp1 mp2 mp3 mp4 nist oga ogg opus
    rf64 snd sph spx tta w64 wav wave webm wma wv
"""
EXTENSIONS = frozenset(f".{ending}" for ending in ENDINGS.split())  # what a folder walk takes for a recording


def find(paths: Iterable[str | Path]) -> list[Path]:
    """Files and folders → recordings, each once.

    A folder is walked in sorted order for EXTENSIONS, without hidden files, hidden folders and links to folders. What
    is no folder is kept, whatever its name and even if it does not exist: `load` then says so.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("rain.WAV", "dog.flac", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [path.name for path in find([folder])]
    ['dog.flac', 'rain.WAV']
    """
    recordings: dict[Path, None] = {}
    for path in map(Path, paths):
        recordings.update(dict.fromkeys(_walk(path) if path.is_dir() else [path]))
    return list(recordings)


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise EarmarkError(
            f"{error.filename}: this folder cannot be listed ({error.strerror}). Correct its permissions"
        )

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                yield Path(place, name)
