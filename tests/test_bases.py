"""Weights that are taken over bring along what they learnt from, in whatever way they are taken over."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.data import splits
from earmark.errors import EarmarkError, ManifestError
from earmark.evaluation import leakage
from earmark.models import averaging, loading
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble
from earmark.models.facts import Base, DataSet, Facts, Split
from earmark.models.transfer import new_head
from earmark.recipe import parse

training = pytest.importorskip("earmark.train")
from earmark.train import bases  # noqa: E402 (after the skip)

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 4000
NET = {"name": "convnet1d", "widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1], "momentum": 0.1}


def plan(test="5", validation=("4",), **changes):
    raw = {
        "task": "one",
        "sample_rate": RATE,
        "data": {"dataset": "folder", "test": [test] if test else [], "validation": list(validation)},
        "windows": {"length": 0.5, "hop": 0.5},
        "net": NET,
        "augment": ["crop"],
        "train": {"epochs": 1, "batch": 8, "precision": "float32"},
        **changes,
    }
    return parse(raw)


def made(clips, test="1", data="folder"):
    """A tagger that says it learnt from all folds but one."""
    torch.manual_seed(0)
    tagger = taggers.build(plan(test), clips.vocabulary).eval()
    parts = splits.divide(clips, [test], [])
    tagger.facts = Facts(DataSet(data), Split.of(parts))
    return tagger


@pytest.fixture
def base(clips, tmp_path):
    """A file of a tagger that was tested on fold 1, and so learnt from folds 2 to 5."""
    made(clips).save(tmp_path / "base.safetensors")
    return tmp_path / "base.safetensors"


def by_recipe(part):
    def begin(clips, base, folder):
        return loading.load(training.train(plan("1", ["2"], load={part: f"{base}:{part}"}), clips, folder / "run"))

    return begin


def by_name_alone(clips, base, folder):
    return loading.load(training.train(plan("1", ["2"], load={"net": str(base)}), clips, folder / "run"))


def by_a_phase(load_in):
    def begin(clips, base, folder):
        phases = {name: {"train": {"epochs": 1}} for name in ("first", "second")}
        phases[load_in]["load"] = {"net": f"{base}:net"}
        return loading.load(training.train(plan("1", ["2"], phases=phases), clips, folder / "run"))

    return begin


def by_a_phase_that_is_a_source(clips, base, folder):
    """The second phase has another net, part of which is that of the first, which began with the base."""
    first = {"train": {"epochs": 1}, "net": {**NET, "widths": [4, 4, 8, 16]}, "load": {"net.stem": f"{base}:net.stem"}}
    second = {"train": {"epochs": 1}, "load": {"net.stem": "first:net.stem"}}
    recipe = plan("1", ["2"], phases={"first": first, "second": second})
    return loading.load(training.train(recipe, clips, folder / "run"))


def by_a_chain(clips, base, folder):
    """A tagger that began with one that began with the base."""
    middle = training.train(plan("1", ["2"], load={"net": f"{base}:net"}), clips, folder / "middle")
    base.unlink()
    return loading.load(training.train(plan("1", ["2"], load={"net": f"{middle}:net"}), clips, folder / "run"))


def by_resuming(clips, base, folder):
    """The base's file is gone when the run goes on."""
    recipe = plan("1", ["2"], load={"net": f"{base}:net"})
    training.train(recipe, clips, folder / "run")
    base.unlink()
    return loading.load(training.train(recipe, clips, folder / "run", resume=True))


def by_a_new_head(clips, base, folder):
    return new_head(loading.load(base).alone, ["a", "b"])


def with_a_base(clips, base):
    tagger = taggers.build(plan("1"), clips.vocabulary).eval()
    source = loading.load(base)
    tagger.facts = replace(made(clips).facts, bases=Base.of(source.facts, source.identity(), str(base), ["net"]))
    return tagger


def by_an_ensemble(clips, base, folder):
    Ensemble([made(clips), with_a_base(clips, base)]).save(folder / "e.safetensors")
    return loading.load(folder / "e.safetensors")


def by_a_mean_of_weights(clips, base, folder):
    return averaging.average([made(clips), with_a_base(clips, base)])


def by_a_file(clips, base, folder):
    with_a_base(clips, base).save(folder / "t.safetensors")
    return loading.load(folder / "t.safetensors")


