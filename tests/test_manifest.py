"""Manifests against rows written by hand."""

from __future__ import annotations

import csv
import os

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from earmark.data.leaks import leaks
from earmark.data.manifest import Manifest, build, columns, read, write
from earmark.data.splits import assign_folds
from earmark.errors import ManifestError

ROWS = {
    "id": ["a", "b", "c", "d"],
    "path": ["x/a.wav", "x/b.wav", "x/c.wav", "x/c.wav"],
    "start": [None, None, 0.0, 10.0],
    "end": [None, 2.5, 10.0, 20.25],
    "tags": [["dog"], ["cat", "dog"], [], ["cat"]],
    "events": [None, [("cat", 0.1, 0.5), ("dog", 1.0, 2.5)], [], [("cat", 12.0, 13.0)]],
    "fold": ["1", "10", "2", None],
    "group": ["g", None, "h", "h"],
    "source": ["Ann, CC0", None, 'said "so"', None],
}


def rows(**changes):
    return {**ROWS, **changes}


@pytest.fixture
def four(tmp_path) -> Manifest:
    return build(ROWS, tmp_path, vocabulary=("dog", "cat", "cow"), facts={"made": "by hand"})


def test_columns(four, tmp_path):
    assert len(four) == 4
    assert four.ids.tolist() == ["a", "b", "c", "d"]
    assert four.folds.tolist() == ["1", "10", "2", ""]
    assert four.groups.tolist() == ["g", "b", "h", "h"]  # b has no group: it is its own
    assert four.fold_names() == ["1", "2", "10"]
    np.testing.assert_array_equal(four.start, [np.nan, np.nan, 0, 10])
    np.testing.assert_array_equal(four.end, [np.nan, 2.5, 10, 20.25])
    assert four.paths()[1] == tmp_path / "x" / "b.wav"
    assert four.vocabulary == ("dog", "cat", "cow")


def test_truth(four):
    assert four.truth().tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert four.truth(("cat", "dog")).tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]
    assert four.truth().dtype == bool
    # a slice of an Arrow table keeps its old buffers: rows must not shift
    assert four.select([3, 1]).truth().tolist() == [[0, 1, 0], [1, 1, 0]]


def test_truth_refuses_other_tags(four):
    with pytest.raises(ManifestError, match=r"2 clips have tags that are not among the 1 asked for: 'cat', 'cow'"):
        four.truth(("dog",))
    assert four.truth(("dog",), ignore_others=True).tolist() == [[1], [1], [0], [0]]


def test_select(four):
    assert four.select([2, 0]).ids.tolist() == ["c", "a"]
    assert four.select(np.array([True, False, False, True])).ids.tolist() == ["a", "d"]
    assert four.select(np.zeros(4, bool)).vocabulary == four.vocabulary
    with pytest.raises(ManifestError, match=r"a mask of the shape \(3,\) does not fit 4 clips"):
        four.select(np.zeros(3, bool))


@pytest.mark.parametrize("runs", [1, 7, 500])
def test_rows_that_lie_together_are_shared_and_not_copied(runs, monkeypatch):
    """What a mask keeps is what a list of the rows keeps, whether they are parts of the table or copies."""
    monkeypatch.setattr(columns, "RUNS", 100)
    names = [f"{row}.wav" for row in range(2000)]
    clips = build({"id": names, "path": names, "tags": [[f"t{row % 7}"] * (row % 3 > 0) for row in range(2000)]}, ".")
    mask = np.zeros(2000, bool)
    for first in np.linspace(0, 1997, runs).astype(int):
        mask[first : first + 2] = True
    before = pa.total_allocated_bytes()
    taken = clips.select(mask)
    if runs <= 100:  # no more than the masks of nulls that slices may have
        assert pa.total_allocated_bytes() - before < 2000
    assert taken.table.equals(clips.select(np.flatnonzero(mask)).table)
    np.testing.assert_array_equal(taken.truth(), clips.truth()[mask])
    assert taken.ids.tolist() == np.array(names)[mask].tolist() and len(clips.select(np.zeros(2000, bool))) == 0


