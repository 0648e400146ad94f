"""AudioSet: the official tables, and recordings by the names that downloaders give them."""

from __future__ import annotations

import csv
import json

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.audioset import LAYOUT, class_names, segments, tags_of
from earmark.errors import ManifestError

HEADER = "# YTID, start_seconds, end_seconds, positive_labels\n"
BALANCED = "balanced_train_segments.csv"


def rows_of(manifest):
    return list(zip(manifest.ids.tolist(), manifest.folds.tolist(), manifest.table["tags"].to_pylist(), strict=True))


def test_columns(plant):
    manifest = index("audioset", plant(LAYOUT))
    assert rows_of(manifest) == [
        ("--aE2O5G5WE_0", "train", ["Goat", "Music", "Speech"]),
        ("--4gqARaEJE_0", "eval", ["Music"]),
    ]
    assert manifest.vocabulary == ("Speech", "Goat", "Music")  # the official order
    assert manifest.groups.tolist() == ["--aE2O5G5WE", "--4gqARaEJE"]
    assert manifest.table["source"].to_pylist()[0] == "youtube --aE2O5G5WE, 0.000, 10.000 s"
    assert manifest.facts["segments"] == {"balanced": 1, "eval": 1}
    assert manifest.facts["recordings are called"] == {"{ytid}_{start}_{end}": 1, "Y{ytid}": 1}


@pytest.mark.parametrize(
    "name",
    [
        "abcdefghijk_30.000_40.500",
        "Yabcdefghijk_30.000_40.500",
        "abcdefghijk_30000_40500",
        "abcdefghijk_30000",
        "abcdefghijk_30.000",
        "abcdefghijk_30_40",
        "Yabcdefghijk",
        "abcdefghijk",
    ],
)
def test_names_of_recordings(plant, name):
    layout = {key: text for key, text in LAYOUT.items() if key.startswith("class")}
    table = {BALANCED: HEADER + 'abcdefghijk, 30.000, 40.500, "/m/04rlf"\n'}
    manifest = index("audioset", plant(layout, table, {f"deep/er/{name}.flac": ""}))
    assert rows_of(manifest) == [("abcdefghijk_30000", "train", ["Music"])]
    assert manifest.paths()[0].name == f"{name}.flac"
    assert manifest.facts["eval"] == "not there: no eval_segments.csv"


def test_absent_recordings(plant):
    root = plant(LAYOUT)
    (root / "balanced_train" / "--aE2O5G5WE_0.000_10.000.wav").unlink()
    with pytest.raises(
        ManifestError, match=r'1 of 2 recordings is not there: --aE2O5G5WE\. .*missing="skip" leaves out'
    ):
        index("audioset", root)
    manifest = index("audioset", root, missing="skip")
    assert rows_of(manifest) == [("--4gqARaEJE_0", "eval", ["Music"])]
    assert manifest.facts["recordings that are not there"] == 1
    assert manifest.vocabulary == ("Speech", "Goat", "Music")
    (root / "eval" / "Y--4gqARaEJE.wav").unlink()
    with pytest.raises(ManifestError, match=r"2 of 2 recordings are not there"):
        index("audioset", root, missing="skip")


def test_parts(plant):
    unbalanced = {
        "unbalanced_train_segments.csv": HEADER + '---1_cCGK4M, 0.000, 10.000, "/m/09x0r"\n',
        "un/Y---1_cCGK4M.wav": "",
    }
    root = plant(LAYOUT, unbalanced)
    assert index("audioset", root, part="unbalanced").ids.tolist() == ["---1_cCGK4M_0", "--4gqARaEJE_0"]
    assert index("audioset", root, part="both").folds.tolist() == ["train", "train", "eval"]
    assert index("audioset", root, part="eval").folds.tolist() == ["eval"]
    with pytest.raises(ManifestError, match=r"part is 'all'; it is 'balanced' or 'unbalanced' or 'both' or 'eval'"):
        index("audioset", root, part="all")
    (root / "eval_segments.csv").unlink()
    with pytest.raises(ManifestError, match=r"eval_segments.csv not found"):
        index("audioset", root, part="eval")


def test_a_mid_that_is_no_class(plant):
    root = plant(LAYOUT)
    (root / BALANCED).write_text(HEADER + '--aE2O5G5WE, 0.000, 10.000, "/m/03fwl,/m/zzz"\n')
    with pytest.raises(ManifestError, match=r"1 mid is not in class_labels_indices.csv: /m/zzz\. "):
        index("audioset", root)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("0,/m/1,a\n1,/m/1,b\n", r"a mid is missing or there twice"),
        ("0,/m/1,a\n1,/m/2,a\n", r"a display_name is missing or there twice"),
        ("0,/m/1,\n", r"a display_name is missing or there twice"),
        ("first,/m/1,a\n", r"an index is not a whole number"),
    ],
)
def test_odd_classes(tmp_path, lines, message):
    file = tmp_path / "class_labels_indices.csv"
    file.write_text("index,mid,display_name\n" + lines)
    with pytest.raises(ManifestError, match=message):
        class_names(file)


