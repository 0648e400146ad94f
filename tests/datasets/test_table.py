"""Tables of other people's making, against what is in them."""

from __future__ import annotations

import csv

import pyarrow as pa
import pytest
from pyarrow import parquet

from earmark.data.datasets import index
from earmark.data.manifest import build, write
from earmark.errors import ManifestError


@pytest.fixture
def lay(tmp_path):
    """Writes clips.csv with these lines, and empty recordings a.wav to c.wav, or others."""

    def write_table(*lines, files=("a.wav", "b.wav", "c.wav"), name="clips.csv"):
        for file in (*files, name):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path

    return write_table


def tags(manifest):
    return manifest.table["tags"].to_pylist()


def test_guesses_are_stated(lay):
    root = lay("FName,Label,Split,freesound_id,pitch", "a.wav,dog,train,1,low", "b.wav,cat,test,1,low")
    manifest = index("table", root)
    assert tags(manifest) == [["dog"], ["cat"]]
    assert manifest.folds.tolist() == ["train", "test"]
    assert manifest.groups.tolist() == ["1", "1"]
    guessed = {"path": "FName", "tags": "Label", "fold": "Split", "group": "freesound_id", "audio": "."}
    assert manifest.facts["guessed"] == guessed
    assert manifest.facts["columns left out"] == ["pitch"]
    assert manifest.facts["form"] == "a row a clip"


def test_nothing_is_guessed_that_is_named(lay):
    root = lay("file,label,species,fold", "a.wav,x,dog,1", "b.wav,y,cat,2")
    manifest = index("table", root / "clips.csv", tags="species", group="label")
    assert tags(manifest) == [["dog"], ["cat"]]
    assert manifest.groups.tolist() == ["x", "y"]
    assert set(manifest.facts["guessed"]) == {"path", "fold", "audio"}


def test_start_and_end_are_not_guessed(lay):
    """In UrbanSound8K's table they are times in the recording that the clip was cut from."""
    root = lay("slice_file_name,fsID,start,end,fold,classID,class", "a.wav,7,58.5,62.5,5,2,children_playing")
    manifest = index("table", root)
    assert manifest.table["start"].to_pylist() == [None]
    assert manifest.facts["columns left out"] == ["start", "end", "classID"]
    assert manifest.groups.tolist() == ["7"]


def test_clips_of_one_recording(lay):
    root = lay("file,label,from,to", "a.wav,dog,0,2", "a.wav,cat,2,4.5")
    manifest = index("table", root, start="from", end="to")
    assert manifest.ids.tolist() == ["a.wav@0", "a.wav@2"]
    assert manifest.end.tolist() == [2, 4.5]
    with pytest.raises(ManifestError, match=r"a\.wav has 2 rows. If each is an event, name onset= and offset="):
        index("table", root)


@pytest.mark.parametrize(
    ("column", "cell", "options", "found"),
    [
        ("labels", '"dog, cat"', {}, ["dog", "cat"]),
        ("tags", "dog|big, old cat", {}, ["dog", "big, old cat"]),
        ("tags", "dog;cat", {}, ["dog", "cat"]),
        ("label", '"Male speech, man speaking"', {}, ["Male speech, man speaking"]),
        ("label", '"dog,cat"', {"separator": ","}, ["dog", "cat"]),
        ("labels", '"dog,cat"', {"separator": ";"}, ["dog,cat"]),
    ],
)
def test_several_tags(lay, column, cell, options, found):
    if "|" in cell:
        cell = f'"{cell}"'
    root = lay(f"file,{column},x", f"a.wav,{cell},", "b.wav,cow,")
    assert tags(index("table", root, **options)) == [found, ["cow"]]


def test_events(lay):
    root = lay(
        "filename\tonset\toffset\tevent_label\tfold",
        "b.wav\t0.5\t1.0\tdog\t1",
        "a.wav\t\t\t\t2",
        "b.wav\t0.75\t2.0\tcat\t1",
        "b.wav\t3\t4\tdog\t1",
        name="strong.tsv",
    )
    manifest = index("table", root)
    assert manifest.ids.tolist() == ["b.wav", "a.wav"]
    assert tags(manifest) == [["cat", "dog"], []]
    heard = [[tuple(event.values()) for event in row] for row in manifest.table["events"].to_pylist()]
    assert heard == [[("dog", 0.5, 1.0), ("cat", 0.75, 2.0), ("dog", 3.0, 4.0)], []]
    assert manifest.folds.tolist() == ["1", "2"]
    assert manifest.facts["form"] == "a row an event"


