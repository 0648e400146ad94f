"""The data sets: one file a data set, found by looking, named by recipes and by `earmark index`.

A data set is a function decorated with `@dataset` that makes a manifest from the folder that the data set lies in, as
its authors laid it out. Its docstring is the data sheet: clips, tags, licence, where to get it. Its module has a
LAYOUT, the smallest tree that the function accepts: relative path → contents, or AUDIO for any recording. Tests build
that tree, and whoever points the function at something else is shown it. Nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from earmark.errors import ManifestError
from earmark.manifest import Manifest
from earmark.registry import DATASETS, did_you_mean

Function = TypeVar("Function", bound=Callable[..., Manifest])
Layout = Mapping[str, str]

AUDIO = "a recording"  # stands for contents in a LAYOUT
SHOWN = 8  # how many names a message lists


def dataset(name: str | None = None, **facts: Any) -> Callable[[Function], Function]:
    """Register a data set under its own or another name. facts: what `earmark list` shows, such as the licence.

    generated=True: the function makes its data in an empty or absent folder.
    """
    return DATASETS.register(name, **facts)


def index(name: str, root: str | Path, **options: Any) -> Manifest:
    """The manifest of the data set `name` that lies in `root`. options: the arguments of its function.

    Raises UnknownName for the name, ManifestError for the options and for a folder that does not hold the data set.
    """
    entry = DATASETS[name]
    known = [option for option in entry.arguments() if option != "root"]
    for option in options:
        if option not in known:
            raise ManifestError(
                f"data set {name!r} has no option {option!r}{did_you_mean(option, known) or '.'} "
                f"It has {', '.join(known) or 'none'}"
            )
    root = Path(root)
    if not root.exists() and not entry.facts.get("generated"):
        raise ManifestError(
            f"{root}: no such folder. Data sets are not downloaded: see where to get {name!r} in its data sheet"
        )
    manifest: Manifest = entry.function(root, **options)
    return replace(manifest, facts={"data set": name, "options": options, **manifest.facts})


def tree(layout: Layout) -> str:
    """A layout as an indented tree."""
    lines: list[str] = []
    shown: set[tuple[str, ...]] = set()
    for path, contents in layout.items():
        *folders, name = path.split("/")
        for depth in range(1, len(folders) + 1):
            if tuple(folders[:depth]) not in shown:
                shown.add(tuple(folders[:depth]))
                lines.append("  " * depth + folders[depth - 1] + "/")
        header = contents.partition("\n")[0]
        note = f"columns {header}" if name.endswith((".csv", ".tsv")) else contents if contents == AUDIO else ""
        lines.append("  " * (len(folders) + 1) + name + (f"    ({note})" if note else ""))
    return "\n".join(lines)


def refuse(root: Path, layout: Layout, problem: str) -> NoReturn:
    """Raise ManifestError with what is wrong, what the layout should be, and what is there instead."""
    if root.is_dir():
        names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in root.iterdir())
        there = "\n".join(f"  {name}" for name in names[:SHOWN]) or "  nothing"
        if len(names) > SHOWN:
            there += f"\n  and {len(names) - SHOWN} more"
    else:
        there = "  a file" if root.exists() else "  nothing of that name"
    raise ManifestError(f"{root}: {problem}\nexpected, for example:\n{tree(layout)}\nfound:\n{there}")


def expect(root: Path, layout: Layout, *wanted: str) -> None:
    """Refuse the folder unless all these files and folders are in it."""
    absent = [path for path in wanted if not (root / path).exists()]
    if absent:
        refuse(root, layout, f"{' and '.join(absent)} not found")


def recordings(root: Path, folder: str, names: Sequence[str]) -> list[str]:
    """Where the named recordings lie in root/folder: paths relative to root.

    A recording may have been converted: where `dog.wav` is absent, `dog.flac` is taken. Raises ManifestError with the
    number and the first names of those that are absent.
    """
    from earmark.audio import EXTENSIONS

    there = {name for name in os.listdir(root / folder) if not name.startswith(".")}
    converted = {Path(name).stem: name for name in sorted(there) if Path(name).suffix.lower() in EXTENSIONS}
    found = [name if name in there else converted.get(Path(name).stem, "") for name in names]
    absent = [name for name, place in zip(names, found, strict=True) if not place]
    if absent:
        raise ManifestError(
            f"{root / folder}: {len(absent)} of {len(names)} recordings are not there: {', '.join(absent[:SHOWN])}"
            f"{' …' if len(absent) > SHOWN else ''}. Perhaps the data set was not unpacked in whole"
        )
    return [f"{folder}/{name}" for name in found]


def columns(table: Any, file: Path, *names: str) -> list[list[Any]]:
    """These columns of an Arrow table as lists. Raises ManifestError naming those that the table lacks."""
    absent = [name for name in names if name not in table.column_names]
    if absent:
        raise ManifestError(
            f"{file}: no column {' nor '.join(map(repr, absent))}{did_you_mean(absent[0], table.column_names) or '.'} "
            f"It has {', '.join(table.column_names)}"
        )
    return [table[name].to_pylist() for name in names]
