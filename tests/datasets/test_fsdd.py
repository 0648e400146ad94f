"""Spoken digits."""

from __future__ import annotations

import csv

import pytest

from earmark.data.datasets import index
from earmark.data.leaks import leaks
from earmark.errors import ManifestError


@pytest.fixture
def four(tmp_path):
    (tmp_path / "recordings").mkdir()
    for name in ("0_ann_4", "0_ann_5", "9_bob_0", "9_bob_12"):
        (tmp_path / "recordings" / f"{name}.wav").touch()
    return tmp_path


def test_official_split_and_its_leak(four):
    manifest = index("fsdd", four)
    assert manifest.folds.tolist() == ["test", "train", "test", "train"]
    assert manifest.groups.tolist() == ["ann", "ann", "bob", "bob"]
    assert manifest.vocabulary == ("0", "9")
    assert [(leak.kind, leak.ids) for leak in leaks(manifest, hashes=False)] == [
        ("group", ("0_ann_4", "0_ann_5")),
        ("group", ("9_bob_0", "9_bob_12")),
    ]


def test_speaker_split(four):
    manifest = index("fsdd", four, split="speaker")
    assert manifest.folds.tolist() == ["ann", "ann", "bob", "bob"]
    assert leaks(manifest, hashes=False) == []
    with pytest.raises(ManifestError, match="split is 'random'; it is 'official' or 'speaker'"):
        index("fsdd", four, split="random")


def test_odd_names(four):
    (four / "recordings" / "ten_ann_1.wav").touch()
    with pytest.raises(ManifestError, match=r"1 file in recordings is not called digit_speaker_take, such as ten_ann"):
        index("fsdd", four)


def test_fsdd(data):
    """The names say the same as the table that comes with the recordings."""
    manifest = index("fsdd", data / "fsdd")
    with (data / "fsdd" / "fsdd.csv").open(newline="") as stream:
        official = {row["filename"]: (row["label"], row["speaker"], row["split"]) for row in csv.DictReader(stream)}
    tags = [row[0] for row in manifest.table["tags"].to_pylist()]
    names = [path.name for path in manifest.paths()]
    groups, folds = manifest.groups.tolist(), manifest.folds.tolist()
    assert dict(zip(names, zip(tags, groups, folds, strict=True), strict=True)) == official
