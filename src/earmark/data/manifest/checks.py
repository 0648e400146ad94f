"""What can be wrong with a manifest, and how it is said: all mistakes at once, each with its rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earmark.data.manifest.columns import JOINT, SCHEMA, tag_codes
from earmark.errors import ManifestError, agreed, counted
from earmark.scores import LONGEST

REQUIRED = ("id", "path", "tags")
SHOWN = 5  # how many rows a message names
Wrong = tuple[str, NDArray[np.bool_], str]
TOLERANCE = 1e-6  # seconds that an event may reach out of its clip: rounding in the table that it comes from


def refuse(name: str, mistakes: list[str]) -> NoReturn:
    raise ManifestError(f"{name}: {counted(len(mistakes), 'mistake')}\n" + "\n".join(f"  {line}" for line in mistakes))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""


def few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more


def at(mask: NDArray[np.bool_], ids: pa.Array) -> str:
    """'rows 3 (id dog), 8 (id cat) and 12 more'."""
    rows = np.flatnonzero(mask)
    shown = ", ".join(f"{row + 1} (id {ids[int(row)].as_py()})" for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"{agreed(len(rows), 'row', 'rows')} {shown}{more}"


def check_names(columns: Mapping[str, Any], name: str, others_allowed: bool = False) -> None:
    """Missing columns, and columns that look like a slip of the pen for one that is not there."""
    others = [column for column in columns if column not in SCHEMA.names]
    mistakes = []
    for column in REQUIRED:
        if column not in columns:
            mistakes.append(f"no column {column!r}{did_you_mean(column, others)}")
    for column in others:
        free = [c for c in SCHEMA.names if c not in columns and c not in REQUIRED]
        near = difflib.get_close_matches(column, free, n=1, cutoff=0.8)
        if near or not others_allowed:
            mistakes.append(f"column {column!r} is not known{did_you_mean(column, free)}")
    if mistakes:
        there = f"there are: {', '.join(columns) or 'none'}; a manifest has {', '.join(SCHEMA.names)}"
        own = f". A table of your own becomes one: earmark index table {name} -o manifest.csv"
        refuse(name, [*mistakes, there + own * name.endswith((".csv", ".tsv", ".parquet"))])


def contradictions(table: dict[str, pa.Array], vocabulary: Sequence[str]) -> list[Wrong]:
    """What is wrong, in which rows, and the first of the wrong values, where there are some, for the end of a message."""
    rows = len(table["id"])
    codes = pc.fill_null(table["id"].dictionary_encode().indices, -1).to_numpy()
    # codes count up in order of appearance: a new id exceeds all before it
    first = codes > np.concatenate([[-1], np.maximum.accumulate(codes)[:-1]])
    start, end = table["start"].to_numpy(zero_copy_only=False), table["end"].to_numpy(zero_copy_only=False)
    tag_rows, codes_of_tags = tag_codes(table["tags"], vocabulary)
    barred = _holds(pc.list_flatten(table["tags"]), JOINT)
    early = end <= np.where(np.isnan(start), 0.0, start)
    cells = (
        ("no id", codes < 0),
        ("an id that an earlier row has", (codes >= 0) & ~first),
        ("no path", table["path"].is_null().to_numpy(zero_copy_only=False)),
        ("a path holds a zero byte, which no name of a file can", _holds(table["path"], "\0")),
    )
    times = (
        ("start is negative", start < 0, start),
        ("end is not after start", early, end),
        (f"start is beyond {LONGEST:.0e} s", start > LONGEST, start),
        (f"end is beyond {LONGEST:.0e} s", end > LONGEST, end),
    )
    tags = (
        (f"a tag holds {JOINT!r}, which separates tags", _rows_of(tag_rows, barred, rows)),
        ("a tag that the vocabulary lacks", _rows_of(tag_rows, codes_of_tags < 0, rows)),
        ("a tag is among the clip's tags and among those that are unknown", _both(table, vocabulary)),
    )
    return [
        *((what, wrong, "") for what, wrong in cells),
        *((what, wrong, _first(wrong, values)) for what, wrong, values in times),
        *((what, wrong, "") for what, wrong in tags),
        *_event_contradictions(table["events"], start, end, tag_rows, codes_of_tags, vocabulary),
    ]


def _both(table: dict[str, pa.Array], vocabulary: Sequence[str]) -> NDArray[np.bool_]:
    width = len(vocabulary) + 1
    if not pc.any(
        pc.greater(pc.list_value_length(table["unknown"]), 0)
    ).as_py():  # to sort millions for it takes seconds
        return np.zeros(len(table["id"]), bool)
    cells = []
    for column in ("tags", "unknown"):
        rows, codes = tag_codes(table[column], vocabulary)
        cells.append((rows * width + codes)[codes >= 0])
    twice = np.intersect1d(cells[0], cells[1])
    return _rows_of(twice // width, np.ones(len(twice), bool), len(table["id"]))


def _holds(texts: pa.Array, part: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.fill_null(pc.match_substring(texts, part), False).to_numpy(zero_copy_only=False)
    return found


def _first(mask: NDArray[np.bool_], values: NDArray[np.float64]) -> str:
    return f"; the first is {values[mask.argmax()]:g} s" if mask.any() else ""


def _rows_of(rows: NDArray[np.int64], wrong: NDArray[np.bool_], total: int) -> NDArray[np.bool_]:
    mask = np.zeros(total, bool)
    mask[rows[wrong]] = True
    return mask


def _event_contradictions(
    events: pa.Array,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    tag_rows: NDArray[np.int64],
    codes_of_tags: NDArray[np.int64],
    vocabulary: Sequence[str],
) -> list[Wrong]:
    rows = np.repeat(np.arange(len(events)), pc.fill_null(pc.list_value_length(events), 0).to_numpy())
    if not len(rows):
        return []
    flat = pc.list_flatten(events)
    onset, offset = (pc.struct_field(flat, name).to_numpy(zero_copy_only=False) for name in ("onset", "offset"))
    codes = pc.index_in(pc.struct_field(flat, "tag"), value_set=pa.array(vocabulary, pa.string()))
    codes = pc.fill_null(codes, -1).to_numpy().astype(np.int64)
    width = len(vocabulary) + 1
    tagged = pc.is_in(pa.array(rows * width + codes), value_set=pa.array(tag_rows * width + codes_of_tags))
    untagged = (codes < 0) | ~tagged.to_numpy(zero_copy_only=False)
    low, high = np.nan_to_num(start, nan=0.0)[rows], np.nan_to_num(end, nan=np.inf)[rows]
    # written so that a null, nan here, is wrong
    outside = ~((onset >= low - TOLERANCE) & (offset <= high + TOLERANCE))
    late = ~(offset > onset)
    contradictions = (
        ("an event's offset is not after its onset", late, _first(late, offset)),
        (f"an event ends beyond {LONGEST:.0e} s", offset > LONGEST, _first(offset > LONGEST, offset)),
        (
            "an event lies outside of the clip (times count from the start of the recording)",
            outside,
            _first(outside, onset),
        ),
        ("an event's tag is not among the tags of its clip", untagged, ""),
    )
    return [(what, _rows_of(rows, wrong, len(events)), first) for what, wrong, first in contradictions]
