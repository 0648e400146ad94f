"""Recordings sorted into one folder a tag."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from earmark.data.datasets import AUDIO, SHOWN, dataset, refuse, unlisted
from earmark.data.manifest import Manifest, build
from earmark.errors import ManifestError

LAYOUT = {"cat/1.wav": AUDIO, "dog/1.wav": AUDIO, "dog/second dog/2.wav": AUDIO}


@dataset()
def folder(root: Path, group: str | None = None) -> Manifest:
    r"""Your own recordings, sorted into one folder a tag; folders within these are looked into.

    Clips: every file with the ending of an audio format. Tags: the names of the folders in `root`. Hidden files and
    folders are ignored. Other files, and folders without recordings, are named in the facts.
    group: a regular expression; what its first pair of brackets matches in a file's name is the clip's group, as in
    r"^(.*?)_nohash_" for Speech Commands. Without it, every file is its own group.
    """
    from earmark.audio import EXTENSIONS

    if not root.is_dir():
        refuse(root, LAYOUT, "is not a folder")
    files = sorted(_files(root))
    audio = [file for file in files if os.path.splitext(file)[1].lower() in EXTENSIONS]
    top = [file for file in audio if "/" not in file]
    if top:
        refuse(
            root, LAYOUT, f"{len(top)} recordings lie outside of any tag's folder, such as {top[0]}. Move them into one"
        )
    if not audio:
        refuse(root, LAYOUT, "no recordings in folders of it")
    tags = [file.partition("/")[0] for file in audio]
    folders = {entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    others = [file for file in files if os.path.splitext(file)[1].lower() not in EXTENSIONS]
    facts = {
        "files left out": {"count": len(others), "first": others[:SHOWN]},
        "folders without recordings": sorted(folders - set(tags)),
    }
    return build(
        {"id": audio, "path": audio, "tags": [[tag] for tag in tags], "group": _groups(audio, group)},
        root,
        facts={name: fact for name, fact in facts.items() if fact and fact != {"count": 0, "first": []}},
        name=str(root),
    )


def _files(root: Path) -> Iterator[str]:
    """Relative paths of all files, through links too, each folder once."""
    seen = set()
    for place, folders, names in os.walk(root, onerror=unlisted, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield Path(place, name).relative_to(root).as_posix()


def _groups(files: list[str], pattern: str | None) -> list[str | None]:
    if pattern is None:
        return [None] * len(files)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ManifestError(f"group is {pattern!r}, which is no regular expression: {error}") from error
    if expression.groups < 1:
        raise ManifestError(
            f"group is {pattern!r}; put brackets around the part that names the group, as in '^([^_]*)_'"
        )
    matches = [expression.search(file.rpartition("/")[2]) for file in files]
    unmatched = [file for file, match in zip(files, matches, strict=True) if match is None]
    if unmatched:
        raise ManifestError(
            f"group {pattern!r} matches nothing in {len(unmatched)} of {len(files)} names, such as {unmatched[0]}"
        )
    return [match[1] if match else None for match in matches]
