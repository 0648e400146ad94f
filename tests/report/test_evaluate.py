"""Reports: clips matched by id, what the files hold, and that nothing is left out in silence."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.conftest import TAGS, made, scored, several, single

from earmark import report as reports
from earmark.errors import ScoresError
from earmark.report.files import write_table


def test_figures_are_sklearns() -> None:
    from sklearn.metrics import accuracy_score, average_precision_score, confusion_matrix, roc_auc_score

    scores, manifest = single()
    report = reports.evaluate(scores, manifest, "one", resamples=50)
    truth = manifest.truth(TAGS)
    assert list(report["metrics"]) == ["accuracy", "map", "auc", "dprime", "map@3"]
    assert report["metrics"]["accuracy"]["value"] == pytest.approx(
        accuracy_score(truth.argmax(1), scores.values.argmax(1))
    )
    assert report["metrics"]["map"]["value"] == pytest.approx(average_precision_score(truth, scores.values))
    assert report["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(truth, scores.values))
    assert report["confusion"] == confusion_matrix(truth.argmax(1), scores.values.argmax(1)).tolist()
    assert [row["tag"] for row in report["tags"]] == list(TAGS)
    each = average_precision_score(truth, scores.values, average=None)
    assert [row["average_precision"] for row in report["tags"]] == pytest.approx(each)
    assert report["clips"] == 40
    assert report["interval"] == {
        "kind": "percentile bootstrap over groups",
        "level": 0.95,
        "resamples": 50,
        "groups": 20,
        "centred": ["map"],
    }
    for figure in report["metrics"].values():
        assert figure["low"] < figure["value"] < figure["high"]


def test_rows_in_any_order_and_columns_in_any_order_give_the_same_report() -> None:
    scores, manifest = single()
    report = reports.evaluate(scores, manifest, "one", resamples=60)
    rng = np.random.default_rng(3)
    order = rng.permutation(40)
    mixed = replace(scores, values=scores.values[order], ids=scores.ids[order])
    assert reports.evaluate(mixed, manifest.select(rng.permutation(40)), "one", resamples=60) == report
    assert reports.evaluate(scores, manifest, "one", resamples=60, seed=1) != report
    turned = replace(scores, values=scores.values[:, ::-1], tags=TAGS[::-1])
    other = reports.evaluate(turned, manifest, "one", resamples=60)
    assert {row["tag"]: row for row in other["tags"]} == {row["tag"]: row for row in report["tags"]}
    for name, figure in report["metrics"].items():
        assert other["metrics"][name] == pytest.approx(figure)


def test_worst_errors_are_the_missed_clips_with_the_lowest_scores() -> None:
    values = np.array([[0.9, 0.1, 0, 0], [0.3, 0.6, 0.1, 0], [0.05, 0.1, 0.8, 0.05], [0.2, 0.2, 0.2, 0.4]])
    manifest = made([["dog"], ["dog"], ["dog"], ["rain"]])
    report = reports.evaluate(scored(values, manifest.ids.tolist()), manifest, "one", resamples=0)
    assert [(w["id"], w["path"], w["truth"], w["answered"]) for w in report["worst"]] == [
        ("c02", "audio/c02.wav", "dog", "siren"),
        ("c03", "audio/c03.wav", "rain", "saw"),
        ("c01", "audio/c01.wav", "dog", "rain"),
    ]
    assert [w["score"] for w in report["worst"]] == pytest.approx([0.05, 0.2, 0.3])
    assert [w["answered_score"] for w in report["worst"]] == pytest.approx([0.8, 0.4, 0.6])


def test_worst_errors_of_many_tags_are_missed_tags_and_twenty_at_most() -> None:
    manifest = made([["dog", "rain"], ["dog"], []])
    values = np.array([[0.9, 0.2, 0.1, 0.1], [0.8, 0.9, 0.1, 0.1], [0.9, 0.9, 0.9, 0.9]])
    scores = scored(values, manifest.ids.tolist())
    report = reports.evaluate(scores, manifest, "many", resamples=0)
    assert [(w["id"], w["truth"], w["answered"]) for w in report["worst"]] == [("c00", "rain", "dog")]
    report = reports.evaluate(scores, manifest, "many", resamples=0, threshold=np.array([0.85, 0.1, 0.5, 0.5]))
    assert [(w["id"], w["truth"], w["answered"]) for w in report["worst"]] == [("c01", "dog", "rain")]
    assert len(reports.evaluate(*single(100, strength=0), "one", resamples=0)["worst"]) == 20


def nulls(value: Any, place: str = "") -> list[str]:
    if isinstance(value, dict):
        return [hit for key, item in value.items() for hit in nulls(item, f"{place}.{key}")]
    if isinstance(value, list):
        return [hit for i, item in enumerate(value) for hit in nulls(item, f"{place}[{i}]")]
    return [place] if value is None else []


def test_what_is_undefined_is_null_and_a_note_says_why(tmp_path: Path) -> None:
    manifest = made([["dog"], ["rain"]] * 10)
    values = np.eye(4)[np.arange(20) % 2] + 0.01 * np.random.default_rng(0).random((20, 4))
    facts = {"seed": np.int64(3), "lr": float("nan"), "folds": ("1", "2"), "taggers": {Path("a.safetensors")}}
    report = reports.evaluate(scored(values, manifest.ids.tolist()), manifest, "one", facts, resamples=20)
    assert report["undefined"] == ["siren", "saw"]
    assert report["tags"][2] == {
        "tag": "siren",
        "clips": 0,
        "average_precision": None,
        "auc": None,
        "precision": None,
        "recall": None,
        "f1": None,
    }
    assert report["metrics"]["map"]["value"] == 1  # not a half
    assert report["metrics"]["dprime"] == {"value": None, "low": None, "high": None}
    assert report["protocol"] == {"seed": 3, "lr": None, "folds": ["1", "2"], "taggers": ["a.safetensors"]}
    notes = "\n".join(report["notes"])
    for note in (
        "No clip has these tags, so they are left out of every mean over tags: 'siren', 'saw'.",
        "No clip was answered with these tags, so they have no precision: 'siren', 'saw'.",
        "d′ is infinite, as the mean AUC is 1 or 0: null (value and low and high).",
        "protocol.lr is not a finite number: null.",
    ):
        assert note in notes
    json_path, md_path = reports.write(report, tmp_path, "r")[:2]
    text = json_path.read_text()
    assert not re.search(r"NaN|Infinity", text)
    assert json.loads(text) == report
    for note in report["notes"]:
        assert note in md_path.read_text()


def test_nothing_else_is_null() -> None:
    assert nulls(reports.evaluate(*single(), "one", resamples=20)) == [
        ".calibration",
        ".threshold",
        ".decisions",
        ".events",
    ]
    assert nulls(reports.evaluate(*several(), "many", resamples=20)) == [".confusion", ".decisions", ".events"]


def test_scores_that_are_no_probabilities_have_no_calibration() -> None:
    report = reports.evaluate(*single(), "one", resamples=0)  # normal deviates
    assert report["calibration"] is None
    assert "Scores reach beyond 0 … 1, so they are no probabilities: no calibration." in report["notes"]


def test_notes_on_intervals() -> None:
    scores, manifest = single()
    report = reports.evaluate(scores, manifest, "one", resamples=0)
    assert "No intervals: no resamples were asked for." in report["notes"]
    assert report["metrics"]["accuracy"]["low"] is None
    alone = made([[TAGS[i % 4]] for i in range(40)], groups=["g"] * 40)
    report = reports.evaluate(scores, alone, "one", resamples=10)
    assert "No intervals: all clips are of one group, and clips of one group are not independent." in report["notes"]
    few = made([[TAGS[i % 4]] for i in range(40)], groups=[f"g{i % 7}" for i in range(40)])
    report = reports.evaluate(scores, few, "one", resamples=10)
    assert "Only 7 groups: the intervals are rough, and rather too narrow." in report["notes"]


def test_a_perfect_figure_is_no_certainty() -> None:
    scores, manifest = single(strength=100)
    notes = "\n".join(reports.evaluate(scores, manifest, "one", resamples=30)["notes"])
    # 0.861^20 = 0.05
    assert "accuracy, mAP, AUC, d′, mAP@3 has no width, because all draws agree." in notes
    assert "20 groups without an error may come from a tagger that errs in up to 14 % of them." in notes
    assert "no width" not in "\n".join(reports.evaluate(*single(), "one", resamples=30)["notes"])


def test_a_tag_of_every_clip_and_no_tag_at_all() -> None:
    scores, _ = several(20)
    every = reports.evaluate(scores, made([["dog", "rain"], ["dog"]] * 10), "many", resamples=10)
    assert every["undefined"] == ["dog", "siren", "saw"]
    assert "Every clip has these tags, so they are left out of AUC and d′: 'dog'." in every["notes"]
    none = reports.evaluate(scores, made([[]] * 20), "many", resamples=10)
    assert none["metrics"]["map"]["value"] is None
    assert "mAP has no value: no tag or clip here defines it." in none["notes"]


def test_missing_clips() -> None:
    scores, manifest = single()
    part = replace(scores, values=scores.values[12:], ids=scores.ids[12:], start=scores.start[12:], end=scores.end[12:])
    with pytest.raises(
        ScoresError,
        match=r"^12 clips of the manifest have no scores, first: c00 \(40 in the manifest, 28 scored\). Tag them too",
    ):
        reports.evaluate(part, manifest, "one")
    with pytest.raises(ScoresError, match=r"^1 clip of the manifest has no scores, first: c11"):
        reports.evaluate(part, manifest.select(np.arange(11, 40)), "one")


def test_clips_that_only_the_scores_have_are_reported() -> None:
    scores, manifest = single()
    report = reports.evaluate(scores, manifest.select(np.arange(10)), "one", resamples=0)
    assert report["clips"] == 10
    assert "30 scored clips outside the manifest: not in this report." in report["notes"]
    few = replace(scores, values=scores.values[:10], ids=scores.ids[:10], start=scores.start[:10], end=scores.end[:10])
    alone = reports.evaluate(few, manifest.select(np.arange(10)), "one", resamples=0)
    assert alone["metrics"] == report["metrics"]


def test_repeated_clips() -> None:
    scores, manifest = single()
    ids = scores.ids.copy()
    ids[5:8] = "c05"
    with pytest.raises(
        ScoresError, match=r"^1 clip has several rows in the scores, first: c05 \(3 rows\). .* combine the windows"
    ):
        reports.evaluate(replace(scores, ids=ids), manifest, "one")
    with pytest.raises(ScoresError, match=r"^2 clips have several rows in the manifest, first: c01 \(2 rows\)"):
        reports.evaluate(scores, manifest.select(np.array([1, 1, 2, 3, 3])), "one")


def test_tags_that_the_tagger_does_not_know() -> None:
    scores, manifest = single()
    renamed = replace(scores, tags=("dog", "rain", "sirens", "saw"))
    with pytest.raises(
        ScoresError,
        match=r"does not know 1 tag of the manifest: 'siren' \(10 times\), did you mean 'sirens'\? It knows 'dog'",
    ):
        reports.evaluate(renamed, manifest, "one")
    without = manifest.select(np.flatnonzero(~manifest.truth()[:, 2]))
    report = reports.evaluate(renamed, without, "one", resamples=0)
    assert "The tagger does not know 'siren'; no clip here has them." in report["notes"]
    assert report["undefined"] == ["sirens"]


def test_several_tags_do_not_fit_a_tagger_of_one() -> None:
    scores, manifest = several()
    with pytest.raises(ScoresError, match=r"clips have not exactly one tag, first: c00 \(4 tags\).* task many"):
        reports.evaluate(scores, manifest, "one")


def test_no_clips() -> None:
    scores, manifest = single()
    with pytest.raises(ScoresError, match="the manifest has no clips"):
        reports.evaluate(scores, manifest.select(np.zeros(40, bool)), "one")


def size(picture: Path) -> tuple[int, int]:
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_the_files_of_task_one(tmp_path: Path) -> None:
    report = reports.evaluate(*single(), "one", {"epoch chosen by": "valid map", "seeds": [1, 2]}, resamples=20)
    paths = reports.write(report, tmp_path / "new", "fold 5 a.b")
    assert [p.name for p in paths] == [
        f"fold 5 a.b.{end}" for end in ("json", "md", "tags.csv", "confusion.png", "html")
    ]
    assert json.loads(paths[0].read_text(encoding="utf-8")) == report
    text = paths[1].read_text(encoding="utf-8")
    assert "Protocol: epoch chosen by: valid map; seeds: [1, 2]." in text
    assert "![Confusion: rows are the truth](fold%205%20a.b.confusion.png)" in text
    accuracy = report["metrics"]["accuracy"]
    assert f"| accuracy | {accuracy['value']:.3f} | {accuracy['low']:.3f} to {accuracy['high']:.3f} |" in text
    assert "20 resamples of 20 groups, for mAP centred on the value." in text
    assert "audio/c" in text
    with paths[2].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tag"] for row in rows] == list(TAGS)
    assert [float(row["auc"]) for row in rows] == [row["auc"] for row in report["tags"]]
    assert min(size(paths[3])) > 400


def test_the_files_are_the_same_each_time(tmp_path: Path) -> None:
    report = reports.evaluate(*single(), "one", resamples=5)
    first = [path.read_bytes() for path in reports.write(report, tmp_path / "a", "r")]
    assert [path.read_bytes() for path in reports.write(report, tmp_path / "b", "r")] == first


def test_the_files_of_task_many(tmp_path: Path) -> None:
    report = reports.evaluate(*several(), "many", resamples=20)
    assert list(report["metrics"])[:4] == ["map", "auc", "dprime", "map@3"]
    assert {"f1_micro", "f1_macro", "f1_instance"} < set(report["metrics"])
    paths = reports.write(report, tmp_path, "weak")
    assert [p.name for p in paths] == ["weak.json", "weak.md", "weak.tags.csv", "weak.tags.png", "weak.html"]
    text = paths[1].read_text(encoding="utf-8")
    assert "Protocol: not given." in text
    assert "where their score reaches 0.5." in text
    assert report["threshold"] == 0.5
    each = reports.evaluate(*several(), "many", resamples=0, threshold=np.array([0.25, 0.5, 0.5, 0.5]))
    assert each["threshold"] == [0.25, 0.5, 0.5, 0.5]
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
    report = reports.evaluate(scores, renamed, task, resamples=5)
    paths = reports.write(report, tmp_path, "odd")
    text = paths[1].read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| a\\|b")]
    assert len(re.findall(r"(?<!\\)\|", lines[0])) == 8  # seven columns
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
    width, height = size(reports.write(reports.evaluate(scored(values, ids, tags), manifest, "one"), tmp_path, "o")[3])
    assert abs(width - height) < 300
    assert width < 4000
    report = reports.evaluate(scored(values, ids, tags), manifest, "many", resamples=5)
    assert size(reports.write(report, tmp_path, "m")[3])[1] < 4000


@pytest.mark.parametrize("stem", ["", "a/b", "..", "."])
def test_a_report_is_written_into_its_folder_only(tmp_path: Path, stem: str) -> None:
    with pytest.raises(ScoresError, match="a file name without folders"):
        reports.write(reports.evaluate(*single(), "one", resamples=0), tmp_path, stem)


def test_drawing_does_not_touch_the_callers_figures(tmp_path: Path) -> None:
    import matplotlib

    before = matplotlib.rcParams.copy()
    reports.write(reports.evaluate(*single(), "one", resamples=0), tmp_path, "r")
    assert matplotlib.rcParams.copy() == before
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_files_stay_whole_where_a_new_one_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_table(tmp_path / "a.csv", ["x", "y"], [{"x": 1, "y": None, "z": 3}])
    assert old.read_bytes() == b"x,y\n1,\n"

    def full(self: Path, text: str, **_: Any) -> int:
        with self.open("w") as file:
            file.write(text[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_table(old, ["x"], [{"x": 2}])
    assert old.read_bytes() == b"x,y\n1,\n" and list(tmp_path.iterdir()) == [old]


def test_the_same_draws_judge_stored_thresholds() -> None:
    """Of another seed too: the row of 0.5 has the intervals of the figures above it."""
    scores, manifest = several()
    half = np.full(len(TAGS), 0.5)
    told = reports.evaluate(scores, manifest, "many", resamples=50, seed=7, stored=half)
    for row in told["decisions"]["rows"]:
        for name in ("f1_micro", "f1_macro", "f1_instance"):
            assert row[name] == told["metrics"][name]
