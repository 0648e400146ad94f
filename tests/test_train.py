"""Training: it learns, it chooses honestly, and a run that is killed ends where it would have ended."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open
from tests.program import alone, earmark

from earmark import recipe as recipes
from earmark.data import manifest as manifests
from earmark.errors import EarmarkError, ManifestError
from earmark.files.lock import locked
from earmark.inference import Recording, score
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.recipe import parse

training = pytest.importorskip("earmark.train")
from earmark.train import beforehand  # noqa: E402 (after the skip)
from earmark.train.checkpoint import Every  # noqa: E402
from earmark.train.validation import clip_loss, losses_of  # noqa: E402

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 4000


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


def rows(folder: Path):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def learnt(clips, tmp_path_factory) -> tuple[Path, list[str]]:
    """What a run came to, in its folder, and what was said."""
    said: list[str] = []
    return training.train(
        recipe(train__epochs=12), clips, tmp_path_factory.mktemp("learnt") / "run", say=said.append
    ), said


def test_learns_and_is_what_it_says(clips, learnt):
    path, said = learnt
    tagger = loading.load(path)
    test = clips.in_folds(["5"])
    heard = list(score(tagger, [Recording(p) for p in test.paths()]))
    answers = [tagger.vocabulary[h.values.argmax()] for h in heard]
    right = np.mean([a == t for a, t in zip(answers, [r[0] for r in test.table["tags"].to_pylist()], strict=True)])
    assert right > 0.8  # chance is a third
    chosen = tagger.facts.as_dict()["chosen"]
    log = rows(path.parent)
    best = min(log, key=lambda row: float(row["valid_loss"]))
    assert chosen["epoch"] == int(best["epoch"])
    assert chosen["by"] == "best validation loss"
    split = tagger.facts.as_dict()["split"]
    assert [split[part]["folds"] for part in ("train", "validation", "test")] == [["1", "2", "3"], ["4"], ["5"]]
    assert {"recipe.yaml", "run.json", "log.csv", "curves.png", "state.safetensors"} <= {
        p.name for p in path.parent.iterdir()
    }
    assert any("kept epoch" in line for line in said)


def test_validation_figures_are_those_of_tagging(clips, learnt):
    """What the log says of the kept epoch comes out when its tagger is run over the validation clips."""
    tagger = loading.load(learnt[0])
    held = clips.in_folds(["4"])
    values = np.stack([h.values for h in score(tagger, [Recording(p) for p in held.paths()])])
    truth = held.truth(tagger.vocabulary)
    told = tagger.facts.as_dict()["validation"]
    assert np.mean(values.argmax(1) == truth.argmax(1)) == pytest.approx(told["accuracy"])
    assert clip_loss(values, truth, "one") == pytest.approx(told["loss"], rel=1e-4)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(clips, tmp_path):
    plan = recipe(train__epochs=2)
    one, two = (training.train(plan, clips, tmp_path / name).read_bytes() for name in "ab")
    assert one == two
    other = training.train(plan.model_copy(update={"seed": 4}), clips, tmp_path / "c").read_bytes()
    assert other != one


SCRIPT = """
import pathlib, sys, time
from earmark import recipe, train
from earmark.data import manifest
def slowly(phase, epoch, epochs, share, row):
    time.sleep(0.05 if epoch < 3 else 0.5)  # long enough to be killed in
