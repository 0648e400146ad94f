"""Which data set clips are of, and which options of its layout made them: as their manifest tells, else as they were opened."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from earmark.data.manifest import Manifest
from earmark.errors import ManifestError
from earmark.registry import DATASETS

NAME, OPTIONS = "data set", "options"  # in a manifest's facts
TABLE = "table"  # of clips that no data set's own layout was read for


def data_set(manifest: Manifest, asked: str) -> str:
    """The data set that the clips are of; `asked` of a manifest that was made in a program and tells none."""
    return str(manifest.facts.get(NAME, asked))


def named(manifest: Manifest, asked: str | None) -> Manifest:
    """A manifest that was read from a file or a pack, with the name of its data set in its facts.

    Where it tells none, as no CSV does, it is a table of somebody's own; of the data set that was asked for where all of its clips
    are called as the clips of that one alone are.
    """
    if NAME in manifest.facts:
        return manifest
    pattern = DATASETS[asked].facts.get("ids") if asked in DATASETS.names() else None
    of_it = pattern is not None and all(
        re.search(pattern, id_) or re.search(pattern, path.name)
        for id_, path in zip(map(str, manifest.ids), manifest.paths(), strict=True)
    )
    return replace(manifest, facts={NAME: asked if of_it else TABLE, **manifest.facts})


def check_options(
    data: Path,
    manifest: Manifest,
    asked: str | None,
    options: Mapping[str, Any],
    insisted: Collection[str],
    say: Callable[[str], None],
) -> None:
    """Say which options of a layout had no part in a manifest that was read from a file or a pack. Nothing is said of those that
    its clips were indexed with. Raises ManifestError for `insisted` ones.
    """
    told = _whole(asked, manifest.facts[OPTIONS]) if manifest.facts.get(NAME) == asked and _tells(manifest) else None
    unused = {name: value for name, value in options.items() if told is None or told.get(name) != value}
    if not unused:
        return
    shown = ", ".join(f"{name}={value}" for name, value in unused.items())
    if told is None:
        why = "is read as it is, and does not tell that its clips were indexed with them"
    else:
        why = f"was indexed with {', '.join(f'{name}={told.get(name)}' for name in unused)}, and is read as it is"
    line = f"data.options of {asked} are not used ({shown}): the manifest {why}"
    if refused := sorted(set(insisted) & set(unused)):
        raise ManifestError(
            f"{data}: {line}. Leave data.options.{refused[0]} out, give the data set's folder, or a manifest that `earmark index` "
            "makes of it with these options"
        )
    say(f"{data}: {line}")


def _tells(manifest: Manifest) -> bool:
    return isinstance(manifest.facts.get(OPTIONS), Mapping)


def _whole(name: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a layout with the defaults of those that were not given."""
    arguments = DATASETS[name].arguments() if name in DATASETS.names() else {}
    defaults = {key: each.default for key, each in arguments.items() if each.default is not inspect.Parameter.empty}
    return {**defaults, **options}
