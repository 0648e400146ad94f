"""Clips by their sound: the bytes of their files, and which part of a file, so that a renamed or moved clip is known again.

A sound that was written anew, in another format, rate or length, has other bytes and is not known again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def keys(clips: Manifest, digest: Mapping[Path, str]) -> Iterator[str]:
    """(clips,): what is alike for clips with the same sound; NONE where that is not known.

    digest: of `of_files`. Parts of a file are alike where they begin and end alike, to a millisecond.
    """
    places = (_cells(clips, name) for name in ("start", "end"))
    return (_key(*told) for told in zip(each(clips, digest), *places, strict=True))


def sample(clips: Manifest, digest: Mapping[Path, str]) -> str:
    """The sample of the clips' keys: see `earmark.data.sampled`."""
    return sampled.sample(key for key in keys(clips, digest) if key != NONE)


def _cells(clips: Manifest, name: str) -> Iterator[float | None]:
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