def test_in_folds(four):
    assert four.in_folds("10").ids.tolist() == ["b"]
    assert four.in_folds(["2", "1"]).ids.tolist() == ["a", "c"]
    assert four.in_folds([""]).ids.tolist() == ["d"]
    with pytest.raises(ManifestError, match=r"no such fold: '3', '20'. There are 1, 2, 10"):
        four.in_folds(["20", "1", "3"])
    with pytest.raises(ManifestError, match="none at all"):
        four.in_folds([])
    with pytest.raises(ManifestError, match="has none: make them with assign_folds"):
        build({"id": ["a"], "path": ["a"], "tags": [["t"]]}, ".").in_folds("1")


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_reads_what_it_wrote(four, tmp_path, monkeypatch, ending):
    file = tmp_path / f"m.{ending}"
    write(four, file)
    monkeypatch.chdir("/")  # paths must not hang on the working directory
    back = read(file)
    assert back.table.equals(four.table)
    assert back.paths() == four.paths()
    assert back.vocabulary == (("dog", "cat", "cow") if ending == "parquet" else ("cat", "dog"))
    assert back.facts == ({"made": "by hand"} if ending == "parquet" else {})
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]  # nothing left over


def test_csv_is_plain(four, tmp_path):
    write(four, tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as stream:
        lines = list(csv.reader(stream))
    assert lines[0] == ["id", "path", "start", "end", "tags", "events", "fold", "group", "source"]
    assert lines[2] == ["b", "x/b.wav", "", "2.5", "cat|dog", '[["cat", 0.1, 0.5], ["dog", 1.0, 2.5]]', "10", "", ""]


def test_paths_are_relative_below_the_file_only(tmp_path):
    inside, outside = tmp_path / "here" / "audio", tmp_path / "there"
    columns = {"id": ["a", "b"], "path": ["a.wav", (outside / "b.wav").as_posix()], "tags": [["t"], ["t"]]}
    manifest = build(columns, inside)
    (tmp_path / "here").mkdir()
    write(manifest, tmp_path / "here" / "m.csv")
    with (tmp_path / "here" / "m.csv").open(newline="") as stream:
        assert [row[1] for row in csv.reader(stream)] == ["path", "audio/a.wav", f"{outside.as_posix()}/b.wav"]
    assert read(tmp_path / "here" / "m.csv").paths() == [inside / "a.wav", outside / "b.wav"]
    # a folder whose name merely begins alike is not below
    (tmp_path / "he").mkdir()
    write(manifest, tmp_path / "he" / "m.csv")
    assert read(tmp_path / "he" / "m.csv").paths()[0] == inside / "a.wav"
    assert read(tmp_path / "here" / "m.csv", root="/elsewhere").paths()[0].as_posix() == "/elsewhere/audio/a.wav"


def test_write_keeps_the_old_file_on_failure(four, tmp_path, monkeypatch):
    file = tmp_path / "m.parquet"
    write(four, file)

    def fail(*paths):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write(four.select([0]), file)
    assert len(read(file)) == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.parquet"]


def test_write_knows_three_endings(four, tmp_path):
    with pytest.raises(ManifestError, match=r"as \.parquet, \.csv or \.tsv, not \.xlsx"):
        write(four, tmp_path / "m.xlsx")


def test_columns_of_other_names(tmp_path):
    (tmp_path / "m.csv").write_text("filename;category;src_file;note\nx.wav;dog;7;hm\ny.wav;cat;8;\n")
    manifest = read(tmp_path / "m.csv", id="filename", path="filename", tags="category", group="src_file")
    assert manifest.ids.tolist() == ["x.wav", "y.wav"]
    assert manifest.groups.tolist() == ["7", "8"]
    assert manifest.facts == {"columns left out": ["note"]}
    with pytest.raises(ManifestError, match=r"no column 'categori' for tags, did you mean 'category'\?"):
        read(tmp_path / "m.csv", id="filename", path="filename", tags="categori")
    with pytest.raises(ManifestError, match=r"no column 'grop', did you mean 'group'\?"):
        read(tmp_path / "m.csv", grop="src_file")


def test_a_spreadsheet_file(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbfid, path ,tags\r\n007, a.wav,NA | dog |\r\n")
    manifest = read(tmp_path / "m.csv")
    assert manifest.ids.tolist() == ["007"]  # not the number 7
    assert manifest.table["tags"].to_pylist() == [["NA", "dog"]]  # NA is a tag, not a null
    assert manifest.table["path"].to_pylist() == [" a.wav"]  # a path may begin with a blank


def test_parquet_of_other_programs(tmp_path):
    columns = {"id": [1, 2], "path": ["a", "b"], "tags": ["dog|cat", None], "fold": [1.0, None], "start": [np.nan, 2]}
    parquet.write_table(pa.table(columns), tmp_path / "m.parquet")
    manifest = read(tmp_path / "m.parquet")
    assert manifest.ids.tolist() == ["1", "2"]
    assert manifest.folds.tolist() == ["1", ""]
    assert manifest.table["tags"].to_pylist() == [["dog", "cat"], []]
    assert manifest.table["start"].to_pylist() == [None, 2.0]
    assert manifest.vocabulary == ("cat", "dog")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": ["a", "b", "a", "b"]}, r"an id that an earlier row has: rows 3 \(id a\), 4 \(id b\)"),
        ({"id": ["a", None, " ", "d"]}, r"no id: rows 2 \(id None\), 3 \(id None\)"),
        ({"path": ["a", "", "c", "d"]}, r"no path: row 2 \(id b\)"),
        ({"end": [None, 2.5, 0.0, 10.0]}, r"end is not after start: rows 3 \(id c\), 4 \(id d\)"),
        ({"end": [None, 2.5, -1, 20.25]}, r"end is not after start: row 3 \(id c\)"),
        ({"start": [None, -0.5, 0.0, 10.0]}, r"start is negative: row 2 \(id b\)"),
        ({"start": ["", "x", "1,5", "1e1"]}, r"'start' is not a number of seconds: rows 2 \(id b\), 3 \(id c\)"),
        ({"end": [None, np.inf, 10, 20.25]}, r"'end' is not a number of seconds: row 2 \(id b\)"),
        ({"tags": [["dog"], ["cat", "dog"], [], ["cat", "a|b"]]}, r"a tag holds '\|', which separates tags: row 4"),
        ({"events": [None, None, None, [("cat", 9, 11)]]}, r"an event lies outside of the clip .*: row 4 \(id d\)"),
        ({"events": [None, None, None, [("cat", 19, 20.3)]]}, r"an event lies outside of the clip .*: row 4 \(id d\)"),
        ({"events": [None, [("dog", 2, 2)], None, None]}, r"offset is not after its onset: row 2 \(id b\)"),
        ({"events": [None, [("dog", None, 2)], None, None]}, r"offset is not after its onset: row 2 \(id b\)"),
        ({"events": [[("cat", 2, 3)], None, None, None]}, r"event's tag is not among the tags of its clip: row 1"),
        ({"events": ["", '[["cat",0,1]]', "[[1,2]]", "{"]}, r"'events' is not JSON of the form .*: rows 3 \(id c\), 4"),
        ({"events": ["null],[null", None, None, None]}, r"'events' is not JSON of the form .*: row 1 \(id a\)"),
    ],
)
def test_contradictions(changes, message):
    with pytest.raises(ManifestError, match=message):
        build(rows(**changes), ".")


