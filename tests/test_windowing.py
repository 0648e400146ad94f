"""Windows chosen on validation clips: the figures are those of evaluation, and the file keeps the best."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.program import earmark
from tests.test_train import recipe

import earmark as library
from earmark.data import manifest as manifests
from earmark.errors import EarmarkError
from earmark.evaluation import windowing
from earmark.evaluation.alarms import record
from earmark.models import loading
from earmark.models.file import read_head
from earmark.models.testfacts import Alarms
from earmark.train.run import train

pytestmark = pytest.mark.usefixtures("sketched")


@pytest.fixture(scope="module")
def place(clips, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("windows")
    manifests.write(clips, folder / "clips.parquet")
    train(recipe(train__epochs=3), clips, folder / "run")
    return folder


@pytest.fixture(scope="module")
def told(place) -> windowing.Choice:
    return windowing.choose(place / "run" / "tagger.safetensors", place / "clips.parquet")


def test_all_settings_are_tried_the_best_first(told):
    # hops of 0.5 s, its half (the tagger's own), quarter and sixth; two means with three weights, and the largest
    assert len(told.tried) == 4 * 7 and len({each.windows for each in told.tried}) == 28
    assert [each.value for each in told.tried] == sorted(each.value for each in told.tried)
    assert told.metric == "log_loss" and told.clips.fold_names() == ["4"]


def test_the_figures_are_those_of_an_evaluation(place, told):
    """The first, the last and the one before: what the tagger says of fold 4 with these windows."""
    tagger = loading.load(place / "run" / "tagger.safetensors", engine="torch").alone
    own = next(each for each in told.tried if each.windows == told.own)
    for each in (told.tried[0], told.tried[-1], own):
        heard = tagger.hearing({key: getattr(each.windows, key) for key in ("hop", "combine", "weigh")})
        judged = library.evaluate(heard, place / "clips.parquet", folds=["4"], seen=True, resamples=0)
        assert judged.metrics["log_loss"].value == pytest.approx(each.value, rel=1e-4)


def test_by_another_metric_more_is_better(place):
    told = windowing.choose(place / "run" / "tagger.safetensors", place / "clips.parquet", metric="map", hops=[0.5])
    values = [each.value for each in told.tried]
    assert values == sorted(values, reverse=True) and len(values) == 2 * 7
    assert {each.windows.hop for each in told.tried} == {0.25, 0.5}  # its own is among them


def test_the_best_are_stored_and_used(place, told, tmp_path):
    done = earmark(
        "calibrate", place / "run" / "tagger.safetensors", "--data", place / "clips.parquet", "--windows", "--out",
        tmp_path / "new.safetensors", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(told.as_dict()))
    head = read_head(tmp_path / "new.safetensors")
    best = told.tried[0].windows
    assert {key: head["recipe"]["windows"][key] for key in ("hop", "combine", "weigh")} == {
        "hop": best.hop, "combine": best.combine, "weigh": best.weigh,
    }  # fmt: skip
    assert head["facts"]["windows"]["chosen"]["value"] == told.tried[0].value
    assert head["facts"]["windows"]["chosen on"]["folds"] == ["4"]
    loaded = loading.load(tmp_path / "new.safetensors")
    assert loaded.windows == best and loaded.facts.as_dict()["windows"] == head["facts"]["windows"]
    judged = earmark("evaluate", tmp_path / "new.safetensors", "--data", place / "clips.parquet", "--resamples", 5)
    assert judged.returncode == 0, judged.stderr


def test_what_was_chosen_for_other_windows_goes(place, tmp_path):
    file = Path(shutil.copy(place / "run" / "tagger.safetensors", tmp_path))
    assert earmark("evaluate", file, "--data", place / "clips.parquet", "--record", "--resamples", 5).returncode == 0
    record(file, loading.load(file), [Alarms("wind", 1, 1.0, {}, "threshold 0.5 for all tags")])
    assert {"test", "alarms"} <= set(read_head(file)["facts"])
    done = earmark("calibrate", file, "--data", place / "clips.parquet", "--windows", "--metric", "log_loss")
    assert done.returncode == 0, done.stderr
    if "has these windows now" in done.stderr:
        assert "test figures and false alarms were of the windows of before and are left out" in done.stderr
        assert not {"test", "alarms"} & set(read_head(file)["facts"])
    else:
        assert {"test", "alarms"} <= set(read_head(file)["facts"])
    again = earmark("calibrate", file, "--data", place / "clips.parquet", "--windows")
    assert again.returncode == 0 and "keeps its windows, which are the best" in again.stderr


def test_other_clips_than_those_of_validation_are_refused(place, clips):
    for folds in (["5"], ["1"], ["4", "5"]):
        with pytest.raises(EarmarkError, match=r"windows are chosen on the validation folds of the tagger, fold 4"):
            windowing.choose(place / "run" / "tagger.safetensors", clips, folds=folds)
    with pytest.raises(EarmarkError, match="the metric 'lwlrap' is not for task 'one'"):
        windowing.choose(place / "run" / "tagger.safetensors", clips, metric="lwlrap")
    done = earmark(
        "calibrate", place / "run" / "tagger.safetensors", "--data", place / "clips.parquet", "--metric", "map"
    )
    assert done.returncode == 2 and "--metric map is for --windows" in done.stderr


def test_a_tagger_without_validation_clips_is_refused(clips, tmp_path):
    path = train(
        recipe(data__validation=[], train__keep="last", train__epochs=1, train__schedule={"name": "cosine"}),
        clips,
        tmp_path / "run",
    )
    with pytest.raises(EarmarkError, match=r"none that its file tells, .* Train with data.validation"):
        windowing.choose(path, clips)
