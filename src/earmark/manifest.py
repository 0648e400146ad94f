"""Manifests: which clips there are, what is heard in them, and which of them belong together.

A manifest is a table with one row a clip, kept as columns, so that two million rows load in seconds. Files: Parquet
(exact; keeps the order of the tags and the facts) or CSV/TSV (for people and spreadsheets: tags joined by "|", events
as JSON [[tag, onset, offset], …], tags in alphabetical order). Paths use "/" and are relative to the root, or absolute.

Times are seconds from the start of the recording, those of the events too, also where the clip starts later. Rows are
counted from 1; a header does not count. No fold is the empty name "" in arrays.
"""

from __future__ import annotations

import csv
import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ManifestError

FORMAT = "earmark-manifest"
VERSION = 1
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
    ]
)
REQUIRED = ("id", "path", "tags")
JOINT = "|"  # between the tags of a CSV
SHOWN = 5  # how many rows a message names
BLOCK = (
    20_000  # cells of JSON parsed at once; with more, Python's collector goes over millions of lists again and again
)
TOLERANCE = 1e-6  # seconds that an event may reach out of its clip: rounding in the table that it comes from
NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
ABSOLUTE = r"^([A-Za-z]:)?[/\\]"


@dataclass(frozen=True)
class Manifest:
    """table: SCHEMA. root: where relative paths start. vocabulary: the tags in order. facts: plain JSON values.

    Make one with `read` or `build`: they check it.
    """

    table: pa.Table
    root: Path
    vocabulary: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        return _strings(self.table["id"])

    @cached_property
    def folds(self) -> NDArray[np.str_]:
        """(rows,); "" for clips without a fold."""
        return _strings(self.table["fold"])

    @cached_property
    def groups(self) -> NDArray[np.str_]:
        """(rows,); the id of a clip that has no group."""
        return _strings(pc.coalesce(self.table["group"], self.table["id"]))

    @cached_property
    def start(self) -> NDArray[np.float64]:
        """(rows,) seconds; nan: from the beginning."""
        return np.asarray(self.table["start"].to_numpy(), np.float64)

    @cached_property
    def end(self) -> NDArray[np.float64]:
        """(rows,) seconds; nan: to the end."""
        return np.asarray(self.table["end"].to_numpy(), np.float64)

    def paths(self) -> list[Path]:
        """The absolute path of each clip's recording. That it exists is not checked."""
        return [self.root / path for path in self.table["path"].to_pylist()]

    def truth(self, vocabulary: Sequence[str] | None = None, *, ignore_others: bool = False) -> NDArray[np.bool_]:
        """Which tags each clip has, (rows, tags), in the order of `vocabulary` (default: the manifest's own).

        Raises ManifestError for tags that the vocabulary lacks, unless `ignore_others`.
        """
        names = self.vocabulary if vocabulary is None else tuple(vocabulary)
        rows, codes = tag_codes(self.table["tags"], names)
        if (codes < 0).any() and not ignore_others:
            others = sorted(set(self.vocabulary) - set(names))
            raise ManifestError(
                f"{len(np.unique(rows[codes < 0]))} clips have tags that are not among the {len(names)} asked for: "
                f"{few(others)}. Take these clips out, or say that other tags are to be ignored"
            )
        result = np.zeros((len(self), len(names)), bool)
        result[rows[codes >= 0], codes[codes >= 0]] = True
        return result

    def select(self, which: ArrayLike) -> Manifest:
        """The rows of a mask (rows,) or of indices, in that order. The vocabulary stays whole."""
        which = np.asarray(which)
        if which.dtype == bool:
            if which.shape != (len(self),):
                raise ManifestError(f"a mask of the shape {which.shape} does not fit {len(self)} clips")
            table = self.table.filter(pa.array(which))
        else:
            table = self.table.take(pa.array(which.astype(np.int64)))
        return replace(self, table=table)

    def in_folds(self, names: str | Iterable[str]) -> Manifest:
        """The clips of these folds; "" names the clips without one."""
        wanted = {names} if isinstance(names, str) else {str(name) for name in names}
        known = self.fold_names()
        unknown = sorted(wanted - set(known) - ({""} if (self.folds == "").any() else set()), key=natural)
        if unknown or not wanted:
            asked = ", ".join(repr(name) for name in unknown) or "none at all"
            exist = f"There are {', '.join(known)}" if known else "The manifest has none: make them with assign_folds"
            raise ManifestError(f"no such fold: {asked}. {exist}")
        return self.select(np.isin(self.folds, list(wanted)))

    def fold_names(self) -> list[str]:
        """The folds in natural order: 2 before 10."""
        return sorted((name for name in pc.unique(self.table["fold"]).to_pylist() if name is not None), key=natural)


