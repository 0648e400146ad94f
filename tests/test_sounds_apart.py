"""One sound on two sides of a split, under two names: training stops before it learns, or tells, whatever is trained and wherever from."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from tests import small
from tests.program import earmark

from earmark.data import leaks, packs, sounds
from earmark.data import manifest as manifests
from earmark.errors import ManifestError
from earmark.progress import Quiet
from earmark.recipe import parse
from earmark.train import beforehand, folds
from earmark.train.heads import run as heads

training = pytest.importorskip("earmark.train")

pytestmark = pytest.mark.usefixtures("sketched")
SIDES = {"train": "1", "validation": "4", "test": "5"}  # a fold of each
NAMES = {"train": "low-1-0.wav", "validation": "low-4-0.wav", "test": "low-5-0.wav"}


def recipe(**data):
    return parse(
        {
            "task": "one",
            "sample_rate": 4000,
            "data": {"dataset": "folder", "test": ["5"], "validation": ["4"], **data},
            "windows": {"length": 0.5, "hop": 0.25},
            "net": {"name": "convnet1d", "widths": [4, 4], "blocks": [1, 1]},
            "augment": ["crop"],
            "train": {"epochs": 1, "batch": 8, "precision": "float32"},
        }
    )


def copied(clips, folder, one, other):
    """The clips, with a copy of the first of one side under another name on the other."""
    shutil.copytree(clips.root, folder, dirs_exist_ok=True)
    shutil.copy(folder / NAMES[one], folder / "again.wav")
    columns = {name: clips.table[name].to_pylist() for name in ("id", "path", "tags", "fold", "group")}
    for key, value in (
        ("id", "again"),
        ("path", "again.wav"),
        ("tags", ["low"]),
        ("fold", SIDES[other]),
        ("group", "again"),
    ):
        columns[key].append(value)
    return manifests.build(columns, folder)


def trained(clips, folder, **data):
    said = []
    training.train(recipe(**data), clips, folder, say=said.append)
    return said


class Said(Quiet):
    def __init__(self, lines):
        self.say = lines.append


def headed(clips, folder, **data):
    said = []
    base = small.tagger("resnet_b_att", 0.5, 0.25)
    settings = [f"data.{key}={value}" for key, value in data.items()]
    plan = heads.plan(base, clips, "base", test=["5"], validation=None, settings=["data.validation=['4']", *settings])
    heads.train(base, "base", plan, clips, folder, progress=Said(said))
    return said


def packed(clips, folder, **data):
    packs.pack(clips, folder.parent / "pack")
    return trained(packs.read(folder.parent / "pack"), folder, **data)


def packed_anew(clips, folder, **data):
    packs.pack(clips, folder.parent / "pack", rate=4000)
    return trained(packs.read(folder.parent / "pack"), folder, **data)


@pytest.mark.parametrize("how", [trained, headed, packed, packed_anew])
@pytest.mark.parametrize(
    ("one", "other"), [("train", "validation"), ("train", "test"), ("test", "validation"), ("test", "train")]
)
def test_a_sound_under_two_names_on_two_sides_is_refused_before_anything_is_learnt(clips, tmp_path, how, one, other):
    both = copied(clips, tmp_path / "clips", one, other)
    first, second = sorted((one, other), key=list(SIDES).index)
    names = [NAMES[one], "again"] if first == one else ["again", NAMES[one]]
    message = f"1 sound lies in both {first} and {second}, byte for byte, such as {names[0]!r} and {names[1]!r}: figures would be too good"
    with pytest.raises(ManifestError, match=f"{message}.*data.shared_groups=report"):
        how(both, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    if how is trained or how is headed:
        said = how(both, tmp_path / "run", shared_groups="report")
        told = [line for line in said if "byte for byte" in line]
        assert len(told) == 1 and told[0].endswith("figures are better than on sounds never heard")


def test_what_has_learnt_goes_on(clips, tmp_path, monkeypatch):
    both = copied(clips, tmp_path / "clips", "train", "test")
    monkeypatch.setattr("earmark.data.leaks.check_sounds", lambda *_, **__: None)  # as before it was looked for
    trained(both, tmp_path / "run")
    monkeypatch.undo()
    training.train(recipe(), both, tmp_path / "run", resume=True)


@pytest.mark.parametrize("how", [trained, headed, packed, packed_anew])
@pytest.mark.parametrize("side", SIDES)
def test_a_sound_that_lies_twice_on_one_side_is_told(clips, tmp_path, how, side):
    """With the same tags it counts twice; with others one of both is wrong."""
    twice = copied(clips, tmp_path / "clips", side, side)
    said = how(twice, tmp_path / "run")
    what = "training" if side == "train" else side
    told = f"1 {what} clip has the same sound as another of them, byte for byte, such as 'again' and {NAMES[side]!r}: it counts twice"
    assert [line for line in said if "the same sound" in line] == [told]
    tags = twice.table["tags"].to_pylist()
    tags[twice.ids.tolist().index("again")] = ["high"]
    columns = {name: twice.table[name].to_pylist() for name in ("id", "path", "fold", "group")}
    shutil.rmtree(tmp_path / "pack", ignore_errors=True)
    other = manifests.build({**columns, "tags": tags}, twice.root)
    told = (
        f"1 {what} clip has other tags than the same sound has elsewhere among them, such as 'again' (high) and {NAMES[side]!r} (low): "
        "one of both is wrong, or each lacks a tag"
    )
    assert [line for line in how(other, tmp_path / "other") if "the same sound" in line] == [told]


def test_of_clips_that_are_alike_once_nothing_is_said(clips, tmp_path):
    assert not any("the same sound" in line for line in trained(clips, tmp_path / "run"))


def test_copies_are_counted_as_by_hand(tmp_path):
    """Parts of one file are other sounds; three of one sound are two copies; what cannot be read and is empty is none."""
    letters = "aabacxxeea"  # a: four times, of which one is a part; x cannot be read; e is empty
    names = [f"{place}.wav" for place in range(len(letters))]
    for name, letter in zip(names, letters, strict=True):
        if letter != "x":
            (tmp_path / name).write_bytes(b"" if letter == "e" else letter.encode() * 100)
    tags = [["dog"], ["dog"], ["dog"], ["rain", "dog"], ["dog"], ["dog"], ["dog"], ["dog"], ["rain"], ["dog"]]
    starts = [None] * 9 + [0.5]
    clips = manifests.build(
        {"id": names, "path": names, "tags": tags, "start": starts, "end": [None] * 9 + [1.0]}, tmp_path
    )
    other, same = leaks.copies("test", clips, sounds.of_files(clips))
    assert other.startswith(
        "1 test clip has other tags than the same sound has elsewhere among them, such as '3.wav' (dog, rain) and '0.wav' (dog)"
    )
    assert same.startswith(
        "1 test clip has the same sound as another of them, byte for byte, such as '1.wav' and '0.wav'"
    )


def test_files_without_a_byte_and_files_that_are_not_there_are_no_sounds(clips, tmp_path):
    shutil.copytree(clips.root, tmp_path / "clips")
    for name in (NAMES["train"], NAMES["test"]):
        (tmp_path / "clips" / name).write_bytes(b"")
    for name in ("low-2-0.wav", NAMES["validation"]):
        (tmp_path / "clips" / name).unlink()
    said = trained(replace(clips, root=tmp_path / "clips"), tmp_path / "run")
    assert not any("byte for byte" in line for line in said)


def test_what_is_told_of_a_group_or_a_file_is_not_told_again(clips, tmp_path):
    both = copied(clips, tmp_path / "clips", "train", "test")
    groups = both.table["group"].to_pylist()
    groups[-1] = groups[both.ids.tolist().index(NAMES["train"])]
    at = both.table.schema.get_field_index("group")
    table = both.table.set_column(at, both.table.schema.field("group"), pa.chunked_array([groups]))
    said = trained(replace(both, table=table), tmp_path / "run", shared_groups="report")
    assert sum("lies in both" in line for line in said) == 1


def test_of_all_folds_it_is_told_before_the_first_is_trained(clips, tmp_path):
    both = copied(
        clips, tmp_path / "clips", "train", "test"
    )  # fold 1 and 5: of turn 1 the test and the validation clips
    turns = folds.rotations(recipe(), both)
    late = {name: turns[name] for name in "2345"}
    with pytest.raises(ManifestError, match="^fold 2: 1 sound lies in both train and validation, byte for byte"):
        beforehand.check_turns(late, both)
    beforehand.check_turns({name: turns[name] for name in "34"}, both)
    beforehand.check_turns(late, both, resume=True)
    beforehand.check_turns(folds.rotations(recipe(shared_groups="report"), both), both)


def test_the_verb_says_so(clips, tmp_path):
    manifests.write(copied(clips, tmp_path / "clips", "test", "train"), tmp_path / "clips.csv")
    done = earmark("train", "synth-small", "--data", "clips.csv", "--out", "run", "--fold", "all", cwd=tmp_path)
    assert done.returncode == 2 and "1 sound lies in both" in done.stderr and not (tmp_path / "run").exists()
