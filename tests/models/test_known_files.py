"""A recipe that was read before is not read again, and nothing that should be refused comes through by that."""

from __future__ import annotations

import json

import numpy as np
import pytest

from earmark.errors import TaggerError
from earmark.files import remembered
from earmark.models import file as taggerfile
from earmark.models import knownfiles, loading
from earmark.recipe import hearing, parse_hearing, reading


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The recipes that are read, by where they are."""
    found: list[str] = []
    whole = reading.parse_hearing

    def counted(raw, name="recipe", elsewhere=()):
        found.append(name)
        return whole(raw, name, elsewhere)

    monkeypatch.setattr(reading, "parse_hearing", counted)
    return found


def rewritten(tmp_path, change):
    """A shipped tagger's file whose recipe was changed, with a checksum that is right."""
    head, weights = taggerfile.read(loading.find("digits"))
    change(head["recipe"])
    taggerfile.write(tmp_path / "other.safetensors", weights, {k: v for k, v in head.items() if k != "sha256"})
    return tmp_path / "other.safetensors"


@pytest.mark.parametrize("name", list(loading.shipped()))
def test_what_is_known_is_what_the_recipe_says(name):
    plain = taggerfile.read_head(loading.find(name))["recipe"]
    recipe, known = parse_hearing(plain), hearing.Known(plain, name)
    assert known.as_dict() == recipe.as_dict()
    for key in ("name", "task", "sample_rate", "normalise"):
        assert getattr(known, key) == getattr(recipe, key), key
    assert known.windows.build() == recipe.windows.build()
    for key in ("net", "features"):
        ours, theirs = getattr(known, key), getattr(recipe, key)
        assert (ours.name, ours.arguments) == (theirs.name, theirs.arguments)
    assert (known.resize is None) == (recipe.resize is None)
    assert dict(known.resize or {}) == dict(recipe.resize or {})


def test_the_second_load_reads_no_recipe_and_answers_the_same(read):
    first = loading.load("digits")
    assert len(read) == 1
    second = loading.load("digits")
    assert len(read) == 1
    assert (first.identity(), first.windows, first.task, first.floor) == (
        second.identity(),
        second.windows,
        second.task,
        second.floor,
    )
    waves = np.random.default_rng(0).uniform(-0.5, 0.5, (2, first.length)).astype(np.float32)
    np.testing.assert_array_equal(first.score(waves), second.score(waves))
    assert second.recipe == first.recipe, "and gives the whole when it is asked for"
    assert second.every(0.25).windows.hop == 0.25


def test_what_is_remembered_is_of_the_rules_of_this_version(read, monkeypatch):
    loading.load("digits")
    monkeypatch.setattr(knownfiles, "rules", lambda: "others")
    loading.load("digits")
    assert len(read) == 2


@pytest.mark.parametrize("change", [{"sample_rate": -1}, {"unknown": 1}, {"windows": {"length": "x"}}])
def test_a_broken_recipe_is_refused_every_time(change, tmp_path):
    path = rewritten(tmp_path, lambda recipe: recipe.update(change))
    loading.load("digits")
    for _ in range(2):
        with pytest.raises(TaggerError, match="cannot build it"):
            loading.load(path)


def test_a_recipe_that_is_written_otherwise_is_read_every_time(read, tmp_path):
    """A file of an earlier version, without a key that there is now, is not read by its plain values."""

    def older(recipe):
        del recipe["resize"]
        recipe["sample_rate"] = float(recipe["sample_rate"])

    path = rewritten(tmp_path, older)
    rates = [loading.load(path).sample_rate for _ in range(2)]
    assert rates == [8000, 8000] and all(isinstance(rate, int) for rate in rates)
    assert len(read) == 2


@pytest.mark.parametrize("kept", [None, 5, "short", ["x"], {"a": 1}])
def test_a_cache_that_holds_other_things_is_no_answer(kept, read):
    sha256 = taggerfile.read_head(loading.find("digits"))["sha256"]
    remembered.remember(knownfiles.key(sha256), kept)
    assert loading.load("digits").sample_rate == 8000
    assert len(read) == 1


def test_a_cache_that_cannot_be_read_is_none(read, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "engines.json").write_text(json.dumps([1]))
    loading.load("digits")
    assert len(read) == 1
