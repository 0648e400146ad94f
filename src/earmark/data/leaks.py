"""Leaks of a split: clips on several sides of it that come from one group, one recording or one sound."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.data import sounds
from earmark.data.manifest import Manifest, few, natural
from earmark.data.splits import Parts
from earmark.data.together import SOURCE, codes, limits, recordings
from earmark.errors import ManifestError, agreed, counted

EMPTY = hashlib.sha256().hexdigest()  # of a file without a byte, which is no sound


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


def check_sounds(
    parts: Parts, digest: Mapping[Path, str], *, bear: bool = False, say: Callable[[str], None] = lambda line: None
) -> None:
    """Whether a sound lies on two sides of a split under two names, as `earmark.data.splits.divide` asks of groups and recordings.

    digest: of the parts' files (`earmark.data.sounds.of_files`); those that could not be read are no sounds. Raises ManifestError;
    `bear`: says it instead, but of groups and files that lie on both sides, which were told.
    """
    sides = {name: clips for name in ("train", "validation", "test") if len(clips := getattr(parts, name))}
    for (a, one), (b, other) in itertools.combinations(sides.items(), 2):
        rows = _alike(one, other, digest)
        if not len(rows) and SOURCE in one.table.column_names:  # of a pack, made of other bytes into the same
            rows = _alike(one, other, digest, heard=True)
        _tell_sounds(a, b, one.select(rows[:, 0]), other.select(rows[:, 1]), bear, say)


def _alike(one: Manifest, other: Manifest, digest: Mapping[Path, str], heard: bool = False) -> NDArray[np.int64]:
    """(sounds, 2): a row of each in which the same sound lies, of each sound that lies in both."""
    there: dict[str, int] = {}
    for row, key in enumerate(sounds.keys(other, digest, heard=heard)):  # the smaller one: not the clips that train
        there.setdefault(key, row)
    for nothing in (sounds.NONE, EMPTY):
        there.pop(nothing, None)
    met = {key: row for row, key in enumerate(sounds.keys(one, digest, heard=heard)) if key in there}
    return np.array([(row, there[key]) for key, row in met.items()], np.int64).reshape(-1, 2)


def _tell_sounds(a: str, b: str, one: Manifest, other: Manifest, bear: bool, say: Callable[[str], None]) -> None:
    """one, other: clips of the parts a and b, which are alike, row by row."""
    if bear:
        files = [mine == theirs for mine, theirs in zip(one.paths(), other.paths(), strict=True)]
        told = (one.groups == other.groups) | np.array(files, np.bool_)
        one, other = one.select(~told), other.select(~told)
    if not len(one):
        return
    sentence = (
        f"{counted(len(one), 'sound lies', 'sounds lie')} in both {a} and {b}, byte for byte, such as {str(one.ids[0])!r} and "
        f"{str(other.ids[0])!r}"
    )
    if not bear:
        raise ManifestError(
            f"{sentence}: figures would be too good. Take one of each out, choose folds that keep them together, or bear it with "
            "--set data.shared_groups=report"
        )
    say(f"{sentence}: figures are better than on sounds never heard")


def copies(what: str, clips: Manifest, digest: Mapping[Path, str]) -> list[str]:
    """Sentences on sounds that lie in these clips more than once, byte for byte: with other tags, and with the same ones.

    what: the clips, as people call them. digest: of their files (`earmark.data.sounds.of_files`); those that could not be read are no
    sounds. Takes 8 bytes a clip, also of millions.
    """
    hashes = np.fromiter((_number(key) for key in _sounding(clips, digest)), np.uint64, len(clips))
    order = np.argsort(hashes, kind="stable")
    again = np.flatnonzero((np.diff(hashes[order]) == 0) & (hashes[order][1:] != 0))
    if not len(again):
        return []
    rows = np.sort(order[np.union1d(again, again + 1)])
    few_clips = clips.select(rows)
    first: dict[str, int] = {}
    same: list[tuple[int, int]] = []
    other: list[tuple[int, int]] = []
    tags = [sorted(each) for each in few_clips.table["tags"].to_pylist()]
    for row, key in enumerate(_sounding(few_clips, digest)):
        if (met := first.setdefault(key, row)) != row:
            (same if tags[met] == tags[row] else other).append((met, row))
    lines = []
    if other:
        named = [f"{str(few_clips.ids[row])!r} ({', '.join(tags[row]) or 'no tag'})" for row in other[0]]
        lines.append(
            f"{counted(len(other), f'{what} clip has', f'{what} clips have')} other tags than the same sound has elsewhere "
            f"among them, such as {named[1]} and {named[0]}: one of both is wrong, or each lacks a tag"
        )
    if same:
        first_of, again_of = (str(few_clips.ids[row]) for row in same[0])
        lines.append(
            f"{counted(len(same), f'{what} clip has', f'{what} clips have')} the same sound as another of them, byte for "
            f"byte, such as {again_of!r} and {first_of!r}: it counts twice"
        )
    return lines


def _sounding(clips: Manifest, digest: Mapping[Path, str]) -> Iterator[str]:
    """(clips,): their keys; "" of what is no sound."""
    return ("" if key in (sounds.NONE, EMPTY) else key for key in sounds.keys(clips, digest))


def _number(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") if key else 0


def _leak(kind: str, manifest: Manifest, rows: NDArray[np.int64], what: str) -> Leak:
    folds = tuple(sorted(set(manifest.folds[rows].tolist()), key=natural))
    ids = tuple(manifest.ids[rows].tolist())
    named = [f"fold {name}" if name else "no fold" for name in folds]
    sentence = f"{what} in {', '.join(named[:-1])} and {named[-1]}: {counted(len(ids), 'clip')}, {few(ids)}"
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
            f"{len(absent):,} of {counted(len(names), 'recording')} {agreed(len(absent), 'is', 'are')} not there under "
            f"{manifest.root}: {few(absent)}"
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
