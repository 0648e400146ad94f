"""Speech Commands: words and lists, silence, twelve classes, the test files."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import soundfile

from earmark.data.datasets import index
from earmark.data.datasets.speechcommands import LAYOUT, TWELVE, folds_of, official_list, pieces, speaker
from earmark.data.leaks import leaks
from earmark.errors import ManifestError


@pytest.fixture
def words(plant):
    root = plant({path: text for path, text in LAYOUT.items() if "noise" not in path})
    (root / "_background_noise_").mkdir()
    soundfile.write(root / "_background_noise_" / "running_tap.wav", np.zeros(2500), 1000)
    return root


def test_columns(words):
    manifest = index("speechcommands", words)
    rows = [
        (row["id"], row["tags"], row["fold"], row["group"], row["start"], row["end"])
        for row in manifest.table.to_pylist()
    ]
    tap = "_background_noise_/running_tap"
    assert rows == [
        ("yes/026290a7_nohash_0", ["yes"], "validation", "026290a7", None, None),
        ("yes/6d818f6c_nohash_0", ["yes"], "train", "6d818f6c", None, None),
        ("bed/0c40e715_nohash_0", ["bed"], "test", "0c40e715", None, None),
        (f"{tap}@0", ["_silence_"], "train", tap, 0.0, 1.0),
        (f"{tap}@1", ["_silence_"], "train", tap, 1.0, 2.0),
    ]
    assert manifest.vocabulary == ("yes", "bed", "_silence_")
    assert manifest.facts["silence"]["clips"] == 2
    assert manifest.facts["listed but not there"] == {"validation": 0, "test": 0}


def test_silence(words):
    assert len(index("speechcommands", words, silence=0.5)) == 3 + 4
    without = index("speechcommands", words, silence=None)
    assert without.vocabulary == ("yes", "bed")
    with pytest.raises(
        ManifestError, match=r"silence is 0; the seconds from one piece of noise to the next are above 0"
    ):
        index("speechcommands", words, silence=0)


def test_pieces():
    assert pieces(2.5, 1.0) == [(0.0, 1.0), (1.0, 2.0)]
    assert pieces(1.0, 0.1) == [(0.0, 1.0)]
    assert len(pieces(1.7, 0.1)) == 8  # (1.7 - 1) / 0.1 is below 7 in floats
    assert pieces(1.7, 0.1)[-1] == (0.7, 1.7)
    assert pieces(0.4, 1.0) == [(None, None)]


def test_twelve(words):
    manifest = index("speechcommands", words, classes="twelve")
    assert [tag for (tag,) in manifest.table["tags"].to_pylist()] == [
        "yes",
        "yes",
        "_unknown_",
        "_silence_",
        "_silence_",
    ]
    assert manifest.vocabulary == ("_silence_", "_unknown_", "yes")
    with pytest.raises(ManifestError, match=r"classes is 'ten'; it is 'all' or 'twelve'"):
        index("speechcommands", words, classes="ten")


def test_other_folders_are_told(words):
    (words / "results").mkdir()
    assert index("speechcommands", words).facts["folders left out"] == ["results"]


def test_lists(words):
    (words / "testing_list.txt").write_text("yes/026290a7_nohash_0.wav\n")
    with pytest.raises(ManifestError, match=r"1 recording is in both validation_list.txt and testing_list.txt"):
        index("speechcommands", words)
    (words / "testing_list.txt").write_text("026290a7_nohash_0.wav\n")
    with pytest.raises(ManifestError, match=r"'026290a7_nohash_0.wav' is not of the form word/recording.wav"):
        index("speechcommands", words)
    (words / "testing_list.txt").unlink()
    with pytest.raises(ManifestError, match=r"testing_list.txt not found"):
        index("speechcommands", words)


def test_speaker():
    assert speaker("bed/0c40e715_nohash_0.wav") == "0c40e715"
    assert speaker("_unknown_/backward_5170b77f_nohash_4.wav") == "5170b77f"
    assert speaker("_silence_/1037.wav") is None


def test_official_lists(data):
    """6798 and 6835 recordings; with the 64,727 of version 0.01 the rest is the paper's 57,929 and these."""
    folder = data / "metadata" / "speech_commands"
    listed = {part: official_list(folder / f"{part}ing_list.txt") for part in ("test",)}
    listed["validation"] = official_list(folder / "validation_list.txt")
    assert {part: len(each) for part, each in listed.items()} == {"test": 6835, "validation": 6798}
    names = ["bed/026290a7_nohash_0.wav", "bed/0c40e715_nohash_0.flac", "bed/00000000_nohash_0.wav"]
    assert folds_of(names, listed) == ["validation", "test", "train"]
    sides = [{speaker(name) for name in each} for each in listed.values()]
    assert not sides[0] & sides[1]


def test_version_1(data):
    manifest = index("speechcommands", data / "speech_commands_v0.01_mini")
    assert Counter(manifest.folds.tolist()) == {"train": 205, "validation": 44, "test": 51}
    assert manifest.truth().sum(0).tolist() == [10] * 30
    assert manifest.facts["silence"] == "none: no recordings in _background_noise_"
    assert manifest.facts["listed but not there"] == {"validation": 6798 - 44, "test": 6835 - 51}
    assert leaks(manifest) == []


def test_test_files(data):
    root = data / "speech_commands_test_v0.02_mini"
    manifest = index("speechcommands", root)
    assert manifest.vocabulary == TWELVE
    assert manifest.truth().sum(0).tolist() == [80] * 12
    assert set(manifest.folds.tolist()) == {"test"}
    assert index("speechcommands", root, classes="twelve").table.equals(manifest.table)
    lines = [line.split(",") for line in (root / "labels.csv").read_text().splitlines()[1:]]
    speakers = {name.removesuffix(".flac"): speaker for name, _, speaker in lines}
    told = dict(zip(manifest.ids.tolist(), manifest.table["group"].to_pylist(), strict=True))
    assert {name: group or "" for name, group in told.items()} == speakers