def test_all_mistakes_at_once_with_their_number():
    ids = [f"c{i}" for i in range(50)]
    columns = {"id": ids, "path": ids, "tags": [["t"]] * 50, "start": [-1.0] * 50, "end": [-2.0] * 50}
    with pytest.raises(ManifestError) as error:
        build(columns, ".", name="m.csv")
    assert str(error.value).splitlines() == [
        "m.csv: 2 mistakes",
        "  start is negative: rows 1 (id c0), 2 (id c1), 3 (id c2), 4 (id c3), 5 (id c4) and 45 more; the first is -1 s",
        "  end is not after start: rows 1 (id c0), 2 (id c1), 3 (id c2), 4 (id c3), 5 (id c4) and 45 more; the first is -2 s",
    ]


def test_vocabulary_is_checked():
    with pytest.raises(ManifestError, match=r"a tag that the vocabulary lacks: rows 2 \(id b\), 4 \(id d\)"):
        build(rows(events=None), ".", vocabulary=("dog",))
    with pytest.raises(ManifestError, match="names tags twice: 'dog'"):
        build(ROWS, ".", vocabulary=("dog", "cat", "dog"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("id,path,tags\n", "holds no clips"),
        ("id,path,tags\na,b\n", "(?s)cannot be read as a table: .*Row #2.*Expected 3 columns"),
        ("id,path,id\na,b,c\n", "names columns twice"),
        ("id,path,tagz\na,b,c\n", r"no column 'tags', did you mean 'tagz'\?"),
        ("id,path,tags,folds\na,b,c,1\n", r"column 'folds' is not known, did you mean 'fold'\?"),
    ],
)
def test_files_that_are_no_manifest(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=message) as error:
        read(tmp_path / "m.csv")
    assert str(tmp_path / "m.csv") in str(error.value)


