# ruff: noqa: F811 (fixtures of the tests of heads)
"""A net that is trained on after its head: what is kept, what is told, what goes on, what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from tests import small
from tests.heads.test_run import ORIGIN, Said, base, clips  # noqa: F401 (fixtures)
from tests.program import earmark

from earmark.errors import EarmarkError, ManifestError, RecipeError
from earmark.models import loading
from earmark.models.facts import DataSet, Facts, Split

training = pytest.importorskip("earmark.train")
from earmark.data import splits  # noqa: E402 (after the skip)
from earmark.train import precision  # noqa: E402
from earmark.train.heads import background, run, unfreezing  # noqa: E402
from earmark.train.phase import PhaseModule  # noqa: E402

FEW = ["train.epochs=2", "train.precision=float32", "train.batch=8"]
ASKED = run.Asked("prototypes")


def planned(tagger, clips, fold="1", validation=unfreezing.VALIDATION):
    return training.rotations(run.plan(tagger, clips, "base", validation=validation), clips)[fold]


def unfrozen(
    tagger, clips, folder, settings=FEW, how=None, say=lambda line: None, asked=ASKED, validation=unfreezing.VALIDATION
):
    recipe = planned(tagger, clips, validation=validation)
    return unfreezing.train(tagger, "base", recipe, clips, folder, asked, how, Said(say), settings)


def weights(path):
    return loading.load(path, engine="torch").alone.state_dict()


def test_the_better_of_head_and_net_is_kept_and_told(base, clips, tmp_path):
    tagger, said = run.load_base(str(base)), []
    made = unfrozen(tagger, clips, tmp_path / "run", say=said.append)
    told = json.loads((tmp_path / "run/unfrozen.json").read_text())
    assert told["kept"] == ("net" if told["net"]["loss"] < told["head"]["loss"] else "head")
    assert any(line.startswith("validation loss of the head alone") for line in said)
    facts = loading.load(made).facts
    assert facts.validation == pytest.approx(told[told["kept"]])
    assert facts.chosen.number >= (told["kept"] == "net")
    # whichever it is: it tells head, base and licence, and what the head learnt from is what the net learnt from
    for path in (made, tmp_path / "run/net/tagger.safetensors", tmp_path / "run/head/tagger.safetensors"):
        facts = loading.load(path).facts
        assert facts.head.setting["kind"] == "prototypes"
        assert facts.bases[0].origin == ORIGIN
        assert facts.bases[0].source == "base"
        assert facts.split == loading.load(made).facts.split
    assert len(facts.split.validation.folds) > 0 and facts.split.test.folds == ("1",)


def test_the_net_goes_on_from_the_head_and_batch_statistics_stay(base, clips, tmp_path):
    """At a rate of almost nothing it is the head; at a larger one it is not, but for what batch normalisation holds."""
    tagger = run.load_base(str(base))
    unfrozen(tagger, clips, tmp_path / "still", [*FEW, "train.optimiser.lr=1e-30", "train.schedule.lowest=0"])
    head, still = (
        weights(tmp_path / "still/head/tagger.safetensors"),
        weights(tmp_path / "still/net/tagger.safetensors"),
    )
    assert head.keys() == still.keys()
    assert all(torch.allclose(head[name], still[name], rtol=0, atol=1e-25) for name in head)
    unfrozen(tagger, clips, tmp_path / "moved", [*FEW, "train.optimiser.lr=1e-2"])
    moved = weights(tmp_path / "moved/net/tagger.safetensors")
    same = {name for name in head if torch.equal(head[name], moved[name])}
    assert {name for name in head if "running" in name or "num_batches" in name} <= same
    assert len(same) < len(head)


def test_a_head_that_training_does_not_better_stays(base, clips, tmp_path):
    tagger, said = run.load_base(str(base)), []
    made = unfrozen(tagger, clips, tmp_path / "run", [*FEW, "train.optimiser.lr=30"], say=said.append)
    assert json.loads((tmp_path / "run/unfrozen.json").read_text())["kept"] == "head"
    head = weights(tmp_path / "run/head/tagger.safetensors")
    assert all(torch.equal(value, head[name]) for name, value in weights(made).items())
    facts = loading.load(made).facts
    assert facts.chosen.number == 0
    assert facts.chosen.by == "best validation loss: training the net did not better its head"


def test_it_goes_on_and_ends_the_same(base, clips, tmp_path, monkeypatch):
    tagger = run.load_base(str(base))
    whole = unfrozen(tagger, clips, tmp_path / "whole")
    save, count = PhaseModule.end_epoch, []

    def kill(phase):
        save(phase)
        count.append(1)
        if len(count) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(PhaseModule, "end_epoch", kill)
    with pytest.raises(KeyboardInterrupt):
        unfrozen(tagger, clips, tmp_path / "killed")
    with pytest.raises(EarmarkError, match="holds a run already: --resume goes on"):
        unfrozen(tagger, clips, tmp_path / "killed")
    resumed = unfrozen(tagger, clips, tmp_path / "killed", how=run.How(resume=True))
    assert resumed.read_bytes() == whole.read_bytes()


def test_settings_are_of_one_training(base, clips):
    """In a program that trains several, such as a server: those of one were put into what the next begins with."""
    tagger = run.load_base(str(base))
    recipe = planned(tagger, clips)
    before = unfreezing.plan(tagger, recipe, 24).as_dict()
    changed = unfreezing.plan(
        tagger,
        recipe,
        24,
        ["train.epochs=3", "train.optimiser.lr=0.5", "train.schedule.name=constant", "augment=[crop]"],
    )
    assert changed.train.epochs == 3 and changed.train.optimiser.lr == 0.5 and len(changed.augment) == 1
    with pytest.raises(RecipeError):
        unfreezing.plan(tagger, recipe, 24, ["train.optimiser.betas=[2, 0.9]"])
    assert unfreezing.plan(tagger, recipe, 24).as_dict() == before


def test_what_does_not_go_is_refused(base, clips, tmp_path):
    tagger = run.load_base(str(base))
    weak = run.Asked(background=background.Asked([tmp_path]))
    with pytest.raises(EarmarkError, match="not on windows of unlabelled --recordings: leave one of them out"):
        unfrozen(tagger, clips, tmp_path / "weak", asked=weak)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").touch()
    with pytest.raises(
        EarmarkError, match=r"holds notes.txt, which no training with --unfreeze made: take another --out"
    ):
        unfrozen(tagger, clips, tmp_path / "other")
    known = small.tagger("resnet_b_att", 0.5, 0.25)
    known.facts = Facts(DataSet("table"), Split.of(splits.divide(clips, ["5"], [])))  # learnt from fold 1
    with pytest.raises(ManifestError, match="base learnt from 6 of the 6 test clips"):
        unfrozen(known, clips, tmp_path / "leak")


def test_the_nets_of_all_folds_compute_in_one_precision(base, clips, tmp_path, monkeypatch):
    seconds = iter([1.0, 1.0])  # float32 and bf16, once
    monkeypatch.setattr(precision, "_time_step", lambda *told: next(seconds))
    words = [
        "train",
        clips.root / "own.csv",
        "--from",
        base,
        "--unfreeze",
        "--head",
        "prototypes",
        "--out",
        tmp_path / "run",
    ]
    done = earmark(*words, "--set", "train.epochs=1", "--fold", "1", "--fold", "2")
    assert done.returncode == 0, done.stderr
    for fold in "12":
        facts = loading.load(tmp_path / f"run/fold-{fold}/net/tagger.safetensors").facts
        assert facts.precision.as_dict() == {"all": "32-true"}


def test_by_command(base, clips, tmp_path):
    source = clips.root / "own.csv"
    words = ["train", source, "--from", base, "--unfreeze", "--head", "prototypes", "--out", tmp_path / "run", "--set"]
    result = earmark(*words, "train.epochs=1", "--set", "train.precision=float32", "--fold", "2")
    assert result.returncode == 0, result.stderr
    assert "validation loss of the head alone" in result.stderr + result.stdout
    # of the recipe that the net is trained on with, as of any other: the one epoch is that of its warm-up
    assert (
        "train.schedule.warm_up: is 1: the rate still grows in the last epoch (1), so that"
        in result.stderr + result.stdout
    )
    shown = earmark("show", tmp_path / "run/fold-2/tagger.safetensors")
    assert "prototypes on embeddings of" in shown.stdout
    refused = earmark("train", "own", "--data", source, "--unfreeze", "--out", tmp_path / "x")
    assert "--unfreeze is for a head on a tagger: name that with --from, or leave --unfreeze out" in refused.stderr
