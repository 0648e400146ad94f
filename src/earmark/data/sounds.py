"""Clips by their sound: the bytes of their files, and which part of a file, so that a renamed or moved clip is known again.

A sound that was written anew, in another format, rate or length, has other bytes and is not known again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from earmark.data import sampled
from earmark.data.manifest import Manifest

NONE = "none"  # in place of a digest, of a file that cannot be read


def digests(clips: Manifest, workers: int = 2) -> list[str]:
    """(clips,): SHA-256 of the bytes of each clip's file, hexadecimal; NONE where it cannot be read, which is told where it is
    decoded. A pack tells those of its clips, and is not read for them.
    """
    if "sha256" in clips.table.column_names:
        return [digest.hex() for digest in clips.table["sha256"].to_pylist()]
    paths = clips.paths()
    files = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        found = dict(zip(files, pool.map(_digest, files), strict=True))
    return [found[path] for path in paths]


def keys(clips: Manifest, digest: Iterable[str]) -> Iterator[str]:
    """(clips,): what is alike for clips with the same sound; NONE where that is not known.

    digest: of the clips' files. Parts of a file are alike where they begin and end alike, to a millisecond.
    """
    parts = (clips.table[name].to_pylist() for name in ("start", "end"))
    return (_key(*each) for each in zip(digest, *parts, strict=True))


def sample(clips: Manifest, digest: Iterable[str]) -> str:
    """The sample of the clips' keys: see `earmark.data.sampled`."""
    return sampled.sample(key for key in keys(clips, digest) if key != NONE)


def _key(digest: str, start: float | None, end: float | None) -> str:
    if digest == NONE or (start is None and end is None):
        return digest
    return f"{digest} {0.0 if start is None else start:.3f} {'' if end is None else f'{end:.3f}'}"


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return NONE
