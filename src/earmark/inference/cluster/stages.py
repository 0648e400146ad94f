"""Decoding and nets as two stages of Ray Data, over all machines of a cluster: where nets are fed by more processes than they are.

    rows (a recording each) → `Decoders`: processes, a small share of a core each → `Nets`: processes that hold the taggers → driver

Decoders stay, as nets do: of tasks' own processes Ray ends those that idle for a second, and each new one imports all anew.
One decodes a few short recordings or one long one, and hands on each piece as soon as there is one. Whatever is lost with
a machine Ray does again on another: pieces are what their recording and number say, so that this changes nothing. Nets leave a
tenth of each core to decoders, which without that would wait for ever for a core to be free; and where nothing comes for
`patience` seconds, that is an error, not a wait without end.

So it is with GPUs, and where `--cluster decoders=4` asks for it; else nets read for themselves: see `asking`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from earmark.errors import AudioError
from earmark.files import tally
from earmark.files.stores import is_stored, place
from earmark.inference import process
from earmark.inference.cluster.cutting import Cut, Piece, next_of, pieces, unreadable
from earmark.inference.cluster.hearing import Heard, hear, to_bytes
from earmark.inference.cluster.machines import Machines
from earmark.inference.cluster.rows import Arrived, Row, Work
from earmark.inference.options import Options
from earmark.inference.recordings import Recording, Wave
from earmark.inference.scorer import Scorer

SHARE = 0.1  # of a core, for a decoder
BLOCK = 4 << 20  # bytes of sound that are handed on at once: one long piece, or a dozen short recordings
TOGETHER, BYTES = 32, 32 << 20  # recordings of a task, and bytes of their files
TABLES = 10_000  # that are handed over at most: each costs a millisecond, and some kilobytes


def through(work: Work, nets: int, decoders: int, wants: dict[str, Any]) -> Iterator[Arrived]:
    """What the pieces of recordings scored, in any order. wants: what each net takes. Raises what Ray raises."""
    import ray.data

    _settle(ray, work.machines)
    found = ray.data.from_arrow(_tables(work.rows))
    pool = ray.data.ActorPoolStrategy
    decoded = found.map_batches(
        Decoders, fn_constructor_args=(work.cut, os.getcwd()), batch_size=None, batch_format="pyarrow", num_cpus=SHARE,
        compute=pool(size=decoders), zero_copy_batch=True,
    )  # fmt: skip
    there = (work.load, work.cut.rate, work.options, work.machines.cores, work.folder.absolute())
    scored = decoded.map_batches(
        Nets, fn_constructor_args=there, batch_size=None, batch_format="pyarrow", zero_copy_batch=True,
        compute=pool(size=nets, max_tasks_in_flight_per_actor=2), **wants,
    )  # fmt: skip
    batches: Any = scored.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for batch in batches:
        for row in batch.to_pylist():
            yield Arrived(**row)


class Decoders:
    """A process that decodes: a table of rows → tables of a piece each. folder: where the command runs, from which relative
    paths start; processes of a cluster begin elsewhere.
    """

    def __init__(self, cut: Cut, folder: str):
        self.cut, self.folder = cut, folder

    def __call__(self, table: Any) -> Iterator[Any]:
        for row in table.to_pylist():
            recording = Recording(place(os.fsdecode(row["path"])), channel=row["channel"])
            yield from self._of(row, recording, set(row["done"]))

    def _of(self, row: dict[str, Any], recording: Recording, done: set[int]) -> Iterator[Any]:
        import pyarrow as pa

        given = 0
        path = recording.path
        base = {"index": [row["index"]], "key": [row["key"]], "path": [os.fsencode(recording.path)]}
        try:
            if not (path.is_absolute() or is_stored(path)):
                os.chdir(self.folder)
            for piece in pieces(recording, self.cut, done):
                told = {name: [getattr(piece, name)] for name in _TOLD}
                wave = _as_bytes(piece.wave)
                yield pa.table(base | told | {"wave": wave, "error": [None]}, _schema())
                given += 1
        except (AudioError, OSError) as error:
            heard = Heard(next_of(given, done), None, error=unreadable(error, recording))
            told = {name: [None] for name in _TOLD} | {"number": [heard.number]}
            yield pa.table(base | told | {"wave": [None], "error": [to_bytes(heard)]}, _schema())


def _as_bytes(wave: Wave) -> Any:
    """A column of one value, the samples' bytes, which are not copied."""
    import numpy as np
    import pyarrow as pa

    ends = np.array([0, wave.nbytes], np.int64)
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, pa.py_buffer(ends), pa.py_buffer(wave)])


