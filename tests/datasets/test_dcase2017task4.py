"""DCASE 2017 task 4 against its official tables, whose names hold commas."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from earmark.data.datasets import index
from earmark.data.datasets.dcase2017task4 import LAYOUT, class_names, clips, strong_labels
from earmark.errors import ManifestError

TRUTH = "groundtruth_release/groundtruth_strong_label_testing_set.csv"


@pytest.fixture
def two(plant):
    return plant(LAYOUT)


def test_columns(two):
    manifest = index("dcase2017task4", two)
    train, test = manifest.table.to_pylist()
    assert (train["id"], train["fold"], train["group"]) == ("2ceUOv8A3FE_20.000_30.000", "train", "2ceUOv8A3FE")
    assert train["tags"] == ["Train horn", "Train"] and train["events"] is None
    assert test["tags"] == ["Train horn", "Air horn, truck horn"]
    assert [tuple(event.values()) for event in test["events"]] == [
        ("Train horn", 0.776, 3.342),
        ("Air horn, truck horn", 5.2, 6.05),
    ]
    assert manifest.vocabulary == ("Train horn", "Air horn, truck horn", "Train")


def test_names_without_y(two):
    folder = two / "testing_set_audio_formatted_and_segmented_downloads"
    (folder / "Y-Gbohom8C4Q_30.000_40.000.wav").rename(folder / "-Gbohom8C4Q_30.000_40.000.flac")
    assert index("dcase2017task4", two).paths()[1].name == "-Gbohom8C4Q_30.000_40.000.flac"


def test_absent_recordings(two):
    (two / "training_set_audio_formatted_and_segmented_downloads" / "Y2ceUOv8A3FE_20.000_30.000.wav").unlink()
    with pytest.raises(ManifestError, match=r'1 of 2 recordings is not there: 2ceUOv8A3FE.*missing="skip" leaves out'):
        index("dcase2017task4", two)
    manifest = index("dcase2017task4", two, missing="skip")
    assert manifest.folds.tolist() == ["test"]
    assert manifest.facts["recordings that are not there"] == 1


def test_without_strong_labels(two):
    (two / TRUTH).unlink()
    manifest = index("dcase2017task4", two)
    assert manifest.table["events"].to_pylist() == [None, None]
    assert manifest.facts["strong labels"].startswith("not there")


def test_an_event_without_length(two):
    (two / TRUTH).write_text((two / TRUTH).read_text().replace("5.2\t6.05", "0.000\t0.0"))
    manifest = index("dcase2017task4", two)
    assert manifest.table["events"].to_pylist()[1] is None
    assert manifest.facts["events without a length"] == 1
    assert manifest.facts["clips whose events are unknown for that"] == 1


def test_tables_that_contradict_each_other(two):
    (two / TRUTH).write_text((two / TRUTH).read_text().replace("Air horn, truck horn", "Train"))
    with pytest.raises(
        ManifestError, match=r"has events of Train horn, Train, but testing_set.csv tags it Train horn, Air"
    ):
        index("dcase2017task4", two)
    (two / "training_set.csv").write_text("2ceUOv8A3FE,20.000,30.000,Goat,/m/03fwl\n")
    with pytest.raises(
        ManifestError, match=r"2ceUOv8A3FE has the mid '/m/03fwl', which sound_event_list_17_classes.txt"
    ):
        index("dcase2017task4", two)
    (two / "training_set.csv").write_text("2ceUOv8A3FE,20.000,30.000,Goat,\n")
    with pytest.raises(ManifestError, match=r"row 1 lacks a video, its times or its mids"):
        index("dcase2017task4", two)
    (two / "sound_event_list_17_classes.txt").write_text("head\n/m/0284vy3 10 Train horn\n")
    with pytest.raises(ManifestError, match=r"'/m/0284vy3 10 Train horn' is not a mid, a number and a name"):
        index("dcase2017task4", two)


def test_official_tables(data):
    """The tags of the testing set, by mids, are those of both tables of truth, by names."""
    folder = data / "metadata" / "dcase2017_task4"
    classes = class_names(folder / "sound_event_list_17_classes.txt")
    assert len(classes) == 17
    assert list(classes.values())[:2] == ["Train horn", "Air horn, truck horn"]
    assert list(classes.values())[7] == "Fire engine, fire truck (siren)"
    training = clips(folder / "training_set.csv", classes)
    assert len(training) == 4000
    assert training[0] == ("2ceUOv8A3FE_20.000_30.000", "2ceUOv8A3FE", ["Train horn", "Train"])
    testing = {name: set(tags) for name, _, tags in clips(folder / "testing_set.csv", classes)}
    assert testing["-Gbohom8C4Q_30.000_40.000"] == {"Train horn", "Air horn, truck horn", "Train"}
    assert len(testing) == 488
    weak = defaultdict(set)
    for line in (folder / "groundtruth_weak_label_testing_set.csv").read_text().splitlines():
        weak[line.split("\t")[0].removesuffix(".wav")].add(line.split("\t")[3])
    assert weak == testing
    told = strong_labels(folder / "groundtruth_strong_label_testing_set.csv")
    assert {name: set(tags) for name, tags in told.tags.items()} == testing
    lines = [
        line.split("\t") for line in (folder / "groundtruth_strong_label_testing_set.csv").read_text().splitlines()
    ]
    without = [line for line in lines if float(line[1]) == float(line[2])]
    assert told.without_length == len(without) == 36
    unknown = {name for name, events in told.events.items() if events is None}
    assert unknown == {line[0].removesuffix(".wav") for line in without}
    count = Counter(tag for events in told.events.values() for tag, _, _ in events or [])
    kept = Counter(line[3] for line in lines if line[0].removesuffix(".wav") not in unknown)
    assert count == kept


def test_a_recording_that_is_there_twice_is_counted(plant):
    root = plant(LAYOUT, {"again/Y2ceUOv8A3FE_20.000_30.000.flac": "x"})
    assert index("dcase2017task4", root).facts["recordings of a name that another has"] == 1
