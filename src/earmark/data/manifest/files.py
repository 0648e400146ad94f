"""Manifests as files, and tables before they are understood."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from earmark.data.manifest.checks import check_names, did_you_mean, refuse
from earmark.data.manifest.clips import Manifest, build
from earmark.data.manifest.columns import JOINT, LATER, SCHEMA
from earmark.errors import ManifestError
from earmark.errors.kinds import checked
from earmark.files import arrow, bounds, check_text, missing_place, whole
from earmark.files.tables import separated, separator_of

FORMAT = "earmark-manifest"
VERSION = 1
ABSOLUTE = r"^([A-Za-z]:)?[/\\]"


@checked
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
        hint = did_you_mean(unknown[0], SCHEMA.names) or "."
        raise ManifestError(f"a manifest has no column {unknown[0]!r}{hint} It has {', '.join(SCHEMA.names)}")
    names = {column: columns.get(column, column) for column in SCHEMA.names}
    absent = [
        f"no column {columns[c]!r} for {c}{did_you_mean(columns[c], raw.column_names)}"
        for c in columns
        if columns[c] not in raw.column_names
    ]
    if absent:
        refuse(str(file), [*absent, f"it has {', '.join(raw.column_names)}"])
    given = {column: raw[name] for column, name in names.items() if name in raw.column_names}
    left_out = [name for name in raw.column_names if name not in names.values()]
    check_names({**given, **dict.fromkeys(left_out)}, str(file), others_allowed=True)
    try:
        head = json.loads((raw.schema.metadata or {}).get(FORMAT.encode(), b"{}"))
        newer = head.get("version", 0) > VERSION
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(f"{file}: what it tells of itself is damaged ({error}). Fetch or make it again") from error
    if newer:
        raise ManifestError(
            f"{file}: was written by a newer earmark (manifest version {head['version']}, this one reads {VERSION}). "
            "Upgrade earmark"
        )
    facts = head.get("facts", {}) | ({"columns left out": left_out} if left_out else {})
    place = file.parent if root is None else root
    manifest = build(given, place, vocabulary=head.get("vocabulary"), facts=facts, name=str(file))
    return replace(manifest, notes=columns_left_out(left_out))


def columns_left_out(names: Sequence[str]) -> tuple[str, ...]:
    """The note on columns of a table that have no use in a manifest."""
    return (f"columns left out: {', '.join(names)}",) if names else ()


@checked
def load_table(file: Path) -> pa.Table:
    """Any table with a header, before it is understood: Parquet as it is; CSV and TSV with every cell a string or null.

    The separator (comma, semicolon or tab) is taken from the header line, or from a line `sep=;` above it. Names of columns are trimmed.
    """
    if not file.is_file():
        raise ManifestError(f"{file}: no such file")
    try:
        if file.suffix == ".parquet":
            from earmark.files import parquet

            table = parquet.read(file)
        else:
            table = _load_csv(file)
        names = table.column_names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # OSError: pages of a damaged Parquet too
        raise ManifestError(f"{file}: cannot be read as a table: {error}") from error
    if len(set(names)) < len(names):
        raise ManifestError(f"{file}: the header names columns twice: {', '.join(names)}")
    return table


@checked
def write(manifest: Manifest, file: str | Path) -> None:
    """Write .parquet, .csv or .tsv, whole or not at all; the column `unknown` only where some tag is.

    Paths of recordings below the file's folder are written relative to it, others absolute, so that the manifest can
    be read from any working directory. CSV keeps neither the order of the tags nor the facts.
    """
    file = Path(file)
    if wrong := missing_place(file):
        raise ManifestError(wrong)
    table = manifest.table.set_column(1, "path", _paths_from(manifest, file.parent))
    empty = [name for name in LATER if not len(pc.list_flatten(table[name]))]
    table = table.drop_columns(empty)
    with whole(file) as part:
        if file.suffix == ".parquet":
            from earmark.files import parquet

            head = {"format": FORMAT, "version": VERSION, "vocabulary": manifest.vocabulary, "facts": manifest.facts}
            parquet.write(table.replace_schema_metadata({FORMAT: json.dumps(head)}), part)
        elif file.suffix in (".csv", ".tsv"):
            from pyarrow import csv as arrow_csv

            options = arrow_csv.WriteOptions(delimiter="\t" if file.suffix == ".tsv" else ",", quoting_style="needed")
            arrow.write_csv(_flat(table), part, options)
        else:
            ending = file.suffix or "a name without ending"
            raise ManifestError(f"{file}: a manifest is written as .parquet, .csv or .tsv, not {ending}")


def _load_csv(file: Path) -> pa.Table:
    from pyarrow import csv as arrow_csv

    check_text(file, ManifestError)
    header = bounds.first_line(file)
    _, told = separated(header)
    above = 0 if told is None else 1  # lines above the header
    header = bounds.first_line(file, above)
    if not header.strip():
        raise ManifestError(f"{file}: is empty, or its first line is")
    separator = told or separator_of(header)
    try:
        raw = next(csv.reader([header], delimiter=separator))
    except csv.Error as error:  # a name of a column of more than 131072 signs
        raise ManifestError(f"{file}: the first line is no header of a table ({error})") from error
    names = [name.strip() for name in raw]
    bounds.check_columns(file, len(names))

    def table(threads: bool) -> pa.Table:
        return arrow.read_csv(
            file,
            arrow_csv.ReadOptions(use_threads=threads, column_names=names, skip_rows=1 + above),
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
    for name in ("tags", *LATER):
        if name in table.column_names:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, pc.binary_join(table[name], JOINT))
    events = [
        None if row is None else json.dumps([[e["tag"], e["onset"], e["offset"]] for e in row], ensure_ascii=False)
        for row in table["events"].to_pylist()
    ]
    return table.set_column(SCHEMA.get_field_index("events"), "events", pa.array(events, pa.string()))