def test_files_that_are_no_table(tmp_path):
    with pytest.raises(ManifestError, match="no such file"):
        read(tmp_path / "m.csv")
    (tmp_path / "m.csv").write_bytes("id,path,tags\na,b,café\n".encode("latin-1"))
    with pytest.raises(ManifestError, match="Save it as UTF-8"):
        read(tmp_path / "m.csv")
    (tmp_path / "m.parquet").write_text("id,path,tags\n")
    with pytest.raises(ManifestError, match="cannot be read as a table"):
        read(tmp_path / "m.parquet")


def test_a_newer_file(four, tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.data.manifest.files.VERSION", 2)
    write(four, tmp_path / "m.parquet")
    monkeypatch.undo()
    with pytest.raises(ManifestError, match=r"newer earmark \(manifest version 2, this one reads 1\)"):
        read(tmp_path / "m.parquet")


def test_esc10_in_a_csv(data, tmp_path):
    """The official folds of a real data set respect its groups, and its bytes differ."""
    place = data / "esc10"
    names = {"id": "filename", "path": "filename", "tags": "category", "group": "src_file"}
    manifest = read(place / "meta" / "esc10.csv", root=place / "audio", **names)
    assert manifest.truth().sum(0).tolist() == [40] * 10
    assert all(path.is_file() for path in manifest.paths())
    assert leaks(manifest) == []
    # and folds of our own make, too, have 8 clips of each tag, as far as whole groups allow
    own = assign_folds(manifest, 5, seed=0)
    counts = np.array([own.in_folds(name).truth().sum(0) for name in own.fold_names()])
    assert np.abs(counts - 8).max() <= 1
    assert leaks(own) == []


@pytest.mark.parametrize(("column", "values", "message"), [
    ("id", ["a", "b", "caf\udce9", "d"], r"column 'id' holds 'caf\\udce9', which is no Unicode and no table can keep"),
    ("end", ["1e400", "", "", ""], r"'end' is not a number of seconds: row 1 \(id a\)"),
    ("events", ["[" * 100_000, "", "", ""], r"'events' is not JSON of the form .*: row 1 \(id a\)"),
    ("source", ["x", 3, [1], None], r"column 'source' cannot be read"),
])  # fmt: skip
def test_cells_that_no_column_takes(tmp_path, column, values, message):
    with pytest.raises(ManifestError, match=message):
        build(rows(start=None, end=None, events=None) | {column: values}, tmp_path)


def test_a_tag_named_twice_is_one(tmp_path):
    manifest = build({"id": ["a", "b"], "path": ["a", "b"], "tags": ["dog|cat| dog", "cat|dog"]}, tmp_path)
    assert manifest.table["tags"].to_pylist() == [["dog", "cat"], ["cat", "dog"]]


def test_tags_may_be_numbers(tmp_path):
    """As in a Parquet of digits, where the same CSV would hold text."""
    parquet.write_table(pa.table({"id": ["a", "b"], "path": ["a", "b"], "tags": [3, 7]}), tmp_path / "m.parquet")
    assert read(tmp_path / "m.parquet").vocabulary == ("3", "7")


def test_a_damaged_parquet_is_refused_as_a_manifest(four, tmp_path):
    """Wherever it is damaged, and whatever pyarrow makes of that."""
    file = tmp_path / "m.parquet"
    write(four, file)
    good = file.read_bytes()
    chance = np.random.default_rng(0)
    refused = 0
    for at in chance.integers(4, len(good), 300).tolist():
        file.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        try:
            read(file)  # what pyarrow cannot notice may be read
        except ManifestError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("start", "1e308", r"start is beyond 1e\+09 s: row 2 \(id b\); the first is 1e\+308 s"),
        ("end", "1e308", r"end is beyond 1e\+09 s: row 2 \(id b\); the first is 1e\+308 s"),
        ("end", "inf", r"'end' is not a number of seconds: row 2 \(id b\); the first is 'inf'"),
        ("start", "-inf", r"'start' is not a number of seconds: row 2 \(id b\); the first is '-inf'"),
        ("start", "-1", r"start is negative: row 2 \(id b\); the first is -1 s"),
        ("end", "0", r"end is not after start: row 2 \(id b\); the first is 0 s"),
        ("end", "1e999", r"'end' is not a number of seconds: row 2 \(id b\); the first is '1e999'"),
        ("end", "five", r"'end' is not a number of seconds: row 2 \(id b\); the first is 'five'"),
        ("events", '"[[""owl"", 0, 1e308]]"', r"an event ends beyond 1e\+09 s: row 2 \(id b\); the first is 1e\+308 s"),
        ("events", '"[[""owl"", 0, Infinity]]"', r"an event ends beyond 1e\+09 s: row 2 \(id b\); the first is inf s"),
        ("events", '"[[""owl"", -1, 1]]"', r"lies outside of the clip .*: row 2 \(id b\); the first is -1 s"),
        ("events", '"[[""owl"", 2, 1]]"', r"offset is not after its onset: row 2 \(id b\); the first is 1 s"),
        ("events", '"[[""owl"", NaN, 1]]"', r"offset is not after its onset: row 2 \(id b\)"),
        ("path", "a\0.wav", r"a path holds a zero byte, which no name of a file can: row 2 \(id b\)"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_number_of_a_manifest_is_refused_with_file_row_value_and_limit(tmp_path, column, cell, message, ending):
    import pyarrow as pa
    from pyarrow import parquet

    file = tmp_path / f"m.{ending}"
    row = {"id": "b", "path": "b.wav", "tags": "owl", "start": "", "end": "", "events": "", column: cell}
    if ending == "csv":
        file.write_text(",".join(row) + "\na,a.wav,owl,,,\n" + ",".join(row.values()) + "\n")
    else:
        first = {"id": "a", "path": "a.wav", "tags": "owl", "start": "", "end": "", "events": ""}
        rows = [first, {**row, column: cell.strip('"').replace('""', '"')}]
        parquet.write_table(pa.Table.from_pylist(rows), file)
    with pytest.raises(ManifestError, match=rf"(?s)^{file}: \d mistake.*{message}"):
        read(file)


@pytest.mark.parametrize("nothing", ["nan", "NaN", "NA", "<NA>", "null", "None", " "])
def test_what_tools_write_for_a_missing_time_is_none(tmp_path, nothing):
    (tmp_path / "m.csv").write_text(f"id,path,tags,start,end\na,a.wav,owl,{nothing},{nothing}\nb,b.wav,owl,1,2\n")
    clips = read(tmp_path / "m.csv")
    assert np.isnan(clips.start).tolist() == [True, False] and np.isnan(clips.end).tolist() == [True, False]


@pytest.mark.parametrize("column", ["id", "path", "tags", "fold", "group", "start"])
def test_names_of_a_million_signs_are_shortened_in_messages(tmp_path, column):
    """Ids and times are wrong in all rows, so that the message names what is in them."""
    name = "n" * 1_000_000
    row = {
        "id": "a",
        "path": "a.wav",
        "tags": "owl",
        "fold": "1",
        "group": "g",
        "start": "0",
        "end": "-1",
        column: name,
    }
    (tmp_path / "m.csv").write_text(",".join(row) + "\n" + f"{','.join(row.values())}\n")
    with pytest.raises(ManifestError) as error:
        read(tmp_path / "m.csv")
    assert len(str(error.value)) < 2000 and "end is not after start" in str(error.value)
    assert (
        "1,000,000 characters" in str(error.value)
        or "1,000,002 characters" in str(error.value)
        or "1,000,001" in str(error.value)
    ) == (column in ("id", "start"))
