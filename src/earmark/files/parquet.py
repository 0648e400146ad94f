"""Parquet, read so that a small file cannot stand for more than memory holds.

A page is compressed, and a text that is written once stands in any number of rows. What the file says of itself is held
against its bytes first; then texts are read as codes, and what they would take written out is counted before they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import counted
from earmark.files.arrow import opened
from earmark.files.bounds import check_columns, check_expanded

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

VALUE = 8  # bytes of a value at most, but of texts


def read(path: Path) -> pa.Table:
    """The table. Raises TooMuch, OSError and Arrow's errors."""
    from pyarrow import parquet

    size = path.stat().st_size
    repeated, schema = _held(path, size)
    with opened(path) as file:
        table = parquet.read_table(file, read_dictionary=repeated or None)
    return _written_out(path, size, table, schema)


def parts(path: Path) -> Iterator[pa.Table]:
    """The table in the groups of rows that it was written in, of which one is held at a time; else as `read`."""
    from pyarrow import parquet

    size = path.stat().st_size
    repeated, schema = _held(path, size)
    with opened(path) as data, parquet.ParquetFile(data, read_dictionary=repeated or None) as file:
        for group in range(file.num_row_groups):  # smaller parts of a group would have several dictionaries in one list
            yield _written_out(path, size, file.read_row_group(group), schema)


def schema_of(path: Path) -> pa.Schema:
    """Without reading the table. Raises OSError and Arrow's errors."""
    from pyarrow import parquet

    with opened(path) as file:
        return parquet.read_schema(file)


def write(table: pa.Table, path: Path, rows: int | None = None) -> None:
    """rows: of a group at most. Raises OSError and Arrow's errors."""
    from pyarrow import parquet

    with opened(path, "wb") as file:
        parquet.write_table(table, file, rows)


class Writer:
    """A table as it comes, a group of rows at a time. options: as of pyarrow's `ParquetWriter`. Raises OSError and Arrow's errors."""

    def __init__(self, path: Path, schema: pa.Schema, **options: Any):
        from pyarrow import parquet

        self.schema = schema
        self._file = opened(path, "wb")
        self._writer = parquet.ParquetWriter(self._file, schema, **options)

    def write(self, table: pa.Table, rows: int | None = None) -> None:
        """rows: of a group at most."""
        self._writer.write_table(table, rows)

    def close(self) -> None:
        with self._file:
            self._writer.close()


def _held(path: Path, size: int) -> tuple[list[str], pa.Schema]:
    """The columns of texts that are written once and numbered in the rows, and the schema. Raises TooMuch."""
    from pyarrow import parquet

    with opened(path) as data, parquet.ParquetFile(data) as file:
        told = file.metadata
        check_columns(path, told.num_columns)
        groups = [told.row_group(number) for number in range(told.num_row_groups)]
        parts = [group.column(column) for group in groups for column in range(group.num_columns)]
        values = sum(part.num_values for part in parts)
        check_expanded(path, size, values * VALUE, f"its {counted(values, 'value')}")
        pages = sum(max(part.total_uncompressed_size, 0) for part in parts)
        check_expanded(path, size, pages, "its pages")
        # texts that have a page of their own are written once, and numbered in the rows
        repeated = {
            part.path_in_schema for part in parts if part.physical_type == "BYTE_ARRAY" and part.has_dictionary_page
        }
        return sorted(repeated), file.schema_arrow


def _written_out(path: Path, size: int, table: pa.Table, schema: pa.Schema) -> pa.Table:
    table.validate(full=True)  # text that is no UTF-8
    check_expanded(path, size, sum(_bytes(chunk) for column in table.columns for chunk in column.chunks), "its texts")
    for number, name in enumerate(schema.names):
        if table.schema.field(number).type != schema.field(number).type:
            table = table.set_column(number, schema.field(number), table[name].cast(schema.field(number).type))
    return table


def _bytes(values: Any) -> int:
    """What an array would take with its texts written out."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        lengths = pc.fill_null(pc.binary_length(values.dictionary), 0).to_numpy(zero_copy_only=False)
        codes = values.indices.drop_null().to_numpy(zero_copy_only=False)
        return int(np.bincount(codes, minlength=len(lengths)) @ lengths.astype(np.int64)) + 4 * len(values)
    if pa.types.is_nested(values.type):
        return (
            sum(_bytes(part) for part in values.flatten()) if pa.types.is_struct(values.type) else _bytes(values.values)
        )
    return int(values.nbytes)
