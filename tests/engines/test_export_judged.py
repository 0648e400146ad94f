"""`earmark export --data`: the figures of what was exported beside PyTorch's, on the same labelled clips."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import soundfile
from sklearn.metrics import average_precision_score
from tests.program import earmark
from tests.small import TAGS, tagger

from earmark import metrics
from earmark.evaluation import exported
from earmark.models.ensemble import Ensemble
from earmark.models.file import read_head
from earmark.models.loading import load

onnx = pytest.importorskip("onnx", reason="needs the extra export")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tagger without graphs, and twelve clips of noise that grows or fades, with chance tags."""
    folder = tmp_path_factory.mktemp("judged")
    tagger("cnnspec", 1.024, 1.024).save(folder / "t.safetensors")
    chance = np.random.default_rng(0)
    rows = [["id", "path", "tags", "fold"]]
    for number in range(12):
        swell = np.linspace(*chance.uniform(0.01, 1, 2), 12_000)
        soundfile.write(folder / f"{number}.wav", chance.normal(0, 0.2, 12_000) * swell, 8000)
        rows.append([f"c{number}", f"{number}.wav", TAGS[number % 3], str(number % 2 + 1)])
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def by_hand(file, place, **how):
    """(scores of the clips in the order of their numbers, mAP by scikit-learn)."""
    made = load(file, **how)
    values = np.stack([each.values for each in made.score([place / f"{n}.wav" for n in range(12)])])
    truth = np.eye(3)[np.arange(12) % 3]
    return values, average_precision_score(truth, values, average="macro")


@pytest.mark.slow
def test_int8_is_judged_in_pairs_with_torch_and_the_file_tells_it(place, tmp_path):
    out = tmp_path / "both.safetensors"
    words = ("export", place / "t.safetensors", "-o", out, "--data", place / "clips.csv", "--precision", "int8")
    done = earmark(*words, "--calibrate", place / "0.wav", "--calibrate", place / "1.wav", "--windows", 8, "--json")
    assert done.returncode == 0, done.stderr
    assert "int8's ranges are taken of 2 of the recordings that it is judged on" in done.stderr
    told = json.loads(done.stdout)
    assert told["compared_on"] == "6 recordings"  # that fill eight windows of 8192 samples, of 12,000 each
    plain, coarse = told["judged"]
    assert (plain["way"], coarse["way"]) == ("onnxruntime float32", "onnxruntime int8")
    assert plain["flips"] == 0 and plain["max_abs_difference"] < 1e-4
    wanted, map_of_torch = by_hand(place / "t.safetensors", place, engine="torch")
    got, map_of_int8 = by_hand(out, place, engine="onnxruntime", precision="int8")
    assert coarse["metric"] == "map" and coarse["clips"] == 12
    assert coarse["torch"]["value"] == pytest.approx(map_of_torch, abs=1e-6)
    assert coarse["value"]["value"] == pytest.approx(map_of_int8, abs=1e-6)
    assert coarse["difference"]["value"] == pytest.approx(map_of_int8 - map_of_torch, abs=1e-6)
    assert coarse["difference"]["low"] <= coarse["difference"]["value"] <= coarse["difference"]["high"]
    assert coarse["flips"] == (got.argmax(1) != wanted.argmax(1)).sum()
    assert coarse["max_abs_difference"] == pytest.approx(np.abs(got - wanted).max(), abs=1e-6)
    assert coarse["max_abs_difference"] > 1e-4  # it is another net
    (one, *_, other) = [graph["made"]["judged"] for graph in read_head(out)["graphs"]]
    assert one.startswith("onnxruntime float32: mAP") and other.startswith("onnxruntime int8: mAP")


@pytest.mark.slow
def test_onnx_files_tell_their_figures(place, tmp_path):
    out = tmp_path / "whole.onnx"
    words = ("export", place / "t.safetensors", "-o", out, "--data", place / "clips.csv", "--windows", 4)
    done = earmark(*words, "--fold", "2")
    assert done.returncode == 0, done.stderr
    assert "judged on labelled clips:\n  onnxruntime float32: mAP" in done.stdout and "on 6 clips" in done.stdout
    facts = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    (told,) = json.loads(facts["earmark.judged"])
    assert told["flips"] == 0 and told["clips"] == 6 and told["difference"]["value"] == pytest.approx(0, abs=1e-6)
    done = earmark(*words[:4], "--windows", 4)  # without labels there is nothing to judge, and none is told
    assert done.returncode == 0 and "judged" not in done.stdout
    assert "earmark.judged" not in {entry.key for entry in onnx.load(out).metadata_props}


@pytest.mark.slow
def test_an_ensemble_is_judged_as_one(place, tmp_path):
    one = tagger("cnnspec", 1.024, 1.024, task="one")
    Ensemble([one, one], "geometric", temperature=0.25).save(tmp_path / "e.safetensors")
    words = ("export", tmp_path / "e.safetensors", "--windows", 4, "--json")
    done = earmark(*words, "--data", place / "clips.csv")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["judged"]
    assert told["clips"] == 12 and told["flips"] == 0
    assert told["max_abs_difference"] < 1e-4  # at its temperature, both


def test_clips_that_it_learnt_from_are_refused_before_anything_is_made(tmp_path):
    words = ("export", "esc10", "-o", "x.onnx", "--data", tmp_path / "esc")
    done = earmark(*words, cwd=tmp_path)
    assert done.returncode == 2 and "esc: no such folder" in done.stderr
    (tmp_path / "esc" / "meta").mkdir(parents=True)
    (tmp_path / "esc" / "audio").mkdir()
    rows = "filename,fold,target,category,esc10,src_file,take\n1-100032-A-0.wav,1,0,dog,True,100032,A\n"
    (tmp_path / "esc" / "meta" / "esc50.csv").write_text(rows)
    soundfile.write(tmp_path / "esc" / "audio" / "1-100032-A-0.wav", np.zeros(44_100), 44_100)
    done = earmark(*words, "--fold", "1", cwd=tmp_path)
    assert done.returncode == 2 and "was trained, or its epoch or its rules chosen, on all 1 clip" in done.stderr
    assert "Report other clips, or say --seen" in done.stderr and not list(tmp_path.glob("x.*"))


def test_a_group_alone_has_no_interval():
    nothing = metrics.Interval(0.5, float("nan"), float("nan"))
    told = exported.Judged("onnxruntime int8", "map", 1, nothing, nothing, nothing, float("nan"), 0, 0.0)
    assert "1 clip, a difference of +0.500 (no interval of one group of clips)" in told.text()
    assert told.as_dict()["difference"] == {"value": 0.5, "low": None, "high": None} and told.as_dict()["p"] is None