train.train(recipe.load(sys.argv[1]), manifest.read(sys.argv[2]), pathlib.Path(sys.argv[3]), on_progress=slowly)
"""


def test_a_killed_run_ends_where_an_unbroken_one_does(clips, tmp_path):
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
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert len(rows(tmp_path / "run")) < 5
    resumed = training.train(plan, manifests.read(tmp_path / "clips.csv"), tmp_path / "run", resume=True)
    assert resumed.read_bytes() == unbroken.read_bytes()
    assert log.read_text() == (tmp_path / "unbroken" / "log.csv").read_text()


def test_a_run_folder_is_not_overwritten(clips, tmp_path):
    folder = tmp_path / "run"
    training.train(recipe(train__epochs=1), clips, folder)
    with pytest.raises(EarmarkError, match="holds a run already: --resume goes on"):
        training.train(recipe(train__epochs=1), clips, folder)
    with pytest.raises(
        EarmarkError,
        match=r"started with another recipe or other settings \(train\.epochs: 1, now 2; see .*recipe\.yaml\)",
    ):
        training.train(recipe(train__epochs=2), clips, folder, resume=True)
    fewer = clips.select(np.arange(len(clips)) != 0)
    with pytest.raises(EarmarkError, match="started with other clips"):
        training.train(recipe(train__epochs=1), fewer, folder, resume=True)
    (left := folder / ".state.safetensors.0123abcd.part").touch()  # as a kill leaves it
    said: list[str] = []
    training.train(recipe(train__epochs=1), clips, folder, resume=True, say=said.append)
    assert any("has ended" in line for line in said) and not left.exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    (tmp_path / "mine" / ".theirs.part").touch()
    with pytest.raises(EarmarkError, match="is not empty and holds no run"):
        training.train(recipe(), clips, tmp_path / "mine")
    assert (tmp_path / "mine" / ".theirs.part").is_file()


def test_a_run_goes_on_with_the_same_labels_and_sound_only(clips, tmp_path):
    """Ids alone do not say that a clip is what it was: a label may have been corrected, a file recorded anew."""
    sounds = tmp_path / "sounds"
    shutil.copytree(clips.root, sounds)
    mine = replace(clips, root=sounds)
    plan, folder = recipe(train__epochs=1), tmp_path / "run"
    training.train(plan, mine, folder)
    moved = tmp_path / "elsewhere"
    sounds.rename(moved)
    training.train(plan, replace(clips, root=moved), folder, resume=True)  # where they lie does not matter
    tags = clips.table["tags"].to_pylist()
    tags[0] = [next(tag for tag in clips.vocabulary if tag not in tags[0])]
    column = clips.table.schema.get_field_index("tags")
    relabelled = replace(
        clips, root=moved, table=clips.table.set_column(column, clips.table.schema.field(column), [tags])
    )
    with pytest.raises(
        EarmarkError, match=r"other clips than --data gives now: the labels of the \w+ clips differ\. Give"
    ):
        training.train(plan, relabelled, folder, resume=True)
    first = moved / clips.table["path"][0].as_py()
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    first.write_bytes(content)
    with pytest.raises(EarmarkError, match="the sound of the train clips differ"):
        training.train(plan, replace(clips, root=moved), folder, resume=True)


def test_two_do_not_train_in_one_folder(clips, tmp_path):
    plan, folder = recipe(train__epochs=1), tmp_path / "run"
    with locked(tmp_path, "run"), pytest.raises(EarmarkError, match="another process is at work on this run. Wait"):
        training.train(plan, clips, tmp_path)
    assert list(tmp_path.iterdir()) == []
    training.train(plan, clips, folder)
    with locked(folder, "run"), pytest.raises(EarmarkError, match="another process is at work on this run"):
        training.train(plan, clips, folder, resume=True)
    training.train(plan, clips, folder, resume=True)


def test_groups_on_two_sides_are_refused(clips, tmp_path):
    table = clips.table.set_column(clips.table.schema.get_field_index("group"), "group", [["one"] * len(clips)])
    shared = manifests.Manifest(table, clips.root, clips.vocabulary, {})
    with pytest.raises(ManifestError, match="1 group .* lies in both train and validation, such as 'one'"):
        training.divide(recipe(), shared)
    said: list[str] = []
    training.divide(recipe(data__shared_groups="report"), shared, said.append)
    assert len(said) == 3


def test_a_fraction_is_held_out_by_whole_groups(clips):
    _, parts = training.divide(recipe(data__validation=0.25), clips)
    assert len(parts.train) + len(parts.validation) == 48
    assert 8 <= len(parts.validation) <= 16
    assert not set(parts.train.groups) & set(parts.validation.groups)
    assert set(parts.test.folds) == {"5"}


def test_what_cannot_be_trained_is_refused(clips, tmp_path):
    with pytest.raises(
        ManifestError, match=r"tests on fold '9'; the manifest has 1, 2, 3, 4, 5\. Without test .* --set data.test=\[\]"
    ):
        training.divide(recipe(data__test=["9"]), clips)
    with pytest.raises(ManifestError, match="no clip is left for train"):
        training.divide(recipe(data__train=[]), clips)
    two = manifests.build(
        {"id": ["a", "b"], "path": ["a", "b"], "tags": [["x", "y"], ["x"]], "fold": ["1", "4"]}, tmp_path
    )
    with pytest.raises(ManifestError, match="1 clip does not have exactly one tag, such as 'a':"):
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
    assert any("1 clip could not be read" in line for line in said)
    with pytest.raises(EarmarkError, match=r"gone\.wav"):
        training.train(recipe(train__epochs=1), broken, tmp_path / "strict", strict=True)


def test_a_loss_that_is_no_number_stops_the_run(clips, tmp_path):
    wild = recipe(train__optimiser={"name": "sgd", "lr": 1e30})
    with pytest.raises(EarmarkError, match="the loss became .* take a lower train.optimiser.lr"):
        training.train(wild, clips, tmp_path / "run")


def test_early_stopping_and_the_last_epoch(clips, tmp_path):
    still = {"train__optimiser": {"name": "sgd", "lr": 1e-12, "momentum": 0}, "train__schedule": {"name": "constant"}}
    frozen = recipe(**still, train__epochs=30, train__stop_after=2)
    training.train(frozen, clips, tmp_path / "run")
    assert len(rows(tmp_path / "run")) < 30
    path = training.train(recipe(train__keep="last", train__epochs=2), clips, tmp_path / "last")
    assert loading.load(path).facts.as_dict()["chosen"] == {"epoch": 2, "of": 2, "by": "the last epoch"}


def test_the_loss_of_segments_chooses(clips, tmp_path):
    """The kept tagger's loss is the mean over all validation windows, each with its clip's tag, as tagging scores them."""
    told = recipe(train__choose="segment_loss", train__segments="every", train__epochs=2)
    path = training.train(told, clips, tmp_path / "run")
    log = rows(tmp_path / "run")
    best = min(float(row["valid_segment_loss"]) for row in log)
    kept = loading.load(path)
    assert kept.facts.as_dict()["chosen"]["by"] == "best validation segment loss"
    assert kept.facts.as_dict()["validation"]["segment_loss"] == pytest.approx(best, rel=1e-5)
    held = clips.in_folds(["4"])
    heard = score(kept, [Recording(place) for place in held.paths()], keep_windows=True)
    truth = dict(zip(map(str, held.paths()), held.truth(kept.vocabulary), strict=True))
    losses = [
        -np.log(each.windows.values[:, truth[str(each.recording.path)].argmax()].astype(np.float64)) for each in heard
    ]
    assert max(map(len, losses)) > 1
    assert np.concatenate(losses).mean() == pytest.approx(best, rel=1e-4)
    assert best != pytest.approx(float(log[-1]["valid_loss"]), rel=1e-6)


def test_losses_of_windows_by_hand():
    values, truth = np.array([[0.5, 0.5], [0.2, 0.8]], np.float32), np.array([[True, False], [True, False]])
    assert losses_of(values, truth, "one").tolist() == pytest.approx([np.log(2), np.log(5)])
    assert losses_of(values, truth, "many").tolist() == pytest.approx([np.log(2), np.log(5)])


def test_the_epochs_of_all_phases_have_a_bound(clips, tmp_path):
    """Three epochs and two are wanted, four and three allowed: the last phase is cut short, or not trained at all."""
    said: list[str] = []
    training.train(recipe(phases=MIXED, epochs=4), clips, tmp_path / "four", say=said.append)
    assert [row["phase"] for row in rows(tmp_path / "four")] == ["mixed"] * 3 + ["raw"]
    path = training.train(recipe(phases=MIXED, epochs=3), clips, tmp_path / "three", say=said.append)
    assert [row["phase"] for row in rows(tmp_path / "three")] == ["mixed"] * 3
    assert "raw: not trained: the 3 epochs of all phases are spent" in said
    assert path.read_bytes() == (tmp_path / "three" / "mixed" / "tagger.safetensors").read_bytes()
    training.train(recipe(phases=MIXED, epochs=4), clips, tmp_path / "four", say=said.append, resume=True)
    assert "raw has ended, after epoch 1" in said


def test_a_run_of_before_a_key_was_there_is_resumed(clips, tmp_path):
    """A key that a recipe did not have then is as its default; another value is another recipe."""
    training.train(recipe(train__epochs=1), clips, tmp_path / "run")
    kept = tmp_path / "run" / "recipe.yaml"
    told = yaml.safe_load(kept.read_text())
    del told["epochs"], told["data"]["tags"], told["train"]["segments"]
    kept.write_text(yaml.safe_dump(told))
    training.train(recipe(train__epochs=1, data__tags=9), clips, tmp_path / "run", resume=True)
    with pytest.raises(EarmarkError, match=r'other settings \(train\.segments: "\w+", now "every"; see'):
        training.train(recipe(train__epochs=1, train__segments="every"), clips, tmp_path / "run", resume=True)


def test_many_tags(clips, tmp_path):
    tags = [[t[0], "tone"] if t[0] != "low" else t for t in clips.table["tags"].to_pylist()]
    columns = {name: clips.table[name].to_pylist() for name in ("id", "path", "fold", "group")}
    several = manifests.build({**columns, "tags": tags}, clips.root)
    plan = recipe(task="many", train__choose="map", train__epochs=3)
    tagger = loading.load(training.train(plan, several, tmp_path / "run"))
    assert tagger.vocabulary == ("high", "low", "middle", "tone")
    log = rows(tmp_path / "run")
    assert "valid_accuracy" not in log[0]
    assert tagger.facts.as_dict()["chosen"]["epoch"] == int(max(log, key=lambda row: float(row["valid_map"]))["epoch"])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["precision"] == "32-true"


def test_without_validation_the_last_epoch_is_kept(clips, tmp_path):
    plan = recipe(data__validation=[], train__keep="last", train__schedule={"name": "cosine"}, train__epochs=2)
    tagger = loading.load(training.train(plan, clips, tmp_path / "run"))
    assert tagger.facts.as_dict()["chosen"] == {"epoch": 2, "of": 2, "by": "the last epoch"}
    assert tagger.facts.as_dict()["split"]["train"] == {
        **tagger.facts.as_dict()["split"]["train"],
        "clips": 48,
        "folds": ["1", "2", "3", "4"],
    }
    assert tagger.facts.as_dict()["split"]["validation"]["clips"] == 0
    assert tagger.facts.as_dict()["validation"] == {}
    with pytest.raises(EarmarkError, match="keep: best needs validation clips"):
        recipe(data__validation=[])


MIXED = {
    "mixed": {"train": {"epochs": 3}},
    "raw": {"augment": ["crop"], "train": {"epochs": 2, "optimiser": {"lr": 3e-4}}},
}


@pytest.fixture(scope="module")
def phased(clips, tmp_path_factory) -> Path:
    """The folder of a run in these phases that nothing disturbed."""
    folder = tmp_path_factory.mktemp("phased") / "run"
    training.train(recipe(phases=MIXED), clips, folder)
    return folder


def test_statistics_are_renewed_where_something_looks_at_them(clips, tmp_path):
    """Without validation after the last epoch alone: the same tagger as where each one was renewed and kept."""
    plain = {"data__validation": [], "train__epochs": 2, "train__schedule": {"name": "constant"}}
    weights = []
    for keep in ("last", "every"):
        path = training.train(recipe(**plain, train__keep=keep, train__renew_statistics=True), clips, tmp_path / keep)
        weights.append(loading.load(path).state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    followed = training.train(recipe(**plain, train__keep="last"), clips, tmp_path / "f")
    other = loading.load(followed).state_dict()
    unlike = {name for name, value in weights[0].items() if not torch.equal(value, other[name])}
    assert unlike
    assert all("running" in name or "num_batches" in name for name in unlike)


def test_phases_go_on_from_one_another(clips, phased, tmp_path):
    path, log = phased / "tagger.safetensors", rows(phased)
    assert [(row["phase"], row["epoch"]) for row in log] == [
        ("mixed", "1"), ("mixed", "2"), ("mixed", "3"), ("raw", "1"), ("raw", "2"),
    ]  # fmt: skip
    assert {float(row["lr"]) for row in log} == {3e-3, 3e-4}
    assert path.read_bytes() == (phased / "raw" / "tagger.safetensors").read_bytes()
    kept = loading.load(path)
    assert kept.facts.as_dict()["phase"] == "raw"
    assert set(kept.recipe.phases) == {"mixed", "raw"}  # the file tells the whole training
    # the second phase starts where the first one's best epoch was: its first epoch is far below a fresh net's
    first = loading.load(phased / "mixed" / "tagger.safetensors")
    assert (
        float(log[3]["valid_loss"])
        < first.facts.as_dict()["validation"]["loss"] + 0.3
        < float(log[0]["valid_loss"]) + 0.3
    )
    only = training.train(recipe(phases=MIXED, run=["mixed"]), clips, tmp_path / "only")
    mine, theirs = (loading.load(p).state_dict() for p in (only, phased / "mixed" / "tagger.safetensors"))
    assert all((mine[key] == theirs[key]).all() for key in mine)


def test_a_run_in_phases_that_is_stopped_with_ctrl_c_is_resumed(clips, phased, tmp_path):
    plan = recipe(phases=MIXED)

    def stop(phase, epoch, epochs, share, row):
        if phase == "raw" and epoch == 2:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            training.train(plan, clips, tmp_path / "run", on_progress=stop)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "run" / "tagger.safetensors").exists()
    again = training.train(plan, clips, tmp_path / "run", resume=True)
    assert again.read_bytes() == (phased / "tagger.safetensors").read_bytes()


def test_parts_are_loaded_and_frozen(clips, tmp_path):
    small = {"name": "convnet1d", "widths": [8, 8, 16, 16], "blocks": [1, 1, 1, 1], "momentum": 0.1}
    plan = recipe(
        phases={
            "start": {"train": {"epochs": 2}, "net": small},
            "head": {
                "train": {"epochs": 2},
                "load": {"net.stem": "start:net.stem", "net.stages": "start"},
                "freeze": ["net.stem", "net.stages"],
            },
        },
    )  # fmt: skip
    tagger = loading.load(training.train(plan, clips, tmp_path / "run"))
    start = loading.load(tmp_path / "run" / "start" / "tagger.safetensors")
    same = {
        key
        for key, value in start.state_dict().items()
        if (value == tagger.state_dict()[key]).all() and "tracked" not in key
    }
    assert {
        key for key in start.state_dict() if key.startswith(("net.stem", "net.stages")) and "tracked" not in key
    } <= same
    assert "net.head.weight" not in same
    wrong = recipe(load={"net.stem": f"{tmp_path}/run/start/tagger.safetensors:net.stern"})
    with pytest.raises(EarmarkError, match="load.net.stem: there is no part 'net.stern' in convnet1d: net.stem"):
        training.train(wrong, clips, tmp_path / "wrong")
    with pytest.raises(EarmarkError, match="freeze: the tagger has no part 'net.root'"):
        training.train(recipe(phases={"a": {"freeze": ["net.root"]}}), clips, tmp_path / "odd")


def test_every_epoch_is_kept(clips, tmp_path):
    training.train(recipe(train__keep="every", train__epochs=3), clips, tmp_path / "run")
    kept = sorted((tmp_path / "run" / "epochs").iterdir())
    assert [path.name for path in kept] == ["001.safetensors", "002.safetensors", "003.safetensors"]
    best = loading.load(tmp_path / "run" / "tagger.safetensors")
    chosen = best.facts.as_dict()["chosen"]
    assert chosen["by"] == "best validation loss"
    same = loading.load(kept[chosen["epoch"] - 1])
    assert all((value == same.state_dict()[key]).all() for key, value in best.state_dict().items())


def test_accumulated_gradients_make_fewer_steps(clips, tmp_path):
    told = {"name": "sgd", "lr": 1e-3, "momentum": 0, "decay": 1.0}
    training.train(recipe(train__accumulate=2, train__optimiser=told, train__epochs=1), clips, tmp_path / "run")
    with safe_open(str(tmp_path / "run" / "state.safetensors"), "np") as file:
        state = json.loads(file.metadata()["state"])
    assert state["course"]["steps"] == 3  # 36 clips in batches of 8 are 5 batches
    assert state["groups"][0]["lr"] == pytest.approx(1e-3 / 3)  # the rate of the third step


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_the_log_tells_the_rate_that_was_used(clips, tmp_path, decay):
    """That of the first step of each epoch, also of one that was stopped within."""
    told = {"name": "sgd", "lr": 1e-3, "momentum": 0, "decay": decay}
    plan = recipe(train__accumulate=2, train__optimiser=told, train__epochs=3, train__schedule={"name": "constant"})

    class Stopped(Exception):
        pass

    def stop(phase: str, epoch: int, epochs: int, share: float, row: dict[str, object]) -> None:
        if epoch == 2 and share > 0.95:
            raise Stopped

    training.train(plan, clips, tmp_path / "whole")
    with pytest.raises(Stopped):
        training.train(plan, clips, tmp_path / "run", every=Every(1), on_progress=stop)
    said: list[str] = []
    training.train(plan, clips, tmp_path / "run", every=Every(1), resume=True, say=said.append)
    assert any(line.startswith("going on within epoch 2") for line in said)
    for folder in ("whole", "run"):
        with (tmp_path / folder / "log.csv").open(encoding="utf-8", newline="") as file:
            rates = [float(row["lr"]) for row in csv.DictReader(file)]
        # three steps an epoch: 36 clips in batches of 8 are 5 batches
        assert rates == pytest.approx([1e-3 / (1 + decay * steps) for steps in (0, 3, 6)], rel=1e-5)


def test_clips_without_a_fold_are_told_where_folds_take_turns(clips):
    def told(plan: recipes.Recipe, of: manifests.Manifest) -> list[str]:
        said: list[str] = []
        for turn in training.rotations(plan, of, said.append).values():
            _, parts = training.divide(turn, of)
            assert all(("" in part.folds) == (learnt and name == "train") for name, part in vars(parts).items())
        return said

    def without(*folds: str) -> manifests.Manifest:
        names = [None if fold in folds else fold for fold in clips.folds.tolist()]
        return manifests.Manifest(
            clips.table.set_column(clips.table.schema.get_field_index("fold"), "fold", [names]),
            clips.root,
            clips.vocabulary,
        )

    learnt = False
    assert told(recipe(), clips) == []
    named = recipe(data__train=["1", "2"], data__validation=["3"], data__test=["4"])
    (left,) = told(named, without("5"))
    assert left.startswith(
        "12 of 60 clips have no fold: where folds take turns (--fold all), each turn leaves them out."
    )
    learnt = True
    (line,) = told(recipe(data__test=["3"], data__validation=["2"]), without("4", "5"))
    assert line.startswith("24 of 60 clips have no fold")
    assert "each turn learns from them and none judges them" in line and "data.deal=all" in line
    learnt = False
    assert (
        told(recipe(data__test=["3"], data__validation=["2"], data__folds=5, data__deal="all"), without("4", "5")) == []
    )


def test_folds_take_turns(clips):
    turns = training.rotations(recipe(), clips)
    parts = {name: (plan.data.test, plan.data.validation, plan.data.train) for name, plan in turns.items()}
    assert parts["1"] == (["1"], ["5"], None)
    assert parts["5"] == (["5"], ["4"], None)
    given = recipe(data__test=["5"], data__validation=["4"], data__rotate="validation")
    turns = training.rotations(given, clips)
    assert list(turns) == ["1", "2", "3", "4"]
    assert (turns["2"].data.test, turns["2"].data.validation, turns["2"].data.train) == (["5"], ["2"], ["1", "3", "4"])
    dealt = recipe(data__test=[], data__validation=["1"], data__folds=3)
    with pytest.raises(ManifestError, match="there is a fold '1' already"):
        training.divide(dealt, clips)
    bare = manifests.build({n: clips.table[n].to_pylist() for n in ("id", "path", "tags", "group")}, clips.root)
    for plan in training.rotations(dealt, bare).values():
        manifest, parts = training.divide(plan, bare)
        assert set(parts.test.folds) == set(plan.data.test)
        assert len(parts.train) == len(parts.validation) == len(parts.test) == 20
        assert (parts.test.truth().sum(0) >= 6).all()  # stratified: 20 clips of each of three tags in three folds
        assert manifest.fold_names() == ["1", "2", "3"]


@pytest.mark.slow
def test_several_processes_give_the_figures_of_one(clips, tmp_path):
    """Two processes with half of each batch each end where one with the whole batch does, mixing across them included."""
    # small steps: this net is so sensitive that a change of 1e-6 in its weights is one of 0.1 in the loss ten steps on. With
    # three times as large ones a last bit, which differs between processors and sizes of a batch, was 3e-4 in the loss on one of them
    plan = recipe(train__epochs=1, train__optimiser={"name": "sgd", "lr": 3e-4, "momentum": 0})
    manifests.write(clips, tmp_path / "clips.csv")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    told = {}
    for count, way in ((1, earmark), (2, alone)):
        place = tmp_path / f"run{count}"
        words = ("train", tmp_path / "plan.yaml", "--data", tmp_path / "clips.csv", "--out", place)
        done = way(*words, "--processes", count)
        assert done.returncode == 0, done.stderr
        told[count] = rows(place)
        assert json.loads((place / "run.json").read_text())["processes"] == count
    for one, two in zip(told[1], told[2], strict=True):
        for key, value in one.items():
            assert float(two[key]) == pytest.approx(float(value), rel=1e-4), key
    mine, theirs = (loading.load(tmp_path / name / "tagger.safetensors").state_dict() for name in ("run1", "run2"))
    for key, value in mine.items():
        np.testing.assert_allclose(theirs[key].numpy(), value.numpy(), rtol=1e-4, atol=1e-6, err_msg=key)


def test_a_kill_between_the_log_and_the_state_loses_no_row(clips, phased, tmp_path, monkeypatch):
    """A run whose state is that of its last epoch is never written to again."""
    from earmark.train import phase as lesson

    plan = recipe(phases=MIXED)

    def killed(path, history):
        if len(history) == 3:
            raise KeyboardInterrupt
        write_log(path, history)

    write_log = lesson.write_log
    with monkeypatch.context() as patch:
        patch.setattr(lesson, "write_log", killed)
        with pytest.raises(KeyboardInterrupt):
            training.train(plan, clips, tmp_path / "run")
    again = training.train(plan, clips, tmp_path / "run", resume=True)
    assert again.read_bytes() == (phased / "tagger.safetensors").read_bytes()
    assert rows(tmp_path / "run") == rows(phased)


def test_a_start_that_was_killed_is_no_run(clips, tmp_path, monkeypatch):
    """There is a recipe in the folder only where all is that a run is resumed with."""
    from earmark.train import folder

    def killed(path, value):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            training.train(recipe(train__epochs=1), clips, tmp_path / "run")
    training.train(recipe(train__epochs=1), clips, tmp_path / "run", resume=True)


def test_a_list_of_unreadable_clips_goes_when_they_can_be_read(clips, tmp_path):
    plan, table = recipe(train__epochs=1), clips.table
    columns = {name: table[name].to_pylist() for name in ("id", "path", "tags", "fold", "group")}
    for path in clips.paths():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    sound = (tmp_path / columns["path"][0]).read_bytes()
    (tmp_path / columns["path"][0]).write_bytes(b"no sound")
    moved = manifests.build(columns, tmp_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # to mend what is told
        training.train(plan, moved, tmp_path / "run", on_progress=stop)
    assert (tmp_path / "run" / "errors.csv").is_file()
    (tmp_path / columns["path"][0]).write_bytes(sound)
    training.train(plan, moved, tmp_path / "run", resume=True)
    assert not (tmp_path / "run" / "errors.csv").exists()
    (tmp_path / columns["path"][0]).write_bytes(b"no sound")
    with pytest.raises(EarmarkError, match="the sound of the train clips differ"):  # of which an epoch was learnt
        training.train(plan, moved, tmp_path / "run", resume=True)


def test_what_a_later_phase_cannot_load_is_told_before_the_first_is_trained(clips, tmp_path):
    told: list[str] = []
    first = {"train": {"epochs": 1}}
    wide = {"name": "convnet1d", "widths": [16, 16, 16, 16], "blocks": [1, 1, 1, 1]}

    def refused(match, head, **start):
        with pytest.raises(EarmarkError, match=match):
            training.train(recipe(phases={"start": {**first, **start}, "head": head}), clips, tmp_path / str(len(told)),
                           on_progress=lambda phase, *_: told.append(phase))  # fmt: skip
        told.append("")

    refused(
        r"phases\.head\.load\.net\.stem: there is no part 'net\.stern' in convnet1d",
        {"load": {"net.stem": "start:net.stern"}},
    )
    refused(
        r"phases\.head\.load\.net\.stem: convnet1d's net\.stem does not fit", {"load": {"net.stem": "start"}}, net=wide
    )
    refused(r"x\.safetensors: no such file", {"load": {"net.stem": "x.safetensors"}})
    refused(r"phases\.head\.freeze: the tagger has no part 'net\.root'", {"freeze": ["net.root"]})
    refused(r"phases\.head\.freeze: leaves nothing to train", {"freeze": ["net"]})
    tagger = taggers.build(recipe(), ("a", "b"))
    without = [name for name, part in tagger.named_modules() if next(part.parameters(), None) is None]
    for part in without:
        refused(
            rf"phases\.head\.freeze: '{part}' has no weights, so that there is nothing to freeze", {"freeze": [part]}
        )
    assert without
    assert not any(told)


def test_an_ensemble_has_no_parts_to_load(clips, tmp_path):
    from earmark.models.ensemble import Ensemble

    plan = recipe()
    members = [taggers.build(plan, clips.vocabulary) for _ in range(2)]
    Ensemble(members).save(tmp_path / "both.safetensors")
    with pytest.raises(EarmarkError, match=r"load\.net: the source: an ensemble of 2 taggers has no net of its own"):
        training.train(recipe(load={"net": f"{tmp_path}/both.safetensors"}), clips, tmp_path / "run")


def test_maps_of_another_size_are_no_start(clips, tmp_path):
    """The nets of both phases have one name and other shapes: the number of bands is the resized map's."""
    net = {
        "name": "cnnspec",
        "widths": [4, 4],
        "kernels": [3, 3],
        "band_pools": [2, 2],
        "frame_pools": [2, 2],
        "hidden": 8,
    }
    plan = recipe(
        net=net, features={"name": "logmel", "window": 0.064, "hop": 0.016, "bands": 16}, resize={"bands": 16, "frames": 24},
        phases={"small": {"resize": {"bands": 8, "frames": 24}}, "large": {}},
    )  # fmt: skip
    with pytest.raises(EarmarkError, match=r"phases\.large\.net: the weights of the phase before do not fit"):
        training.train(plan, clips, tmp_path / "run")


