"""Runs that are compared compute in one precision, which the first of them measures; each tells in which, and none guesses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import cycle

import pytest
import yaml
from tests.program import earmark
from tests.small import tagger
from tests.test_cli_folds import RECIPE

import earmark as library
from earmark.data import manifest as manifests
from earmark.errors import EarmarkError
from earmark.models.computedfacts import Computed
from earmark.models.ensemble import joined
from earmark.models.facts import Facts
from earmark.models.file import read_head
from earmark.recipe import parse

torch = pytest.importorskip("torch")
training = pytest.importorskip("earmark.train")
from earmark.train import precision  # noqa: E402 (after the skip)
from earmark.train.phase import PhaseModule  # noqa: E402

pytestmark = pytest.mark.usefixtures("sketched")

PLAN = RECIPE | {"train": {"epochs": 1, "batch": 8, "optimiser": {"lr": 5e-3}, "precision": "auto"}}
PHASES = {"one": {}, "two": {"train": {"batch": 4}}}
# all ways to train several taggers that are told of together, and how many each makes
WAYS = {
    "seeds": (("train", "plan.yaml", "--seeds", "1,2,3"), 3),
    "folds": (("train", "plan.yaml", "--fold", "1", "--fold", "2"), 2),
    "seeds over folds": (("train", "plan.yaml", "--seeds", "1,2", "--fold", "1", "--fold", "2"), 4),
    "distil": (("distil", "t.safetensors", "--into", "plan.yaml", "--resamples", "2"), 2),
    "distil over folds": (("distil", "big", "--into", "plan.yaml", "--fold", "1", "--fold", "2", "--resamples", "2"), 4),
}  # fmt: skip


@pytest.fixture
def measured(monkeypatch):
    """How often a step was timed: first float32 is the faster, then bf16, and so on."""
    seconds = cycle([1.0, 1.0, 1.0, 0.5])
    asked: list[bool] = []

    def time_step(tagger, waves, targets, bf16):
        asked.append(bf16)
        return next(seconds)

    monkeypatch.setattr(precision, "_time_step", time_step)
    return asked


@pytest.fixture
def place(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifests.write(clips, tmp_path / "clips.parquet")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    return tmp_path


@pytest.fixture(scope="module")
def teachers(clips, tmp_path_factory):
    """Of folds 1, 2 and 5, which never heard these."""
    folder = tmp_path_factory.mktemp("teachers")
    raw = PLAN | {"train": PLAN["train"] | {"precision": "float32"}}
    for fold in "125":
        own = raw | {"data": RECIPE["data"] | {"test": [fold], "validation": ["4"]}}
        training.train(parse(own), clips, folder / f"fold-{fold}")
    return folder


def told(folder):
    """Of each tagger's file in it, in which precision it was trained."""
    return [read_head(file)["facts"]["precision"] for file in sorted(folder.rglob("tagger.safetensors"))]


