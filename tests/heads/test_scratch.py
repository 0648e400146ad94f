# ruff: noqa: F811 (fixtures of the tests of heads)
"""The curve of a recipe from scratch beside that of heads: the same draws, gone on with, honest about what it is."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from tests.heads.test_run import RATE, TONES, base, clips  # noqa: F401 (fixtures)
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.errors import RecipeError
from earmark.evaluation.scoring import score_clips
from earmark.models import loading
from earmark.recipe import parse

training = pytest.importorskip("earmark.train")
from earmark.train import precision  # noqa: E402 (after the skip)
from earmark.train.heads import curve as curves  # noqa: E402 (after the skip)
from earmark.train.heads import run, scratch  # noqa: E402

NET = {"name": "convnet1d", "widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1], "momentum": 0.1}
RAW = {
    "name": "tiny", "summary": "made up", "task": "one", "sample_rate": RATE, "data": {"dataset": "table", "validation": 0.2},
    "windows": {"length": 0.5, "hop": 0.5}, "net": NET, "augment": ["crop"],
    "train": {"epochs": 1, "batch": 8, "precision": "float32", "schedule": {"name": "constant"}},
}  # fmt: skip


def measured(clips, folder, heads, sizes=(1, None), draws=1, recipe=None):
    plan = curves.Plan(sizes, draws, 20)
    return scratch.curve(parse(recipe or RAW), heads, clips, folder, plan, scratch.How(1))


@pytest.fixture
def two(clips):
    """Two folds: 'a' of two clips a tag, and 'b' of the others."""
    names = pa.chunked_array([pa.array(["a" if fold == "1" else "b" for fold in clips.folds])])
    at = clips.table.schema.get_field_index("fold")
    return replace(clips, table=clips.table.set_column(at, clips.table.schema.field("fold"), names))


@pytest.fixture
def heads(base, two):
    return run.plan(run.load_base(str(base)), two, "base")


def test_what_the_curve_scores_is_what_a_plain_training_scores(two, heads, tmp_path, monkeypatch):
    """Of all clips, over two folds: accuracy of two taggers trained as the recipe says, on one fold each."""
    found = measured(two, tmp_path / "curve", heads, sizes=(None,))
    truth, right = two.truth(), 0
    for test, learnt in (("a", "b"), ("b", "a")):
        raw = {**RAW, "data": {"dataset": "table", "train": [learnt], "test": [test], "validation": []}}
        count = int((two.folds == learnt).sum())
        raw["train"] = {**RAW["train"], "keep": "last", "clips": count}
        made = training.train(parse(raw), two, tmp_path / test, workers=1)
        rows = np.flatnonzero(two.folds == test)
        scores = score_clips(loading.load(made), two.select(rows)).scores.values
        right += int(truth[rows, scores.argmax(1)].sum())
    assert found.points[0].value == pytest.approx(right / len(two))
    assert found.facts["source"] == "tiny, from scratch"


def test_it_goes_on_with_what_was_learnt(two, heads, tmp_path, monkeypatch):
    learn, count = scratch.runs.train, []

    def counted(*args, **told):
        count.append(len(count))
        if len(count) == 3:
            raise KeyboardInterrupt
        return learn(*args, **told)

    monkeypatch.setattr(scratch.runs, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        measured(two, tmp_path, heads)
    assert len(list((tmp_path / "scratch").glob("*.npy"))) == 2
    found = measured(two, tmp_path, heads)
    assert len(count) == 5  # two folds of two sizes, and the one that was killed
    assert measured(two, tmp_path, heads) == found and len(count) == 5
    assert sorted(path.suffix for path in (tmp_path / "scratch").iterdir()) == [".npy"] * 4
    longer = {**RAW, "train": {**RAW["train"], "epochs": 2}}
    measured(two, tmp_path, heads, sizes=(None,), recipe=longer)  # another recipe: nothing of it is known
    assert len(count) == 7


def test_all_draws_compute_in_one_precision(two, heads, tmp_path, monkeypatch):
    """The first measures, and float32 is the faster; each draw's folder is gone when the next begins."""
    seconds, learn, made = iter([1.0, 1.0]), scratch.runs.train, []

    def train(*args, **told):
        path = learn(*args, **told)
        made.append(loading.load(path).facts.precision.words())
        return path

    monkeypatch.setattr(precision, "_time_step", lambda *told: next(seconds))
    monkeypatch.setattr(scratch.runs, "train", train)
    recipe = {**RAW, "train": {**RAW["train"], "precision": "auto"}}
    measured(two, tmp_path, heads, recipe=recipe)
    assert made == ["float32"] * 4


