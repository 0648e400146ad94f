"""Figures of a file of scores, by whatever made it: those of the tagger that did, and what is told of clips that do not match."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from tests.program import earmark

from earmark.data.manifest import build
from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation.comparison import compare
from earmark.evaluation.evaluation import evaluate
from earmark.scores import Scores

TAGS = ("dog", "rain", "wind")


@pytest.fixture
def clips(tmp_path):
    names = [f"{number}.wav" for number in range(12)]
    told = {
        "id": names,
        "path": names,
        "tags": [[TAGS[k % 3]] for k in range(12)],
        "fold": [str(k % 2 + 1) for k in range(12)],
    }
    return build(told, tmp_path)


def scores(count=12, seed=0, extra=0):
    values = np.random.default_rng(seed).dirichlet(np.ones(3), count + extra).astype(np.float32)
    ids = np.array([f"{number}.wav" for number in range(count)] + [f"other{k}.wav" for k in range(extra)])
    return Scores(values, ids, np.zeros(len(ids)), np.ones(len(ids)), TAGS)


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_the_figures_are_those_of_the_scores(clips, tmp_path, ending):
    told = scores()
    told.save(tmp_path / f"s{ending}")
    found = evaluate(tmp_path / f"s{ending}", clips, resamples=20)
    right = told.values.argmax(1) == np.arange(12) % 3
    assert found.metrics["accuracy"].value == pytest.approx(right.mean())
    assert found.figures.notes[0].startswith("Of scores in a file nobody knows")
    found = evaluate(tmp_path / f"s{ending}", clips, folds=["2"], resamples=20)
    assert found.metrics["accuracy"].value == pytest.approx(right[1::2].mean())
    assert found.figures.protocol["folds"] == ["2"]


def test_clips_that_do_not_match_are_told(clips, tmp_path):
    scores(count=9, extra=2).save(tmp_path / "s.parquet")
    found = evaluate(tmp_path / "s.parquet", clips, resamples=0)
    assert found.figures.clips == 9
    told = " ".join(found.figures.notes)
    assert "2 of the 11 rows of" in told and "3 of the 12 clips of the manifest have no scores in" in told
    scores(count=0, extra=3).save(tmp_path / "none.parquet")
    with pytest.raises(ScoresError, match="none of its 3 clips is in the manifest: give the clips that they are of"):
        evaluate(tmp_path / "none.parquet", clips)
    with pytest.raises(EarmarkError):
        evaluate(tmp_path / "not-there.parquet", clips)


def test_the_command_writes_a_report(clips, tmp_path):
    scores().save(tmp_path / "s.csv")
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "path", "tags"])
        table.writerows([f"{k}.wav", f"{k}.wav", TAGS[k % 3]] for k in range(12))
    words = ("evaluate", tmp_path / "s.csv", "--data", tmp_path / "clips.csv", "--resamples", 20)
    done = earmark(*words, "--out", tmp_path / "report", "--json")
    assert done.returncode == 0, done.stderr
    right = scores().values.argmax(1) == np.arange(12) % 3
    assert json.loads(done.stdout)["metrics"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert (tmp_path / "report" / "report.html").is_file()
    done = earmark(*words, "--record")
    assert done.returncode == 2 and "holds scores, and figures are written into a tagger's file" in done.stderr


def test_parts_of_one_recording_are_drawn_together(tmp_path):
    """Four recordings of three parts each, without groups: intervals are those of four groups, as if the groups were told."""
    names = [f"{number}.wav" for number in range(12)]
    told = {
        "id": names, "path": [f"night{k % 4}.wav" for k in range(12)], "start": [float(k // 4) for k in range(12)],
        "end": [k // 4 + 1.0 for k in range(12)], "tags": [[TAGS[k % 3]] for k in range(12)],
    }  # fmt: skip
    for seed, name in enumerate(("a.parquet", "b.parquet")):
        scores(seed=seed).save(tmp_path / name)
    bare, said = build(told, tmp_path), build(told | {"group": [f"night{k % 4}" for k in range(12)]}, tmp_path)
    of_bare, of_said = (evaluate(tmp_path / "a.parquet", clips, resamples=200) for clips in (bare, said))
    assert of_bare.figures.interval.groups == 4
    assert of_bare.metrics == of_said.metrics
    assert evaluate(tmp_path / "a.parquet", bare, resamples=200, draw="clips").figures.interval.groups == 12
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pairs = [compare(files, clips, resamples=200, permutations=200).pairs for clips in (bare, said)]
    assert pairs[0] == pairs[1]
