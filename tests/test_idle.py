"""Keys that another key switches off are told where somebody wrote them, and nothing is said of the others."""

from __future__ import annotations

import pytest
from tests.program import earmark

from earmark import recipe as recipes
from earmark.models import tagger as taggers
from earmark.recipe.idle import FAILED, RULES, idle

# key → settings with which it does nothing, and settings with which it does something
OF = {
    "train.optimiser.momentum": (["train.optimiser.momentum=0.5"], ["train.optimiser.name=sgd"]),
    "train.optimiser.betas": (["train.optimiser.betas=[0.5, 0.9]", "train.optimiser.name=sgd"], ["train.optimiser.name=adamw"]),
    "train.schedule.factor": (["train.schedule.factor=0.1", "train.schedule.name=cosine"], ["train.schedule.name=plateau"]),
    "train.schedule.patience": (["train.schedule.patience=9", "train.schedule.name=constant"], ["train.schedule.name=plateau"]),
    "train.schedule.lowest": (["train.schedule.lowest=1e-5", "train.schedule.name=constant"], ["train.schedule.name=cosine"]),
    "train.schedule.warm_up": (["train.schedule.warm_up=5", "train.epochs=5"], ["train.epochs=6"]),
    "train.choose": (["data.validation=[]", "train.keep=last", "train.choose=map", *["train.schedule={name: cosine}"]],
                     ["data.validation=['4']"]),
    "data.deal": (["data.deal=all"], ["data.folds=5"]),
    "windows.weigh": (["windows.weigh=energy", "windows.combine=max"], ["windows.combine=geometric"]),
    "augment.0.loud": (["train.segments=every", "augment=[{name: crop, loud: 10}]"], ["train.segments=random"]),
    "augment.0.short": (["train.segments=every", "augment=[{name: crop, short: repeat}]"], ["train.segments=random"]),
    "augment.1": (["normalise=peak", "augment=[crop, gain]"], ["augment=[crop, gain, mixup]"]),
    "augment.0": (["normalise=rms", "augment=[gain, crop]"], ["augment=[gain, trim, crop]"]),
}  # fmt: skip
BASE = ["train.stop_after=null", "data.shared_groups=refuse"]


def plan(*settings, say=lambda line: None):
    return recipes.load("synth-small", [*BASE, *settings], say)


def keys(recipe):
    return [line.partition(": ")[0] for line in idle(recipe)]


def test_each_rule_is_tried():
    assert set(RULES) | set(FAILED) <= set(OF)


@pytest.mark.parametrize("key", OF)
def test_a_key_that_does_nothing_is_told(key):
    off, on = OF[key]
    said = []
    told = plan(*off, say=said.append)
    assert keys(told) == [key]
    assert any(line.startswith(f"recipe synth-small: {key}: ") for line in said)
    assert keys(plan(*off, *on)) == []


def test_a_key_that_nobody_told_or_that_is_as_it_would_be_is_not():
    assert (
        keys(
            plan(
                "train.schedule={name: constant, factor: 0.5, patience: 3}",
                "train.optimiser={name: sgd, betas: [0.9, 0.999]}",
            )
        )
        == []
    )
    assert keys(recipes.parse(plan("train.optimiser.name=sgd").as_dict())) == []  # where all keys are told
    assert keys(recipes.parse(plan("train.optimiser.momentum=0.5").as_dict())) == ["train.optimiser.momentum"]


@pytest.mark.parametrize("name", recipes.shipped())
def test_shipped_recipes_say_nothing_in_vain(name):
    assert idle(recipes.load(name)) == []


def test_of_phases_each_tells_its_own():
    """The recipe's own are told where no phase that runs has a use for them."""
    steps = "phases={a: {train: {optimiser: {name: sgd, betas: [0.5, 0.9]}}}, b: {train: {epochs: 2}}}"
    assert keys(plan(steps, "train.optimiser.momentum=0.5")) == ["phases.a.train.optimiser.betas"]
    assert keys(plan(steps, "train.optimiser.momentum=0.5", "run=[b]")) == ["train.optimiser.momentum"]
    crops = "phases={a: {augment: [crop], train: {segments: every}}, b: {}}"
    assert keys(plan(crops, "augment=[{name: crop, loud: 10}]")) == []
    both = "phases={a: {train: {segments: every}}, b: {train: {segments: every}}}"
    assert keys(plan(both, "augment=[{name: crop, loud: 10}]")) == ["augment.0.loud"]


def test_a_net_without_batch_normalisation(tmp_path):
    """What is about it is told once the net is built."""
    sets = [
        "net={name: yamnet, norm: false, momentum: 0.9}",
        "train.renew_statistics=true",
        "windows={length: 0.96, hop: 0.48}",
    ]
    done = earmark("check", "synth-small", *(word for each in sets for word in ("--set", each)))
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert "train.renew_statistics does nothing: yamnet has no batch normalisation here" in told
    assert "net.momentum: 0.9 does nothing: yamnet has no batch normalisation here" in told
    sets[0] = sets[0].replace("norm: false", "norm: true")
    done = earmark("check", "synth-small", *(word for each in sets for word in ("--set", each)))
    assert "does nothing" not in done.stdout + done.stderr


def test_what_nothing_renews_costs_no_pass(clips, tmp_path, sketched, monkeypatch):
    """And is told by `train`, with parts that are frozen counted in."""
    from earmark import train as training
    from earmark.train.phase import PhaseModule

    passes = []
    renew = PhaseModule._renew_statistics
    monkeypatch.setattr(PhaseModule, "_renew_statistics", lambda module: (passes.append(1), renew(module)))
    raw = {
        "task": "one", "sample_rate": 4000, "data": {"dataset": "folder", "test": ["5"], "validation": ["4"]},
        "windows": {"length": 0.5, "hop": 0.5}, "augment": ["crop"],
        "net": {"name": "convnet1d", "widths": [4, 4], "blocks": [1, 1]},
        "train": {"epochs": 1, "batch": 8, "precision": "float32", "renew_statistics": True},
    }  # fmt: skip
    said = []
    training.train(recipes.parse(raw), clips, tmp_path / "with", say=said.append)
    assert passes == [1] and not any("does nothing" in line for line in said)
    net = taggers.build(recipes.parse(raw), ("a", "b"))
    norms = [name for name, layer in net.named_modules() if "BatchNorm" in type(layer).__name__]
    phases = {"a": {}, "b": {"freeze": norms}}
    training.train(recipes.parse(raw | {"phases": phases}), clips, tmp_path / "frozen", say=said.append)
    assert passes == [1, 1]
    assert [line for line in said if "does nothing" in line] == [
        "b: train.renew_statistics does nothing: convnet1d has no batch normalisation here that is not frozen"
    ]