def test_the_order_of_classes_is_that_of_their_numbers(tmp_path):
    file = tmp_path / "class_labels_indices.csv"
    file.write_text("index,mid,display_name\n10,/m/3,c\n2,/m/2,b\n0,/m/1,a\n")
    assert class_names(file) == {"/m/1": "a", "/m/2": "b", "/m/3": "c"}
    assert list(class_names(file)) == ["/m/1", "/m/2", "/m/3"]


@pytest.mark.parametrize("line", ["a,b", 'x, 0.000, 10.000, ""', "x, zero, 10.000, /m/1", 'x, 0.0, 1.0, "/m/1", more"'])
def test_a_line_that_is_no_segment(tmp_path, line):
    file = tmp_path / "s.csv"
    file.write_text(f'{HEADER}y, 0.000, 10.000, "/m/1"\n\n{line}\n')
    with pytest.raises(ManifestError, match=r"s.csv: 1 line is not of the form: YTID.* Line 4, the first of them"):
        segments(file)


def test_a_table_without_segments(tmp_path):
    file = tmp_path / "s.csv"
    file.write_text(HEADER)
    with pytest.raises(ManifestError, match=r"holds no segments"):
        segments(file)


def test_a_cut_table_is_told(plant):
    root = plant(LAYOUT)
    text = (root / BALANCED).read_text()
    (root / BALANCED).write_text(f"# num_ytids=9, num_segs=9, num_unique_labels=3, num_positive_labels=20\n{text}")
    assert index("audioset", root).facts[f"segments that the header of {BALANCED} states"] == 9


def test_official_table(data):
    """The counts are those that the header of the official table states; the rows are read again by Python's csv."""
    folder = data / "metadata" / "audioset"
    table = segments(folder / BALANCED)
    names = class_names(folder / "class_labels_indices.csv")
    tags = tags_of(table["mids"], names, folder)
    assert (len(table), len(names), len(tags.flatten())) == (22_160, 527, 52_882)
    assert table.schema.metadata == {b"num_segs": b"22160"}
    assert len(set(tags.flatten().to_pylist())) == 527
    assert tags[0].as_py() == ["Speech", "Gush"]
    with (folder / BALANCED).open() as stream:
        lines = [line for line in stream if not line.startswith("#")]
    expected = [
        (ytid, round(float(start) * 1000), round(float(end) * 1000), mids.split(","))
        for ytid, start, end, mids in csv.reader(lines, skipinitialspace=True)
    ]
    assert list(zip(*(table[name].to_pylist() for name in ("ytid", "start", "end", "mids")), strict=True)) == expected
    anew = segments(folder / "balanced_train_segments_resaved_head.csv")
    assert anew.to_pylist() == table.slice(0, 399).to_pylist()


def test_a_table_that_was_taken_apart_at_commas(data, tmp_path):
    """As the copy beside AST: a reader that does not know the quotes, then a writer that quotes them, and no header."""
    official = data / "metadata" / "audioset" / BALANCED
    lines = [line for line in official.read_text().splitlines() if not line.startswith("#")]
    with (tmp_path / "s.csv").open("w", newline="") as stream:
        for cells in csv.reader(line.replace(", ", ",") for line in lines):
            assert '"' not in "".join(cells)  # read rightly
            mids = cells[3].split(",")
            mids = [f'"{mids[0]}"'] if len(mids) == 1 else [f'"{mids[0]}', *mids[1:-1], f'{mids[-1]}"']
            csv.writer(stream).writerow([*cells[:3], *mids, *[""] * (15 - len(mids))])
    opening = '--aE2O5G5WE,0.000,10.000,"""/m/03fwl",/m/04rlf,"/m/09x0r""",,,,'
    assert opening in (tmp_path / "s.csv").read_text()  # the dialect is that copy's
    assert segments(tmp_path / "s.csv").to_pylist() == segments(official).to_pylist()


@pytest.mark.parametrize("line", ['x,0.0,1.0,"""/m/1",m/2,,', 'x,0.0,1.0,"""/m/1"" /m/2"'])
def test_such_a_table_that_is_damaged(tmp_path, line):
    (tmp_path / "s.csv").write_text(f'y,0.000,10.000,"""/m/1""",,\n{line}\n')
    with pytest.raises(ManifestError, match=r"1 line is not of the form: YTID.* Line 2"):
        segments(tmp_path / "s.csv")


def test_classes_are_those_of_the_ontology(data):
    folder = data / "metadata" / "audioset"
    ontology = {each["id"]: each["name"] for each in json.loads((folder / "ontology.json").read_bytes())}
    names = class_names(folder / "class_labels_indices.csv")
    assert names.keys() <= ontology.keys()
    assert list(names.values())[:2] == ["Speech", "Male speech, man speaking"]


@pytest.mark.parametrize("end", ["9" * 20, "9" * 400, "1000000001.0"])
def test_segments_beyond_any_recording_are_refused_with_their_line(tmp_path, end):
    (tmp_path / BALANCED).write_text(HEADER + f'abc, 0.0, 10.0, "/m/1"\nabc, 0.0, {end}, "/m/1"\n')
    with pytest.raises(ManifestError, match=r"1 line is not of the form.*Line 3"):
        segments(tmp_path / BALANCED)
