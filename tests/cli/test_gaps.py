"""A hop above the windows' length leaves out sound: said wherever such a tagger listens, is checked or is trained."""

from __future__ import annotations

import json

import pytest
import torch
from tests.cli.conftest import PLAN
from tests.program import earmark

from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble
from earmark.recipe import parse

pytestmark = pytest.mark.usefixtures("sketched")

TOLD = "hears 0.5 s of every 2 s"
APART = PLAN | {"windows": {"length": 0.5, "hop": 2.0}}


@pytest.fixture(scope="module")
def apart(place):
    """A tagger, an ensemble and a recipe whose windows leave gaps of 1.5 s."""
    torch.manual_seed(0)
    tagger = taggers.build(parse(APART), loading.load(place / "t.safetensors").vocabulary)
    tagger.save(place / "apart.safetensors")
    Ensemble([tagger, tagger], "arithmetic").save(place / "two.safetensors")
    (place / "apart.yaml").write_text(json.dumps(APART))
    return place


def lines(*words) -> list[str]:
    done = earmark(*words)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if "of every" in line and "missed" in line]


@pytest.mark.parametrize("verb", ["tag", "events"])
def test_verbs_that_listen_say_it_once(apart, verb):
    (line,) = lines(verb, apart / "sound.wav", "--tagger", apart / "apart.safetensors")
    assert line.startswith(f"this tagger {TOLD}")
    assert not lines(verb, apart / "sound.wav", "--tagger", apart / "t.safetensors")


def test_members_of_an_ensemble_say_it_once(apart):
    (line,) = lines("tag", apart / "sound.wav", "--tagger", apart / "two.safetensors")
    assert line.startswith(f"a member of this ensemble {TOLD}")


def test_evaluate_says_it_once(apart):
    words = ["evaluate", apart / "apart.safetensors", "--data", apart / "clips.csv", "--fold", "1", "--resamples", "5"]
    (line,) = lines(*words)
    assert line.startswith(f"this tagger {TOLD}")


def test_check_and_train_say_it_and_do_not_refuse(apart, tmp_path):
    (line,) = lines("check", apart / "apart.yaml")
    assert line.startswith("recipe ") and TOLD in line
    assert not lines("check", apart / "plan.yaml")
    (line,) = lines("train", apart / "apart.yaml", "--data", apart / "clips.csv", "--out", tmp_path / "run")
    assert TOLD in line and (tmp_path / "run" / "tagger.safetensors").is_file()
