"""Files that hold the very same sound: a clip that was sorted into two folders teaches two tags for one sound."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from earmark.data import sounds
from earmark.data.manifest import Manifest
from earmark.errors import counted

SHOWN = 3  # sounds that a sentence names


def copies(clips: Manifest) -> list[tuple[list[Path], list[str]]]:
    """(files, tags) of each sound that lies in several files, in the order of the clips. Only files are read that share their size."""
    tags: dict[Path, set[str]] = defaultdict(set)
    for path, own in zip(clips.paths(), clips.table["tags"].to_pylist(), strict=True):
        tags[path].update(own)
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in tags:
        try:
            by_size[path.stat().st_size].append(path)
        except OSError:  # told where it is heard
            continue
    alike: dict[str, list[Path]] = defaultdict(list)
    for path, digest in sounds.digests(path for paths in by_size.values() if len(paths) > 1 for path in paths).items():
        if digest != sounds.NONE:
            alike[digest].append(path)
    order = {path: number for number, path in enumerate(tags)}
    found = sorted(
        (sorted(paths, key=order.__getitem__) for paths in alike.values() if len(paths) > 1),
        key=lambda paths: order[paths[0]],
    )
    return [(paths, sorted(set().union(*(tags[path] for path in paths)))) for paths in found]


def told(clips: Manifest, *, labels: bool) -> list[str]:
    """In sentences: sounds under several tags, which contradict each other, and copies under one, which count twice.

    labels: the files are recordings with labels, in which several things may be heard.
    """
    found, folder = copies(clips), clips.root
    torn = [] if labels else [each for each in found if len(each[1]) > 1]
    twice = [each for each in found if each not in torn]
    said = []
    if torn:
        said.append(
            f"{_count(torn)} under several tags, such as {_shown(torn, folder)}: a tagger is taught both for one sound. Keep it where it "
            "belongs, and take the others away"
        )
    if twice:
        said.append(
            f"{_count(twice)}, such as {_shown(twice, folder)}: it counts as often, and where its copies lie on both sides of a split "
            "figures are too good. Keep one of each"
        )
    return said


def _count(found: list[tuple[list[Path], list[str]]]) -> str:
    return (
        "one sound lies in several files"
        if len(found) == 1
        else f"{counted(len(found), 'sound lies', 'sounds lie')} in several files each"
    )


def _shown(found: list[tuple[list[Path], list[str]]], folder: Path) -> str:
    return "; ".join(
        " = ".join(
            path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path) for path in paths[:SHOWN]
        )
        for paths, _ in found[:SHOWN]
    )
