"""AudioSet: ten-second segments of videos, 527 tags."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from earmark.data.datasets import AUDIO, SHOWN, VANISHED, below, choose, columns, dataset, first, present, refuse
from earmark.data.manifest import Manifest, build, load_table
from earmark.errors import ManifestError, agreed, counted
from earmark.files import arrow, check_text
from earmark.scores import LONGEST

LAYOUT = {
    "class_labels_indices.csv": 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/03fwl,"Goat"\n2,/m/04rlf,"Music"\n',
    "balanced_train_segments.csv": (
        '# YTID, start_seconds, end_seconds, positive_labels\n--aE2O5G5WE, 0.000, 10.000, "/m/03fwl,/m/04rlf,/m/09x0r"\n'
    ),
    "eval_segments.csv": (
        '# YTID, start_seconds, end_seconds, positive_labels\n--4gqARaEJE, 0.000, 10.000, "/m/04rlf"\n'
    ),
    "balanced_train/--aE2O5G5WE_0.000_10.000.wav": AUDIO,
    "eval/Y--4gqARaEJE.wav": AUDIO,
}
CLASSES = "class_labels_indices.csv"
TABLES = {"balanced": "balanced_train", "unbalanced": "unbalanced_train", "eval": "eval"}
PLACES = ("", "metadata/", "csv/")  # of the tables
# The separator is a comma and a space, and what is quoted begins after the space, which readers of CSV do not take for
# quoting. Copies that were saved anew have no space; those that a reader of CSV took apart at every comma and saved with
# quotes around the quotes, as the one beside AST, have each mid in a cell, and empty ones behind: """/m/1",/m/2,"/m/3""",,
SEGMENT = (
    r'^"?(?P<ytid>[^,"\s]+)"?\s*,\s*(?P<start>\d+(?:\.\d*)?)\s*,\s*(?P<end>\d+(?:\.\d*)?)\s*,'
    r'\s*(?P<mids>"?[^"]*[^"\s]"?|"""/[^",\s]+"*(?:,"?/[^",\s]+"*)*,*)\s*$'
)
PROMISE = re.compile(r"num_segs=(\d+)")
# What downloaders call the recording of a segment; start and end in seconds with three places, or as ms or whole s
NAMES = (
    "{ytid}_{start}_{end}",
    "Y{ytid}_{start}_{end}",
    "{ytid}_{start ms}_{end ms}",
    "{ytid}_{start ms}",
    "{ytid}_{start}",
    "{ytid}_{start s}_{end s}",
    "Y{ytid}",
    "{ytid}",
)


@dataset(licence="labels: CC BY 4.0; videos: their uploaders'", clips=2_084_320, tags=527)
def audioset(
    root: Path,
    part: Literal["balanced", "unbalanced", "both", "eval"] = "balanced",
    missing: Literal["refuse", "skip"] = "refuse",
) -> Manifest:
    """AudioSet: 2,084,320 clips, most of 10 s, from YouTube videos; 527 tags, several a clip.

    Licence of the labels: CC BY 4.0; the videos belong to their uploaders. From: https://research.google.com/audioset.
    J. F. Gemmeke and others, "Audio Set: An ontology and human-labeled dataset for audio events", ICASSP 2017.
    part: which tables make fold "train": "balanced" (22,160 clips), "unbalanced" (2,041,789), "both", or "eval" for
    none. Fold "eval" (20,371): eval_segments.csv, where it is there. Groups: the video. Tags: the names in
    class_labels_indices.csv, in its order. Ids: the video and the start in ms, as in the strong labels of AudioSet.
    Recordings are the segments, already cut, anywhere below `root`, in any audio format, called as common downloaders
    do: ID_30.000_40.000, YID_30.000_40.000, ID_30000_40000, ID_30000, ID_30.000, ID_30_40, YID or ID.
    Tables may be copies that were saved anew, with or without a header, quoted again, a mid a cell, as the one beside AST.
    missing: many videos are gone. "refuse" names those without a recording, "skip" leaves them out; the facts count.
    """
    choose("part", part, "balanced", "unbalanced", "both", "eval")
    choose("missing", missing, "refuse", "skip")
    classes = first(root, *(f"{place}{CLASSES}" for place in PLACES))
    if classes is None:
        refuse(root, LAYOUT, f"{CLASSES} not found")
    vocabulary = class_names(classes)
    by_table = _listed(root, part)
    table = pa.concat_tables(list(by_table.values())).combine_chunks()
    folds = np.repeat(
        ["eval" if name == "eval" else "train" for name in by_table], [len(listed) for listed in by_table.values()]
    )
    tags = tags_of(table["mids"], vocabulary, root)
    there, twice = below(root)
    paths, called = _recordings(table, there)
    rows = pa.array(present(root, table["ytid"].to_pylist(), paths.to_pylist(), missing, VANISHED))
    facts: dict[str, Any] = {
        "segments": {name: len(listed) for name, listed in by_table.items()},
        "recordings that are not there": len(table) - len(rows),
        "recordings are called": called,
    }
    facts |= {"recordings of a name that another has": twice} if twice else {}
    facts |= {"eval": "not there: no eval_segments.csv"} if "eval" not in by_table else {}
    facts |= _promised(by_table)
    table = table.take(rows)
    ytid, start, end = table["ytid"].combine_chunks(), _seconds(table["start"]), _seconds(table["end"])
    return build(
        {
            "id": pc.binary_join_element_wise(ytid, table["start"].combine_chunks().cast(pa.string()), "_"),
            "path": paths.take(rows),
            "tags": tags.take(rows),
            "fold": pa.array(folds).take(rows),
            "group": ytid,
            "source": pc.binary_join_element_wise(
                pc.binary_join_element_wise("youtube", ytid, " "),
                start,
                pc.binary_join_element_wise(end, "s", " "),
                ", ",
            ),
        },
        root,
        vocabulary=tuple(vocabulary.values()),
        facts=facts,
        name=str(root),
    )