def test_scores_that_are_no_numbers_choose_no_epoch(clips, tmp_path):
    """The loss is a number in the only step, whose weights are none."""
    one_step = {
        "train__epochs": 1,
        "train__clips": 8,
        "train__optimiser": {"lr": 1e30},
        "train__schedule": {"name": "constant"},
    }
    with pytest.raises(
        EarmarkError, match=r"12 of 12 validation clips are no numbers after epoch 1: take a lower train"
    ):
        training.train(recipe(**one_step), clips, tmp_path / "run")
    assert not (tmp_path / "run" / "tagger.safetensors").exists()


def test_clips_without_tags_choose_no_epoch(clips, tmp_path):
    """map is not a number there, and the last epoch would pass for the best."""
    columns = {name: clips.table[name].to_pylist() for name in ("id", "path", "tags", "fold", "group")}
    columns["tags"] = [[] if fold == "4" else tags for fold, tags in zip(columns["fold"], columns["tags"], strict=True)]
    bare = manifests.build(columns, clips.root)
    with pytest.raises(ManifestError, match=r"train\.choose: map has no value .* none of the 12 has one: take loss"):
        training.train(recipe(task="many", train__choose="map"), bare, tmp_path / "map")
    plan = recipe(task="many", train__epochs=1)
    assert (
        loading.load(training.train(plan, bare, tmp_path / "loss")).facts.as_dict()["chosen"]["by"]
        == "best validation loss"
    )