_TOLD = ("number", "first", "long", "samples", "low", "high", "notes")


def _schema() -> Any:
    import pyarrow as pa

    kinds = {
        "index": pa.int64(),
        "key": pa.string(),
        "path": pa.binary(),
        "number": pa.int64(),
        "first": pa.int64(),
        "long": pa.bool_(),
    }
    kinds |= {"samples": pa.int64(), "low": pa.float64(), "high": pa.float64(), "notes": pa.list_(pa.string())}
    return pa.schema(list((kinds | {"wave": pa.large_binary(), "error": pa.binary()}).items()))


class Nets:
    """A process that holds the scorers: a table of pieces → a table of what they scored."""

    def __init__(self, load: Callable[[], Sequence[Scorer]], rate: int, options: Options, cores: int, folder: Path):
        self.folder, self.name = folder, secrets.token_hex(4)
        os.environ["OMP_NUM_THREADS"] = str(cores)
        process.take()
        self.scorers, self.rate, self.options = load(), rate, options

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa

        rows = [_row(table, number) for number in range(len(table))]
        tally.begun(self.folder, self.name, [(row["key"], piece.number) for row, piece in rows if piece is not None])
        sound = [(place(os.fsdecode(row["path"])), piece) for row, piece in rows if piece is not None]
        heard = iter(hear(self.scorers, sound, self.options))
        made: dict[str, list[Any]] = {name: [] for name in ("index", "number", "last", "seconds", "data")}
        for row, piece in rows:
            if piece is None:
                values: tuple[Any, ...] = (row["index"], row["number"], True, 0.0, row["error"])
            else:
                each = next(heard)
                values = (row["index"], each.number, each.last, len(piece.wave) / self.rate, to_bytes(each))
            for column, value in zip(made.values(), values, strict=True):
                column.append(value)
        return pa.table(made)


def _row(table: Any, number: int) -> tuple[dict[str, Any], Piece | None]:
    """A row of decoded pieces, whose samples are not copied; None where there is an error."""
    import numpy as np

    names = [name for name in table.column_names if name != "wave"]
    row = table.select(names).slice(number, 1).to_pylist()[0]
    if row["error"] is not None:
        return row, None
    wave = np.frombuffer(table["wave"][number].as_buffer(), np.float32)
    told = {name: row[name] for name in _TOLD} | {"notes": tuple(row["notes"])}
    return row, Piece(wave=wave, **told)


def _tables(rows: Sequence[Row]) -> list[Any]:
    """A table for each task: of a long recording or some short ones, and of more where there would be more than TABLES."""
    import pyarrow as pa

    kinds = [
        ("index", pa.int64()),
        ("path", pa.binary()),
        ("channel", pa.int64()),
        ("key", pa.string()),
        ("done", pa.list_(pa.int64())),
    ]
    tables: list[Any] = []
    held: list[dict[str, Any]] = []
    size = 0
    least = -(-len(rows) // TABLES)
    for row in [*rows, None]:
        full = row is None or len(held) >= max(TOGETHER, least) or size + row.size > BYTES
        if held and full and (row is None or len(held) >= least):
            tables.append(pa.Table.from_pylist(held, pa.schema(kinds)))
            held, size = [], 0
        if row is not None:
            told = {"path": os.fsencode(row.recording.path), "channel": row.recording.channel, "key": row.key}
            held.append({"index": row.index, "done": list(row.done)} | told)
            size += row.size
    return tables


def _settle(ray: Any, machines: Machines) -> None:
    """The settings of Ray Data."""
    told = ray.data.DataContext.get_current()
    told.enable_progress_bars = told.print_on_execution_start = told.enable_auto_log_stats = False
    told.target_max_block_size = BLOCK
    told.execution_no_progress_timeout_s = machines.patience
    told.wait_for_min_actors_s = -1


def failures() -> list[type[Exception]]:
    """What Ray Data raises beside Ray's own."""
    from ray.data.exceptions import RayDataUserCodeException

    return [RayDataUserCodeException]
