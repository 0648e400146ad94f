"""Leaks of a split: clips on several sides of it that come from one group, one recording or one sound."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.data import sounds
from earmark.data.manifest import Manifest, few, natural
from earmark.data.together import SOURCE, codes, limits, recordings
from earmark.errors import ManifestError


@dataclass(frozen=True)
class Leak:
    """Clips that lie on several sides of a split and should not.

    kind: group (one group), overlap (overlapping clips of one recording), recording (other clips of one recording that
    name no common group) or audio (files with the same bytes). folds: "" is no fold.
    """

    kind: str
    folds: tuple[str, ...]
    ids: tuple[str, ...]
    sentence: str


def leaks(manifest: Manifest, *, hashes: bool = True) -> list[Leak]:
    """What ties clips of different folds together; clips without a fold count as one fold more.

    hashes: compare contents too. Only files are read whose size coincides with that of a file in another fold.

    >>> from earmark.data.manifest import build
    >>> names, folds, groups = ["a.wav", "b.wav", "c.wav"], ["1", "2", "2"], ["anna", "anna", "ben"]
    >>> clips = build({"id": names, "path": names, "tags": ["dog"] * 3, "fold": folds, "group": groups}, ".")
    >>> [leak.sentence for leak in leaks(clips, hashes=False)]
    ["group 'anna' lies in fold 1 and fold 2: 2 clips, 'a.wav', 'b.wav'"]
    """
    if len(manifest.fold_names()) + bool((manifest.folds == "").any()) < 2:
        return []
    found = [*_group_leaks(manifest), *_recording_leaks(manifest)]
    return found + (_audio_leaks(manifest) if hashes else [])


def _leak(kind: str, manifest: Manifest, rows: NDArray[np.int64], what: str) -> Leak:
    folds = tuple(sorted(set(manifest.folds[rows].tolist()), key=natural))
    ids = tuple(manifest.ids[rows].tolist())
    named = [f"fold {name}" if name else "no fold" for name in folds]
    sentence = f"{what} in {', '.join(named[:-1])} and {named[-1]}: {len(ids)} clips, {few(ids)}"
    return Leak(kind, folds, ids, sentence)


def _across_folds(keys: NDArray[np.int64], folds: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The rows of each key that occurs in several folds, in order of the keys."""
    width = int(folds.max()) + 1
    pairs = np.unique(keys * width + folds)
    several = np.flatnonzero(np.bincount(pairs // width, minlength=int(keys.max()) + 1) > 1)
    rows = np.flatnonzero(np.isin(keys, several))
    rows = rows[np.argsort(keys[rows], kind="stable")]
    return np.split(rows, np.flatnonzero(np.diff(keys[rows])) + 1) if len(rows) else []


def _group_leaks(manifest: Manifest) -> list[Leak]:
    group, names = codes(pc.coalesce(manifest.table["group"], manifest.table["id"]))
    fold, _ = codes(pc.fill_null(manifest.table["fold"], ""))
    found = _across_folds(group, fold)
    return [_leak("group", manifest, rows, f"group {names[group[rows[0]]]!r} lies") for rows in found]


def _recording_leaks(manifest: Manifest) -> list[Leak]:
    path, names, cut = recordings(manifest)
    fold, _ = codes(pc.fill_null(manifest.table["fold"], ""))
    found = []
    for rows in _across_folds(path, fold):
        if not cut[rows].any():  # whole ones with one content are told as such
            continue
        name = names[path[rows[0]]]
        both = _overlapping(manifest, rows, fold)
        if len(both):
            found.append(_leak("overlap", manifest, both, f"overlapping clips of {name} lie"))
        elif len(set(manifest.groups[rows].tolist())) > 1:  # one group would have been reported already
            found.append(_leak("recording", manifest, rows, f"clips of {name} lie"))
    return found


def _overlapping(manifest: Manifest, rows: NDArray[np.int64], fold: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the rows, clips of one recording, that share time with one of another fold."""
    start, end = (limits(manifest, name)[rows] for name in ("start", "end"))
    start, end = np.nan_to_num(start, nan=0.0), np.nan_to_num(end, nan=np.inf)
    hit = np.zeros(len(rows), bool)
    for first in range(len(rows)):
        shared = (start < end[first]) & (end > start[first]) & (fold[rows] != fold[rows[first]])
        hit[first] = shared.any()
    return rows[hit]


def _audio_leaks(manifest: Manifest) -> list[Leak]:
    path, names = codes(manifest.table["path"])
    fold, _ = codes(pc.fill_null(manifest.table["fold"], ""))
    if "sha256" in manifest.table.column_names:  # a pack's, which tells each clip's digest
        return _packed_leaks(manifest, path, fold)
    sizes = np.zeros(len(names), np.int64)
    absent = []
    for place, name in enumerate(names):
        try:
            sizes[place] = os.stat(manifest.root / name).st_size
        except OSError:
            absent.append(name)
    if absent:
        raise ManifestError(
            f"{len(absent)} of {len(names)} recordings are not there under {manifest.root}: {few(absent)}"
        )
    found = []
    for alike in _across_folds(sizes[path], fold):
        hashes = {p: _sha1(manifest.root / names[p]) for p in dict.fromkeys(path[alike].tolist())}
        digests = {digest: place for place, digest in enumerate(dict.fromkeys(hashes.values()))}
        content = np.array([digests[hashes[p]] for p in path[alike].tolist()])
        for places in _across_folds(content, fold[alike]):
            rows = alike[places]
            if len(set(path[rows].tolist())) > 1:
                found.append(_leak("audio", manifest, rows, "files with the same bytes lie"))
    return found


def _packed_leaks(manifest: Manifest, path: NDArray[np.int64], fold: NDArray[np.int64]) -> list[Leak]:
    """Clips with the same bytes, or that were made from the same ones."""
    whats = {"files with the same bytes lie": list(sounds.keys(manifest, {}, heard=True))}
    if SOURCE in manifest.table.column_names:
        whats["clips that were packed from the same bytes lie"] = list(sounds.keys(manifest, {}))
    found: dict[tuple[str, ...], Leak] = {}
    for what, keys in whats.items():
        content, _ = codes(pa.chunked_array([pa.array(keys)]))
        for rows in _across_folds(content, fold):
            if len(set(path[rows].tolist())) > 1:
                leak = _leak("audio", manifest, rows, what)
                found.setdefault(leak.ids, leak)
    return list(found.values())


def _sha1(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
