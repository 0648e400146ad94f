"""The clips that taggers learnt from, as far as the service was given them: some of each tag to be heard as examples."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.data.datasets import open_data

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
from earmark.data.together import together

TABLES = (".csv", ".tsv", ".txt")  # of clips; a manifest is none of these
KEPT = 24  # clips of a tag to choose from, each of another source recording as far as there are
Clip = tuple[Path, float, float | None]  # file, start, end: seconds


def opened(place: Path, dataset: str | None, say: Callable[[str], None]) -> Manifest:
    """What `--clips` and `--dataset` name: a data set's folder, a manifest, or a table. Raises ManifestError."""
    if dataset is None and place.is_file() and place.suffix.lower() in TABLES:
        dataset = "table"
    return open_data(place, dataset, say=say)


def by_tag(clips: Manifest) -> dict[str, list[Clip]]:
    """Some clips of each tag, in an order that is drawn once, those of one tag before those of several."""
    found: dict[str, list[tuple[int, Clip, int]]] = defaultdict(list)
    paths, belongs = clips.paths(), together(clips).tolist()
    for number, tags in enumerate(clips.table["tags"].to_pylist()):
        start, end = (float(each[number]) for each in (clips.start, clips.end))
        clip = (paths[number].absolute(), 0.0 if start != start else start, None if end != end else end)
        for tag in tags:
            found[tag].append((len(tags), clip, belongs[number]))
    chosen: dict[str, list[Clip]] = {}
    for tag, each in found.items():
        random.Random(tag).shuffle(each)
        each.sort(key=lambda one: one[0])
        first: dict[int, Clip] = {}
        for _, clip, belongs_to in each:
            first.setdefault(belongs_to, clip)
        chosen[tag] = list(first.values())[:KEPT]
    return chosen
