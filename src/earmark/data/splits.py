"""Splits of a manifest: parts and folds that keep groups whole.

A group is what must stay together: a speaker, an uploader, the parts of a recording. Tags are spread evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.data.clipset import ClipSet, facts
from earmark.data.manifest import SCHEMA, Manifest, natural, tag_codes
from earmark.data.together import shared, together
from earmark.errors import ManifestError, agreed, counted
from earmark.errors.kinds import checked

__all__ = ["ClipSet", "Parts", "assign_folds", "deal", "divide", "facts", "split", "without_fold"]


@checked
def split(manifest: Manifest, fraction: float, seed: int) -> tuple[Manifest, Manifest]:
    """(rest, held): holds out about `fraction` of the clips, whole groups, with about the same share of every tag.

    >>> from earmark.data.manifest import build
    >>> names, tags = ["a.wav", "b.wav", "c.wav", "d.wav"], [["dog"], ["dog"], ["cat"], ["cat"]]
    >>> clips = build({"id": names, "path": names, "tags": tags}, ".")
    >>> rest, held = split(clips, 0.5, seed=0)
    >>> sorted(held.table["tags"].to_pylist())
    [['cat'], ['dog']]
    """
    if not 0 < fraction < 1:
        raise ManifestError(f"fraction is {fraction}; a part of the clips to hold out lies between 0 and 1")
    dealt = _deal(manifest, np.array([1 - fraction, fraction]), seed)
    if not (dealt == 1).any() or (dealt == 1).all():
        groups = len(np.unique(together(manifest)))
        raise ManifestError(
            f"cannot hold out {fraction:g} of {counted(len(manifest), 'clip')} (groups: {groups}): one side would be empty, "
            "since a group is never divided. Take another fraction, or smaller groups"
        )
    how = {"fraction": fraction, "seed": seed}
    return (
        replace(manifest.select(dealt == 0), facts=manifest.facts | {"split": {"part": "rest", **how}}),
        replace(manifest.select(dealt == 1), facts=manifest.facts | {"split": {"part": "held", **how}}),
    )


@checked
def assign_folds(manifest: Manifest, k: int, seed: int) -> Manifest:
    """The manifest with folds "1" … "k" of about equal size and tags, instead of any that it had. Groups stay whole.

    >>> from earmark.data.manifest import build
    >>> names, tags = ["a.wav", "b.wav", "c.wav", "d.wav"], [["dog"], ["dog"], ["cat"], ["cat"]]
    >>> clips = build({"id": names, "path": names, "tags": tags}, ".")
    >>> sorted(assign_folds(clips, 2, seed=0).folds.tolist())
    ['1', '1', '2', '2']
    """
    if k < 2:
        raise ManifestError(f"k is {k}; there must be 2 folds or more")
    _check_seed(seed)
    dealt = _deal(manifest, np.full(k, 1 / k), seed)
    filled = len(np.unique(dealt))
    if filled < k:
        raise ManifestError(
            f"{counted(k, 'fold is', 'folds are')} too many: with whole groups, {counted(len(manifest), 'clip fills', 'clips fill')} only "
            f"{filled}. Take fewer folds"
        )
    names = pa.chunked_array([pa.array((dealt + 1).astype(str))])
    table = manifest.table.set_column(SCHEMA.get_field_index("fold"), SCHEMA.field("fold"), names)
    return replace(manifest, table=table, facts=manifest.facts | {"folds": {"k": k, "seed": seed}})


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise ManifestError(f"seed is {seed}: give a whole number from 0")


@checked
def deal(manifest: Manifest, k: int, seed: int, *, all_clips: bool = False) -> Manifest:
    """Folds "1" … "k" for the clips that have none, or for all; stratified, groups whole.

    Raises ManifestError where no clip is left to deal, or where a fold of such a name is there already.
    """
    if all_clips:
        return assign_folds(manifest, k, seed)
    taken = sorted(set(manifest.fold_names()) & {str(i + 1) for i in range(k)}, key=natural)
    if taken:
        raise ManifestError(
            f"there is a fold {taken[0]!r} already, so the {agreed(k, 'new one', f'{k:,} new ones')} cannot be told from it: "
            "take the folds as they "
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


@checked
def without_fold(manifest: Manifest, *, learnt: bool = True) -> str | None:
    """What is to be told of the clips without a fold where folds take turns; None where all clips have one, or none has.

    learnt: whether the turns learn from all that they do not hold back, as is the default.
    """
    count = manifest.table["fold"].null_count
    if count in (0, len(manifest)):
        return None
    it = agreed(count, "it", "them")
    does = f"learns from {it} and none judges {it}" if learnt else f"leaves {it} out"
    return (
        f"{count:,} of {counted(len(manifest), 'clip')} {agreed(count, 'has', 'have')} no fold: where folds take turns "
        f"(--fold all), each turn {does}. So that each clip is judged, deal all anew: `earmark index … --folds 5`, or --set "
        "data.folds=5 --set data.deal=all"
    )


@dataclass(frozen=True)
class Parts:
    """The clips that train, that choose the epoch, and that only the report sees."""

    train: Manifest
    validation: Manifest
    test: Manifest

    def as_dict(self) -> dict[str, Any]:
        """What identifies the clips of each part, as files tell it."""
        return {name: clips.as_dict() for name, clips in self.sets.items()}

    @cached_property
    def sets(self) -> dict[str, ClipSet]:
        """What identifies the clips of each part; of millions it takes a while."""
        return {name: ClipSet.of(getattr(self, name)) for name in ("train", "validation", "test")}

    def take_as_known(self, sets: Mapping[str, ClipSet]) -> None:
        """What `sets` would find out, from who has found it out of these very clips before."""
        self.__dict__["sets"] = dict(sets)


@checked
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

    Raises ManifestError where a group or a recording would lie on two sides (`bear_shared_groups` says it instead), where
    a part is empty or a fold is unknown.
    """
    folds = pc.fill_null(manifest.table["fold"], "")
    there = set(pc.unique(folds).to_pylist())
    held = [] if isinstance(validation, float) else list(validation)
    for what, names in (("tests on", test), ("validates on", held), ("trains on", train or [])):
        missing = sorted(set(names) - there)
        if missing:
            raise ManifestError(
                f"the recipe {what} fold {missing[0]!r}; the manifest has {', '.join(manifest.fold_names()) or 'no folds'}"
                + (". Without test clips it trains with --set data.test=[]" if what == "tests on" else "")
            )
    tested = _among(folds, test)
    rest = _among(folds, train) if train is not None else ~tested
    if isinstance(validation, float):
        learnt, chosen = split(manifest.select(rest), validation, seed)
        parts = Parts(learnt, chosen, manifest.select(tested))
    else:
        choosing = _among(folds, held)
        parts = Parts(manifest.select(rest & ~choosing), manifest.select(choosing), manifest.select(tested))
    for name in ("train", "validation") if validation != [] else ("train",):
        if not len(getattr(parts, name)):
            raise ManifestError(
                f"no clip is left for {name}: the recipe takes test {list(test)}, validation {validation}"
            )
    _check_apart(parts, bear_shared_groups, say)
    return parts