def _listed(root: Path, part: str) -> dict[str, pa.Table]:
    """The segments by table: those that `part` asks for, and "eval" where it is there."""
    wanted = {"both": ["balanced", "unbalanced"], "eval": []}.get(part, [part])
    tables = {name: _table(root, name) for name in [*wanted, "eval"]}
    for name, file in tables.items():
        if file is None and (name in wanted or part == "eval"):
            refuse(root, LAYOUT, f"{TABLES[name]}_segments.csv not found")
    return {name: segments(file) for name, file in tables.items() if file is not None}


def _promised(by_table: dict[str, pa.Table]) -> dict[str, int]:
    """What the header of a table says of how many segments it has, where that is not so."""
    told = {
        name: int((listed.schema.metadata or {}).get(b"num_segs", len(listed))) for name, listed in by_table.items()
    }
    return {
        f"segments that the header of {TABLES[name]}_segments.csv states": promised
        for name, promised in told.items()
        if promised != len(by_table[name])
    }


def segments(file: Path) -> pa.Table:
    """A table of segments: columns ytid, start and end in ms, mids (lists). What the header promises is its metadata.

    Takes the official dialect and copies that were saved anew. Raises ManifestError with the lines that are no segments.
    """
    from pyarrow import csv

    try:
        check_text(file, ManifestError)
        lines = arrow.read_csv(
            file,
            csv.ReadOptions(column_names=["line"]),
            # one column: a separator that no line has
            csv.ParseOptions(delimiter="\x1f", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types={"line": pa.string()}),
        )["line"].combine_chunks()
    except pa.ArrowInvalid as error:
        raise ManifestError(f"{file}: cannot be read as a table of segments: {error}") from error
    other = pc.match_substring_regex(lines, r'^\s*(#|"?YTID"?\s*,|$)')
    head = " ".join(lines.slice(0, SHOWN).filter(other.slice(0, SHOWN)).to_pylist())
    parts = pc.extract_regex(lines, SEGMENT)
    late = [pc.greater(pc.struct_field(parts, side).cast(pa.float64()), LONGEST) for side in ("start", "end")]
    unfit = pc.or_(pc.and_not(parts.is_null(), other), pc.fill_null(pc.or_(*late), False))
    wrong = np.flatnonzero(unfit.to_numpy(zero_copy_only=False))
    if len(wrong):
        shown = ", ".join(str(line + 1) for line in wrong[:SHOWN]) + (" …" if len(wrong) > SHOWN else "")
        raise ManifestError(
            f'{file}: {counted(len(wrong), "line is", "lines are")} not of the form: YTID, 30.000, 40.000, "/m/09x0r,/m/04rlf". '
            f"{agreed(len(wrong), 'Line', 'Lines')} {shown}, the first of them {lines[int(wrong[0])].as_py()[:80]!r}"
        )
    parts = parts.filter(pc.invert(other))
    if not len(parts):
        raise ManifestError(f"{file}: holds no segments")
    promise = PROMISE.search(head)
    # quotes, and the commas of empty cells
    mids = pc.utf8_trim(pc.replace_substring(pc.struct_field(parts, "mids"), '"', ""), ", ")
    return pa.table(
        {
            "ytid": pc.struct_field(parts, "ytid"),
            "start": _milliseconds(pc.struct_field(parts, "start")),
            "end": _milliseconds(pc.struct_field(parts, "end")),
            "mids": pc.split_pattern_regex(mids, r"\s*,\s*"),
        }
    ).replace_schema_metadata({"num_segs": promise[1]} if promise else {})


