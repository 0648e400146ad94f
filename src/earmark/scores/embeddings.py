"""Embeddings: what a net makes of each window before it names tags, a vector a window; and their file.

The file is Parquet: the columns id, start, end (seconds), vector (a list of float32, all of one length) and, where they
were asked for, level (how loud the window is), and in its metadata, under `earmark-embeddings`, as JSON what they come from:
tagger, sample rate, windows. pandas, DuckDB and Arrow read it as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import check_call, checked
from earmark.files import bounds, whole
from earmark.scores import arrays
from earmark.scores.plain import Rows, number, span

FORMAT = "earmark-embeddings"
VERSION = 1
WHOLE = "embeddings.parquet"  # the file of all in the folder of a job
GROUP = 2**24  # bytes of vectors that are held at once, and in a row group


@dataclass(frozen=True, repr=False, eq=False)
class Embeddings(Rows):
    """vectors: (rows, width) float32. ids: (rows,) str, the recording. start, end: (rows,) seconds, of the window.

    facts: where they come from; plain JSON values. levels: (rows,) the root mean square of each window's samples, of which 1 is
    full scale; None where it was not asked for. Other numbers become such, as in `Scores`. Raises ScoresError for what a file could
    not keep.

        >>> Embeddings(np.ones((2, 3), np.float32), np.array(["a", "a"]), np.array([0.0, 1.0]), np.array([1.0, 2.0]))
        <Embeddings: 2 windows × 3 float32, 1 recording, 0 to 2 s>
    """

    vectors: NDArray[np.float32]
    ids: NDArray[np.str_]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    facts: dict[str, Any] = field(default_factory=dict)
    levels: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        check_call(type(self), (), vars(self))
        if self.vectors.ndim != 2 or (len(self.vectors) and not self.vectors.shape[1]):
            raise ScoresError(f"embeddings have the shape {self.vectors.shape}: give (rows, width)")
        for name in ("ids", "start", "end", *(["levels"] if self.levels is not None else [])):
            if (shape := getattr(self, name).shape)[:1] != (len(self.vectors),):
                raise ScoresError(
                    f"{name} has {counted(shape[0], 'row') if shape else 'no rows'}, vectors have {len(self.vectors)}"
                )
        object.__setattr__(self, "vectors", arrays.singles("vectors", self.vectors, 2))
        object.__setattr__(self, "ids", arrays.names(self.ids))
        for name in ("start", "end"):
            object.__setattr__(self, name, arrays.seconds(name, getattr(self, name)))
        if self.levels is not None:
            object.__setattr__(self, "levels", arrays.singles("levels", self.levels, 1))
        object.__setattr__(self, "facts", arrays.plain_facts(self.facts))
        if not np.isfinite(self.vectors).all():
            row = int(np.argmin(np.isfinite(self.vectors).all(1)))
            raise ScoresError(f"the embedding in row {row + 1} ({self.ids[row]}) holds what is no finite number")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    def __repr__(self) -> str:
        count = len(set(self.ids.tolist()))
        told = counted(count, "recording")
        return (
            f"<Embeddings: {counted(len(self), 'window')} × {self.width} float32, {told}, {span(self.start, self.end)}>"
        )

    def to_dict(self) -> dict[str, Any]:
        rows = zip(self.ids.tolist(), self.start.tolist(), self.end.tolist(), self.vectors.tolist(), strict=True)
        told = [{"id": i, "start": number(s), "end": number(e), "vector": list(map(number, v))} for i, s, e, v in rows]
        return {"width": self.width, "facts": self.facts, "rows": told}

    def columns(self) -> dict[str, Any]:
        """As the file has them: a row a window, and its vector an array in one cell."""
        return {"id": self.ids.tolist(), "start": self.start, "end": self.end, "vector": list(self.vectors)}

    @checked
    def save(self, path: str | Path) -> None:
        """Write them as .parquet; an old file stays whole until the new one is. Raises ScoresError."""
        with Writer(path, self.facts) as writer:
            writer.add(self)
            writer.commit()

    @staticmethod
    @checked
    def load(path: str | Path) -> Embeddings:
        """Read what `save` or `earmark embed` wrote. Raises ScoresError."""
        import pyarrow as pa

        path = _file(path)
        try:
            return _load(path)
        except (ValueError, OSError, KeyError, TypeError, AttributeError, RecursionError, pa.ArrowException) as error:
            raise _unread(path, error) from error


@checked
def blocks(path: str | Path) -> Iterator[Embeddings]:
    """The same as `Embeddings.load`, a group of rows at a time, some 16 MB each, so that millions need no more memory.

    Raises ScoresError.
    """
    import pyarrow as pa
    from pyarrow import parquet as arrow

    from earmark.files.arrow import opened

    path = _file(path)
    try:
        with opened(path) as data, arrow.ParquetFile(data) as file:
            _told(path, file.schema_arrow.metadata)
            for group in range(file.num_row_groups):
                yield _of_table(path, file.read_row_group(group))
    except ScoresError:
        raise
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RecursionError, pa.ArrowException) as error:
        raise _unread(path, error) from error


@checked
def facts_of(path: str | Path) -> dict[str, Any]:
    """Where the embeddings of a file come from, without reading them. Raises ScoresError."""
    import pyarrow as pa

    from earmark.files import parquet

    path = _file(path)
    try:
        return dict(_told(path, parquet.schema_of(path).metadata)["facts"])
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RecursionError, pa.ArrowException) as error:
        raise _unread(path, error) from error


def _file(path: str | Path) -> Path:
    """Raises ScoresError for what is no file."""
    path = Path(path)
    if path.is_dir():
        inside = path / WHOLE
        way = f"the file in it, {inside}" if inside.is_file() else "the file that `earmark embed` wrote"
        raise ScoresError(f"{path}: is a folder. Give {way}")
    if not path.is_file():
        raise ScoresError(f"{path}: no such file. Give one that `earmark embed` wrote")
    return path


def _unread(path: Path, error: Exception) -> ScoresError:
    return ScoresError(
        f"{path}: holds no embeddings that earmark can read ({error}). Give a file that `earmark embed` wrote"
    )


def _load(path: Path) -> Embeddings:
    from earmark.files import parquet

    return _of_table(path, parquet.read(path))


def _told(path: Path, metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    told = arrays.read(metadata, FORMAT)
    if not told:
        raise ScoresError(f"{path}: is a Parquet file, but not one with embeddings in it")
    if told["version"] > VERSION:
        raise ScoresError(
            f"{path}: was written by a newer earmark (embeddings version {told['version']}, this one reads {VERSION}). "
            "Upgrade earmark"
        )
    return dict(told)


def _of_table(path: Path, table: Any) -> Embeddings:
    told = _told(path, table.schema.metadata)
    bounds.check_texts(path, path.stat().st_size, table["id"])
    vectors = _vectors(path, table["vector"], told.get("width"))
    ids = np.array(table["id"].to_pylist(), str)
    start, end = (table[name].to_numpy().astype(np.float64) for name in ("start", "end"))
    levels = table["level"].to_numpy().astype(np.float32) if "level" in table.column_names else None
    return Embeddings(vectors, ids, start, end, dict(told["facts"]), levels)


def _vectors(path: Path, column: Any, width: int | None) -> NDArray[np.float32]:
    """(rows, width) of lists of numbers, of a fixed length or, as DuckDB and pandas write them, of any. width: as the file tells it.

    Raises ScoresError where they are not all of that length.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not (pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise ScoresError(f"{path}: its column vector holds {kind}, not lists of numbers, all of one length")
    lists = column.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), -1).to_numpy(zero_copy_only=False)
    first = kind.list_size if pa.types.is_fixed_size_list(kind) else int(lengths[0]) if len(lengths) else 0
    wanted = int(first if width is None else width)
    if (other := lengths != wanted).any():
        row = int(other.argmax())
        there = "no vector" if lengths[row] < 0 else f"a vector of {counted(lengths[row], 'number')}"
        raise ScoresError(
            f"{path}: row {row + 1} has {there}, and embeddings of {wanted} are told: all of a file have one length. Embed the "
            "recordings again, or write all of each vector"
        )
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lengths), wanted), np.float32)