def build(
    columns: Mapping[str, Any],
    root: str | Path,
    *,
    vocabulary: Sequence[str] | None = None,
    facts: dict[str, Any] | None = None,
    name: str = "manifest",
) -> Manifest:
    """A checked manifest from columns: Arrow or NumPy arrays or lists, by the names of SCHEMA; absent ones are null.

    `tags` may hold strings joined by "|", `events` JSON strings. vocabulary: the tags in order (default: those that
    occur, sorted). Raises ManifestError with all mistakes and their rows; `name` opens its message.
    """
    _check_names(columns, name)
    rows = len(columns["id"])
    if rows == 0:
        raise ManifestError(f"{name}: holds no clips")
    given = {column: _array(columns.get(column), rows, SCHEMA.field(column).type) for column in SCHEMA.names}
    for column, values in given.items():
        if len(values) != rows:
            raise ManifestError(f"{name}: column {column!r} has {len(values)} rows, 'id' has {rows}")
    table: dict[str, pa.Array] = {}
    wrong: list[tuple[str, NDArray[np.bool_]]] = []
    try:
        for column in ("id", "path", "fold", "group", "source"):
            table[column] = _text(given[column], trim=column != "path")
        for column in ("start", "end"):
            table[column], bad = _seconds(given[column])
            wrong.append((f"{column!r} is not a number of seconds", bad))
        table["tags"] = _tags(given["tags"])
        table["events"], bad = _events(given["events"])
        wrong.append(("'events' is not JSON of the form [[tag, onset, offset], …]", bad))
    except pa.ArrowInvalid as error:
        raise ManifestError(f"{name}: column {column!r} cannot be read ({error})") from error
    occurring = pc.unique(pc.list_flatten(table["tags"])).to_pylist()
    order = tuple(sorted(occurring)) if vocabulary is None else tuple(vocabulary)
    wrong += _contradictions(table, order)
    mistakes = [f"{what}: {_at(mask, table['id'])}" for what, mask in wrong if mask.any()]
    if len(set(order)) < len(order):
        mistakes.append(f"the vocabulary names tags twice: {few(sorted({t for t in order if order.count(t) > 1}))}")
    if mistakes:
        _refuse(name, mistakes)
    arrays = [table[column] for column in SCHEMA.names]
    return Manifest(pa.Table.from_arrays(arrays, schema=SCHEMA), Path(os.path.abspath(root)), order, dict(facts or {}))


def read(file: str | Path, /, *, root: str | Path | None = None, **columns: str) -> Manifest:
    """Read a manifest: .parquet, or else CSV or TSV with a header.

    root: what the paths are relative to (default: the folder of the file). columns: names that differ from SCHEMA's,
    as in `read("meta.csv", path="filename", tags="category")`. Columns that mean nothing to a manifest are left out and
    named in facts["columns left out"].
    """
    file = Path(file)
    raw = load_table(file)
    unknown = [option for option in columns if option not in SCHEMA.names]
    if unknown:
        hint = _did_you_mean(unknown[0], SCHEMA.names) or "."
        raise ManifestError(f"a manifest has no column {unknown[0]!r}{hint} It has {', '.join(SCHEMA.names)}")
    names = {column: columns.get(column, column) for column in SCHEMA.names}
    absent = [
        f"no column {columns[c]!r} for {c}{_did_you_mean(columns[c], raw.column_names)}"
        for c in columns
        if columns[c] not in raw.column_names
    ]
    if absent:
        _refuse(str(file), [*absent, f"it has {', '.join(raw.column_names)}"])
    given = {column: raw[name] for column, name in names.items() if name in raw.column_names}
    left_out = [name for name in raw.column_names if name not in names.values()]
    _check_names({**given, **dict.fromkeys(left_out)}, str(file), others_allowed=True)
    head = json.loads((raw.schema.metadata or {}).get(FORMAT.encode(), b"{}"))
    if head.get("version", 0) > VERSION:
        raise ManifestError(
            f"{file}: was written by a newer earmark (manifest version {head['version']}, this one reads {VERSION}). "
            "Upgrade earmark"
        )
    facts = head.get("facts", {}) | ({"columns left out": left_out} if left_out else {})
    place = file.parent if root is None else root
    return build(given, place, vocabulary=head.get("vocabulary"), facts=facts, name=str(file))


def load_table(file: Path) -> pa.Table:
    """Any table with a header, before it is understood: Parquet as it is; CSV and TSV with every cell a string or null.

    The separator (comma, semicolon or tab) is taken from the header line. Names of columns are trimmed.
    """
    if not file.is_file():
        raise ManifestError(f"{file}: no such file")
    try:
        if file.suffix == ".parquet":
            from pyarrow import parquet

            return parquet.read_table(file)
        return _load_csv(file)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        hint = ". Save it as UTF-8" if "UTF" in str(error).upper() else ""
        raise ManifestError(f"{file}: cannot be read as a table: {error}{hint}") from error


