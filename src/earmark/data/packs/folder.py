"""A pack's folder: what it tells of itself, held against what is there, and its manifest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from earmark.data.clipset import ClipSet
from earmark.data.manifest import SCHEMA, Manifest, build
from earmark.data.manifest.files import FORMAT as MANIFEST
from earmark.data.manifest.files import VERSION as OF_MANIFEST
from earmark.errors import ManifestError, agreed, counted
from earmark.files import parquet
from earmark.files.bounds import read_json
from earmark.files.putting import fetch
from earmark.files.stores import Stored, is_stored, place

PACK, INDEX, ERRORS, NOTES, PARTS = "pack.json", "index.parquet", "errors.csv", "notes.csv", "parts"
FORMAT, VERSION = "earmark-pack", 1
ROWS = 100_000  # of the index that are written, and so read and checked, at a time
BLOCK = 512  # bytes: what a tar file is made of
# of each clip, beside a manifest's own columns. frames: as its sound is stored, at `rate` Hz; level: dBFS of its loudest sample
COLUMNS = pa.schema([("sha256", pa.binary(32)), ("frames", pa.int64()), ("rate", pa.int32()), ("level", pa.float32())])
# of the recording that a clip was made from, in packs that tell it. source_sha256: null where the clip has its very bytes;
# source_start, source_end: seconds of it, null where the clip is all of it
SOURCE = pa.schema([("source_sha256", pa.binary()), ("source_start", pa.float64()), ("source_end", pa.float64())])
OLD = (
    "was packed by an earlier earmark, and does not tell what its clips were made from: that a clip of it, cut out or packed with "
    "--flac or --rate, is the sound of a file elsewhere goes unseen. Pack again to have it seen"
)
PLACE = r"^(?P<shard>\d{5,8})\.tar/(?P<offset>\d{1,15})\+(?P<size>\d{1,15})/\d{9,12}\.[a-z0-9]{1,8}$"


@dataclass(frozen=True)
class Shard:
    """A file of a pack. size: bytes."""

    name: str
    size: int
    sha256: str
    clips: int


@dataclass(frozen=True)
class Pack:
    """What a pack tells of itself. clips: what identifies them; options: how they were packed. index: the index's SHA-256 in
    hexadecimal digits, which packs of an earlier earmark do not tell.
    """

    folder: Path
    whole: bool
    clips: dict[str, Any]
    options: dict[str, Any]
    shards: tuple[Shard, ...]
    unread: int
    index: str | None = None

    def told(self) -> str:
        """In one line."""
        size = sum(shard.size for shard in self.shards)
        how = ", ".join(f"{key} {value}" for key, value in self.options.items() if value not in (None, False))
        left = f", {self.unread} that could not be read left out" if self.unread else ""
        count = sum(shard.clips for shard in self.shards)
        return (
            f"{counted(count, 'clip')} in {counted(len(self.shards), 'shard')}, {size / 1e6:,.1f} MB{left}; packed with "
            f"{how or 'no options'}"
        )


def is_pack(folder: str | Path) -> bool:
    """Whether a folder holds a pack, or the beginning of one. Raises OSError where a store does not tell."""
    file = place(folder) / PACK
    return file.exists() if is_stored(file) else file.is_file()


def check_not_left(folder: str | Path) -> None:
    """Raises ManifestError for a folder with what a pack is made of, and without the file that tells it."""
    folder = place(folder)
    left = [] if is_pack(folder) else [name for name in (INDEX, "00000.tar") if (folder / name).exists()]
    if left:
        raise ManifestError(
            f"{folder}: holds {' and '.join(left)}, as a pack does, and no {PACK}, without which nothing tells whether it is whole: "
            "not all of it was copied, or the file was deleted. Fetch it again, or pack the clips again, into a new folder"
        )


def describe(folder: str | Path) -> Pack:
    """What the folder's pack tells of itself. Raises ManifestError where it is damaged or of a later version."""
    folder = place(folder)
    file = folder / PACK
    try:
        plain = read_json(file)
        if plain["format"] != FORMAT:
            raise ValueError(f"its format is {plain['format']!r}, not {FORMAT!r}")
        if plain["version"] > VERSION:
            raise ManifestError(
                f"{file}: was written by a newer earmark (pack version {plain['version']}, this one reads {VERSION}). Upgrade "
                "earmark"
            )
        shards = tuple(
            Shard(str(each["name"]), int(each["size"]), str(each["sha256"]), int(each["clips"]))
            for each in plain["shards"]
        )
        if strange := [shard.name for shard in shards if not re.fullmatch(r"\d{5,8}\.tar", shard.name)]:
            raise ValueError(f"a shard is called {strange[0]!r}")
        told = dict(plain["clips"]), dict(plain["options"])
        ClipSet.read(told[0])
        index = None if plain.get("index") is None else str(plain["index"])
        return Pack(folder, bool(plain["whole"]), *told, shards, int(plain["unread"]), index)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, OSError) and is_stored(file):
            raise ManifestError(f"{file}: cannot be read: {error.strerror}") from error
        raise ManifestError(
            f"{file}: is no pack's, or damaged ({error}). Pack the clips again, into a new folder"
        ) from error