@pytest.mark.parametrize("row", ["a.wav,x,2,dog", "a.wav,1,,dog", "a.wav,1,2,"])
def test_events_with_holes(lay, row):
    root = lay("filename,onset,offset,event_label", "a.wav,1,2,dog", row)
    with pytest.raises(ManifestError, match="1 row lacks a tag, an onset or an offset in seconds: 2"):
        index("table", root)


def test_events_that_disagree(lay):
    root = lay("filename,onset,offset,event_label,fold", "a.wav,1,2,dog,1", "a.wav,1,2,dog,2")
    with pytest.raises(ManifestError, match=r"a\.wav lies in fold '1' and '2'; a recording has one fold"):
        index("table", root)
    with pytest.raises(ManifestError, match="start= has no meaning"):
        index("table", root, start="fold")


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("file,label,category", {}, "label and category could both be tags. Say which: tags='label'"),
        (
            "label,Fold,fold",
            {"path": "label", "tags": "label"},
            "Fold and fold could both be fold. Say which: fold='Fold'",
        ),
        ("file,species,x", {}, "no column for tags found among file, species, x. Name it with tags="),
        ("fil,label,x", {}, "no column for path found among fil, label, x"),
        ("file,label,x", {"fold": "lable"}, r"no column 'lable' for fold, did you mean 'label'\?"),
        ("file,label,x", {"file": "other.csv"}, r"no table 'other\.csv' in it"),
        ("file,label,x", {"audio": "sounds"}, r"1 of 1 recording is not there: a\.wav. Looked from 'sounds'"),
        ("file,label,x", {"suffix": ".wav"}, r"recordings? (is|are) not there: a\.wav\.wav.*suffix="),
    ],
)
def test_refusals(lay, header, options, message):
    root = lay(header, "a.wav,dog,1")
    with pytest.raises(ManifestError, match=message):
        index("table", root, **options)


def test_absent_recordings_are_counted(lay):
    root = lay("file,label", "a.wav,dog", "x.wav,dog", "b.wav,dog", "y.wav,cat")
    with pytest.raises(ManifestError, match=r"2 of 4 recordings are not there: x\.wav, y\.wav"):
        index("table", root)


@pytest.mark.parametrize(
    "header", ["file,label", "id,path,tags", "filename,onset,offset,event_label", "id,path,start,end,tags,fold,group"]
)
@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_table_without_rows(lay, tmp_path, header, ending):
    names = header.split(",")
    if ending == "parquet":
        parquet.write_table(pa.table({name: pa.array([], pa.string()) for name in names}), tmp_path / "t.parquet")
    else:
        lay(("," if ending == "csv" else "\t").join(names), files=(), name=f"t.{ending}")
    with pytest.raises(
        ManifestError, match=rf"t\.{ending}: holds no clips: its header \({', '.join(names)}\) has no rows"
    ):
        index("table", tmp_path / f"t.{ending}")


@pytest.mark.parametrize("place", ["", "audio", "wav", "../audio", ".."])
@pytest.mark.parametrize("gone", [0, 1, 39])
def test_one_absent_recording_does_not_hide_the_others(lay, tmp_path, place, gone):
    names = [f"{i}.wav" for i in range(40)]
    there = [f"deep/{place}/{name}" for row, name in enumerate(names) if row != gone]
    lay("file,label", *(f"{name},dog" for name in names), files=("deep/here", *there), name="deep/clips.csv")
    others = rf"Looked from '{place or '.'}', where the others are"
    with pytest.raises(ManifestError, match=rf"1 of 40 recordings is not there: {gone}\.wav\. {others}"):
        index("table", tmp_path / "deep/clips.csv")
    (tmp_path / "deep" / place / f"{gone}.wav").touch()
    found = index("table", tmp_path / "deep/clips.csv")
    assert found.facts["guessed"]["audio"] == (place or ".") and all(path.is_file() for path in found.paths())


def test_a_recording_elsewhere_does_not_decide_the_folder(lay, tmp_path):
    lay("file,label", "a.wav,dog", "b.wav,cat", files=("a.wav", "audio/a.wav", "audio/b.wav"))
    assert index("table", tmp_path).facts["guessed"]["audio"] == "audio"


def test_an_absent_recording_of_many_rows_is_one(lay):
    root = lay("file,label,from", "x.wav,dog,0", "x.wav,dog,1", "a.wav,cat,0", "a.wav,cat,1")
    with pytest.raises(ManifestError, match=r"1 of 2 recordings is not there: x\.wav\. "):
        index("table", root, start="from")


