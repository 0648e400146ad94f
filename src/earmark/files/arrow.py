"""Files of pyarrow's, opened here: a name with a colon is a URI to it, and one that is no UTF-8 it does not open at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from earmark.files.stores import is_stored
from earmark.files.stores import opened as of_a_store

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv


def opened(path: str | Path, mode: Literal["rb", "wb"] = "rb") -> Any:
    """A file that pyarrow reads or writes, to be closed. Raises OSError."""
    import pyarrow as pa

    path = Path(path) if isinstance(path, str) else path
    if is_stored(path):
        return of_a_store(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:  # only the system's own calls take such a name
        return path.open(mode)
    return pa.OSFile(str(path), mode)


def read_csv(
    path: Path,
    read: csv.ReadOptions | None = None,
    parse: csv.ParseOptions | None = None,
    convert: csv.ConvertOptions | None = None,
) -> pa.Table:
    """Raises OSError and Arrow's errors."""
    from pyarrow import csv

    with opened(path) as file:
        return csv.read_csv(file, read, parse, convert)


def write_csv(table: pa.Table, path: Path, options: csv.WriteOptions | None = None) -> None:
    """Raises OSError and Arrow's errors."""
    from pyarrow import csv

    with opened(path, "wb") as file:
        csv.write_csv(table, file, options)