def read(folder: str | Path) -> Manifest:
    """The manifest of a pack, whose paths name members of its shards, with COLUMNS beside its own.

    Raises ManifestError where the pack is not whole, where shards are missing or of another size than it tells, where the index
    is not the one that was packed, and where it names places outside of them: so no clip is read from where none is.
    """
    folder = place(folder)
    pack = describe(folder)
    if not pack.whole:
        raise ManifestError(
            f"{folder}: is a pack that is not finished ({counted(len(pack.shards), 'shard is', 'shards are')} told): go on "
            "with the same `earmark pack`"
        )
    _check_shards(pack)
    file = folder / INDEX
    with on_disk(file) as copy:
        _check_digest(pack, file, copy)
        table, vocabulary, facts = _index(pack, file, copy)
    pa.default_memory_pool().release_unused()
    if not len(table):
        raise ManifestError(f"{file}: holds no clips")
    if pc.count_distinct(table["id"]).as_py() < len(table):
        raise ManifestError(f"{file}: an id is there twice. The index is damaged or another pack's: pack again")
    root = folder if is_stored(folder) else Path(os.path.abspath(folder))
    return Manifest(table, root, tuple(vocabulary), facts, () if SOURCE.names[0] in table.column_names else (OLD,))


@contextmanager
def on_disk(file: Path) -> Iterator[Path]:
    """A file, or a copy of one of a store. Raises ManifestError where the store does not give it."""
    if not isinstance(file, Stored):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="earmark-") as place:
        copy = Path(place, file.name)
        try:
            fetch(file, copy)
        except OSError as error:
            raise ManifestError(f"{file}: {error.strerror}. Look at the store, and pack again what is gone") from error
        yield copy


