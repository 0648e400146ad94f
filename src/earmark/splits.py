"""Splits of a manifest: parts and folds that keep groups whole, and the leaks that a split should not have.

A group is what must stay together: a recording, a speaker, an uploader. Tags are spread evenly.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.errors import ManifestError
from earmark.manifest import SCHEMA, Manifest, few, natural, tag_codes


def split(manifest: Manifest, fraction: float, seed: int) -> tuple[Manifest, Manifest]:
    """(rest, held): holds out about `fraction` of the clips, whole groups, with about the same share of every tag."""
    if not 0 < fraction < 1:
        raise ManifestError(f"fraction is {fraction}; a part of the clips to hold out lies between 0 and 1")
    dealt = _deal(manifest, np.array([1 - fraction, fraction]), seed)
    if not (dealt == 1).any() or (dealt == 1).all():
        groups = pc.count_distinct(pc.coalesce(manifest.table["group"], manifest.table["id"])).as_py()
        raise ManifestError(
            f"cannot hold out {fraction:g} of {len(manifest)} clips (groups: {groups}): one side would be empty, "
            "since a group is never divided. Take another fraction, or smaller groups"
        )
    told = {"fraction": fraction, "seed": seed}
    return (
        replace(manifest.select(dealt == 0), facts=manifest.facts | {"split": {"part": "rest", **told}}),
        replace(manifest.select(dealt == 1), facts=manifest.facts | {"split": {"part": "held", **told}}),
    )


def assign_folds(manifest: Manifest, k: int, seed: int) -> Manifest:
    """The manifest with folds "1" … "k" of about equal size and tags, instead of any that it had. Groups stay whole."""
    if k < 2:
        raise ManifestError(f"k is {k}; there must be 2 folds or more")
    dealt = _deal(manifest, np.full(k, 1 / k), seed)
    filled = len(np.unique(dealt))
    if filled < k:
        raise ManifestError(
            f"{k} folds are too many: with whole groups, {len(manifest)} clips fill only {filled}. Take fewer folds"
        )
    names = pa.chunked_array([pa.array((dealt + 1).astype(str))])
    table = manifest.table.set_column(SCHEMA.get_field_index("fold"), SCHEMA.field("fold"), names)
    return replace(manifest, table=table, facts=manifest.facts | {"folds": {"k": k, "seed": seed}})


def deal(manifest: Manifest, k: int, seed: int, *, all_clips: bool = False) -> Manifest:
    """Folds "1" … "k" for the clips that have none, or for all; stratified, groups whole.

    Raises ManifestError where no clip is left to deal, or where a fold of such a name is there already.
    """
    if all_clips:
        return assign_folds(manifest, k, seed)
    taken = sorted(set(manifest.fold_names()) & {str(i + 1) for i in range(k)}, key=natural)
    if taken:
        raise ManifestError(
            f"there is a fold {taken[0]!r} already, so the {k} new ones cannot be told from it: take the folds as they "
            "are, or deal all clips anew with --set data.deal=all"
        )
    without = manifest.folds == ""
    if not without.any():
        raise ManifestError(
            f"all clips have folds ({', '.join(manifest.fold_names())}): none is left to deal into {k}. Take the folds "
            "as they are, or deal all clips anew with --set data.deal=all"
        )
    dealt = assign_folds(manifest.select(without), k, seed)
    names = manifest.folds.astype(object)
    names[without] = dealt.folds
    table = manifest.table.set_column(SCHEMA.get_field_index("fold"), SCHEMA.field("fold"), pa.chunked_array([names]))
    return replace(manifest, table=table, facts=dealt.facts)


@dataclass(frozen=True)
class Parts:
    """The clips that train, that choose the epoch, and that only the report sees."""

    train: Manifest
    validation: Manifest
    test: Manifest

    def facts(self) -> dict[str, Any]:
        """What a tagger file says of the split: folds and a digest of the clips of each part."""
        return {name: facts(getattr(self, name)) for name in ("train", "validation", "test")}


def divide(
    manifest: Manifest,
    test: Sequence[str],
    validation: Sequence[str] | float,
    train: Sequence[str] | None = None,
    *,
    seed: int = 0,
    bear_shared_groups: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Parts:
    """Parts of a manifest by folds; validation may be a fraction of what is not tested on, train is the rest by default.

    Raises ManifestError where a group would lie on two sides (`bear_shared_groups` says it instead), where a part is
    empty or a fold is unknown.
    """
    folds = manifest.folds
    held = [] if isinstance(validation, float) else list(validation)
    for what, names in (("tests on", test), ("validates on", held), ("trains on", train or [])):
        missing = sorted(set(names) - set(folds.tolist()))
        if missing:
            raise ManifestError(
                f"the recipe {what} fold {missing[0]!r}; the manifest has {', '.join(manifest.fold_names()) or 'no folds'}"
            )
    tested = np.isin(folds, list(test))
    rest = np.isin(folds, list(train)) if train is not None else ~tested
    if isinstance(validation, float):
        learnt, chosen = split(manifest.select(rest), validation, seed)
        parts = Parts(learnt, chosen, manifest.select(tested))
    else:
        choosing = np.isin(folds, held)
        parts = Parts(manifest.select(rest & ~choosing), manifest.select(choosing), manifest.select(tested))
    for name in ("train", "validation") if validation != [] else ("train",):
        if not len(getattr(parts, name)):
            raise ManifestError(
                f"no clip is left for {name}: the recipe takes test {list(test)}, validation {validation}"
            )
    groups = {name: set(getattr(parts, name).groups.tolist()) for name in ("train", "validation", "test")}
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if both := groups[a] & groups[b]:
            told = f"{len(both)} groups (recordings, speakers, …) lie in both {a} and {b}, such as {min(both)!r}"
            if not bear_shared_groups:
                raise ManifestError(
                    f"{told}: figures would be too good. Choose folds that keep groups together, or bear it with "
                    "--set data.shared_groups=report"
                )
            say(f"{told}: figures are better than on groups never heard")
    return parts


def facts(manifest: Manifest) -> dict[str, Any]:
    """What identifies a part of a data set: the number of clips, the folds, and a digest of the clips' ids."""
    digest = hashlib.sha256("\n".join(sorted(manifest.ids.tolist())).encode()).hexdigest()[:16]
    return {"clips": len(manifest), "folds": manifest.fold_names(), "sha256": digest}


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
    """
    if len(manifest.fold_names()) + bool((manifest.folds == "").any()) < 2:
        return []
    found = [*_group_leaks(manifest), *_recording_leaks(manifest)]
    return found + (_audio_leaks(manifest) if hashes else [])


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """A whole number for each distinct string in order of appearance, and the strings."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _deal(manifest: Manifest, shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Deal whole groups to parts of the given shares (parts,), summing to 1 → the part of each row (rows,).

    Greedy: tag by tag from the rarest, groups with many clips first, else shuffled by `seed`. Each goes to the part
    that lacks most, of its tags (rare ones weigh more) and of clips altogether, in proportion to what was dealt so far.
    That small groups come last evens out what the large ones left.
    """
    group, names = _codes(pc.coalesce(manifest.table["group"], manifest.table["id"]))
    row, tag = tag_codes(manifest.table["tags"], manifest.vocabulary)
    width = len(manifest.vocabulary)
    size = np.bincount(group)
    pairs, count = np.unique(group[row] * width + tag, return_counts=True)
    owner, tag = pairs // max(width, 1), pairs % max(width, 1)
    total = np.bincount(tag, count, minlength=width)
    bounds = np.searchsorted(owner, np.arange(len(names) + 1)).tolist()
    rank = np.argsort(np.argsort(total, kind="stable"), kind="stable")  # of tags, rare before common
    rarest = np.full(len(names), width)
    np.minimum.at(rarest, owner, rank[tag])
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.lexsort((-size[shuffled], rarest[shuffled]))]

    seen, filled = np.zeros(width), np.zeros((len(shares), width))
    dealt, held = 0, np.zeros(len(shares))
    part_of = np.zeros(len(names), np.int64)
    for g in order.tolist():
        mine, clips = tag[bounds[g] : bounds[g + 1]], count[bounds[g] : bounds[g + 1]]
        dealt += size[g]
        lack = shares * dealt - held
        if len(mine):
            seen[mine] += clips
            weight = clips / total[mine]
            lack += (shares[:, None] * seen[mine] - filled[:, mine]) @ (weight / weight.sum())
        part = int(lack.argmax())
        part_of[g] = part
        held[part] += size[g]
        filled[part, mine] += clips
    return part_of[group]


# Leaks


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
    group, names = _codes(pc.coalesce(manifest.table["group"], manifest.table["id"]))
    fold, _ = _codes(pc.fill_null(manifest.table["fold"], ""))
    found = _across_folds(group, fold)
    return [_leak("group", manifest, rows, f"group {names[group[rows[0]]]!r} lies") for rows in found]


def _recording_leaks(manifest: Manifest) -> list[Leak]:
    path, names = _codes(manifest.table["path"])
    fold, _ = _codes(pc.fill_null(manifest.table["fold"], ""))
    found = []
    for rows in _across_folds(path, fold):
        name = names[path[rows[0]]]
        both = _overlapping(manifest, rows, fold)
        if len(both):
            found.append(_leak("overlap", manifest, both, f"overlapping clips of {name} lie"))
        elif len(set(manifest.groups[rows].tolist())) > 1:  # one group would have been reported already
            found.append(_leak("recording", manifest, rows, f"clips of {name} lie"))
    return found


def _overlapping(manifest: Manifest, rows: NDArray[np.int64], fold: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the rows, clips of one recording, that share time with one of another fold."""
    start = np.nan_to_num(manifest.start[rows], nan=0.0)
    end = np.nan_to_num(manifest.end[rows], nan=np.inf)
    hit = np.zeros(len(rows), bool)
    for first in range(len(rows)):
        shared = (start < end[first]) & (end > start[first]) & (fold[rows] != fold[rows[first]])
        hit[first] = shared.any()
    return rows[hit]


def _audio_leaks(manifest: Manifest) -> list[Leak]:
    path, names = _codes(manifest.table["path"])
    fold, _ = _codes(pc.fill_null(manifest.table["fold"], ""))
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


def _sha1(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
