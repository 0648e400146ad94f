"""Whether the recordings of a data set that was just indexed are what its clips say of them: that they are there, and as long.

A layout that earmark ships looks for its recordings itself; a plug-in's may not, and any may take milliseconds for seconds.
Folders are listed once each. Of at most LOOKED recordings, evenly among all, the headers are read: a mistake in a unit is in all.
"""

from __future__ import annotations

import os

import numpy as np
import pyarrow.compute as pc

from earmark import audio
from earmark.data.manifest import Manifest, few
from earmark.errors import AudioError, ManifestError, agreed, counted
from earmark.files.stores import is_stored

LOOKED = 200  # recordings whose headers are read: a fraction of a second
ROUNDING = 0.05  # s that a clip may reach past the end, as in `earmark.audio`


def doubts(clips: Manifest, maker: str) -> list[str]:
    """What whoever uses the clips should know of their recordings and tags, a line each. maker: what made them, for a message.

    Raises ManifestError where not one of the recordings is there.
    """
    told = _absent(clips, maker)
    told += _too_short(clips)
    if not pc.any(pc.greater(pc.list_value_length(clips.table["tags"]), 0)).as_py():
        told.append(
            f"none of the {counted(len(clips), 'clip')} has a tag, so that nothing can be learnt from "
            f"{agreed(len(clips), 'it or judged by it', 'them or judged by them')}"
        )
    return told


def _absent(clips: Manifest, maker: str) -> list[str]:
    if is_stored(clips.root):
        return []
    paths = list(dict.fromkeys(clips.table["path"].to_pylist()))
    folders: dict[str, set[str]] = {}
    lacking = []
    for path in paths:
        folder, name = os.path.split(os.path.join(clips.root, path))
        if folder not in folders:
            folders[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        # a name of a folder's listing is as it was written; others, as ../x in a link, the system has to find
        if name not in folders[folder] and not os.path.exists(os.path.join(folder, name)):
            lacking.append(path)
    if not lacking:
        return []
    said = f"{len(lacking):,} of {counted(len(paths), 'recording')} {agreed(len(lacking), 'is', 'are')} not there: {few(lacking)}"
    if len(lacking) == len(paths):
        raise ManifestError(
            f"{maker}: {said}. Looked from {clips.root}: paths are relative to the root that the data set gives, or absolute"
        )
    return [f"{said}. Looked from {clips.root}"]


def _too_short(clips: Manifest) -> list[str]:
    """Clips that reach past the end of their recordings, as far as headers tell, of those looked at."""
    reach = np.fmax(np.nan_to_num(clips.end, nan=0.0), np.nan_to_num(clips.start, nan=0.0))
    events = clips.table["events"].combine_chunks()
    rows = np.repeat(
        np.arange(len(clips)), pc.fill_null(pc.list_value_length(events), 0).to_numpy(zero_copy_only=False)
    )
    if len(rows):
        np.maximum.at(reach, rows, pc.struct_field(pc.list_flatten(events), "offset").to_numpy(zero_copy_only=False))
    timed = np.flatnonzero(reach > 0)
    if not len(timed) or is_stored(clips.root):
        return []
    looked = timed[np.linspace(0, len(timed) - 1, min(LOOKED, len(timed))).astype(int)]
    found, lengths = [], {}
    for row in looked.tolist():
        path = clips.table["path"][row].as_py()
        if path not in lengths:
            lengths[path] = _seconds(clips, path)
        if (length := lengths[path]) is not None and reach[row] > length + ROUNDING:
            found.append((row, length))
    if not found:
        return []
    row, length = found[0]
    of = "" if len(looked) == len(timed) else f" {len(looked)} looked at of"
    return [
        f"{len(found):,} of the{of} {counted(len(timed), 'clip')} with times "
        f"{agreed(len(found), 'reaches past the end of its', 'reach past the end of their')} recording, such as "
        f"{str(clips.ids[row])!r}, to {reach[row]:g} s of {length:.2f} s: times are seconds from the start of the recording"
    ]


def _seconds(clips: Manifest, path: str) -> float | None:
    try:
        return audio.info(clips.root / path).duration
    except AudioError:  # told by whoever reads it
        return None
