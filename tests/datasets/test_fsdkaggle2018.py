"""FSDKaggle2018 in its layouts."""

from __future__ import annotations

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.fsdkaggle2018 import LAYOUT
from earmark.errors import ManifestError


@pytest.fixture
def official(tmp_path):
    for path, contents in LAYOUT.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(contents)
    return tmp_path


def test_official_layout(official):
    manifest = index("fsdkaggle2018", official)
    assert manifest.ids.tolist() == ["00044347", "001ca53d", "00326aa9"]
    assert manifest.folds.tolist() == ["", "", "test"]
    assert manifest.groups.tolist() == ["28739", "358827", "355125"]
    assert manifest.table["source"].to_pylist() == [
        "freesound 28739, Attribution, not verified",
        "freesound 358827, Attribution, verified",
        "freesound 355125, Attribution, Private",
    ]


def test_official_training_table(data, tmp_path):
    """Papers 002 and 004 have 9473 clips of 41 tags, 94 to 300 a tag, 3710 of them verified."""
    table = (data / "metadata" / "fsdkaggle2018" / "train_post_competition.csv").read_text()
    (tmp_path / "audio_train").mkdir()
    (tmp_path / "train_post_competition.csv").write_text(table)
    for line in table.splitlines()[1:]:
        (tmp_path / "audio_train" / line.partition(",")[0]).touch()
    manifest = index("fsdkaggle2018", tmp_path)
    assert (len(manifest), len(manifest.vocabulary)) == (9473, 41)
    counts = manifest.truth().sum(0)
    assert (counts.min(), counts.max()) == (94, 300)
    assert len(index("fsdkaggle2018", tmp_path, verified_only=True)) == 3710


def test_verified_only(official):
    manifest = index("fsdkaggle2018", official, verified_only=True)
    assert manifest.ids.tolist() == ["001ca53d", "00326aa9"]
    assert manifest.facts["clips left out as not verified"] == 1


def test_absent_recordings(official):
    (official / "FSDKaggle2018.audio_test" / "00326aa9.wav").unlink()
    with pytest.raises(ManifestError, match=r"1 of 1 recording is not there: 00326aa9\.wav"):
        index("fsdkaggle2018", official)
    (official / "FSDKaggle2018.audio_test").rmdir()
    with pytest.raises(ManifestError, match=r"FSDKaggle2018\.audio_test not found"):
        index("fsdkaggle2018", official)


def test_excerpt(data):
    manifest = index("fsdkaggle2018", data / "fsdkaggle2018_mini")
    assert manifest.truth().sum(0).tolist() == [20] * 10
    assert manifest.fold_names() == []
    assert manifest.paths()[0].suffix == ".flac"
    assert manifest.facts["test clips"].startswith("not there")


@pytest.mark.parametrize(("row", "message"), [
    (",Oboe,1,7,Attribution", r"1 row lacks one of fname, label, manually_verified, freesound_id: 3"),
    ("1.wav,,1,7,Attribution", r"1 row lacks one of .*: 3"),
    ("1.wav,Oboe,1,,Attribution", r"1 row lacks one of .*: 3"),
    ("1.wav,Oboe,yes,7,Attribution", r"manually_verified of 1.wav is neither 0 nor 1"),
])  # fmt: skip
def test_odd_rows(official, row, message):
    table = official / "FSDKaggle2018.meta" / "train_post_competition.csv"
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(ManifestError, match=message):
        index("fsdkaggle2018", official)


KAGGLE = {
    "train.csv": "fname,label,manually_verified\n00044347.wav,Hi-hat,0\n001ca53d.wav,Saxophone,1\n",
    "sample_submission.csv": "fname,label\n00326aa9.wav,Laughter Hi-Hat Flute\n0038a046.wav,Laughter Hi-Hat Flute\n",
    "audio_train/00044347.wav": "",
    "audio_train/001ca53d.wav": "",
    "audio_test/00326aa9.wav": "",
    "audio_test/0038a046.wav": "",
    "audio_test/00063640.wav": "",
}
SCORED = (
    "fname,label,usage,freesound_id,license\n00326aa9.wav,Oboe,Private,355125,Attribution\n"
    "0038a046.wav,Bass_drum,Public,90621,Attribution\n00063640.wav,None,Ignored,,\n"
)


def test_the_layout_of_kaggle_while_the_challenge_ran(plant):
    """No Freesound clips, no licences, and labels of the test that stand for nothing: they are told, and not taken."""
    manifest = index("fsdkaggle2018", plant(KAGGLE))
    assert manifest.ids.tolist() == ["00044347", "001ca53d"]
    assert manifest.groups.tolist() == ["00044347", "001ca53d"]
    assert manifest.table["source"].to_pylist() == ["freesound, not verified", "freesound, verified"]
    assert manifest.facts["test clips"] == "not there: the labels in sample_submission.csv are placeholders"
    assert manifest.facts["training table"] == "train.csv"
    assert index("fsdkaggle2018", manifest.root, verified_only=True).ids.tolist() == ["001ca53d"]
    with pytest.raises(ManifestError, match=r"test='public' needs the column usage .* are placeholders"):
        index("fsdkaggle2018", manifest.root, test="public")


def test_the_layout_of_kaggle_after_the_challenge(plant):
    """Clips that were not counted have no tag, and need no recording."""
    root = plant(KAGGLE, {"test_post_competition.csv": SCORED})
    (root / "audio_test" / "00063640.wav").unlink()
    manifest = index("fsdkaggle2018", root)
    assert manifest.ids.tolist() == ["00044347", "001ca53d", "00326aa9", "0038a046"]
    assert manifest.folds.tolist() == ["", "", "test", "test"]
    assert manifest.facts["test clips left out, by usage"] == {"Ignored": 1}
    assert manifest.groups.tolist()[2:] == ["355125", "90621"]


@pytest.mark.parametrize(("test", "kept"), [("public", "0038a046"), ("private", "00326aa9")])
def test_the_parts_of_the_leaderboard(plant, test, kept):
    root = plant(KAGGLE, {"meta/test_post_competition_scoring_clips.csv": SCORED})
    manifest = index("fsdkaggle2018", root, test=test)
    assert manifest.in_folds("test").ids.tolist() == [kept]
    assert manifest.facts["test clips"] == f"included: {test}"
    other = {"public": "Private", "private": "Public"}[test]
    assert manifest.facts["test clips left out, by usage"] == {"Ignored": 1, other: 1}


def test_a_part_that_has_no_clips(official):
    with pytest.raises(ManifestError, match=r"holds no test clips of test='public'; usage is Private"):
        index("fsdkaggle2018", official, test="public")
    with pytest.raises(ManifestError, match=r"test is 'both'; it is 'all' or 'public' or 'private'"):
        index("fsdkaggle2018", official, test="both")
