"""MagnaTagATune against part of its table."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest

from earmark.data.datasets import index
from earmark.data.datasets.magnatagatune import LAYOUT, clip_table, fold, most_frequent, song
from earmark.errors import ManifestError


def test_columns(plant):
    manifest = index("magnatagatune", plant(LAYOUT))
    assert manifest.ids.tolist() == ["2", "6", "9"]
    assert manifest.folds.tolist() == ["train", "validation", "test"]
    assert manifest.groups.tolist()[0] == "one_band-one_record-01-one_song"
    assert manifest.table["tags"].to_pylist() == [["rock"], ["rock", "opera"], ["opera"]]


def test_top(plant):
    layout = dict(LAYOUT)
    layout["annotations_final.csv"] = layout["annotations_final.csv"].replace('"9"\t"0"\t"1"', '"9"\t"1"\t"1"')
    manifest = index("magnatagatune", plant(layout), top=1)
    assert manifest.vocabulary == ("rock",)
    assert manifest.table["tags"].to_pylist() == [["rock"]] * 3
    with pytest.raises(ManifestError, match=r"top is 0; the number of tags is 1 or more"):
        index("magnatagatune", plant(), top=0)


def test_clips_without_a_tag_are_left_out(plant):
    manifest = index("magnatagatune", plant(LAYOUT), top=1)
    assert manifest.vocabulary == ("rock",)  # as frequent as opera, and first
    assert manifest.ids.tolist() == ["2", "6"]
    assert manifest.facts["clips left out without a tag"] == 1


def test_absent_and_empty_recordings(plant):
    root = plant(LAYOUT)
    (root / "f" / "six_bands-six_records-03-six_songs-59-88.wav").unlink()
    (root / "c" / "two_bands-two_records-02-two_songs-0-29.wav").write_bytes(b"")
    with pytest.raises(ManifestError, match=r'1 of 3 recordings is not there: f/six.*\. missing="skip" leaves out'):
        index("magnatagatune", root)
    manifest = index("magnatagatune", root, missing="skip")
    assert manifest.ids.tolist() == ["2"]
    assert manifest.facts["recordings that are not there"] == 1
    assert manifest.facts["recordings of 0 bytes left out"] == ["c/two_bands-two_records-02-two_songs-0-29.mp3"]


def test_recordings_in_a_folder_of_their_own(plant):
    layout = {path if path.endswith("csv") else f"mp3/{path}": text for path, text in LAYOUT.items()}
    assert index("magnatagatune", plant(layout)).table["path"].to_pylist()[0].startswith("mp3/0/one_band")


def test_folds_and_songs():
    folders = "0123456789abcdef"
    folds = Counter(fold(f"{folder}/x-0-29.mp3") for folder in folders)
    assert folds == {"train": 12, "validation": 1, "test": 3}
    assert fold("c/x.mp3") == "validation"
    for odd in ("g/x-0-29.mp3", "x-0-29.mp3"):
        with pytest.raises(ManifestError, match=r"lies in none of the folders 0 to f"):
            fold(odd)
    assert song("c/a-b-01-rain_parade-117-146.mp3") == song("4/a-b-01-rain_parade-0-29.mp3") == "a-b-01-rain_parade"


def test_odd_cells(plant):
    root = plant(LAYOUT)
    table = root / "annotations_final.csv"
    table.write_text(table.read_text().replace('"6"\t"1"', '"6"\t"2"'))
    with pytest.raises(ManifestError, match=r"column 'rock' holds something other than 0 and 1"):
        clip_table(table)


def test_validation_table(data):
    """500 rows with the usual 50 tags, read again by Python's csv."""
    folder = data / "metadata" / "mtat"
    ids, names, tags, truth = clip_table(folder / "annotations_valid_top50.csv")
    assert truth.shape == (500, 50)
    assert tags == (folder / "top50_tags.txt").read_text().split("\n")[: len(tags)]
    assert {fold(name) for name in names} == {"validation"}
    assert {song(name) for name in names[:4]} == {"atomic_opera-alpha_and_oranges-01-rain_parade"}
    with (folder / "annotations_valid_top50.csv").open() as stream:
        expected = list(csv.DictReader(stream, delimiter="\t"))
    assert ids == [row["clip_id"] for row in expected]
    assert np.array_equal(truth, [[row[tag] == "1" for tag in tags] for row in expected])
    count = Counter(tag for row in expected for tag in tags if row[tag] == "1")
    best = most_frequent(truth, 3)
    assert [count[tags[place]] for place in best] == [each for _, each in count.most_common(3)]
    assert truth.any(1).all()