def digest(file: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_digest(pack: Pack, file: Path, copy: Path) -> None:
    """Before anything in it is believed, and before pyarrow opens it: of some changed bits it ends the whole program.

    A gigabyte takes a second or so, which is little beside what it takes to read the rows.
    """
    if pack.index is None:
        return
    try:
        found = digest(copy)
    except OSError as error:
        raise ManifestError(
            f"{file}: cannot be read ({error.strerror}), and no clip is found without it. Fetch it again, or pack the clips again"
        ) from error
    if found != pack.index:
        raise ManifestError(
            f"{file}: is not as it was packed: its SHA-256 is {found[:12]}…, and {PACK} tells {pack.index[:12]}…. It is damaged, or "
            "another pack's. Fetch both again, or pack the clips again, into a new folder"
        )


def _index(pack: Pack, file: Path, copy: Path) -> tuple[pa.Table, list[str], dict[str, Any]]:
    """The index, its vocabulary and facts. file: what it is called; copy: where it is read."""
    try:
        head = json.loads((parquet.schema_of(copy).metadata or {})[MANIFEST.encode()])
        newer, vocabulary, facts = head["version"] > OF_MANIFEST, list(head["vocabulary"]), dict(head["facts"])
        if newer:
            raise ManifestError(
                f"{file}: was written by a newer earmark (manifest version {head['version']}). Upgrade earmark"
            )
        # left in parts: to join them takes as much again
        table = pa.concat_tables([_part(pack, table, vocabulary, file) for table in parquet.parts(copy)])
        parts = [name for name in SOURCE.names[1:] if name in table.column_names]
        table = table.drop_columns([name for name in parts if table[name].null_count == len(table)])
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        said = str(error).replace(str(copy), str(file))
        raise ManifestError(f"{file}: cannot be read as a pack's index: {said}. Pack the clips again") from error
    return table, vocabulary, facts


def _part(pack: Pack, raw: pa.Table, vocabulary: list[str], file: Path) -> pa.Table:
    """Some rows of the index, checked as a manifest's are, with COLUMNS."""
    absent = [name for name in COLUMNS.names if name not in raw.column_names]
    if absent:
        raise ManifestError(f"{file}: has no column {absent[0]!r}, which a pack's index has. Pack the clips again")
    own = {name: raw[name] for name in SCHEMA.names if name in raw.column_names}
    table = build(own, pack.folder, vocabulary=vocabulary, name=str(file)).table
    for field in COLUMNS:
        table = table.append_column(field, raw[field.name].cast(field.type))
    if all(name in raw.column_names for name in SOURCE.names):
        for field in SOURCE:
            table = table.append_column(field, raw[field.name].cast(field.type))
    _check_places(pack, table, file)
    return table


def _check_shards(pack: Pack) -> None:
    if isinstance(pack.folder, Stored):  # listed at once, and not asked for one by one
        with suppress(OSError):
            for _ in pack.folder.walk_files():
                pass
    for shard in pack.shards:
        file = pack.folder / shard.name
        try:
            size = file.stat().st_size
        except OSError as error:
            raise ManifestError(
                f"{file}: cannot be read ({error.strerror}), and {counted(shard.clips, 'clip lies', 'clips lie')} in it. Fetch "
                "it again, or pack again"
            ) from error
        if size != shard.size:
            raise ManifestError(
                f"{file}: has {counted(size, 'byte')}, and {PACK} tells {shard.size}: it is cut off or another one. Fetch it again"
            )


def _check_places(pack: Pack, table: pa.Table, file: Path) -> None:
    """Every clip lies within a shard that is there."""
    parts = pc.extract_regex(table["path"], PLACE).combine_chunks()
    wrong = parts.is_null().to_numpy(zero_copy_only=False)
    if not wrong.any():
        names = pa.array([shard.name.removesuffix(".tar") for shard in pack.shards])
        codes = pc.fill_null(pc.index_in(pc.struct_field(parts, "shard"), value_set=names), -1).to_numpy()
        sizes = np.array([*(shard.size for shard in pack.shards), 0], np.int64)
        offset, size = (pc.struct_field(parts, key).cast(pa.int64()).to_numpy() for key in ("offset", "size"))
        wrong = (codes < 0) | (offset < BLOCK) | (size < 1) | (offset + size > sizes[codes])
    numbers = pc.fill_null(pc.and_(pc.greater_equal(table["frames"], 0), pc.greater(table["rate"], 0)), False)
    wrong = wrong | ~numbers.to_numpy() | table["sha256"].is_null().to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise ManifestError(
            f"{file}: {counted(int(wrong.sum()), 'clip is', 'clips are')} not within the pack's shards, or "
            f"{agreed(int(wrong.sum()), 'its', 'their')} frames, rate or digest are missing; the "
            f"first is row {row + 1}, {table['path'][row].as_py()!r}. The index is damaged or another pack's: pack again"
        )
