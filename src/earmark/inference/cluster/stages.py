"""Decoding and nets as two stages of Ray Data, over all machines of a cluster; what pieces scored comes as it is made.

    rows (a recording each) → `Decoders`: processes, a small share of a core each → `Nets`: processes that hold the taggers → driver

Decoders stay, as nets do: of tasks' own processes Ray ends those that idle for a second, and each new one imports all anew.
One decodes a few short recordings or one long one, and hands on each piece as soon as there is one. Whatever is lost with
a machine Ray does again on another: pieces are what their recording and number say, so that this changes nothing. Nets leave a
tenth of each core to decoders, which without that would wait for ever for a core to be free; and where nothing comes for
`patience` seconds, that is an error, not a wait without end.

Ray tells nobody of its use, and opens no dashboard.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import AudioError, EarmarkError
from earmark.files import tally
from earmark.files.stores import is_stored, place
from earmark.inference.allocator import keep_freed_memory
from earmark.inference.cluster.cutting import Cut, Piece, next_of, pieces, unreadable
from earmark.inference.cluster.hearing import Heard, hear, to_bytes
from earmark.inference.cluster.machines import Machines
from earmark.inference.options import Options
from earmark.inference.recordings import Recording, Wave
from earmark.inference.scorer import Scorer

LACKING = "--on ray needs Ray: pip install 'earmark[cluster]'"
QUIETLY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
SHARE = 0.1  # of a core, for a decoder
BLOCK = 4 << 20  # bytes of sound that are handed on at once: one long piece, or a dozen short recordings
TOGETHER, BYTES = 32, 32 << 20  # recordings of a task, and bytes of their files
TABLES = 10_000  # that are handed over at most: each costs a millisecond, and some kilobytes
REACH = 10.0  # s, for a cluster's address


@dataclass(frozen=True)
class Row:
    """A recording that is not done. index: by which its results are told. size: bytes. done: pieces that are. key: of `kept`."""

    index: int
    recording: Recording
    size: int
    done: Sequence[int]
    key: str = ""


@dataclass(frozen=True)
class Arrived:
    """What a piece scored, as `hearing.from_bytes` reads it. seconds: of sound. last: nothing follows it."""

    index: int
    number: int
    last: bool
    seconds: float
    data: bytes


def arriving(
    rows: Sequence[Row],
    load: Callable[[], Sequence[Scorer]],
    cut: Cut,
    options: Options,
    machines: Machines,
    folder: Path,
) -> Iterator[Arrived]:
    """What the pieces of recordings scored, in any order. load: gives the scorers, in each process that scores. folder: where
    these tell what they begin with: see `earmark.files.tally`.

    Raises EarmarkError where Ray is not there, the cluster too small, or nothing comes.
    """
    with _cluster(machines) as ray:
        nets, decoders, wanted = _shared_out(ray, machines)
        _settle(ray, machines)
        found = ray.data.from_arrow(_tables(rows))
        pool = ray.data.ActorPoolStrategy
        decoded = found.map_batches(
            Decoders, fn_constructor_args=(cut, os.getcwd()), batch_size=None, batch_format="pyarrow", num_cpus=SHARE,
            compute=pool(size=decoders), zero_copy_batch=True,
        )  # fmt: skip
        scored = decoded.map_batches(
            Nets, fn_constructor_args=(load, cut.rate, options, machines.cores, folder.absolute()), batch_size=None, batch_format="pyarrow",
            zero_copy_batch=True, compute=pool(size=nets, max_tasks_in_flight_per_actor=2), **wanted,
        )  # fmt: skip
        try:
            for batch in scored.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for row in batch.to_pylist():
                    yield Arrived(**row)
        except (ray.exceptions.RayError, ray.data.exceptions.RayDataUserCodeException, TimeoutError) as error:
            raise _told(error, ray, machines) from error


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
        keep_freed_memory()
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


@contextmanager
def _cluster(machines: Machines) -> Iterator[Any]:
    """Ray, connected to a cluster: one that runs, or one of this machine for the while. Raises EarmarkError."""
    for name, value in QUIETLY.items():
        os.environ[name] = value  # whatever it was: nothing is told without being asked
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise EarmarkError(LACKING) from error
    address = machines.address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = (
        {"include_dashboard": False, "num_cpus": machines.cpus or _cores()} if address == "local" else {}
    )
    try:
        _reach(address)
        with _hushed():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        raise EarmarkError(
            f"--on ray: no cluster at {address} ({_first_line(error)}). Start one (ray start --head), correct --address, or leave it "
            "out: then this machine is one"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Ray itself waits for minutes for a machine that is not there. Raises OSError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), REACH).close()


@contextmanager
def _hushed() -> Iterator[None]:
    """Without what Ray's own libraries print as they begin, which no setting turns off."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _settle(ray: Any, machines: Machines) -> None:
    """The settings of Ray Data."""
    # what Ray does again after a kill it would tell on stdout, where results go
    worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None
    for name in ("ray", "ray.data"):  # what goes wrong is raised, and told once
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    told = ray.data.DataContext.get_current()
    told.enable_progress_bars = told.print_on_execution_start = told.enable_auto_log_stats = False
    told.target_max_block_size = BLOCK
    told.execution_no_progress_timeout_s = machines.patience
    told.wait_for_min_actors_s = -1


def _shared_out(ray: Any, machines: Machines) -> tuple[int, int, dict[str, Any]]:
    """How many nets and decoders there are, and what each net takes. Raises EarmarkError where the cluster has no room."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores = [float(node.get("CPU", 0)) for node in nodes]
    gpus = sum(float(node.get("GPU", 0)) for node in nodes)
    room = sum(int(each // machines.cores) for each in cores)
    if not room:
        raise EarmarkError(
            f"--on ray: no machine of the cluster has {machines.cores} cores for a net ({', '.join(f'{n:g}' for n in cores)}). Give Ray "
            "more (ray start --num-cpus), or nets less (--cluster cores=1)"
        )
    if gpus and machines.nets is None:
        return int(gpus), machines.decoders or max(1, room), {"num_gpus": 1, "num_cpus": 1}
    nets = min(machines.nets or room, room)
    return nets, machines.decoders or nets, {"num_cpus": machines.cores - SHARE}


def _told(error: Exception, ray: Any, machines: Machines) -> EarmarkError:
    """What went wrong in the cluster, in words."""
    for each in _causes(error):
        if isinstance(each, EarmarkError):
            return each
    if "Progress" in type(error).__name__ or isinstance(error, TimeoutError):
        free = ray.available_resources().get("CPU", 0.0)
        return EarmarkError(
            f"--on ray: nothing came for {machines.patience:g} s; of the cluster's {ray.cluster_resources().get('CPU', 0):g} cores "
            f"{free:g} are free. Others may use it: see `ray status`. What is done is kept: the same command goes on; "
            "--cluster patience=3600 waits longer"
        )
    *_, first = _causes(error)
    return EarmarkError(
        f"--on ray: the cluster failed ({type(first).__name__}: {_first_line(first)}). What is done is kept: the same command goes on"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else type(error).__name__
