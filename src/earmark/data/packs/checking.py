"""Whether a pack is as it was written: its index and every shard's bytes against their digests and, where they differ, every clip's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from earmark.audio import members
from earmark.data.clipset import ClipSet
from earmark.data.manifest import Manifest
from earmark.data.packs.folder import INDEX, PACK, SOURCE, Pack, Shard, describe, digest, read
from earmark.data.packs.remembered import unreadable
from earmark.errors import ManifestError
from earmark.files.stores import place

NO_DIGEST = (
    f"was packed by an earlier earmark, and has no digest of its {INDEX}: ids, folds and, as far as {PACK} tells them, tags were "
    "looked at, and groups were not. Pack again to have all of it looked at"
)


@dataclass(frozen=True)
class Found:
    """damaged: shards. broken: (id, path in the pack, reason) of the clips whose bytes are not theirs. remembered: how many clips
    could not be read when somebody learnt from them.
    """

    pack: Pack
    clips: int
    damaged: tuple[str, ...]
    broken: tuple[tuple[str, str, str], ...]
    remembered: int
    notes: tuple[str, ...] = ()


def check(folder: str | Path, on_shard: Callable[[Shard], None] = lambda _: None) -> Found:
    """Read all of a pack once. Raises ManifestError where the index is not as it was packed, or of other clips than it tells."""
    folder = place(folder)
    manifest = read(folder)
    pack = describe(folder)
    _check_clips(pack, manifest)
    notes = (*manifest.notes, *([NO_DIGEST] if pack.index is None else []))
    damaged: list[str] = []
    broken: list[tuple[str, str, str]] = []
    for shard in pack.shards:
        on_shard(shard)
        if digest(folder / shard.name) == shard.sha256:
            continue
        damaged.append(shard.name)
        own = manifest.table.filter(pc.starts_with(manifest.table["path"], f"{shard.name}/"))
        for name, path, own_digest in zip(*(own[key].to_pylist() for key in ("id", "path", "sha256")), strict=True):
            member = members.member_of(folder / path)
            assert member is not None  # `read` has seen to it
            if hashlib.sha256(members.fetch(member)).digest() != own_digest:
                broken.append((name, path, "its bytes are not those that were packed"))
    return Found(pack, len(manifest), tuple(damaged), tuple(broken), len(unreadable(folder)), notes)


def _check_clips(pack: Pack, manifest: Manifest) -> None:
    """The index against what the pack tells of its clips. Raises ManifestError.

    What it tells is of the clips as they came: those that could not be read are not in the index, and of parts of recordings places
    and events have changed.
    """
    told, found = ClipSet.read(pack.clips), ClipSet.of(manifest)
    wrong = []
    if found.clips + pack.unread != told.clips:
        wrong.append(
            f"how many clips there are ({found.clips}, and {pack.unread} that could not be read, of {told.clips})"
        )
    if pack.unread == 0 and found.sha256 != told.sha256:
        wrong.append("the clips' ids")
    if not set(found.folds) <= set(told.folds) or (pack.unread == 0 and len(found.folds) < len(told.folds)):
        wrong.append("the names of the folds")
    # of packs that do not tell what their clips were made from some of these may have been parts
    columns = manifest.table.column_names
    alike = SOURCE.names[0] in columns and not any(name in columns for name in SOURCE.names[1:])
    if pack.unread == 0 and alike and told.labels and found.labels != told.labels:
        wrong.append("the clips' tags or events")
    shards = pc.list_element(pc.split_pattern(manifest.table["path"], "/", max_splits=1), 0)
    held = manifest.table.select(["fold"]).append_column("shard", shards).group_by(["shard", "fold"]).aggregate([])
    if len(held) > pc.count_distinct(held["shard"]).as_py():  # which no packing does
        wrong.append("the folds of clips that lie in one shard")
    if wrong:
        raise ManifestError(
            f"{pack.folder / INDEX}: differs from what was packed and {PACK} tells, in {'; in '.join(wrong)}. One of them is damaged, "
            "or another pack's. Fetch both again, or pack the clips again, into a new folder"
        )
