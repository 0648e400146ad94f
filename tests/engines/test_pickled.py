"""A tagger that goes to another process, or is copied, answers there what it answers here, whatever runs it."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest

from earmark.engines import sessions
from earmark.errors import TaggerError
from earmark.models import ensemble, loading

TORCH = ["torch"] if find_spec("torch") else []
ENGINES = [*sessions.installed(), *TORCH]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("taggers")
    for name in ("digits", "esc10"):
        (place / f"{name}.safetensors").write_bytes(loading.find(name).read_bytes())
    members = [loading.load("digits"), loading.load("digits")]
    ensemble.Ensemble(members, "geometric", [1, 2], temperature=1.5).save(place / "both.safetensors")
    return place


def waves(tagger):
    rate = tagger.sample_rate
    return np.random.default_rng(0).normal(0, 0.1, 3 * rate).astype(np.float32)


def answers(tagger):
    """Of a recording."""
    return tagger.score(waves(tagger), sample_rate=tagger.sample_rate).values


def around(tagger):
    return pickle.loads(pickle.dumps(tagger))


COPIES = {"pickled": around, "copied": copy.copy, "copied deeply": copy.deepcopy}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["digits", "both"])
@pytest.mark.parametrize("how", COPIES)
def test_a_copy_answers_the_same(place, engine, name, how):
    """Of one that has been asked, and so holds sessions; its file may be gone by then."""
    tagger = loading.load(place / f"{name}.safetensors", engine=engine)
    wanted = answers(tagger)
    other = COPIES[how](tagger)
    np.testing.assert_array_equal(answers(other), wanted)
    assert (other.identity(), other.engine, other.vocabulary) == (tagger.identity(), tagger.engine, tagger.vocabulary)
    assert other.facts.as_dict() == tagger.facts.as_dict()
    np.testing.assert_array_equal(answers(tagger), wanted)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["digits", "both"])
def test_in_a_process_that_is_spawned(place, engine, name):
    tagger = loading.load(place / f"{name}.safetensors", engine=engine, cores=1)
    ask = partial(tagger.score, sample_rate=tagger.sample_rate)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (told,) = pool.map(ask, [waves(tagger)])
    np.testing.assert_allclose(told.values, answers(tagger), rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", sessions.installed())
def test_precision_and_hop_go_along(place, engine):
    tagger = loading.load(place / "esc10.safetensors", engine=engine, precision="int8", cores=1).every(0.5)
    other = around(tagger)
    assert "int8" in other.engine and other.running.threads == 1 and other.windows == tagger.windows
    np.testing.assert_array_equal(answers(other), answers(tagger))


@pytest.mark.skipif(not TORCH, reason="needs torch")
def test_its_net_in_torch_goes_along(place, tmp_path):
    """And its file, as it would be saved."""
    tagger = loading.load(place / "digits.safetensors", engine=sessions.installed()[0])
    other = around(tagger)
    assert other.alone.identity() == tagger.identity()
    for number, each in enumerate((tagger, other)):
        each.save(tmp_path / f"{number}.safetensors")
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()


def test_where_its_engine_is_not_installed(place, monkeypatch):
    held = pickle.dumps(loading.load(place / "digits.safetensors", engine=sessions.installed()[0]))
    monkeypatch.setattr(sessions, "installed", list)
    with pytest.raises(TaggerError, match="is not installed"):
        pickle.loads(held)