def write(manifest: Manifest, file: str | Path) -> None:
    """Write .parquet, .csv or .tsv, whole or not at all.

    Paths of recordings below the file's folder are written relative to it, others absolute, so that the manifest can
    be read from any working directory. CSV keeps neither the order of the tags nor the facts.
    """
    file = Path(file)
    table = manifest.table.set_column(1, "path", _paths_from(manifest, file.parent))
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        if file.suffix == ".parquet":
            from pyarrow import parquet

            head = {"format": FORMAT, "version": VERSION, "vocabulary": manifest.vocabulary, "facts": manifest.facts}
            parquet.write_table(table.replace_schema_metadata({FORMAT: json.dumps(head)}), part)
        elif file.suffix in (".csv", ".tsv"):
            from pyarrow import csv as arrow_csv

            options = arrow_csv.WriteOptions(delimiter="\t" if file.suffix == ".tsv" else ",", quoting_style="needed")
            arrow_csv.write_csv(_flat(table), part, options)
        else:
            ending = file.suffix or "a name without ending"
            raise ManifestError(f"{file}: a manifest is written as .parquet, .csv or .tsv, not {ending}")
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


# Messages


def _refuse(name: str, mistakes: list[str]) -> NoReturn:
    count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
    raise ManifestError(f"{name}: {count}\n" + "\n".join(f"  {line}" for line in mistakes))


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""


def few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more


def _at(mask: NDArray[np.bool_], ids: pa.Array) -> str:
    """'rows 3 (id dog), 8 (id cat) and 12 more'."""
    rows = np.flatnonzero(mask)
    shown = ", ".join(f"{row + 1} (id {ids[int(row)].as_py()})" for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


def natural(name: str) -> list[Any]:
    # split on a captured pattern alternates text and digits, so that like is compared with like
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", name))]


def _check_names(columns: Mapping[str, Any], name: str, others_allowed: bool = False) -> None:
    """Missing columns, and columns that look like a slip of the pen for one that is not there."""
    others = [column for column in columns if column not in SCHEMA.names]
    mistakes = []
    for column in REQUIRED:
        if column not in columns:
            mistakes.append(f"no column {column!r}{_did_you_mean(column, others)}")
    for column in others:
        free = [c for c in SCHEMA.names if c not in columns and c not in REQUIRED]
        near = difflib.get_close_matches(column, free, n=1, cutoff=0.8)
        if near or not others_allowed:
            mistakes.append(f"column {column!r} is not known{_did_you_mean(column, free)}")
    if mistakes:
        _refuse(
            name, [*mistakes, f"there are: {', '.join(columns) or 'none'}; a manifest has {', '.join(SCHEMA.names)}"]
        )


# Columns


def _array(values: Any, rows: int, kind: pa.DataType) -> pa.Array:
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


def _text(values: pa.Array, trim: bool) -> pa.Array:
    """→ strings; blank ones are null."""
    values = values.cast(pa.string())
    if trim:
        values = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


def _seconds(values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """→ float64 with null, and which rows are no finite number."""
    if _is_text(values.type):
        values = _text(values, trim=True)
        fine = pc.fill_null(pc.match_substring_regex(values, NUMBER), True)
        bad = ~fine.to_numpy(zero_copy_only=False)
        values = pc.if_else(fine, values, pa.scalar(None, pa.string()))
        return values.cast(pa.float64()), bad
    values = values.cast(pa.float64())
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)  # how pandas writes null
    return values, pc.fill_null(pc.is_inf(values), False).to_numpy(zero_copy_only=False)


def _tags(values: pa.Array) -> pa.Array:
    """→ lists of trimmed tags without empty ones; null is an empty list."""
    if _is_text(values.type):
        values = pc.split_pattern(values.cast(pa.string()), JOINT)
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
    owner = np.repeat(np.arange(len(values)), lengths)
    flat = pc.fill_null(pc.utf8_trim_whitespace(pc.list_flatten(values).cast(pa.string())), "")
    kept = pc.not_equal(flat, "")
    lengths = np.bincount(owner[kept.to_numpy(zero_copy_only=False)], minlength=len(values))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat.filter(kept))


