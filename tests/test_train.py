"""Training: it learns, it chooses honestly, and a run that is killed ends where it would have ended."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import manifest as manifests
from earmark import recipe as recipes
from earmark import tagger as taggers
from earmark.errors import EarmarkError, ManifestError
from earmark.recipe import parse
from earmark.tag import Recording, score

training = pytest.importorskip("earmark.train")

RATE = 4000
PITCHES = {"low": 200, "middle": 600, "high": 1500}


def recipe(**changes):
    raw = {
        "task": "one",
        "sample_rate": RATE,
        "seed": 3,
        "data": {"dataset": "folder", "test": ["5"], "validation": ["4"]},
        "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [8, 8, 16, 16], "blocks": [1, 1, 1, 1], "momentum": 0.1},
        "augment": ["crop", {"name": "mixup", "share": 0.5}],
        "train": {"epochs": 4, "batch": 8, "optimiser": {"lr": 3e-3}, "precision": "float32"},
    }
    for path, value in changes.items():
        place = raw
        *steps, last = path.split("__")
        for step in steps:
            place = place[step]
        place[last] = value
    return parse(raw)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Tones of three pitches in noise: 3 tags × 5 folds × 4 clips, a group for each."""
    folder = tmp_path_factory.mktemp("tones")
    generator = np.random.default_rng(0)
    columns = {"id": [], "path": [], "tags": [], "fold": [], "group": []}
    for fold in range(1, 6):
        for take in range(4):
            for tag, pitch in PITCHES.items():
                t = np.arange(int(RATE * generator.uniform(0.6, 1.2))) / RATE
                wave = 0.3 * np.sin(2 * np.pi * pitch * generator.uniform(0.95, 1.05) * t + generator.uniform(0, 6))
                wave += generator.normal(0, 0.05, len(t))
                name = f"{tag}-{fold}-{take}.wav"
                soundfile.write(folder / name, wave.astype(np.float32), RATE)
                for key, value in (("id", name), ("path", name), ("tags", [tag]), ("fold", str(fold)), ("group", name)):
                    columns[key].append(value)
    return manifests.build(columns, folder)


def rows(folder: Path):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_learns_and_is_what_it_says(clips, tmp_path):
    said: list[str] = []
    path = training.train(recipe(train__epochs=12), clips, tmp_path / "run", say=said.append)
    tagger = taggers.load(path)
    test = clips.in_folds(["5"])
    heard = list(score(tagger, [Recording(p) for p in test.paths()]))
    answers = [tagger.vocabulary[h.values.argmax()] for h in heard]
    right = np.mean([a == t for a, t in zip(answers, [r[0] for r in test.table["tags"].to_pylist()], strict=True)])
    assert right > 0.8  # chance is a third
    chosen = tagger.facts["chosen"]
    log = rows(tmp_path / "run")
    best = min(log, key=lambda row: float(row["valid_loss"]))
    assert chosen["epoch"] == int(best["epoch"])
    assert chosen["by"] == "best validation loss"
    split = tagger.facts["split"]
    assert [split[part]["folds"] for part in ("train", "validation", "test")] == [["1", "2", "3"], ["4"], ["5"]]
    assert {"recipe.yaml", "run.json", "log.csv", "curves.png", "state.safetensors"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }
    assert any("kept epoch" in line for line in said)


def test_validation_figures_are_those_of_tagging(clips, tmp_path):
    """What the log says of the kept epoch comes out when its tagger is run over the validation clips."""
    tagger = taggers.load(training.train(recipe(), clips, tmp_path / "run"))
    held = clips.in_folds(["4"])
    values = np.stack([h.values for h in score(tagger, [Recording(p) for p in held.paths()])])
    truth = held.truth(tagger.vocabulary)
    told = tagger.facts["validation"]
    assert np.mean(values.argmax(1) == truth.argmax(1)) == pytest.approx(told["accuracy"])
    assert training.clip_loss(values, truth, "one") == pytest.approx(told["loss"], rel=1e-4)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(clips, tmp_path):
    plan = recipe(train__epochs=2)
    one, two = (training.train(plan, clips, tmp_path / name).read_bytes() for name in "ab")
    assert one == two
    other = training.train(plan.model_copy(update={"seed": 4}), clips, tmp_path / "c").read_bytes()
    assert other != one


