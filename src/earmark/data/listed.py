"""Recordings by folders, by their names, and by tables that list them: manifests, and what other programs wrote.

A table is Parquet, CSV or TSV and has a column `path`; relative paths start from its folder. A recording that stands there in
several rows is heard once, and whole. A million paths of a Parquet file are read in seconds, and nothing is looked at
but the table; `earmark.audio.find` does the rest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from earmark.audio.walk import Named, below
from earmark.data.manifest.files import load_table
from earmark.errors import ManifestError, agreed, counted, escaped
from earmark.files import write_bytes
from earmark.files.names import Names
from earmark.files.stores import is_stored, place

TABLES = (".parquet", ".csv", ".tsv")
COLUMN = "path"
AT_ONCE = 1 << 16  # names that are made of Arrow's


def find(paths: Iterable[str | Path], report: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Recordings, each once, in order. report: told in a line what was passed over. Raises ManifestError for a table without
    paths.
    """
    found: dict[Path, None] = {}
    named = Named()
    for path in map(place, paths):
        named.take(*((of_table(path, report), False) if _is_table(path) else below(path, report)), found)
    for line in named.told(found):
        report(line)
    return list(found)


def listing(paths: Iterable[str | Path], report: Callable[[str], None] = lambda line: None) -> Sequence[Path]:
    """The same; of one table without holding a path for each of its rows, see `earmark.files.names`."""
    places = [place(path) for path in paths]
    if len(places) == 1 and _is_table(places[0]):
        return Names((str(path), None, None) for path in _paths(places[0], report))
    return find(places, report)


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLES and path.is_file()


def _table(file: Path) -> Any:
    """Of a store as of a disk: a table is read whole."""
    if not is_stored(file):
        return load_table(file)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        try:
            write_bytes(copy, file.read_bytes(), sync=False)
            return load_table(copy)
        except OSError as error:
            raise ManifestError(f"{file}: cannot be read ({error.strerror})") from error
        except ManifestError as error:
            raise ManifestError(str(error).replace(escaped(str(copy)), str(file))) from error


def of_table(file: Path, report: Callable[[str], None] = lambda line: None) -> list[Path]:
    """The recordings that a table lists, each once, in its order."""
    return list(_paths(file, report))


def _paths(file: Path, report: Callable[[str], None]) -> Iterator[Path]:
    """The same, one at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _table(file)
    if COLUMN not in table.column_names:
        has = ", ".join(table.column_names[:10])
        raise ManifestError(f"{file}: lists no recordings: it has no column {COLUMN!r}. It has {has}")
    column = table[COLUMN]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise ManifestError(f"{file}: its column {COLUMN!r} holds {column.type}, not text")
    if missing := column.null_count:
        row = pc.index(pc.is_null(column), True).as_py() + 1
        raise ManifestError(
            f"{file}: {counted(missing, 'row has', 'rows have')} no {COLUMN}, the first is row {row}. Fill "
            f"{agreed(missing, 'it in, or take it', 'them in, or take them')} out"
        )
    names = pc.unique(column)
    parts = [name for name in ("start", "end") if name in table.column_names and table[name].null_count < len(table)]
    if len(names) < len(table) or parts:
        which = "its rows are of parts of them" if parts else f"it has {counted(len(table), 'row')}"
        report(
            f"{file}: {counted(len(names), 'recording is', 'recordings are')} heard, {agreed(len(names), '', 'each ')}once and "
            f"whole; {which}"
        )
    for first in range(0, len(names), AT_ONCE):
        for name in names.slice(first, AT_ONCE).to_pylist():
            yield place(name) if "://" in name or name.startswith("/") else file.parent / name