@pytest.mark.parametrize("way", WAYS)
def test_the_first_of_several_trainings_measures_and_all_compute_alike(way, place, teachers, measured):
    words, count = WAYS[way]
    shutil.copytree(teachers, place / "big")
    shutil.copy(teachers / "fold-5" / "tagger.safetensors", place / "t.safetensors")
    done = earmark(*words, "--data", "clips.parquet", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert told(place / "out") == ["32-true"] * count
    assert measured == [False, True]
    assert done.stderr.count("of what was computed before") == count - 1


def test_runs_that_come_later_compute_as_those_that_are_there(place, measured):
    """Also where they were trained by an earlier version, which kept it in each run's folder alone."""
    words = ("train", "plan.yaml", "--data", "clips.parquet", "--out", "out", "--resume", "--seeds")
    assert earmark(*words, "1,2").returncode == 0
    (place / "out" / "precision.json").unlink()
    done = earmark(*words, "3,4")
    assert done.returncode == 0 and "precision 32-true: as out/seed-1/run.json tells" in done.stderr
    assert told(place / "out") == ["32-true"] * 4 and len(measured) == 2
    assert list(json.loads((place / "out" / "seeds.json").read_text())["seeds"]) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("phases", [{}, PHASES], ids=["plain", "phases"])
def test_a_run_that_was_stopped_before_its_first_state_goes_on_as_it_began(
    phases, clips, tmp_path, measured, monkeypatch
):
    plan = parse(PLAN | {"phases": phases})
    end = PhaseModule.end_epoch

    def stop(self):
        if self.folder.name != "one":
            raise KeyboardInterrupt
        end(self)

    with monkeypatch.context() as patch:
        patch.setattr(PhaseModule, "end_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(plan, clips, tmp_path / "run")
    count = len(measured)
    path = training.train(plan, clips, tmp_path / "run", resume=True)
    assert len(measured) == count
    kept = read_head(path)["facts"]["precision"]
    assert kept == ({"one": "32-true", "two": "bf16-mixed"} if phases else "32-true")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["precision"] == kept


def test_what_is_asked_for_is_not_looked_up(clips, tmp_path):
    (tmp_path / "precision.json").write_text('"bf16-mixed"')
    plan = parse(PLAN | {"train": PLAN["train"] | {"precision": "float32"}})
    path = training.train(plan, clips, tmp_path / "run", beside=tmp_path)
    assert library.load(path).facts.precision == Computed({"": "32-true"})
    assert "trained in  float32" in earmark("show", str(path)).stdout


def test_a_run_of_an_earlier_version_tells_that_of_its_last_phase(tmp_path):
    (tmp_path / "run.json").write_text('{"phase": "two", "precision": "bf16-mixed"}')
    assert precision.settled(tmp_path, "two")[0] == "bf16-mixed"
    assert precision.settled(tmp_path, "one") is None and precision.settled(tmp_path, "") is None
    (tmp_path / "run.json").write_text('{"recipe": "of a head"}')
    assert precision.settled(tmp_path, "") is None


@pytest.mark.parametrize("text", ["{", "[1]", '{"": 3}', '{"": "double"}'])
def test_a_file_that_does_not_tell_it_is_refused(text, tmp_path):
    (tmp_path / "precision.json").write_text(text)
    with pytest.raises(
        EarmarkError, match=r"precision\.json: does not tell in which precision was computed .*train\.precision"
    ):
        precision.settled(tmp_path, "")


@pytest.mark.parametrize("phases", [{}, {"phases": PHASES}], ids=["plain", "phases"])
def test_such_a_file_is_told_before_a_clip_is_read(phases, clips, tmp_path):
    last = [*phases.get("phases", [""])][-1]
    (tmp_path / "precision.json").write_text(json.dumps({last: "double"}))
    nowhere = replace(clips, root=tmp_path / "gone")
    with pytest.raises(EarmarkError, match=r"precision\.json: does not tell in which precision was computed"):
        training.train(parse(PLAN | phases), nowhere, tmp_path / "run", beside=tmp_path)
    assert not (tmp_path / "run").exists()


def test_facts_are_read_as_they_are_written():
    for plain in ("32-true", {"one": "32-true", "two": "bf16-mixed"}):
        assert Facts.read({"precision": plain}).as_dict() == {"precision": plain}
    assert Facts.read({}).precision is None
    one, other = (Facts(precision=Computed({"": name})) for name in ("32-true", "bf16-mixed"))
    assert joined([one, one]).precision == one.precision and joined([one, other]).precision is None
    assert Computed({"one": "32-true", "two": "bf16-mixed"}).words() == "one float32, two bf16"


def test_a_comparison_tells_where_precisions_differ(place, clips):
    made = {}
    for name in ("float32", "bf16"):
        plan = parse(PLAN | {"train": PLAN["train"] | {"precision": name}})
        made[name] = training.train(plan, clips, place / name)
    shutil.copytree(place / "float32", place / "again")
    note = "different precisions, float32 in float32 and bf16 in bf16: some of a difference may be of that"
    for names, there in ((("float32", "bf16"), True), (("float32", "again"), False)):
        files = {name: str(place / name / "tagger.safetensors") for name in names}
        notes = library.compare(files, clips, resamples=5, permutations=5).notes
        assert any(note in each for each in notes) is there, notes
    # and seeds of before, as an earlier version left them
    for seed, name in (("1", "float32"), ("2", "bf16")):
        shutil.copytree(place / name, place / "out" / f"seed-{seed}")
        kept = place / "out" / f"seed-{seed}" / "recipe.yaml"
        kept.write_text(yaml.safe_dump(parse(PLAN | {"name": "plan", "seed": int(seed)}).as_dict()))
    done = earmark("train", "plan.yaml", "--data", "clips.parquet", "--out", "out", "--resume", "--seeds", "1,2")
    assert done.returncode == 0, done.stderr
    assert "out: its taggers were trained in different precisions (bf16; float32)" in done.stderr


@pytest.mark.parametrize("wrong", [float("nan"), 1e6, None])
def test_bf16_is_taken_where_it_is_faster_and_answers_as_float32_does(wrong, monkeypatch):
    """As kernels of some processors do not: what a convolution makes is spoilt where it computes in bf16."""
    made = tagger("cnn6", 1.024, 1.024)
    waves, targets = torch.randn(4, 8192), torch.eye(3)[[0, 1, 2, 0]]
    monkeypatch.setattr(precision, "_time_step", lambda tagger, waves, targets, bf16: 0.5 if bf16 else 1.0)
    if wrong is not None:

        def spoilt(layer, given, out):
            return out * wrong if out.dtype == torch.bfloat16 else out

        next(layer for layer in made.net.modules() if isinstance(layer, torch.nn.Conv2d)).register_forward_hook(spoilt)
    name, why = precision.choose(made, waves, targets, "auto")
    assert name == ("bf16-mixed" if wrong is None else "32-true")
    assert ("this processor errs in it: the loss of a batch is" in why) is (wrong is not None)