def _check_apart(parts: Parts, bear: bool, say: Callable[[str], None]) -> None:
    """Raises ManifestError where a group or a recording lies on two sides; `bear`: says it instead."""

    def tell(count: int, one: str, many: str, example: str, keep: str) -> None:
        sentence = f"{counted(count, f'{one} lies', f'{many} lie')} in both {a} and {b}, such as {example!r}"
        if not bear:
            raise ManifestError(
                f"{sentence}: figures would be too good. Choose folds that keep {keep} together, or bear it with "
                "--set data.shared_groups=report"
            )
        say(f"{sentence}: figures are better than on {keep} never heard")

    groups = {name: _groups(getattr(parts, name)) for name in ("train", "validation", "test")}
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        sides = [getattr(parts, name) for name in (a, b)]
        both = groups[a].filter(pc.is_in(groups[a], value_set=groups[b]))
        if len(both):
            tell(
                len(both),
                "group (recording, speaker, …)",
                "groups (recordings, speakers, …)",
                pc.min(both).as_py(),
                "groups",
            )
            sides = [each.select(~_of_groups(each, both)) for each in sides]  # their recordings are told with them
        count, example = shared(*sides)
        if count:
            tell(count, "recording", "recordings", example, "recordings")


def _among(folds: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.bool_]:
    """(rows,): which clips lie in these folds."""
    return np.asarray(pc.is_in(folds, value_set=pa.array(list(names), pa.string())).to_numpy(), np.bool_)


def _of_groups(clips: Manifest, groups: pa.Array) -> NDArray[np.bool_]:
    """(rows,): which clips are of these groups."""
    own = pc.coalesce(clips.table["group"], clips.table["id"])
    return np.asarray(pc.is_in(own, value_set=groups).to_numpy(), np.bool_)


def _groups(clips: Manifest) -> pa.Array:
    """Each once: as Arrow has them, since as objects those of two million clips take more than the clips do."""
    return pc.unique(pc.coalesce(clips.table["group"], clips.table["id"]))


def _deal(manifest: Manifest, shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Deal whole groups to parts of the given shares (parts,), summing to 1 → the part of each row (rows,).

    Greedy: tag by tag from the rarest, groups with many clips first, else shuffled by `seed`. Each goes to the part
    that lacks most, of its tags (rare ones weigh more) and of clips altogether, in proportion to what was dealt so far.
    That small groups come last evens out what the large ones left.
    """
    group = together(manifest)
    row, tag = tag_codes(manifest.table["tags"], manifest.vocabulary)
    width = len(manifest.vocabulary)
    size = np.bincount(group)
    groups = len(size)
    pairs, count = np.unique(group[row] * width + tag, return_counts=True)
    owner, tag = pairs // max(width, 1), pairs % max(width, 1)
    total = np.bincount(tag, count, minlength=width)
    bounds = np.searchsorted(owner, np.arange(groups + 1)).tolist()
    rank = np.argsort(np.argsort(total, kind="stable"), kind="stable")  # of tags, rare before common
    rarest = np.full(groups, width)
    np.minimum.at(rarest, owner, rank[tag])
    shuffled = np.random.default_rng(seed).permutation(groups)
    order = shuffled[np.lexsort((-size[shuffled], rarest[shuffled]))]

    seen, filled = np.zeros(width), np.zeros((len(shares), width))
    dealt, held = 0, np.zeros(len(shares))
    part_of = np.zeros(groups, np.int64)
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
