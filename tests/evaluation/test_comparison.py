"""`earmark.compare`: differences as the metrics give them, names, and systems that cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.evaluation.conftest import TAGS, Heard, Make

import earmark
from earmark import metrics
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation.choices import NOBODY_KNOWS
from earmark.evaluation.clips import SUMS
from earmark.evaluation.comparison import named_by
from earmark.evaluation.labels import audit
from earmark.scores import Scores

TASK = "No file tells its task: all were judged as of task one, since each clip has exactly one tag."
NONE_ASKED = "No intervals: no resamples were asked for."


def scored(single: Manifest, seed: int, file: Path, rows: slice = slice(None)) -> Path:
    values = np.random.default_rng(seed).random((9, 2)).astype(np.float32)
    Scores(values[rows], single.ids[rows], np.zeros(9)[rows], np.ones(9)[rows], TAGS).save(file)
    return file


def test_pairs_are_those_of_the_metrics(single: Manifest, tmp_path: Path) -> None:
    files = {name: scored(single, seed, tmp_path / f"{name}.parquet") for seed, name in enumerate("ab")}
    told = earmark.compare(files, single, resamples=20, permutations=99)
    values = {name: Scores.load(file).values for name, file in files.items()}
    truth = single.truth(TAGS)
    assert told.pairs == metrics.compare(values, truth, single.groups, "one", resamples=20, permutations=99)
    assert [system.name for system in told.systems] == ["a", "b"] and told.clips == 9
    assert told.systems[0].metrics["accuracy"].value == metrics.accuracy(values["a"], truth)
    assert told.protocol == {name: f"9 clips, from {file}" for name, file in files.items()}
    json.dumps(told.as_dict(), allow_nan=False)
    # columns in another order are the same scores
    other = Scores.load(files["b"])
    replace(other, values=other.values[:, ::-1], tags=TAGS[::-1]).save(tmp_path / "turned.parquet")
    turned = earmark.compare({"a": files["a"], "b": tmp_path / "turned.parquet"}, single, resamples=20, permutations=99)
    assert turned.pairs == told.pairs


def test_what_has_no_value_is_null(single: Manifest, tmp_path: Path) -> None:
    files = [scored(single, seed, tmp_path / f"{seed}.csv") for seed in (1, 2)]
    told = earmark.compare(files, single, metrics=["map"], resamples=0, permutations=0).as_dict()
    assert told["systems"][0]["metrics"]["map"]["low"] is None and told["pairs"][0]["p"] is None
    assert list(told["pairs"][0]) == ["a", "b", "metric", "difference", "low", "high", "p", "p_holm"]


def test_taggers_runs_and_scores_side_by_side(
    make: Make, run: Path, single: Manifest, tmp_path: Path, heard: Heard
) -> None:
    file = scored(single, 0, tmp_path / "scores.csv")
    systems = {"net": make(5, task="one"), "run": run, "file": file}
    told = earmark.compare(
        systems, single, dataset="soundscapes", metrics=["accuracy"], resamples=0, permutations=9, progress=heard
    )
    assert [(pair.a, pair.b) for pair in told.pairs] == [("net", "run"), ("net", "file"), ("run", "file")]
    assert [total for _, total, _ in heard.pieces] == [9, 3, 3, 3]
    assert told.protocol["net"].startswith("9 clips, from the tagger ")
    alone = earmark.evaluate(run, single, dataset="soundscapes", resamples=0)
    assert told.systems[1].metrics["accuracy"].value == alone.metrics["accuracy"].value
    assert alone.figures.protocol["looks"] == 2  # the comparison was the first


def test_clips_that_one_lacks(single: Manifest, tmp_path: Path) -> None:
    whole, part = scored(single, 0, tmp_path / "whole.csv"), scored(single, 1, tmp_path / "part.csv", slice(6))
    with pytest.raises(
        EarmarkError, match="whole has 3 clips that another system lacks: say --common to compare on the 6"
    ):
        earmark.compare([whole, part], single)
    told = earmark.compare([whole, part], single, common=True, resamples=0, permutations=0)
    assert told.clips == 6 and told.notes == (
        "whole has 3 clips that another system lacks: left out.",
        SUMS,
        NONE_ASKED,
        TASK,
        NOBODY_KNOWS,
    )
    assert told.protocol["whole"] == f"6 clips of the 9 that it scores, from {whole}"
    folds = earmark.compare([whole, part], single, folds=["1"], common=True, resamples=0, permutations=0)
    assert folds.clips == 2


def test_clips_that_no_file_has_are_told(single: Manifest, tmp_path: Path) -> None:
    files = [scored(single, seed, tmp_path / f"{seed}.csv", slice(7)) for seed in (1, 2)]
    told = earmark.compare(files, single, resamples=0, permutations=0)
    left = "2 of the 9 clips of the manifest have no scores in any of the files: left out."
    assert told.notes == (SUMS, NONE_ASKED, left, TASK, NOBODY_KNOWS)
    assert told.protocol["1"] == f"7 clips, from {files[0]}; 2 of the 9 clips of the manifest have no scores in it"
    fewer = scored(single, 3, tmp_path / "3.csv", slice(4, 9))
    told = earmark.compare([files[0], fewer], single, common=True, resamples=0, permutations=0)
    assert told.clips == 3 and not any("in any of the files" in note for note in told.notes)
    folded = earmark.compare(files, single, folds=["3"], resamples=0, permutations=0)
    left = "1 of the 3 clips of fold 3 of the manifest has no scores in any of the files: left out."
    assert folded.notes == (SUMS, NONE_ASKED, left, TASK, NOBODY_KNOWS)


def test_ids_that_match_nothing_are_told_with_one_of_each_side(single: Manifest, tmp_path: Path) -> None:
    one, other = scored(single, 0, tmp_path / "one.csv"), Scores.load(scored(single, 1, tmp_path / "other.csv"))
    replace(other, ids=np.array([f"clips/{name}" for name in other.ids])).save(tmp_path / "other.csv")
    said = (
        r"other\.csv: none of its 9 clips is in the manifest: give the clips that they are of. Its ids are like "
        r"'clips/0\.wav', those of the manifest like '0\.wav'"
    )
    for common in (False, True):
        with pytest.raises(ScoresError, match=said):
            earmark.compare([one, tmp_path / "other.csv"], single, common=common)
    with pytest.raises(ScoresError, match=said):
        earmark.evaluate(tmp_path / "other.csv", single)
    with pytest.raises(ScoresError, match=said):
        audit(tmp_path / "other.csv", single)
    part = scored(single, 0, tmp_path / "part.csv", slice(1))
    with pytest.raises(
        ScoresError, match=r"none of its 1 clip is in fold 2 of the manifest.*like '0\.wav', those of.*'1\.wav'"
    ):
        earmark.evaluate(part, single, folds=["2"])


def test_what_cannot_be_compared(single: Manifest, tmp_path: Path) -> None:
    one = scored(single, 0, tmp_path / "one.csv")
    with pytest.raises(EarmarkError, match="needs two systems at least"):
        earmark.compare([one], single)
    other = Scores.load(one)
    replace(other, tags=("burst", "rain")).save(tmp_path / "other.csv")
    with pytest.raises(EarmarkError, match="one and other have different tags, such as 'hiss'"):
        earmark.compare([one, tmp_path / "other.csv"], single)
    apart = scored(single, 0, tmp_path / "apart.csv", slice(6, None))
    first = scored(single, 0, tmp_path / "first.csv", slice(3))
    for common in (True, False):  # --common would be no way out
        said = "the systems have no clip in common: first has such as '0.wav', apart has such as '6.wav'"
        with pytest.raises(EarmarkError, match=said):
            earmark.compare([first, apart], single, common=common)


def test_taggers_are_judged_as_of_their_own_task(make: Make, single: Manifest, tmp_path: Path) -> None:
    """As `evaluate` does it, also of clips with one tag each; the clips decide where systems differ or do not tell."""
    many = {"a": make(1), "b": make(2)}
    how = {"dataset": "soundscapes", "resamples": 0, "permutations": 0}
    told = earmark.compare(many, single, **how)
    alone = earmark.evaluate(many["a"], single, dataset="soundscapes", resamples=0, events=False)
    assert (
        "f1_micro" in told.systems[0].metrics
        and "accuracy" not in told.systems[0].metrics
        and told.notes == (NONE_ASKED,)
    )
    assert told.systems[0].metrics["f1_micro"].value == alone.metrics["f1_micro"].value
    assert (
        "accuracy"
        in earmark.compare({"a": make(1, task="one"), "b": make(2, task="one")}, single, **how).systems[0].metrics
    )
    file = scored(single, 0, tmp_path / "file.csv")
    others = (
        (make(3, task="one"), "of task one", [f"a: {SUMS}"], []),
        (file, "a file, which tells none", [SUMS], [f"other: {NOBODY_KNOWS}"]),
    )
    for other, words, sums, more in others:
        told = earmark.compare({"a": many["a"], "other": other}, single, **how)
        assert "accuracy" in told.systems[0].metrics
        said = f"All were judged as of task one, since each clip has exactly one tag: a is of task many and other is {words}."
        assert told.notes == (*sums, NONE_ASKED, said, *more)
    asked = earmark.compare(many, single, task="one", metrics=["accuracy"], **how)
    said = "All were judged as of task one, as asked: a is of task many and b is of task many."
    assert asked.notes == (SUMS, NONE_ASKED, said)
    with pytest.raises(EarmarkError, match="'accuracy' is for task 'one', and these systems .* 'many': say --task one"):
        earmark.compare(many, single, metrics=["accuracy"], **how)
    both = replace(single, table=single.table.set_column(
        single.table.schema.get_field_index("tags"), single.table.schema.field("tags"),
        pa.chunked_array([pa.array([list(TAGS), *single.table["tags"].to_pylist()[1:]], single.table.schema.field("tags").type)]),
    ))  # fmt: skip
    told = earmark.compare({"a": make(1, task="one"), "b": make(2, task="one")}, both, **how)
    assert "f1_micro" in told.systems[0].metrics and any(
        "some clips have not exactly one tag" in note for note in told.notes
    )
    with pytest.raises(EarmarkError, match="--task one: 1 clip has not exactly one tag, first: 0.wav"):
        earmark.compare(many, both, task="one", **how)
    with pytest.raises(EarmarkError, match="task is 'some'"):
        earmark.compare(many, single, task="some", **how)


def test_names_of_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with an equals sign is no name; a run's folder says more than `tagger` or `scores`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=0.1").mkdir()
    (tmp_path / "lr=0.1" / "scores.csv").write_text("")
    assert named_by("lr=0.1/scores.csv", {}) == ("lr=0.1", "lr=0.1/scores.csv")
    assert named_by("mine=lr=0.1/scores.csv", {}) == ("mine", "lr=0.1/scores.csv")
    assert named_by("runs/a/evaluation/scores.parquet", {}) == ("a", "runs/a/evaluation/scores.parquet")
    assert named_by("a/tagger.safetensors", {"a": 0}) == ("a′", "a/tagger.safetensors")