def _events(values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """→ lists of EVENT with null, and which rows are no events."""
    bad = np.zeros(len(values), bool)
    if not _is_text(values.type):
        return values.cast(SCHEMA.field("events").type), bad
    texts = _text(values, trim=True)
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
    rows = json.loads("[" + ",".join("null" if text is None else text for text in texts) + "]")
    try:
        events = [None if row is None else [(tag, float(on), float(off)) for tag, on, off in row] for row in rows]
        if len(events) != len(texts):
            raise ValueError("a cell holds several values")
        return pa.array(events, SCHEMA.field("events").type)
    except (TypeError, pa.ArrowTypeError) as error:  # ArrowInvalid is a ValueError
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


def _contradictions(table: dict[str, pa.Array], vocabulary: Sequence[str]) -> list[tuple[str, NDArray[np.bool_]]]:
    """What is wrong, and in which rows."""
    rows = len(table["id"])
    codes = pc.fill_null(table["id"].dictionary_encode().indices, -1).to_numpy()
    # codes count up in order of appearance: a new id exceeds all before it
    first = codes > np.concatenate([[-1], np.maximum.accumulate(codes)[:-1]])
    start, end = table["start"].to_numpy(zero_copy_only=False), table["end"].to_numpy(zero_copy_only=False)
    tag_rows, codes_of_tags = tag_codes(table["tags"], vocabulary)
    barred = pc.fill_null(pc.match_substring(pc.list_flatten(table["tags"]), JOINT), False)
    checks = [
        ("no id", codes < 0),
        ("an id that an earlier row has", (codes >= 0) & ~first),
        ("no path", table["path"].is_null().to_numpy(zero_copy_only=False)),
        ("start is negative", start < 0),
        ("end is not after start", end <= np.where(np.isnan(start), 0.0, start)),
        (
            f"a tag holds {JOINT!r}, which separates tags",
            _rows_of(tag_rows, barred.to_numpy(zero_copy_only=False), rows),
        ),
        ("a tag that the vocabulary lacks", _rows_of(tag_rows, codes_of_tags < 0, rows)),
    ]
    return checks + _event_contradictions(table["events"], start, end, tag_rows, codes_of_tags, vocabulary)


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
) -> list[tuple[str, NDArray[np.bool_]]]:
    rows = np.repeat(np.arange(len(events)), pc.fill_null(pc.list_value_length(events), 0).to_numpy())
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
    found = (
        ("an event's offset is not after its onset", ~(offset > onset)),
        ("an event lies outside of the clip (times count from the start of the recording)", outside),
        ("an event's tag is not among the tags of its clip", untagged),
    )
    return [(what, _rows_of(rows, wrong, len(events))) for what, wrong in found]


def _strings(column: pa.ChunkedArray) -> NDArray[np.str_]:
    return np.asarray(pc.fill_null(column, "").to_numpy(), np.str_)


# Files


def _load_csv(file: Path) -> pa.Table:
    from pyarrow import csv as arrow_csv

    with file.open(encoding="utf-8-sig", newline="") as stream:
        header = stream.readline()
    if not header.strip():
        raise ManifestError(f"{file}: is empty, or its first line is")
    separator = max(",;\t", key=header.count)
    raw = next(csv.reader([header], delimiter=separator))
    names = [name.strip() for name in raw]
    if len(set(names)) < len(names):
        raise ManifestError(f"{file}: the header names columns twice: {', '.join(names)}")

    def table(threads: bool) -> pa.Table:
        return arrow_csv.read_csv(
            file,
            arrow_csv.ReadOptions(use_threads=threads, column_names=names, skip_rows=1),
            arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=[""]
            ),
        )

    try:
        return table(True)
    except pa.ArrowInvalid:
        return table(False)  # slower, but its message names the line


def _paths_from(manifest: Manifest, folder: Path) -> pa.ChunkedArray:
    """The paths relative to `folder` where they lie below it, else absolute."""
    paths = manifest.table["path"]
    full = pc.binary_join_element_wise(manifest.root.as_posix().rstrip("/"), paths, "/")
    full = pc.if_else(pc.match_substring_regex(paths, ABSOLUTE), paths, full)
    prefix = Path(os.path.abspath(folder)).as_posix().rstrip("/") + "/"
    return pc.if_else(pc.starts_with(full, prefix), pc.utf8_slice_codeunits(full, len(prefix)), full)


def _flat(table: pa.Table) -> pa.Table:
    """Tags and events as strings."""
    tags = pc.binary_join(table["tags"], JOINT)
    events = [
        None if row is None else json.dumps([[e["tag"], e["onset"], e["offset"]] for e in row], ensure_ascii=False)
        for row in table["events"].to_pylist()
    ]
    table = table.set_column(SCHEMA.get_field_index("tags"), "tags", tags)
    return table.set_column(SCHEMA.get_field_index("events"), "events", pa.array(events, pa.string()))