def test_which_table(lay):
    lay("file,label", "a.wav,dog")
    root = lay("file,label", "b.wav,cat", name="more.tsv")
    with pytest.raises(ManifestError, match=r"several tables: clips\.csv, more\.tsv. Say which with file="):
        index("table", root)
    assert index("table", root, file="clips.csv").ids.tolist() == ["a.wav"]


def test_folders_beside_and_endings(lay):
    root = lay("fname,label", "a,dog", "b,cat", files=("audio/a.wav", "audio/b.wav"), name="meta/clips.csv")
    manifest = index("table", root / "meta", suffix=".wav")
    assert manifest.facts["guessed"]["audio"] == "../audio"
    assert all(path.is_file() for path in manifest.paths())


def test_a_manifest_is_a_table_too(lay, tmp_path):
    root = lay("file,label", "a.wav,dog")
    columns = {"id": ["x", "y"], "path": ["a.wav"] * 2, "tags": [["dog"]] * 2, "start": [0, 1], "end": [1, 2]}
    write(build(columns, root), root / "m.csv")
    assert index("table", root / "m.csv").start.tolist() == [0, 1]


def rows_of(file, **options):
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream, **options))


def test_bird_song(data):
    place = data / "birdsong_strong"
    manifest = index("table", place / "events.tsv")
    official = rows_of(place / "events.tsv", delimiter="\t")
    heard = [
        (path, event["onset"], event["offset"], event["tag"])
        for path, row in zip(manifest.ids, manifest.table["events"].to_pylist(), strict=True)
        for event in row
    ]
    expected = [(row["filename"], float(row["onset"]), float(row["offset"]), row["event_label"]) for row in official]
    assert sorted(heard) == sorted(expected)
    assert len(manifest) == 40


def test_scenes(data):
    """The tags of the strong table are those of the weak one."""
    place = data / "esc10_soundscapes" / "metadata" / "train"
    strong, weak = index("table", place / "strong.tsv"), index("table", place / "weak.tsv")
    found = {key: set(value) for key, value in zip(strong.ids, tags(strong), strict=True)}
    assert found == {key: set(value) for key, value in zip(weak.ids, tags(weak), strict=True)}


def test_fsd50k(data):
    place = data / "tiny_layouts" / "fsd50k"
    manifest = index("table", place / "FSD50K.ground_truth" / "dev.csv", audio="../FSD50K.dev_audio", suffix=".wav")
    assert [len(row) for row in tags(manifest)] == [5, 1]
    assert manifest.folds.tolist() == ["train", "val"]


@pytest.mark.parametrize("times", ["inf,inf", "0,1e308", "1e308,1e308", "-1,1", "nan,1", "nan,nan", "-inf,0"])
def test_times_that_no_recording_has_are_refused_with_their_row(tmp_path, times):
    (tmp_path / "a.wav").touch()
    (tmp_path / "t.csv").write_text(f"filename,onset,offset,event_label\na.wav,0,1,owl\na.wav,{times},owl\n")
    with pytest.raises(ManifestError, match=r"t\.csv: 1 row lacks .* in seconds: 2 \(times go from 0 to 1e\+09\)"):
        index("table", tmp_path / "t.csv")


def test_a_path_with_a_zero_byte_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"filename,label\na\0.wav,owl\n")
    with pytest.raises(ManifestError, match=r"t\.csv: row 1: a path holds a zero byte"):
        index("table", tmp_path / "t.csv")


def test_a_table_with_the_columns_of_a_manifest_is_one(tmp_path):
    """Where all columns are called so, and the recordings lie where those of tables do."""
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "a.wav").touch()
    (tmp_path / "t.csv").write_text('id,path,tags,events,fold\nn1,a.wav,owl|dog,"[[""owl"", 0.2, 0.6]]",1\n')
    clips = index("table", tmp_path / "t.csv")
    assert (
        clips.ids.tolist() == ["n1"]
        and clips.paths() == [tmp_path / "audio" / "a.wav"]
        and clips.folds.tolist() == ["1"]
    )
    assert (
        clips.table["tags"].to_pylist() == [["owl", "dog"]] and clips.table["events"].to_pylist()[0][0]["tag"] == "owl"
    )
    (tmp_path / "t.csv").write_text("id,path,tags,speaker\nn1,a.wav,owl,ann\n")
    clips = index("table", tmp_path / "t.csv")
    assert clips.told() == ["columns left out: id"] and clips.groups.tolist() == ["ann"]
