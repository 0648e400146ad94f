"""The columns of a manifest: cells as tables hold them → Arrow arrays of one type.

Every function takes an Arrow array of whatever type a table or a caller gave.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.files.bounds import check_texts
from earmark.files.tables import MISSING, WRITTEN

EVENT = pa.struct([("tag", pa.string()), ("onset", pa.float64()), ("offset", pa.float64())])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # unique
        ("path", pa.string()),
        ("start", pa.float64()),  # null: from the beginning
        ("end", pa.float64()),  # null: to the end
        ("tags", pa.list_(pa.string())),
        ("events", pa.list_(EVENT)),  # null: unknown, empty: nothing is heard
        ("fold", pa.string()),  # null: none
        ("group", pa.string()),  # null: the clip is its own group
        ("source", pa.string()),  # free: uploader, licence, address
        ("unknown", pa.list_(pa.string())),  # tags of which it is not known whether the clip has them
    ]
)
LATER = ("unknown",)  # columns that files have only where they hold something, as those of before have none
RUNS = 1000  # of rows that lie together are parts of one table; of more their rows are copied, to be found quickly
JOINT = "|"  # between the tags of a CSV
BLOCK = (
    20_000  # cells of JSON parsed at once; with more, Python's collector goes over millions of lists again and again
)
NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"


def array(values: Any, rows: int, kind: pa.DataType) -> pa.Array:
    if values is None:
        return pa.nulls(rows, kind)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    elif not isinstance(values, pa.Array):
        nested = pa.types.is_list(kind) and any(isinstance(value, (list, tuple)) for value in values)
        values = pa.array(values, kind if nested else None, from_pandas=True)
    return pa.nulls(rows, kind) if pa.types.is_null(values.type) else values


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def text(values: pa.Array, trim: bool, nan: bool = True) -> pa.Array:
    """→ strings; blank ones are null. nan: whether one that says nan is text, which else is null, as pandas and NumPy write it."""
    values = values.cast(pa.string())
    if trim:
        values = pc.utf8_trim_whitespace(values)
    if not nan:
        none = pc.fill_null(pc.is_in(pc.utf8_lower(values), value_set=pa.array(WRITTEN)), False)
        values = pc.if_else(none, pa.scalar(None, pa.string()), values)
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


def seconds(values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """→ float64 with null, and which rows are no finite number."""
    if _is_text(values.type):
        values = text(values, trim=True)
        none = pc.fill_null(pc.is_in(pc.utf8_lower(values), value_set=pa.array(sorted(MISSING))), False)
        values = pc.if_else(none, pa.scalar(None, pa.string()), values)
        fine = pc.fill_null(pc.match_substring_regex(values, NUMBER), True)
        bad = ~fine.to_numpy(zero_copy_only=False)
        values = pc.if_else(fine, values, pa.scalar(None, pa.string()))
    else:
        bad = np.zeros(len(values), bool)
    values = values.cast(pa.float64())
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)  # how pandas writes null
    # text becomes infinite too: 1e400
    return values, bad | pc.fill_null(pc.is_inf(values), False).to_numpy(zero_copy_only=False)


def tags(values: pa.Array) -> pa.Array:
    """→ lists of trimmed tags, each once and none empty; null is an empty list."""
    if not _is_list(values.type):  # numbers too: a column of digits is one of whole numbers in Parquet
        values = pc.split_pattern(values.cast(pa.string()), JOINT)
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
    owner = np.repeat(np.arange(len(values)), lengths)
    flat = pc.fill_null(pc.utf8_trim_whitespace(pc.list_flatten(values).cast(pa.string())), "")
    kept = pc.not_equal(flat, "").to_numpy(zero_copy_only=False)
    codes = flat.dictionary_encode().indices.to_numpy().astype(np.int64)
    _, first = np.unique(owner * (len(codes) + 1) + codes, return_index=True)
    if len(first) < len(codes):
        again = np.ones(len(codes), bool)
        again[first] = False
        kept &= ~again
    lengths = np.bincount(owner[kept], minlength=len(values))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat.filter(pa.array(kept)))


def events(values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """→ lists of EVENT with null, and which rows are no events."""
    bad = np.zeros(len(values), bool)
    if not _is_text(values.type):
        return values.cast(SCHEMA.field("events").type), bad
    texts = text(values, trim=True, nan=False)
    parts = [pa.array([], SCHEMA.field("events").type)]
    for first in range(0, len(texts), BLOCK):
        block = texts.slice(first, BLOCK).to_pylist()
        try:
            parts.append(_parse_events(block))
        except ValueError:
            bad[first : first + len(block)] = wrong = [not _parses(text) for text in block]
            fine = [None if w else text for w, text in zip(wrong, block, strict=True)]
            parts.append(_parse_events(fine))
    return pa.concat_arrays(parts), bad


def _parse_events(texts: list[str | None]) -> pa.Array:
    """One call of the JSON reader for all texts: several times as fast as one a row. Raises ValueError."""
    try:
        rows = json.loads("[" + ",".join("null" if text is None else text for text in texts) + "]")
        events = [None if row is None else [(tag, float(on), float(off)) for tag, on, off in row] for row in rows]
        if len(events) != len(texts):
            raise ValueError("a cell holds several values")
        return pa.array(events, SCHEMA.field("events").type)
    except (TypeError, RecursionError, pa.ArrowTypeError) as error:  # ArrowInvalid is a ValueError
        raise ValueError(str(error)) from error


def _parses(text: str | None) -> bool:
    try:
        _parse_events([text])
    except ValueError:
        return False
    return True


def tag_codes(tags: pa.ChunkedArray | pa.Array, names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row and the place in `names` of every tag of every row, flat; the place is -1 for others."""
    if isinstance(tags, pa.ChunkedArray):
        tags = tags.combine_chunks()
    rows = np.repeat(np.arange(len(tags)), pc.list_value_length(tags).to_numpy())
    codes = pc.index_in(pc.list_flatten(tags), value_set=pa.array(names, pa.string()))
    return rows, pc.fill_null(codes, -1).to_numpy().astype(np.int64)


def kept(table: pa.Table, which: NDArray[np.bool_]) -> pa.Table:
    """The rows of a mask (rows,). Where these lie together nothing is copied: the parts of millions of clips share their memory."""
    steps = np.flatnonzero(np.diff(which.astype(np.int8), prepend=0, append=0))
    if not 0 < len(steps) <= 2 * RUNS:
        return table.filter(pa.array(which))
    return pa.concat_tables(
        table.slice(first, end - first) for first, end in zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True)
    )


def strings(column: pa.ChunkedArray) -> NDArray[np.str_]:
    check_texts("the manifest", column.nbytes, column)
    return np.asarray(pc.fill_null(column, "").to_numpy(), np.str_)