WAYS = {
    "recipe: a part": by_recipe("net.stem"),
    "recipe: the whole net": by_recipe("net"),
    "recipe: by the file alone": by_name_alone,
    "phase: first": by_a_phase("first"),
    "phase: second": by_a_phase("second"),
    "phase: source of another": by_a_phase_that_is_a_source,
    "chain": by_a_chain,
    "resumed": by_resuming,
    "new head": by_a_new_head,
    "ensemble": by_an_ensemble,
    "mean of weights": by_a_mean_of_weights,
    "file": by_a_file,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_brings_what_the_base_learnt_from(way, clips, base, tmp_path):
    whose, facts = loading.load(base).identity(), loading.load(base).facts
    found = WAYS[way](clips, base, tmp_path).facts.bases
    (one,) = (each for each in found if each.tagger == whose)
    assert (one.data, one.train, one.validation) == ("folder", facts.split.train, facts.split.validation)
    assert one.train.folds == ("2", "3", "4", "5")


REFUSED = [way for way in WAYS if way.startswith(("recipe", "phase"))]


@pytest.mark.parametrize("way", REFUSED)
def test_a_base_that_learnt_test_clips_is_refused_before_the_work(way, clips, tmp_path):
    """All recipes here test on fold 1, which a base that was tested on fold 5 learnt from: 12 clips."""
    path = tmp_path / "leaky.safetensors"
    made(clips, "5").save(path)
    with pytest.raises(
        ManifestError, match=r"learnt from 12 of the 12 test clips, .*too good.*data\.shared_groups=report"
    ):
        WAYS[way](clips, path, tmp_path)
    assert not (tmp_path / "run").exists()


def test_borne_leaks_are_said_and_evaluate_show_and_report_know(clips, tmp_path, capsys):
    made(clips, "5").save(tmp_path / "leaky.safetensors")
    recipe = plan("1", ["2"], load={"net": f"{tmp_path / 'leaky.safetensors'}:net"})
    bearing = parse({**recipe.as_dict(), "data": {**recipe.as_dict()["data"], "shared_groups": "report"}})
    said = []
    path = training.train(bearing, clips, tmp_path / "run", say=said.append)
    assert any("learnt from 12 of the 12 test clips" in line and line.startswith("warning") for line in said)
    assert any("learnt from 12 of the 12 validation clips" in line for line in said)
    manifests.write(clips, tmp_path / "m.parquet")
    import earmark as package

    with pytest.raises(EarmarkError, match=r"one that it began with weights of, was trained.* on fold 1"):
        package.evaluate(path, tmp_path / "m.parquet", events=False)
    words = "leaky.safetensors (net), which learnt from 48 clips of folder, folds 1, 2, 3, 4"
    assert words in earmark("show", path).stdout
    assert json.loads(earmark("show", path, "--json").stdout)["facts"]["bases"][0]["train"]["clips"] == 48
    told = package.evaluate(path, tmp_path / "m.parquet", events=False, seen=True, resamples=50).figures.protocol
    assert words in told["began with the weights of"]


def test_a_clean_base_is_told_and_evaluate_takes_its_clips_for_learnt(clips, base, tmp_path):
    said = []
    tagger = loading.load(
        training.train(plan("1", ["2"], load={"net": f"{base}:net"}), clips, tmp_path / "run", say=said.append)
    )
    assert any(line.startswith(f"begins with weights of {base} (net), which learnt from 48 clips") for line in said)
    parts = leakage.learnt(tagger.facts, "folder")
    assert leakage.learnt_folds(parts) == {"2", "3", "4", "5"} and parts["train of base 1"].clips == 48


def test_other_data_in_the_same_layout_is_no_leak_but_told(clips, base, tmp_path):
    """Folders of two projects have one name and folds of the same names."""
    other = clips.select(np.arange(len(clips)) % 2 == 0)
    said = []
    tagger = loading.load(
        training.train(plan("5", ["4"], load={"net": f"{base}:net"}), other, tmp_path / "run", say=said.append)
    )
    assert any("cannot be known from its file" in line for line in said)
    assert leakage.learnt_folds(leakage.learnt(tagger.facts, "folder")) == {"1", "2", "3", "4"}


def test_the_shipped_tagger_of_an_official_data_set(clips):
    """esc10 learnt from folds 1 to 4 of ESC, whatever part of it is there and whatever the manifest is called."""
    tagger = loading.load("esc10")
    found = Base.of(tagger.facts, tagger.identity(), "esc10", ["net.branch"])
    assert found[0].train.folds == ("1", "2", "3", "4")
    for data, facts in (("esc", {}), ("table", {"data set": "esc"})):
        for test, leaks in (("1", True), ("5", False)):
            recipe = plan(data={"dataset": data, "test": [test], "validation": ["3"]})
            some = replace(clips, facts=facts)
            parts = splits.divide(some, [test], ["3"])
            if not leaks:
                (told,) = bases.check(found, recipe, some, parts, lambda line: None).values()
                assert told.same
                learnt = leakage.learnt(Facts(DataSet(data), bases=(told,)), data)
                assert leakage.learnt_folds(learnt) == {"1", "2", "3", "4"}
                assert leakage.learnt(Facts(DataSet(data), bases=(told,)), "esc")
                continue
            with pytest.raises(ManifestError, match=r"esc10 learnt from 12 of the 12 test clips"):
                bases.check(found, recipe, some, parts, lambda line: None)


def test_a_base_that_does_not_tell_is_said_so(clips, tmp_path):
    tagger = made(clips)
    tagger.facts = Facts()
    tagger.save(tmp_path / "silent.safetensors")
    said = []
    training.train(
        plan("1", ["2"], load={"net": f"{tmp_path / 'silent.safetensors'}:net"}),
        clips,
        tmp_path / "run",
        say=said.append,
    )
    assert any("whose file does not tell which clips it learnt from" in line for line in said)
    assert any("cannot be known from its file" in line for line in said)


def test_facts_with_bases_are_read_as_they_were_written(clips, base):
    facts = with_a_base(clips, base).facts
    assert Facts.read(json.loads(json.dumps(facts.as_dict()))) == facts
    assert "bases" not in made(clips).facts.as_dict()
