"""Figures are of one tagger: whoever trains it on, or hears with it in other windows, writes a file without them."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.data.clipset import ClipSet
from earmark.events.rules import EventRules
from earmark.inference import asked
from earmark.models import loading, testfacts
from earmark.models.ensemble import Ensemble
from earmark.models.facts import FIGURES, READERS, Base, ChosenOn, Epoch, EventTuning, Facts, Soup, TagTuning
from earmark.models.file import read_head
from earmark.models.headfacts import Head

torch = pytest.importorskip("torch")

CLIPS = ClipSet(3, ("1",), "0123456789abcdef")
LEARNT = ("data", "split", "versions", "bases", "level")  # of the shipped one and what is added here; it stays


def all_told(facts: Facts, tags) -> Facts:
    """Of a shipped tagger, with all the figures that a file can tell."""
    chosen_on = ChosenOn("esc", CLIPS)
    return replace(
        facts,
        soup=Soup(("0" * 12, "1" * 12), (0.5, 0.5)),
        tags=TagTuning(dict.fromkeys(tags, 0.25), (), {}, {}, chosen_on, "F1 of each tag"),
        events=EventTuning(EventRules.alike(tags), chosen_on=chosen_on, metric="F1"),
        validation={"loss": 0.5},
        chosen=Epoch(3, 9, "best validation loss"),
        test=testfacts.Tested("esc", CLIPS, {"accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}}),
        alarms=(testfacts.Alarms("wind", 1, 1.0, {}, "threshold 0.5 for all tags"),),
        bases=(Base("2" * 12, "before.safetensors", ("net",), "esc", CLIPS),),
        head=Head({"kind": "logistic", "strength": 1.0}, "inner folds", 3, [{"kind": "logistic", "strength": 1.0, "loss": 0.1}]),
        more={"windows": {"data": "esc"}, "a key of tomorrow": 1},
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    one = loading.load("esc10-small", engine="torch")
    one.facts = all_told(one.facts, one.vocabulary)
    one.save(folder / "one.safetensors")
    both = Ensemble([one, loading.load("esc10-small", engine="torch")])
    both.facts = replace(both.facts, test=one.facts.test, alarms=one.facts.alarms)
    both.save(folder / "both.safetensors")
    return folder


def told(tagger, path):
    tagger.save(path)
    return read_head(path)["facts"]


def disturbed(tagger):
    with torch.no_grad():
        for member in tagger.members:
            for weights in member.parameters():
                weights.add_(0.01)
    return tagger


def retrained(tagger):
    """As somebody trains: a step of an optimiser."""
    tagger = tagger.trainable()
    optimiser = torch.optim.SGD(tagger.parameters(), 0.1)
    waves = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (2, 88_200)).astype(np.float32))
    tagger(waves).levels.mean().backward()
    optimiser.step()
    return tagger


WAYS = {
    "trained on": ("one", "torch", retrained),
    "a trainable copy, set by hand": ("one", "torch", lambda tagger: disturbed(tagger.trainable())),
    "as loaded, set by hand": ("one", "torch", disturbed),
    "another hop": ("one", "torch", lambda tagger: tagger.every(0.96)),
    "other windows": ("one", "torch", lambda tagger: tagger.hearing({"combine": "max"})),
    "another hop of a graph": ("one", "onnxruntime", lambda tagger: tagger.every(0.96)),
    "a copy of another hop, trained on": ("one", "torch", lambda tagger: retrained(tagger.every(0.96))),
    "an ensemble's other hop": ("both", "torch", lambda tagger: tagger.every(0.96)),
    "an ensemble's other hop, of graphs": ("both", "onnxruntime", lambda tagger: tagger.every(0.96)),
    "an ensemble of members set by hand": ("both", "torch", disturbed),
}
SAME = {
    "as loaded": lambda tagger: tagger,
    "a trainable copy": lambda tagger: tagger.trainable(),
    "its own hop": lambda tagger: tagger.every(tagger.recipe.windows.hop),
    "another hop and back": lambda tagger: tagger.every(0.96).every(tagger.recipe.windows.hop),
    "exact": lambda tagger: tagger.exact(),
}


@pytest.mark.parametrize("way", WAYS)
def test_another_tagger_has_no_figures_and_learnt_from_the_same(way, place, tmp_path, caplog):
    name, engine, change = WAYS[way]
    before = read_head(place / f"{name}.safetensors")["facts"]
    other = change(loading.load(place / f"{name}.safetensors", engine=engine))
    with caplog.at_level(logging.WARNING, "earmark"):
        after = told(other, tmp_path / "other.safetensors")
    assert set(before) & set(FIGURES) and not set(after) & set(FIGURES)
    kept = {key: value for key, value in before.items() if key not in FIGURES}
    assert {key: value for key, value in after.items() if key != "head"} == {
        k: v for k, v in kept.items() if k != "head"
    }
    assert set(after) == set(kept) and (name == "both" or set(LEARNT) <= set(after))
    assert "left out of the file: " in caplog.text and "test figures, false alarms" in caplog.text
    assert (
        f"They are of the tagger {loading.load(place / f'{name}.safetensors').identity()}, and this one, "
        in caplog.text
    )
    if name == "one":
        assert after["head"] == {**before["head"], "tried": []}
    assert loading.describe(tmp_path / "other.safetensors").facts.test is None


@pytest.mark.parametrize("way", SAME)
def test_the_same_tagger_keeps_all(way, place, tmp_path, caplog):
    tagger = SAME[way](loading.load(place / "one.safetensors", engine="torch"))
    assert told(tagger, tmp_path / "same.safetensors") == read_head(place / "one.safetensors")["facts"]
    assert not caplog.text


def test_what_is_measured_of_the_other_one_is_its_own(place, tmp_path):
    from earmark.evaluation.alarms import record

    file = tmp_path / "moved.safetensors"
    moved = loading.load(place / "one.safetensors", engine="torch").every(0.96)
    moved.save(file)
    counted = testfacts.Alarms("rain", 2, 0.5, {}, "threshold 0.5 for all tags")
    record(file, moved, [counted])
    facts = loading.describe(file).facts
    assert facts.alarms == (counted,) and facts.test is None and moved.facts.test is None


def test_every_part_of_facts_is_a_figure_or_what_was_learnt():
    """A part that files tell one day is sorted here: does it still hold when the weights are others?"""
    stays = {"data", "split", "versions", "phase", "precision", "bases", "head", "adopted", "level", "reserved"}
    assert set(READERS) == stays | set(FIGURES) - {"windows"}


@pytest.mark.parametrize("name", loading.shipped())
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_the_shipped_ones_keep_theirs(name, engine, tmp_path):
    before = read_head(loading.shipped()[name])["facts"]
    assert told(loading.load(name, engine=engine), tmp_path / "again.safetensors") == before
    assert "test" in before


MOVED = {way: told for way, told in WAYS.items() if "hop" in way or "windows" in way}
SOUND = np.random.default_rng(0).uniform(-0.3, 0.3, 5 * 44_100).astype(np.float32)


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    """Taggers whose rules and thresholds tell of far more than 0.5 does."""
    folder = tmp_path_factory.mktemp("ruled")
    one = loading.load("esc10-small", engine="torch")
    rules = EventTuning(EventRules.alike(one.vocabulary, 1e-12))
    told = {"events": rules, "tags": TagTuning(dict.fromkeys(one.vocabulary, 0.001))}
    one.facts = replace(one.facts, **told)
    one.save(folder / "one.safetensors")
    both = Ensemble([one, loading.load("esc10-small", engine="torch")])
    both.facts = replace(both.facts, **told)
    both.save(folder / "both.safetensors")
    return folder


def events(tagger):
    return [(event.tag, event.onset, event.offset) for event in tagger.events(SOUND, sample_rate=44_100)]


@pytest.mark.parametrize("way", MOVED)
def test_a_tagger_in_other_windows_answers_as_its_file_will(way, ruled, tmp_path, caplog):
    name, engine, change = MOVED[way]
    loaded = loading.load(ruled / f"{name}.safetensors", engine=engine)
    own = events(loaded)
    live = change(loaded)
    live.save(tmp_path / "moved.safetensors")
    saved = loading.load(tmp_path / "moved.safetensors", engine="torch")  # whose graphs were of the old windows
    assert live.identity() == saved.identity() != loaded.identity()
    assert live.facts.rules is saved.facts.rules is None
    assert live.facts.thresholds(live.vocabulary) is saved.facts.thresholds(saved.vocabulary) is None
    assert live.facts.lacking == ("rules for events", "thresholds") and saved.facts.lacking == ()
    caplog.clear()
    asked._say_lacked.cache_clear()  # by identity, which another engine's test may have told
    if "trained" not in way:
        assert events(live) == events(saved) != own
        assert f"the tagger {live.identity()} hears in other windows" in caplog.text
        assert events(live.every(0.5)) == events(saved.every(0.5))
        caplog.clear()
        assert events(live) == events(saved) and not caplog.text  # it is told once
    assert loaded.facts.rules is not None and events(loaded) == own


@pytest.mark.parametrize(("name", "engine"), [("one", "torch"), ("one", "onnxruntime"), ("both", "onnxruntime")])
def test_rules_come_back_with_their_windows(name, engine, ruled, caplog):
    loaded = loading.load(ruled / f"{name}.safetensors", engine=engine)
    hop = loaded.members[0].heard.as_dict()["windows"]["hop"]
    for back in (loaded.every(hop), loaded.every(0.96).every(hop), loaded.every(0.96).every(0.5).every(hop)):
        assert back.facts.rules == loaded.facts.rules is not None and back.facts.lacking == ()
        assert events(back) == events(loaded)
    assert not caplog.text


def test_rules_of_other_windows_are_those_of_these(ruled, tmp_path):
    """What is chosen for a tagger in other windows holds there."""
    moved = loading.load(ruled / "one.safetensors").every(0.96)
    rules = EventRules.alike(moved.vocabulary, 0.25)
    moved.facts = moved.facts.own(moved.identity()).retuned(events=EventTuning(rules))
    assert moved.facts.rules == rules and moved.facts.lacking == ("thresholds",)
    moved.save(tmp_path / "moved.safetensors")
    assert loading.load(tmp_path / "moved.safetensors").facts.rules == rules
    assert moved.every(0.5).facts.rules is None and moved.every(0.5).every(0.96).facts.rules == rules


def test_heard_beside_a_hop_is_refused(ruled, tmp_path):
    sound = tmp_path / "a.wav"
    soundfile.write(sound, SOUND, 44_100)
    words = ["tag", sound, "--tagger", ruled / "one.safetensors", "--heard"]
    assert earmark(*words).returncode == 0
    done = earmark(*words, "--hop", "0.5")
    assert done.returncode == 2 and "--heard: this tagger's thresholds were chosen in its own windows" in done.stderr
