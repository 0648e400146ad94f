"""Reports of evaluations: what the files hold, and that nothing is left out in silence."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.report.conftest import TAGS, made, scored, several, single

from earmark import report as reports
from earmark.errors import ScoresError
from earmark.evaluation.clips import measure
from earmark.report.files import write_table


def test_what_is_undefined_is_null_and_a_note_says_why(tmp_path: Path) -> None:
    manifest = made([["dog"], ["rain"]] * 10)
    values = np.eye(4)[np.arange(20) % 2] + 0.01 * np.random.default_rng(0).random((20, 4))
    facts = {"seed": np.int64(3), "lr": float("nan"), "folds": ("1", "2"), "taggers": {Path("a.safetensors")}}
    report = measure(scored(values, manifest.ids.tolist()), manifest, "one", facts, resamples=20)
    assert report.undefined == ("siren", "saw")
    assert report.as_dict()["tags"][2] == {
        "tag": "siren",
        "clips": 0,
        "average_precision": None,
        "auc": None,
        "precision": None,
        "recall": None,
        "f1": None,
        "map_at_3": None,
    }
    assert report.metrics["map"].value == 1  # not a half
    assert report.as_dict()["metrics"]["dprime"] == {"value": None, "low": None, "high": None}
    assert report.protocol == {"seed": 3, "lr": None, "folds": ["1", "2"], "taggers": ["a.safetensors"]}
    notes = "\n".join(report.notes)
    for note in (
        "No clip has these tags, so they are left out of every mean over tags: 'siren', 'saw'.",
        "No clip was answered with these tags, so they have no precision: 'siren', 'saw'.",
        "d′ is infinite, as the mean AUC is 1 or 0: null.",
        "The lower and upper limits of d′ are infinite, as the mean AUC of some draws is 1 or 0: null.",
        "protocol.lr is not a finite number: null.",
    ):
        assert note in notes
    json_path, md_path = reports.write(report, tmp_path, "r")[:2]
    text = json_path.read_text()
    assert not re.search(r"NaN|Infinity", text)
    assert json.loads(text) == report.as_dict()
    for note in report.notes:
        assert note in md_path.read_text()


def size(picture: Path) -> tuple[int, int]:
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_the_files_of_task_one(tmp_path: Path) -> None:
    report = measure(*single(), "one", {"epoch chosen by": "valid map", "seeds": [1, 2]}, resamples=20)
    paths = reports.write(report, tmp_path / "new", "fold 5 a.b")
    assert [p.name for p in paths] == [
        f"fold 5 a.b.{end}" for end in ("json", "md", "tags.csv", "confusion.png", "html")
    ]
    assert json.loads(paths[0].read_text(encoding="utf-8")) == report.as_dict()
    text = paths[1].read_text(encoding="utf-8")
    assert "Protocol: epoch chosen by: valid map; seeds: [1, 2]." in text
    assert "![Confusion: rows are the truth](fold%205%20a.b.confusion.png)" in text
    accuracy = report.metrics["accuracy"]
    assert f"| accuracy | {accuracy.value:.3f} | {accuracy.low:.3f} to {accuracy.high:.3f} |" in text
    assert "20 resamples of 20 groups, for mAP centred on the value." in text
    assert "audio/c" in text
    with paths[2].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tag"] for row in rows] == list(TAGS)
    assert [float(row["auc"]) for row in rows] == [tag.auc for tag in report.tags]
    assert min(size(paths[3])) > 400


def test_the_files_are_the_same_each_time(tmp_path: Path) -> None:
    report = measure(*single(), "one", resamples=5)
    first = [path.read_bytes() for path in reports.write(report, tmp_path / "a", "r")]
    assert [path.read_bytes() for path in reports.write(report, tmp_path / "b", "r")] == first


def test_the_files_of_task_many(tmp_path: Path) -> None:
    report = measure(*several(), "many", resamples=20)
    assert list(report.metrics)[:4] == ["map", "auc", "dprime", "map@3"]
    assert {"f1_micro", "f1_macro", "f1_clips"} < set(report.metrics)
    paths = reports.write(report, tmp_path, "weak")
    assert [p.name for p in paths] == ["weak.json", "weak.md", "weak.tags.csv", "weak.tags.png", "weak.html"]
    text = paths[1].read_text(encoding="utf-8")
    assert "Protocol: not given." in text
    assert "where their score reaches 0.5." in text
    assert report.threshold == 0.5
    each = measure(*several(), "many", resamples=0, threshold=np.array([0.25, 0.5, 0.5, 0.5]))
    assert each.as_dict()["threshold"] == [0.25, 0.5, 0.5, 0.5]
    assert "reaches the threshold of their tag." in reports.markdown(each, "t")
    assert "for mAP and F1, mean over tags centred on the value" in text
    assert min(size(paths[3])) > 200


@pytest.mark.parametrize("task", ["one", "many"])
def test_awkward_names_do_not_break_tables_or_pictures(tmp_path: Path, task: str) -> None:
    tags = ("$5_{a", "a\\b", "<b>Music</b>, pop", "x" * 60)
    scores, manifest = single() if task == "one" else several()
    renamed = made([[tags[TAGS.index(t)] for t in row] for row in manifest.table["tags"].to_pylist()], tags)
    tags += ("a|b\\c",)  # a manifest refuses this one, but a tagger of somebody else may have it
    scores = replace(scores, tags=tags, values=np.pad(scores.values, ((0, 0), (0, 1)), constant_values=-1))
    report = measure(scores, renamed, task, resamples=5)
    paths = reports.write(report, tmp_path, "odd")
    text = paths[1].read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| a\\|b")]
    assert len(re.findall(r"(?<!\\)\|", lines[0])) == 9  # eight columns
    assert "<b>" not in text
    with paths[2].open(newline="") as file:
        assert [row["tag"] for row in csv.DictReader(file)] == list(tags)


def undrawn(figure: Any, path: Path, dpi: int, format: str) -> None:
    """In place of `savefig`: no more of a picture than the size that it would have."""
    width, height = (round(inches * dpi) for inches in figure.get_size_inches())
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8) + width.to_bytes(4, "big") + height.to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("count", "drawn"),
    [(1, True), (2, True), (30, False), (100, False), pytest.param(100, True, marks=pytest.mark.slow)],
)
def test_pictures_of_few_and_of_many_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, drawn: bool
) -> None:
    if not drawn:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", undrawn)
    tags = tuple(f"tag number {i}" for i in range(count))
    own = [[tags[i % count]] for i in range(2 * count)]
    values = np.random.default_rng(0).random((2 * count, count))
    manifest = made(own, tags)
    ids = manifest.ids.tolist()
    width, height = size(reports.write(measure(scored(values, ids, tags), manifest, "one"), tmp_path, "o")[3])
    assert abs(width - height) < 300
    assert width < 4000
    report = measure(scored(values, ids, tags), manifest, "many", resamples=5)
    assert size(reports.write(report, tmp_path, "m")[3])[1] < 4000


@pytest.mark.parametrize("stem", ["", "a/b", "..", "."])
def test_a_report_is_written_into_its_folder_only(tmp_path: Path, stem: str) -> None:
    with pytest.raises(ScoresError, match="a file name without folders"):
        reports.write(measure(*single(), "one", resamples=0), tmp_path, stem)


def test_drawing_does_not_touch_the_callers_figures(tmp_path: Path) -> None:
    import matplotlib

    before = matplotlib.rcParams.copy()
    reports.write(measure(*single(), "one", resamples=0), tmp_path, "r")
    assert matplotlib.rcParams.copy() == before
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_files_stay_whole_where_a_new_one_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_table(tmp_path / "a.csv", ["x", "y"], [{"x": 1, "y": None, "z": 3}])
    assert old.read_bytes() == b"x,y\n1,\n"

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_table(old, ["x"], [{"x": 2}])
    assert old.read_bytes() == b"x,y\n1,\n" and list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("why", ["no resamples were asked for", "all clips are of one group"])
def test_without_intervals_there_are_no_columns_and_it_is_said_once(tmp_path, why):
    scores, manifest = single()
    if "group" in why:
        place = manifest.table.schema.get_field_index("group")
        table = manifest.table.set_column(place, "group", pa.array(["one"] * len(manifest)))
        figures = measure(scores, replace(manifest, table=table), "one", resamples=20)
    else:
        figures = measure(scores, manifest, "one", resamples=0)
    reports.write(figures, tmp_path, "r")
    told = reports.summary(figures)
    assert "without intervals" in told and "–" not in told and "bootstrap" not in told and told.count(why) == 1
    page, markdown = ((tmp_path / f"r.{end}").read_text() for end in ("html", "md"))
    for text in (page, markdown):
        assert text.count(why) == 1 and "% interval" not in text and "Intervals:" not in text
    with_some = reports.summary(measure(*single(), "one", resamples=20))
    assert " to " in with_some and "95 % intervals by bootstrap" in with_some