SCRIPT = """
import sys, time, warnings
from earmark import manifest, recipe, train
def slowly(epoch, epochs, share, row):
    time.sleep(0.05)
train.train(recipe.load(sys.argv[1]), manifest.read(sys.argv[2]), __import__("pathlib").Path(sys.argv[3]),
            resume="--resume" in sys.argv, listener=slowly)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_ends_where_an_unbroken_one_does(clips, tmp_path, how):
    import yaml

    plan = recipe(train__epochs=5, train__schedule={"name": "plateau", "patience": 1})
    manifests.write(clips, tmp_path / "clips.csv")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    plan = recipes.load(tmp_path / "plan.yaml")
    unbroken = training.train(plan, manifests.read(tmp_path / "clips.csv"), tmp_path / "unbroken")
    command = [sys.executable, "-c", SCRIPT, tmp_path / "plan.yaml", tmp_path / "clips.csv", tmp_path / "run"]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    log = tmp_path / "run" / "log.csv"
    deadline = time.monotonic() + 120
    while not (log.is_file() and len(log.read_text().splitlines()) > 2):  # in the third epoch
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, how)
    process.wait()
    assert process.returncode != 0
    assert len(rows(tmp_path / "run")) < 5
    subprocess.run([str(part) for part in [*command, "--resume"]], check=True, stderr=subprocess.DEVNULL)
    assert (tmp_path / "run" / "tagger.safetensors").read_bytes() == unbroken.read_bytes()
    assert log.read_text() == (tmp_path / "unbroken" / "log.csv").read_text()


def test_a_run_folder_is_not_overwritten(clips, tmp_path):
    folder = tmp_path / "run"
    training.train(recipe(train__epochs=1), clips, folder)
    with pytest.raises(EarmarkError, match="holds a run already: --resume goes on"):
        training.train(recipe(train__epochs=1), clips, folder)
    with pytest.raises(EarmarkError, match="started with another recipe"):
        training.train(recipe(train__epochs=2), clips, folder, resume=True)
    fewer = clips.select(np.arange(len(clips)) != 0)
    with pytest.raises(EarmarkError, match="started with other clips"):
        training.train(recipe(train__epochs=1), fewer, folder, resume=True)
    said: list[str] = []
    training.train(recipe(train__epochs=1), clips, folder, resume=True, say=said.append)
    assert any("has ended" in line for line in said)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    with pytest.raises(EarmarkError, match="is not empty and holds no run"):
        training.train(recipe(), clips, tmp_path / "mine")


def test_groups_on_two_sides_are_refused(clips, tmp_path):
    table = clips.table.set_column(clips.table.schema.get_field_index("group"), "group", [["one"] * len(clips)])
    shared = manifests.Manifest(table, clips.root, clips.vocabulary, {})
    with pytest.raises(ManifestError, match="1 groups .* lie in both train and validation, such as 'one'"):
        training.divide(recipe(), shared)
    said: list[str] = []
    training.divide(recipe(data__shared_groups="report"), shared, said.append)
    assert len(said) == 3


def test_a_fraction_is_held_out_by_whole_groups(clips):
    parts = training.divide(recipe(data__validation=0.25), clips)
    assert len(parts.train) + len(parts.validation) == 48
    assert 8 <= len(parts.validation) <= 16
    assert not set(parts.train.groups) & set(parts.validation.groups)
    assert set(parts.test.folds) == {"5"}


def test_what_cannot_be_trained_is_refused(clips, tmp_path):
    with pytest.raises(ManifestError, match="tests on fold '9'; the manifest has 1, 2, 3, 4, 5"):
        training.divide(recipe(data__test=["9"]), clips)
    with pytest.raises(ManifestError, match="no clip is left for train"):
        training.divide(recipe(data__train=[]), clips)
    two = manifests.build(
        {"id": ["a", "b"], "path": ["a", "b"], "tags": [["x", "y"], ["x"]], "fold": ["1", "4"]}, tmp_path
    )
    with pytest.raises(ManifestError, match="1 clips do not have exactly one tag, such as 'a':"):
        training.train(recipe(data__test=[]), two, tmp_path / "run")


def test_unreadable_clips_are_listed_and_left_out(clips, tmp_path):
    columns = {name: clips.table[name].to_pylist() for name in ("id", "tags", "fold", "group")}
    columns["path"] = [str(path) for path in clips.paths()]
    columns["path"][0] = str(tmp_path / "gone.wav")
    broken = manifests.build(columns, tmp_path)
    said: list[str] = []
    training.train(recipe(train__epochs=1), broken, tmp_path / "run", say=said.append)
    with (tmp_path / "run" / "errors.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert [Path(row["path"]).name for row in listed] == ["gone.wav"]
    assert listed[0]["part"] == "train"
    assert any("1 clips could not be read" in line for line in said)
    with pytest.raises(EarmarkError, match=r"gone\.wav"):
        training.train(recipe(train__epochs=1), broken, tmp_path / "strict", strict=True)


def test_a_loss_that_is_no_number_stops_the_run(clips, tmp_path):
    wild = recipe(train__optimiser={"name": "sgd", "lr": 1e30})
    with pytest.raises(EarmarkError, match="the loss became .* take a lower train.optimiser.lr"):
        training.train(wild, clips, tmp_path / "run")


def test_early_stopping_and_the_last_epoch(clips, tmp_path):
    frozen = recipe(train__optimiser={"name": "sgd", "lr": 1e-12, "momentum": 0}, train__epochs=30, train__stop_after=2)
    training.train(frozen, clips, tmp_path / "run")
    assert len(rows(tmp_path / "run")) < 30
    path = training.train(recipe(train__keep="last", train__epochs=2), clips, tmp_path / "last")
    assert taggers.load(path).facts["chosen"] == {"epoch": 2, "of": 2, "by": "the last epoch"}


def test_many_tags(clips, tmp_path):
    tags = [[t[0], "tone"] if t[0] != "low" else t for t in clips.table["tags"].to_pylist()]
    columns = {name: clips.table[name].to_pylist() for name in ("id", "path", "fold", "group")}
    several = manifests.build({**columns, "tags": tags}, clips.root)
    plan = recipe(task="many", train__choose="map", train__epochs=3)
    tagger = taggers.load(training.train(plan, several, tmp_path / "run"))
    assert tagger.vocabulary == ("high", "low", "middle", "tone")
    log = rows(tmp_path / "run")
    assert "valid_accuracy" not in log[0]
    assert tagger.facts["chosen"]["epoch"] == int(max(log, key=lambda row: float(row["valid_map"]))["epoch"])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["precision"] == "32-true"


def test_without_validation_the_last_epoch_is_kept(clips, tmp_path):
    plan = recipe(data__validation=[], train__keep="last", train__schedule={"name": "cosine"}, train__epochs=2)
    tagger = taggers.load(training.train(plan, clips, tmp_path / "run"))
    assert tagger.facts["chosen"] == {"epoch": 2, "of": 2, "by": "the last epoch"}
    assert tagger.facts["split"]["train"] == {
        **tagger.facts["split"]["train"],
        "clips": 48,
        "folds": ["1", "2", "3", "4"],
    }
    assert tagger.facts["split"]["validation"]["clips"] == 0
    assert tagger.facts["validation"] == {}
    with pytest.raises(EarmarkError, match="keep: best needs validation clips"):
        recipe(data__validation=[])
