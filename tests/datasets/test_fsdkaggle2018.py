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


def test_verified_only(official):
    manifest = index("fsdkaggle2018", official, verified_only=True)
    assert manifest.ids.tolist() == ["001ca53d", "00326aa9"]
    assert manifest.facts["clips left out as not verified"] == 1


def test_absent_recordings(official):
    (official / "FSDKaggle2018.audio_test" / "00326aa9.wav").unlink()
    with pytest.raises(ManifestError, match=r"1 of 1 recordings are not there: 00326aa9\.wav"):
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
    (",Oboe,1,7,Attribution", r"1 rows lack one of fname, label, manually_verified, freesound_id: 3"),
    ("1.wav,,1,7,Attribution", r"1 rows lack one of .*: 3"),
    ("1.wav,Oboe,1,,Attribution", r"1 rows lack one of .*: 3"),
    ("1.wav,Oboe,yes,7,Attribution", r"manually_verified of 1.wav is neither 0 nor 1"),
])  # fmt: skip
def test_odd_rows(official, row, message):
    table = official / "FSDKaggle2018.meta" / "train_post_competition.csv"
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(ManifestError, match=message):
        index("fsdkaggle2018", official)
