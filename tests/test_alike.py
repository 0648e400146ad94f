"""Tags that look alike are told wherever a vocabulary is made or read."""

from __future__ import annotations

import pytest
import soundfile
import yaml
from tests.conftest import tone
from tests.program import earmark

from earmark.data import datasets
from earmark.data.manifest import build, read, write
from earmark.data.manifest.alike import doubts, spelt_alike

pytestmark = pytest.mark.usefixtures("sketched")

PAIRS = [
    ("Owl", "owl"),
    ("STRASSE", "straße"),
    ("M\u00fccke", "Mu\u0308cke"),  # composed and decomposed
    ("\uff4f\uff57\uff4c", "owl"),  # full width
    ("barn owl", "barn  owl"),
    ("barn owl", "barn\u00a0owl"),
    ("barn owl", "barn_owl"),
    ("barn owl", "barn-owl"),
    ("barn owl", "barnowl"),
    ("barn-owl", "barn\u2011owl"),  # a hyphen that does not break
    ("owl", "owl\u200b"),  # zero width
    ("owl", "\ufeffowl"),  # a byte order mark in the middle of files put together
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_spellings_of_one_word(one, other):
    assert spelt_alike([one, "dog", other]) == [[one, other]]
    (line,) = doubts([one, "dog", other])
    assert line.startswith("warning: tags that differ in") and ascii(one)[1:-1] in line and ascii(other)[1:-1] in line


@pytest.mark.parametrize("tags", [("owl", "owls"), ("cat", "car"), ("a", "ä"), ("1", "2"), ("_", "-"), ("C", "C#")])
def test_other_words(tags):
    assert spelt_alike(tags) == [] == doubts(tags)


@pytest.mark.parametrize("tag", ["nan", "NaN", "<NA>", "null"])
def test_a_tag_called_as_a_missing_value(tag):
    (line,) = doubts([tag, "dog"])
    assert f"the tag {tag!r} is how tools write a missing value" in line
    assert doubts(["none", "dog"]) == []


@pytest.fixture
def place(tmp_path):
    for tag in ("Owl", "owl", "dog"):
        (tmp_path / "sorted" / tag).mkdir(parents=True)
        soundfile.write(tmp_path / "sorted" / tag / "1.wav", tone(500, 0.5, 8000), 8000)
    return tmp_path


def test_wherever_a_vocabulary_is_made(place):
    """A folder, a table of clips, a table of events, a manifest in each form."""
    folder = datasets.index("folder", place / "sorted")
    names = folder.ids.tolist()
    rows = [f"{name},{name.partition('/')[0]}\n" for name in names]
    (place / "sorted" / "t.csv").write_text("filename,label\n" + "".join(rows))
    events = [f"{name},0,0.25,{name.partition('/')[0]}\n" for name in names]
    (place / "sorted" / "e.csv").write_text("filename,onset,offset,event_label\n" + "".join(events))
    write(folder, place / "m.csv")
    write(folder, place / "m.parquet")
    made = [
        folder,
        datasets.index("table", place / "sorted" / "t.csv"),
        datasets.index("table", place / "sorted" / "e.csv"),
    ]
    for clips in [*made, read(place / "m.csv"), read(place / "m.parquet")]:
        assert any("'Owl' and 'owl'" in line for line in clips.told())
    said = []
    datasets.open_data(place / "m.csv", say=said.append)
    assert said == [f"{place / 'm.csv'}: {line}" for line in doubts(["Owl", "dog", "owl"])]


def test_plain_tags_are_not_mentioned():
    assert build({"id": ["a"], "path": ["a"], "tags": ["dog|owl"]}, ".").told() == []


def test_columns_left_out_are_told_by_whoever_reads(place):
    (place / "m.csv").write_text("id,path,tags,weather\na,sorted/dog/1.wav,dog,rain\n")
    (place / "t.csv").write_text("filename,label,weather\nsorted/dog/1.wav,dog,rain\n")
    for file, layout in (("m.csv", None), ("t.csv", "table")):
        said = []
        datasets.open_data(place / file, layout, say=said.append)
        assert said == [f"{place / file}: columns left out: weather"]


def test_a_point_in_a_table_of_events_leaves_its_recording_without_events(place):
    (place / "e.csv").write_text(
        "filename,onset,offset,event_label\nsorted/dog/1.wav,0,0.25,dog\nsorted/dog/1.wav,0.3,0.3,owl\nsorted/owl/1.wav,0,0.5,owl\n"
    )
    clips = datasets.index("table", place / "e.csv")
    assert clips.table["tags"].to_pylist() == [["dog", "owl"], ["owl"]]
    assert clips.table["events"].to_pylist()[0] is None and len(clips.table["events"].to_pylist()[1]) == 1
    assert clips.told() == ["1 recording has an event without a length: only its tags are taken"]


def test_evaluate_and_train_tell_columns_left_out(place, tmp_path):
    for name in ("zero", "one"):
        soundfile.write(place / f"{name}.wav", tone(500, 0.5, 8000), 8000)
    (place / "m.csv").write_text("id,path,tags,fold,weather\na,zero.wav,0,x,rain\nb,one.wav,1,x,sun\n")
    (place / "t.csv").write_text("filename,label,fold,weather\nzero.wav,0,x,rain\none.wav,1,x,sun\n")
    for file, layout in (("m.csv", "fsdd"), ("t.csv", "table")):
        done = earmark(
            "evaluate",
            "digits",
            "--data",
            place / file,
            "--dataset",
            layout,
            "--fold",
            "x",
            "--resamples",
            20,
            "--out",
            tmp_path / layout,
        )
        assert done.returncode == 0, done.stderr
        assert f"{place / file}: columns left out: weather" in done.stderr
    # all clips are tested on: the manifest's lines come before anything is trained
    recipe = {"task": "one", "sample_rate": 8000, "data": {"dataset": "table", "validation": [], "test": ["x"]},
              "windows": {"length": 0.25, "hop": 0.25}, "net": {"name": "convnet1d", "widths": [4, 4], "blocks": [1, 1]},
              "augment": ["crop"], "train": {"epochs": 1, "keep": "last", "schedule": {"name": "constant"}}}  # fmt: skip
    (place / "r.yaml").write_text(yaml.safe_dump(recipe))
    done = earmark("train", place / "r.yaml", "--data", place / "t.csv", "--out", tmp_path / "run")
    assert done.returncode == 2 and "no clip is left for train" in done.stderr
    assert f"{place / 't.csv'}: columns left out: weather" in done.stderr