def unknowing(clips, fold, tags=("high", "low", "middle")):
    """Clips of several tags, of which nothing is known in a fold, or nothing of these tags."""
    columns = {name: clips.table[name].to_pylist() for name in ("id", "path", "tags", "fold", "group")}
    held = [each == fold for each in columns["fold"]]
    columns["tags"] = [
        [tag for tag in own if not (of and tag in tags)] for own, of in zip(columns["tags"], held, strict=True)
    ]
    columns["unknown"] = [list(tags) if of else [] for of in held]
    return manifests.build(columns, clips.root)


@pytest.mark.parametrize("choose", ["loss", "segment_loss", "map"])
@pytest.mark.parametrize("phases", [False, True])
def test_validation_clips_of_which_nothing_is_known_are_refused_before_anything_is_made(
    clips, tmp_path, choose, phases
):
    more = {"phases": {"a": {"train": {"choose": "loss"}}, "b": {}}} if phases else {}
    plan = recipe(task="many", train__choose=choose, train__stop_after=2, **more)
    with pytest.raises(
        ManifestError,
        match=r"of none of the 12 validation clips .* any of the 3 tags, .* no epoch: .*data\.validation=\[\]",
    ):
        training.train(plan, unknowing(clips, "4"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # one known tag is enough for a loss
    if choose != "map":
        training.train(
            recipe(task="many", train__choose=choose, train__epochs=1),
            unknowing(clips, "4", ("high", "low")),
            tmp_path / "known",
        )


def test_training_clips_of_which_nothing_is_known_are_refused(clips, tmp_path):
    plan = recipe(task="many", data__train=["1"])
    with pytest.raises(
        ManifestError, match=r"of none of the 12 training clips .* any of the 3 tags: nothing can be learnt"
    ):
        training.train(plan, unknowing(clips, "1"), tmp_path / "run")


def test_validation_clips_of_which_nothing_is_known_are_told_before_the_first_fold_is_trained(clips):
    turns = training.rotations(recipe(task="many"), clips)
    beforehand.check_turns(turns, clips)
    with pytest.raises(ManifestError, match=r"^fold 4: of none of the 12 validation clips"):
        beforehand.check_turns(turns, unknowing(clips, "3"))
    beforehand.check_turns({name: turns[name] for name in "123"}, unknowing(clips, "3"))


@pytest.mark.parametrize("choose", ["loss", "segment_loss", "map"])
def test_a_figure_that_is_no_number_chooses_no_epoch(clips, tmp_path, monkeypatch, choose):
    """As where of a pack's clips those that can be read turn out to tell nothing."""
    monkeypatch.setattr("earmark.train.run.check_plans", lambda *_: None)
    with pytest.raises(
        EarmarkError, match=rf"valid_{choose} is nan after epoch 1, so that it chooses no epoch: .* 12 validation"
    ):
        training.train(
            recipe(task="many", train__choose=choose, train__epochs=30, train__stop_after=1),
            unknowing(clips, "4"),
            tmp_path / "run",
        )
    assert not (tmp_path / "run" / "tagger.safetensors").exists()


def test_a_state_without_numbers_does_not_take_the_place_of_one_with_them(clips, tmp_path):
    """Within an epoch, as at its end: what was kept before stays."""
    wild = recipe(train__epochs=1, train__optimiser={"name": "sgd", "lr": 1e30})
    with pytest.raises(EarmarkError, match="the loss became .* take a lower train.optimiser.lr"):
        training.train(wild, clips, tmp_path / "run", every=Every(3))
    assert not (tmp_path / "run" / "state.safetensors").exists()


def test_precisions_are_compared_on_the_share_of_a_process():
    """Of a batch of two, one clip: too few for a batch norm behind a maximum over time."""
    import torch

    from earmark.train import precision

    net = {"name": "samplecnn", "sizes": [3, 3, 3, 2], "widths": [4, 4, 4, 4], "hidden": 4}
    tagger = taggers.build(recipe(net=net), ("a", "b"))
    name, why = precision.choose(tagger, torch.randn(1, RATE // 2), torch.tensor([[1.0, 0.0]]), "auto")
    assert name in ("32-true", "bf16-mixed")
    assert "a training step takes" in why


def test_two_folds_take_turns_where_none_validates(clips):
    plan = recipe(data__test=[], data__validation=[], data__train=["1", "2"], train__keep="last",
                  train__schedule={"name": "constant"})  # fmt: skip
    turns = training.rotations(plan, clips)
    assert {name: (turn.data.test, turn.data.train) for name, turn in turns.items()} == {
        "1": (["1"], ["2"]),
        "2": (["2"], ["1"]),
    }
    with pytest.raises(ManifestError, match="needs some to take turns; there are 1, 2"):
        training.rotations(recipe(data__test=["1"], data__validation=["2"], data__train=[]), clips)


def test_more_processes_than_a_batch_has_clips(clips, tmp_path, monkeypatch):
    from earmark.train import processes

    monkeypatch.setattr(processes, "world", lambda: 9)
    monkeypatch.setattr(processes, "join", lambda device: None)
    monkeypatch.setattr(processes, "shared", lambda value: value)
    monkeypatch.setattr("earmark.train.run.Run", None)  # never so far: it would wait for the other eight
    with pytest.raises(EarmarkError, match=r"train\.batch: 8 clips are too few for 9 processes"):
        training.train(recipe(), clips, tmp_path / "run")


def test_every_process_has_a_gpu_of_its_own(monkeypatch):
    """NCCL sends from the current device: the first one's in all processes, unless each says which is its own."""
    import torch

    from earmark.train import processes

    done: list[object] = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", done.append)
    monkeypatch.setattr(processes.distributed, "init_process_group", done.append)
    processes.join("cuda")
    assert done == [1, "nccl"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(EarmarkError, match="2 processes on cuda take one GPU each, and this machine shows 1"):
        processes.join("cuda")
    processes.join("cpu")
    assert done == [1, "nccl", "gloo"]


def test_half_floats_are_for_gpus(clips, tmp_path):
    with pytest.raises(EarmarkError, match="fp16 is for GPUs"):
        training.train(recipe(train__precision="fp16"), clips, tmp_path / "run")
