"""Clips → a pack, shard by shard; killed and called again it goes on with the shard that it was at, to the same bytes.

What is packed, and how, is written first; a shard appears whole or not at all, and after it what is in it, in parts/. The
order is that of the folds and, within one, drawn by the seed: neighbours in a manifest are of one tag or one recording more
often than not, and who reads shards in order should not learn them together. The rows of the index stay those of the manifest.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.audio import members
from earmark.data.clipset import ClipSet, natural
from earmark.data.manifest import Manifest
from earmark.data.manifest.files import FORMAT as MANIFEST
from earmark.data.manifest.files import VERSION as OF_MANIFEST
from earmark.data.packs import beside
from earmark.data.packs import folder as folder_of
from earmark.data.packs.digested import Digested
from earmark.data.packs.folder import (
    BLOCK,
    COLUMNS,
    ERRORS,
    FORMAT,
    INDEX,
    NOTES,
    PACK,
    PARTS,
    SOURCE,
    VERSION,
    Shard,
    describe,
    is_pack,
)
from earmark.data.packs.members import Clip, Stored, stored
from earmark.data.packs.origins import Origins, part_of
from earmark.errors import AudioError, EarmarkError, counted
from earmark.files import clear_up, parquet, whole, write_text
from earmark.files.lock import locked
from earmark.files.putting import remove
from earmark.files.stores import is_stored, place
from earmark.progress import QUIET, Progress, task

SHARD = 256_000_000  # bytes after which a shard ends
BEARABLE = 0.01  # of the clips
FEW = 10  # that cannot be read are borne of any number
AHEAD = 4  # clips a worker is ahead, at most
ROWS = pa.schema(
    [
        ("row", pa.int64()), ("path", pa.string()), *COLUMNS, *SOURCE,
        ("reason", pa.string()),  # why there is none of it
        ("notes", pa.list_(pa.string())),  # what was done to it
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Packed:
    """What `pack` made, or had made before. failures: (id, path, reason). done_before: shards that were there already.

    notes: (id, path, what was done to its sound), as to be clipped.
    """

    folder: Path
    shards: tuple[Shard, ...]
    clips: int
    failures: tuple[tuple[str, str, str], ...]
    done_before: int
    notes: tuple[tuple[str, str, str], ...] = field(default=())


def pack(
    manifest: Manifest,
    folder: str | Path,
    *,
    shard_size: int = SHARD,
    flac: bool = False,
    rate: int | None = None,
    seed: int = 0,
    bear: float = BEARABLE,
    salvage: bool = False,
    workers: int = 2,
    progress: Progress = QUIET,
) -> Packed:
    """Pack the clips of a manifest, or go on with what was begun; see `earmark.data.packs.members` for what is kept of each.

    shard_size: bytes after which a shard ends. bear: the share of clips that may be unreadable, and FEW at least; 0:
    none. Raises EarmarkError where the folder holds something else, or too many clips cannot be read.
    """
    folder = place(folder)
    _check(shard_size, rate, bear)
    options = {"flac": flac, "rate": rate, "seed": seed, "salvage": salvage, "shard_size": shard_size}
    told = {"clips": ClipSet.of(manifest).as_dict(), "options": options}
    if is_pack(folder) and (before := _finished(folder, told)) is not None:
        return before
    if not is_pack(folder) and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EarmarkError(f"{folder}: holds something, but no pack to go on with ({PACK}). Name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "pack"):
        if not is_pack(folder):
            _describe(folder, told, [], 0, done=False)
        if not is_stored(folder):
            clear_up(folder)
        (folder / PARTS).mkdir(exist_ok=True)
        work = _Work(manifest, folder, told, shard_size, bear, progress)
        origins = Origins(manifest)

        def keep(row: int) -> Stored:
            kept = stored(work.clip(row), flac=flac, rate=rate, salvage=salvage)
            return replace(kept, source=origins.digest(row, kept.data))

        work.run(keep, _order(manifest, seed), workers)
        return work.finish()


def _check(shard_size: int, rate: int | None, bear: float) -> None:
    if shard_size < 1_000_000:
        raise EarmarkError(
            f"a shard of {counted(shard_size, 'byte')} is too small to be read in order: take 1 MB at least"
        )
    if rate is not None:
        from earmark.audio import check_rate

        check_rate(rate)
    if not 0 <= bear <= 1:
        raise EarmarkError(f"the share of clips that may be unreadable is {bear}; it lies between 0 and 1")


def _finished(folder: Path, told: dict[str, Any]) -> Packed | None:
    """What is there, if it is whole. Raises EarmarkError where it is of other clips or options."""
    before = describe(folder)
    for key, what in (("clips", "clips, or what is told of them"), ("options", "options")):
        there = {"clips": before.clips, "options": before.options}[key]
        if there != told[key]:
            differ = {name for name in {*there, *told[key]} if there.get(name) != told[key].get(name)}
            raise EarmarkError(
                f"{folder}: was begun with other {what} ({', '.join(sorted(differ))}): give the same again, or another folder"
            )
    if not before.whole:
        return None
    failures, notes = beside.read(folder, ERRORS, before.unread), beside.read(folder, NOTES)
    count = sum(shard.clips for shard in before.shards)
    return Packed(folder, before.shards, count, failures, len(before.shards), notes)


def _order(manifest: Manifest, seed: int) -> NDArray[np.int64]:
    """(rows,): fold after fold, each in an order drawn by the seed."""
    encoded = pc.fill_null(manifest.table["fold"], "").combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    place = np.argsort(np.argsort([sorted(names, key=natural).index(name) for name in names]))
    fold = place[encoded.indices.to_numpy()]
    drawn = np.random.default_rng(seed).permutation(len(manifest))
    order: NDArray[np.int64] = drawn[np.argsort(fold[drawn], kind="stable")]
    return order


class _Work:
    """One packing: what is in which shard so far."""

    def __init__(
        self, manifest: Manifest, folder: Path, told: dict[str, Any], size: int, bear: float, progress: Progress
    ):
        self.manifest, self.folder, self.told, self.size = manifest, folder, told, size
        self.progress = progress
        self.most = max(FEW, int(bear * len(manifest))) if bear else 0
        self.failed = 0
        self.shards: list[Shard] = []
        self.before = 0
        self._folds = manifest.table["fold"]

    def run(self, keep: Any, order: NDArray[np.int64], workers: int) -> None:
        done = self._resumed()
        self.before = len(self.shards)
        rest = order[done:]
        with task(self.progress, "packing", len(order)) as step, ThreadPoolExecutor(max(1, workers)) as pool:
            for _ in range(done):
                step()
            ready = self._ahead(pool, keep, rest, workers)
            try:
                while self._shard(ready, step):
                    pass
            finally:
                ready.close()
                pool.shutdown(cancel_futures=True)

    def _resumed(self) -> int:
        """How many rows of the order lie in shards that are whole; those that are not are done again."""
        done = 0
        while True:
            part, tar = self._part(len(self.shards)), self.folder / _name(len(self.shards))
            if not (part.is_file() and tar.is_file()):
                return done
            with folder_of.on_disk(part) as copy:
                table = parquet.read(copy)
            if table.schema.names != ROWS.names:  # of an earlier version, which told less
                return done
            told = json.loads(table.schema.metadata[b"shard"])
            if told["size"] != tar.stat().st_size:
                return done
            self.shards.append(Shard(**told))
            self.failed += table.num_rows - told["clips"]
            done += table.num_rows

    def _ahead(
        self, pool: ThreadPoolExecutor, keep: Any, rows: NDArray[np.int64], workers: int
    ) -> Generator[tuple[int, Future[Stored]]]:
        """The clips in order, some decoded ahead."""
        waiting: deque[tuple[int, Future[Stored]]] = deque()
        for row in rows.tolist():
            waiting.append((row, pool.submit(keep, row)))
            if len(waiting) > AHEAD * max(1, workers):
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    def clip(self, row: int) -> Clip:
        path, start, end = (self.manifest.table[name][row].as_py() for name in ("path", "start", "end"))
        return Clip(self.manifest.root / path, start, end)

    def _shard(self, ready: Iterator[tuple[int, Future[Stored]]], step: Any) -> bool:
        """Write the next shard, of clips of one fold; whether there was anything left to write."""
        number = len(self.shards)
        held = getattr(self, "_held", None) or next(ready, None)
        self._held: tuple[int, Future[Stored]] | None = None
        if held is None:
            return False
        fold = self._folds[held[0]].as_py()
        columns: dict[str, list[Any]] = {name: [] for name in ROWS.names}
        with whole(self.folder / _name(number)) as part, part.open("wb") as file:
            digest, clips = Digested(file), 0
            while held is not None:
                row, future = held
                clips += self._add(row, future, digest, number, columns)
                step()
                held = next(ready, None)
                if held is not None and (digest.size >= self.size or self._folds[held[0]].as_py() != fold):
                    self._held = held
                    break
            digest.write(bytes(2 * BLOCK))
        shard = Shard(_name(number), digest.size, digest.hexdigest(), clips)
        table = pa.table(columns, schema=ROWS).replace_schema_metadata({"shard": json.dumps(asdict(shard))})
        with whole(self._part(number)) as part:
            parquet.write(table, part)
        self.shards.append(shard)
        return True

    def _add(self, row: int, future: Future[Stored], tar: Digested, shard: int, columns: dict[str, list[Any]]) -> bool:
        """A clip's members and its row; whether it could be read. Raises EarmarkError where too many cannot."""
        facts: dict[str, Any] = dict.fromkeys(ROWS.names) | {"row": row}
        try:
            clip = future.result()
        except AudioError as error:
            self.failed += 1
            facts["reason"] = error.problem
            if self.failed > self.most:
                raise EarmarkError(
                    f"{counted(self.failed, 'clip')} of {len(self.manifest)} cannot be read, more than are borne ({self.most}), the last: "
                    f"{error}. Mend them, or bear more (--bear 0.1 for a tenth); what is packed is kept"
                ) from error
        else:
            name = f"{row:09d}.{clip.ending}"
            offset = tar.member(name, clip.data)
            tar.member(f"{row:09d}.json", self._json(row, clip))
            facts |= {
                "path": members.place(_name(shard), offset, len(clip.data), name), "frames": clip.frames, "rate": clip.rate,
                "sha256": hashlib.sha256(clip.data).digest(), "level": clip.level, "source_sha256": clip.source,
                "notes": list(clip.notes) or None,
            }  # fmt: skip
            facts |= dict(zip(SOURCE.names[1:], part_of(self.manifest, row), strict=True))
        for key, value in facts.items():
            columns[key].append(value)
        return facts["reason"] is None

    def _json(self, row: int, clip: Stored) -> bytes:
        """What is told of a clip beside it, for readers that have no index."""
        told = {
            name: value
            for name in self.manifest.table.column_names
            if name not in (*COLUMNS.names, *SOURCE.names)
            and (value := self.manifest.table[name][row].as_py()) not in (None, [])
        }
        told |= {"sample_rate": clip.rate, "frames": clip.frames}
        return json.dumps(told, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogateescape")

    def _part(self, number: int) -> Path:
        return self.folder / PARTS / f"{number:05d}.parquet"

    def finish(self) -> Packed:
        """The index, what could not be read, and that it is whole."""
        tables = []
        for number in range(len(self.shards)):
            with folder_of.on_disk(self._part(number)) as copy:
                tables.append(parquet.read(copy).cast(ROWS))
        table = pa.concat_tables(tables)
        table = table.sort_by("row")
        rows = table["row"].to_numpy()
        broken = pc.is_valid(table["reason"]).to_numpy()
        failures = _named(self.manifest, table.filter(pa.array(broken)), "reason")
        notes = _notes(self.manifest, table)
        if broken.all():
            raise EarmarkError(
                f"none of the {counted(len(rows), 'clip')} can be read, the first: {failures[0][1]}: {failures[0][2]}"
            )
        index = _write_index(self.folder / INDEX, self.manifest.select(rows[~broken]), table.filter(pa.array(~broken)))
        beside.write(self.folder, ERRORS, failures)
        beside.write(self.folder, NOTES, notes)
        _describe(self.folder, self.told | {"index": index}, self.shards, len(failures), done=True)
        if is_stored(self.folder):
            for number in range(len(self.shards)):
                remove(self._part(number))
        else:
            shutil.rmtree(self.folder / PARTS, ignore_errors=True)
        count = sum(shard.clips for shard in self.shards)
        return Packed(self.folder, tuple(self.shards), count, tuple(failures), self.before, tuple(notes))


def _named(manifest: Manifest, rows: pa.Table, what: str) -> list[tuple[str, str, Any]]:
    """(id, path, what is told) of clips of the manifest."""
    clips = manifest.select(rows["row"].to_numpy())
    columns = (clips.table["id"].to_pylist(), clips.table["path"].to_pylist(), rows[what].to_pylist())
    return list(zip(*columns, strict=True))


def _notes(manifest: Manifest, rows: pa.Table) -> list[tuple[str, str, str]]:
    """One a note; without the recording that opens it, which has a column of its own."""
    noted = _named(manifest, rows.filter(pc.is_valid(rows["notes"])), "notes")
    return [(name, path, note.removeprefix(f"{manifest.root / path}: ")) for name, path, said in noted for note in said]


def _write_index(file: Path, clips: Manifest, packed: pa.Table) -> str:
    """The manifest of the clips as they lie in the pack: parts of recordings have become recordings, and events moved along.

    Its digest, of what is written and not of what is read again.
    """
    table = clips.table.select(
        [name for name in clips.table.column_names if name not in (*COLUMNS.names, *SOURCE.names)]
    )
    table = table.set_column(table.schema.get_field_index("path"), "path", packed["path"])
    starts = clips.start
    if (rows := np.flatnonzero(starts > 0)).size and table["events"].null_count < len(table):
        events = table["events"].to_pylist()
        for row in rows.tolist():
            events[row] = _moved(events[row], float(starts[row]))
        place = table.schema.get_field_index("events")
        table = table.set_column(place, table.schema.field(place), pa.array(events, table.schema.field(place).type))
    for name in ("start", "end"):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.nulls(len(table), pa.float64()))
    for field_ in (*COLUMNS, *SOURCE):
        table = table.append_column(field_, packed[field_.name])
    head = {"format": MANIFEST, "version": OF_MANIFEST, "vocabulary": clips.vocabulary, "facts": clips.facts}
    with whole(file) as part:
        parquet.write(table.replace_schema_metadata({MANIFEST: json.dumps(head)}), part, folder_of.ROWS)
        return folder_of.digest(part)


def _moved(events: Sequence[dict[str, Any]] | None, by: float) -> list[dict[str, Any]] | None:
    if events is None:
        return None
    return [e | {"onset": max(0.0, e["onset"] - by), "offset": e["offset"] - by} for e in events]


def _describe(folder: Path, told: dict[str, Any], shards: Sequence[Shard], unread: int, *, done: bool) -> None:
    head = {
        "format": FORMAT,
        "version": VERSION,
        "earmark": version("earmark"),
        "whole": done,
        **told,
        "unread": unread,
    }
    write_text(
        folder / PACK, json.dumps(head | {"shards": [asdict(s) for s in shards]}, indent=1, ensure_ascii=False) + "\n"
    )


def _name(number: int) -> str:
    return f"{number:05d}.tar"
