"""Whether a pack is as it was written: every shard's bytes against its digest and, where they differ, every clip's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from earmark.audio import members
from earmark.data.packs.folder import Pack, Shard, describe, read
from earmark.data.packs.remembered import unreadable
from earmark.files.stores import place


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
    """Read all of a pack once. Raises ManifestError where the index and the shards do not belong together."""
    folder = place(folder)
    manifest = read(folder)
    notes = manifest.notes
    pack = describe(folder)
    damaged: list[str] = []
    broken: list[tuple[str, str, str]] = []
    for shard in pack.shards:
        on_shard(shard)
        if _digest(folder / shard.name) == shard.sha256:
            continue
        damaged.append(shard.name)
        own = manifest.table.filter(pc.starts_with(manifest.table["path"], f"{shard.name}/"))
        for name, path, digest in zip(*(own[key].to_pylist() for key in ("id", "path", "sha256")), strict=True):
            member = members.member_of(folder / path)
            assert member is not None  # `read` has seen to it
            if hashlib.sha256(members.fetch(member)).digest() != digest:
                broken.append((name, path, "its bytes are not those that were packed"))
    return Found(pack, len(manifest), tuple(damaged), tuple(broken), len(unreadable(folder)), notes)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