def test_few_clips_are_learnt_from_in_as_many_steps():
    plan = scratch.planned(parse(RAW), 24)
    assert plan.train.clips == 24 and plan.train.keep == "last" and plan.data.validation == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"load": {"net": "other.safetensors"}}, "load: begins with weights of another tagger, so that it is not from scratch"),
        ({"task": "many"}, "task: is many, and the heads learn one: say --set task=one"),
    ],
)  # fmt: skip
def test_what_is_not_from_scratch_is_refused(change, said, two, heads, tmp_path):
    with pytest.raises(RecipeError, match=said):
        measured(two, tmp_path, heads, recipe={**RAW, **change})


def test_by_command(base, two, tmp_path):
    manifests.write(two, two.root / "two.csv")
    (tmp_path / "tiny.yaml").write_text(json.dumps(RAW))
    words = [
        "curve",
        two.root / "two.csv",
        "--from",
        base,
        "--scratch",
        tmp_path / "tiny.yaml",
        "--out",
        tmp_path / "curve",
    ]
    result = earmark(
        *words,
        "--clips",
        "1,all",
        "--draws",
        "1",
        "--resamples",
        "20",
        "--head",
        "prototypes",
        "--set",
        "train.epochs=1",
    )
    assert result.returncode == 0, result.stderr
    assert "accuracy, tiny, from scratch" in result.stdout
    told = json.loads((tmp_path / "curve/curve.json").read_text())["curves"]
    assert [each["source"] for each in told] == ["base.safetensors", "tiny, from scratch"]
    assert [[point["clips"] for point in each["points"]] for each in told] == [[1, None]] * 2
    assert "1 epoch, of which the last counts" in (tmp_path / "curve/curve.md").read_text()


def test_a_curve_tells_sounds_on_both_sides_and_silent_clips(base, clips, tmp_path):
    """Of a base and of a recipe from scratch; the first draws of both would be figures of what was learnt by heart."""
    folder = tmp_path / "clips"
    shutil.copytree(clips.root, folder)
    tag = next(iter(TONES))
    shutil.copy(folder / f"{tag}-0.wav", folder / "again.wav")  # of fold 1
    soundfile.write(folder / f"{tag}-1.wav", np.zeros(RATE // 2), RATE)
    table = (folder / "own.csv").read_text().rstrip("\n").splitlines()
    row = next(line for line in table if f"{tag}-2.wav" in line)  # of fold 3
    (folder / "own.csv").write_text("\n".join([*table, row.replace(f"{tag}-2.wav", "again.wav")]) + "\n")
    words = [
        "curve",
        str(folder / "own.csv"),
        "--from",
        str(base),
        "--clips",
        "1,all",
        "--draws",
        "1",
        "--resamples",
        "0",
    ]
    told = earmark(*words, "--out", str(tmp_path / "refused"))
    assert told.returncode == 2 and "1 sound lies in both train and test, byte for byte" in told.stderr, told.stderr
    told = earmark(*words, "--out", str(tmp_path / "borne"), "--set", "data.shared_groups=report")
    assert told.returncode == 0 and "figures are better than on sounds never heard" in told.stderr, told.stderr
    assert f"1 training clip is silent and teaches nothing, such as '{tag}-1.wav'" in told.stderr
    (tmp_path / "tiny.yaml").write_text(json.dumps(RAW))
    told = earmark(
        *words, "--out", str(tmp_path / "scratch"), "--set", "data.shared_groups=report", "--scratch", str(tmp_path / "tiny.yaml")
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