class Waiting:
    """The windows of a recording in work, in order, until it is known whether it can be read to its end; on disk from 16 MB on."""

    def __init__(self) -> None:
        self.width = 0
        self._times: list[tuple[NDArray[Any], ...]] = []  # ids, starts, ends and, where they are told, levels
        self._spool = tempfile.SpooledTemporaryFile(GROUP)  # noqa: SIM115  closed with this object

    def close(self) -> None:
        self._spool.close()

    def add(self, part: Embeddings) -> None:
        """Some windows of it. Raises ScoresError for vectors of another length than before."""
        _check_width(self.width, part)
        self.width = part.width
        self._spool.write(np.ascontiguousarray(part.vectors, np.float32).tobytes())
        levels = () if part.levels is None else (part.levels,)
        self._times.append((part.ids, part.start, part.end, *levels))

    def clear(self) -> None:
        """Forget what was added."""
        self._times.clear()
        self._spool.seek(0)
        self._spool.truncate()

    def blocks(self) -> Iterator[Embeddings]:
        """What was added, some 16 MB each."""
        if not self._times:
            return
        ids, start, end, *levels = (np.concatenate(each) for each in zip(*self._times, strict=True))
        self._spool.seek(0)
        size, first = max(1, 4 * self.width), 0
        while data := self._spool.read(max(1, GROUP // size) * size):
            vectors = np.frombuffer(data, np.float32).reshape(-1, self.width)
            rows = slice(first, first + len(vectors))
            first += len(vectors)
            yield Embeddings(vectors, ids[rows], start[rows], end[rows], levels=levels[0][rows] if levels else None)


class Writer:
    """Embeddings as they come → a file, in bounded memory; it takes its place when the block ends without an error.

    `add` takes the windows of a recording, in order; `commit` keeps them and `drop` forgets them, where the recording could
    not be read to its end. `write` keeps a group of rows at once. width: of a file without rows.
    """

    def __init__(self, path: str | Path, facts: Mapping[str, Any], width: int = 0):
        self.path, self.facts = Path(path), arrays.plain_facts(facts)
        if self.path.suffix != ".parquet":
            raise ScoresError(
                f"{path}: embeddings are written as .parquet, not {self.path.suffix or 'a name without ending'}"
            )
        self.rows, self.width, self._levelled = 0, width, False
        self._stack = ExitStack()
        self._file: Any = None

    def __enter__(self) -> Writer:
        with ExitStack() as stack:
            self._part = stack.enter_context(whole(self.path))
            self._waiting = stack.enter_context(closing(Waiting()))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._file is None:
                self._open(self._levelled)  # a file without rows
            if self._file is not None:
                self._file.close()
        finally:
            self._stack.__exit__(kind, error, trace)

    def add(self, part: Embeddings) -> None:
        """Some windows of the recording that is in work. Raises ScoresError for vectors of another length than before."""
        _check_width(self.width, part)
        self.width, self._levelled = part.width, part.levels is not None
        self._waiting.add(part)

    def drop(self) -> None:
        """Forget what was added since the last commit."""
        self._waiting.clear()

    def commit(self) -> None:
        """Keep what was added since the last commit."""
        for block in self._waiting.blocks():
            self.write(block)
        self.drop()

    def write(self, block: Embeddings) -> None:
        """Keep rows, as a group of the file. Raises ScoresError for vectors of another length than before."""
        import pyarrow as pa

        _check_width(self.width, block)
        self.width = block.width
        columns = [
            pa.array(block.ids.tolist(), pa.string()), pa.array(block.start), pa.array(block.end),
            pa.FixedSizeListArray.from_arrays(pa.array(block.vectors.ravel()), self.width),
            *([] if block.levels is None else [pa.array(block.levels)]),
        ]  # fmt: skip
        self._open(levelled=block.levels is not None)
        self._file.write(pa.Table.from_arrays(columns, schema=self._file.schema), max(1, len(block)))
        self.rows += len(block)

    def _open(self, levelled: bool = False) -> None:
        import pyarrow as pa

        from earmark.files import parquet

        if self._file is None:
            kinds = [("id", pa.string()), ("start", pa.float64()), ("end", pa.float64())]
            told = {"format": FORMAT, "version": VERSION, "width": self.width, "facts": self.facts}
            kinds.append(("vector", pa.list_(pa.float32(), max(1, self.width))))
            kinds += [("level", pa.float32())] if levelled else []
            schema = pa.schema(kinds, {FORMAT: arrays.told(told)})
            self._file = parquet.Writer(self._part, schema, use_dictionary=["id"])


def _check_width(width: int, part: Embeddings) -> None:
    """Raises ScoresError for vectors of another length than before; 0: there were none."""
    if width and part.width != width:
        raise ScoresError(
            f"embeddings of {counted(part.width, 'number follows', 'numbers follow')} such of {width}: one file holds one width"
        )