def class_names(file: Path) -> dict[str, str]:
    """mid → name, in the order of the official numbers."""
    numbers, mids, names = columns(load_table(file), file, "index", "mid", "display_name")
    try:
        order = sorted(range(len(numbers)), key=lambda row: int(numbers[row]))
    except (TypeError, ValueError) as error:
        raise ManifestError(f"{file}: an index is not a whole number ({error})") from error
    for column, cells in (("mid", mids), ("display_name", names)):
        if None in cells or len(set(cells)) < len(cells):
            raise ManifestError(f"{file}: a {column} is missing or there twice")
    return {mids[row]: names[row] for row in order}


def tags_of(mids: pa.ChunkedArray, names: dict[str, str], root: Path) -> pa.ListArray:
    """Lists of mids → lists of names. Raises ManifestError for mids that are no class."""
    lists = mids.combine_chunks()
    flat = pc.list_flatten(lists)
    codes = pc.index_in(flat, value_set=pa.array(names, pa.string()))
    if codes.null_count:
        unknown = pc.unique(flat.filter(codes.is_null())).to_pylist()
        raise ManifestError(
            f"{root}: {counted(len(unknown), 'mid is', 'mids are')} not in {CLASSES}: {', '.join(unknown[:SHOWN])}"
            f"{' …' if len(unknown) > SHOWN else ''}. The tables and the list of classes belong to different releases"
        )
    offsets = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(names.values(), pa.string()).take(codes))


def _table(root: Path, name: str) -> Path | None:
    return first(root, *(f"{place}{TABLES[name]}_segments.csv" for place in PLACES))


def _milliseconds(seconds: pa.Array) -> pa.Array:
    return pc.round(pc.multiply(seconds.cast(pa.float64()), 1000.0)).cast(pa.int64())


def _seconds(ms: pa.ChunkedArray) -> pa.Array:
    """30000 → '30.000'."""
    ms = ms.combine_chunks()
    whole = pc.divide(ms, 1000)
    rest = pc.subtract(ms, pc.multiply(whole, 1000))
    return pc.binary_join_element_wise(whole.cast(pa.string()), pc.utf8_lpad(rest.cast(pa.string()), 3, "0"), ".")


def _recordings(table: pa.Table, there: dict[str, str]) -> tuple[pa.Array, dict[str, int]]:
    """The path of each segment's recording, null where there is none, and how many are called in which way."""
    ytid = table["ytid"].combine_chunks()
    fields = {"{ytid}": ytid, "Y{ytid}": pc.binary_join_element_wise("Y", ytid, "")}
    for side in ("start", "end"):
        ms = table[side].combine_chunks()
        fields[f"{{{side} ms}}"] = ms.cast(pa.string())
        fields[f"{{{side}}}"] = _seconds(table[side])
        fields[f"{{{side} s}}"] = pc.divide(ms, 1000).cast(pa.string())
    stems, files = pa.array(there, pa.string()), pa.array(there.values(), pa.string())
    places = pa.nulls(len(table), pa.int32())
    called = {}
    for name in NAMES:
        known = places.null_count
        parts = [fields[part] for part in name.split("_")]
        stem = pc.binary_join_element_wise(*parts, "_") if len(parts) > 1 else parts[0]
        places = pc.coalesce(places, pc.index_in(stem, value_set=stems))
        if known > places.null_count:
            called[name] = known - places.null_count
    return files.take(places), called
