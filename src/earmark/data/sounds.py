"""Clips by their sound: the bytes of their files, and which part of a file, so that a renamed or moved clip is known again.

A sound that was written anew, in another format, rate or length, has other bytes and is not known again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

from earmark.data import sampled
from earmark.data.clipset import MANY
from earmark.data.manifest import Manifest

NONE = "none"  # in place of a digest, of a file that cannot be read


def digests(paths: Iterable[Path], workers: int = 2) -> dict[Path, str]:
    """SHA-256 of each file's bytes, hexadecimal; NONE where it cannot be read, which is told where it is decoded."""
    files = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        return dict(zip(files, pool.map(_digest, files), strict=True))


def of_files(clips: Manifest, workers: int = 2) -> dict[Path, str]:
    """The digests of the clips' files; none of a pack, which tells each clip's."""
    return {} if _packed(clips) else digests(clips.paths(), workers)


def each(clips: Manifest, digest: Mapping[Path, str]) -> Iterator[str]:
    """(clips,): the digest of its file, or of it in a pack. digest: of `of_files`."""
    if _packed(clips):
        for first in range(0, len(clips), MANY):
            yield from (value.hex() for value in clips.table["sha256"].slice(first, MANY).to_pylist())
    else:
        yield from (digest[path] for path in clips.paths())


def keys(clips: Manifest, digest: Mapping[Path, str], *, heard: bool = False) -> Iterator[str]:
    """(clips,): what is alike for clips with the same sound; NONE where that is not known.

    digest: of `of_files`. Parts of a file are alike where they begin and end alike, to a millisecond. A clip of a pack is alike to
    what it was packed from, where the pack tells that; heard: to what has its very bytes alone.
    """
    if not heard and "source_sha256" in clips.table.column_names:
        return _of_sources(clips)
    places = (_cells(clips, name) for name in ("start", "end"))
    return (_key(*told) for told in zip(each(clips, digest), *places, strict=True))


def _of_sources(clips: Manifest) -> Iterator[str]:
    names = ("sha256", "source_sha256", "start", "end", "source_start", "source_end")
    columns = ((_cells(clips, name) if name in clips.table.column_names else repeat(None)) for name in names)
    for own, source, start, end, first, last in zip(*columns, strict=False):
        cut = start is not None or end is not None  # of the clip, as it lies in the pack
        yield _key(own.hex(), start, end) if cut else _key((source or own).hex(), first, last)


def sample(clips: Manifest, digest: Mapping[Path, str]) -> str:
    """The sample of the clips' keys: see `earmark.data.sampled`."""
    return sampled.sample(key for key in keys(clips, digest) if key != NONE)


def _cells(clips: Manifest, name: str) -> Iterator[Any]:
    for first in range(0, len(clips), MANY):
        yield from clips.table[name].slice(first, MANY).to_pylist()


def _packed(clips: Manifest) -> bool:
    return "sha256" in clips.table.column_names


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
