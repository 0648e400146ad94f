"""What belongs together: clips of one group, and parts of one recording, which no split may divide."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.data.manifest import Manifest

SOURCE = "source_sha256"  # of a pack: see `earmark.data.packs.folder`
# paths that may be another way to write one: absolute, or with an empty name, "." or ".." in them
OTHERWISE = r"^([/\\]|[A-Za-z]:)|(^|/)\.{0,2}(/|$)"


def together(manifest: Manifest) -> NDArray[np.int64]:
    """(rows,) a whole number for what each clip must stay together with, in order of appearance.

    Clips of one group belong together, and clips of one recording, whether these have groups or not: a recording whose parts
    lie in two groups ties these. A clip with neither is by itself.

    >>> from earmark.data.manifest import build
    >>> names, paths, groups = ["a", "b", "c", "d"], ["x.wav", "x.wav", "y.wav", "z.wav"], [None, "ann", "ann", None]
    >>> clips = build({"id": names, "path": paths, "tags": ["dog"] * 4, "group": groups}, ".")
    >>> together(clips).tolist()
    [0, 0, 0, 1]
    """
    group, _ = codes(pc.coalesce(manifest.table["group"], manifest.table["id"]))
    recording, names, cut = recordings(manifest)
    if len(names) == len(recording):  # most data sets, of which some have millions of clips
        return group
    partly = np.zeros(len(names), bool)
    partly[recording[cut]] = True
    rows = np.flatnonzero(partly[recording])  # whole ones with the same bytes are other files
    return _joined(group, rows, recording[rows])


def grouped(manifest: Manifest) -> Manifest:
    """The same clips, those that belong together in one group: what a bootstrap draws. Each is called as its first clip's group, or
    as that clip where it has none.

    >>> from earmark.data.manifest import build
    >>> names, paths, groups = ["a", "b", "c", "d"], ["x.wav", "x.wav", "y.wav", "z.wav"], [None, None, "ann", None]
    >>> grouped(build({"id": names, "path": paths, "tags": ["dog"] * 4, "group": groups}, ".")).groups.tolist()
    ['a', 'a', 'ann', 'd']
    """
    belongs = together(manifest)
    _, first = np.unique(belongs, return_index=True)
    if len(first) == len(np.unique(manifest.groups)):  # as where each clip is a file of its own
        return manifest
    place = manifest.table.schema.get_field_index("group")
    names = pa.chunked_array([pa.array(manifest.groups[first[belongs]].tolist(), pa.string())])
    return replace(manifest, table=manifest.table.set_column(place, manifest.table.schema.field("group"), names))


def _joined(group: NDArray[np.int64], rows: NDArray[np.int64], recording: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows,) the groups, those joined that have a recording in common. rows: of the recordings."""
    if not len(rows):
        return group
    label = np.arange(group.max() + 1)
    mine = group[rows]
    while (
        True
    ):  # each group takes the least label that it is tied to, and its root too, so that long chains shorten fast
        least = np.full(recording.max() + 1, len(label))
        np.minimum.at(least, recording, label[mine])
        lower = label.copy()
        np.minimum.at(lower, mine, least[recording])
        np.minimum.at(lower, label[mine], least[recording])
        lower = lower[lower]
        if (lower == label).all():
            break
        label = lower
    # groups count up in order of appearance, and so do the least ones of those that are joined
    joined: NDArray[np.int64] = np.unique(label, return_inverse=True)[1].astype(np.int64)[group]
    return joined


def recordings(manifest: Manifest) -> tuple[NDArray[np.int64], list[str], NDArray[np.bool_]]:
    """(rows,) a whole number for each recording; their names; and (rows,) which clips may be parts of one.

    A file is one recording however its path is written. What a pack's clips were cut out of is known by its digest.
    """
    column, cut = _recordings(manifest)
    found, names = codes(column)
    return found, [_name(each) for each in names], cut


def shared(some: Manifest, others: Manifest) -> tuple[int, str]:
    """How many recordings have clips in both, and the name of one; of two million clips no object is made for each."""
    (mine, my_cut), (theirs, their_cut) = _recordings(some), _recordings(others)
    both = pc.unique(mine.filter(pc.is_in(mine, value_set=pc.unique(theirs))))
    cut = [pc.unique(column.filter(pa.array(mask))) for column, mask in ((mine, my_cut), (theirs, their_cut))]
    both = both.filter(pc.or_(*(pc.is_in(both, value_set=each) for each in cut)))
    return len(both), _name(pc.min(both).as_py()) if len(both) else ""


def _recordings(manifest: Manifest) -> tuple[pa.ChunkedArray, NDArray[np.bool_]]:
    """(rows,) what each clip's recording is known by, a path or a digest; and which clips may be parts of one."""
    table = manifest.table
    if not cut_out(manifest):
        return _paths(table["path"], manifest.root), np.ones(len(table), bool)
    own = table["sha256"].cast(pa.binary())
    cut = ~(np.isnan(limits(manifest, "start")) & np.isnan(limits(manifest, "end")))
    return pc.coalesce(table[SOURCE], own), cut


def _name(known_by: str | bytes) -> str:
    return known_by if isinstance(known_by, str) else f"the recording with the SHA-256 {known_by.hex()[:16]}…"


def cut_out(manifest: Manifest) -> bool:
    """Whether some clips of a pack were parts of recordings, which tell where they began or ended."""
    return any(f"source_{name}" in manifest.table.column_names for name in ("start", "end"))


def limits(manifest: Manifest, name: str) -> NDArray[np.float64]:
    """(rows,) seconds of the recording where clips `start` or `end`; nan where there is no such limit."""
    if not cut_out(manifest):
        return manifest.start if name == "start" else manifest.end
    column = f"source_{name}"
    if column not in manifest.table.column_names:
        return np.full(len(manifest), np.nan)
    return np.asarray(manifest.table[column].to_numpy(), np.float64)


def codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[Any]]:
    """A whole number for each distinct value in order of appearance, and the values."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _paths(column: pa.ChunkedArray, root: Path) -> pa.ChunkedArray:
    """The paths, each written in one way: from the root where it lies below. Most are, and are not touched."""
    distinct = pc.unique(column)
    odd = distinct.filter(pc.match_substring_regex(distinct, OTHERWISE))
    if not len(odd):
        return column
    base = os.path.join(os.path.abspath(root), "")
    plain = [os.path.normpath(os.path.join(base, path)).removeprefix(base) for path in odd.to_pylist()]
    found = pc.take(pa.array(plain, pa.string()), pc.index_in(column, value_set=odd))
    return pc.coalesce(found, column)
