"""What a tagger file tells comes back as it was, whoever wrote it; what it cannot be is refused."""

from __future__ import annotations

import pytest

from earmark.errors import ScoresError, TaggerError
from earmark.models.facts import Epoch, Facts, TagTuning
from earmark.models.file import read_head
from earmark.models.loading import shipped

CLIPS = {"clips": 3, "folds": ["1", "2"], "sha256": "0123"}
WHOLE = {
    "data": {"dataset": "esc", "options": {"full": True}},
    "split": {"train": CLIPS, "test": {**CLIPS, "counted": "at most"}},
    "versions": {"earmark": "0.1.0"},
    "phase": "finetune",
    "validation": {"map": 0.5, "loss": None},
    "chosen": {"epoch": 3, "of": 9, "by": "the last epoch"},
    "soup": {"taggers": ["a", "b"], "weights": [0.5, 0.5]},
    "adopted": {
        "layout": "YAMNet", "file": "a.tflite", "sha256": "01", "bytes": 9, "weights": "int8 made float", "licence": "CC0-1.0",
        "source": "https://example.org", "labels": "a.csv", "labels_sha256": "23",
    },
    "events": {
        "rules": {"thresholds": {"dog": 0.5}, "medians": {"dog": 0.0}, "gap": 0.0, "shortest": 0.0},
        "without events": [], "figures": {"0.5": {"value": 0.1}}, "scores": "frames", "chosen on": {"data": "esc", **CLIPS},
        "metric": "F1", "collars": {"onset": 0.2},
    },
    "tags": {
        "thresholds": {"dog": 0.25}, "without clips": ["cat"], "f1": {"dog": [0.5, None]}, "figures": {},
        "chosen on": {"data": "esc", **CLIPS}, "metric": "F1 of each tag",
    },
    "test": {"data": "esc", **CLIPS, "metrics": {"map": {"value": 0.5, "low": None, "high": None}}},
    "a key of tomorrow": [1, {"x": None}],
}  # fmt: skip


def test_all_that_can_be_told_comes_back_in_its_order():
    again = Facts.read(WHOLE).as_dict()
    assert again == WHOLE and list(again) == list(WHOLE)
    assert list(again["events"]) == list(WHOLE["events"]) and list(again["tags"]) == list(WHOLE["tags"])


@pytest.mark.parametrize("name", WHOLE)
def test_each_part_alone(name):
    assert Facts.read({name: WHOLE[name]}).as_dict() == {name: WHOLE[name]}


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_taggers(name):
    facts = read_head(shipped()[name])["facts"]
    assert Facts.read(facts).as_dict() == facts


@pytest.mark.parametrize("plain", [None, [], "facts", 3])
def test_facts_that_are_none(plain):
    with pytest.raises(TaggerError, match=r"t: its facts are .*, not an object of JSON"):
        Facts.read(plain, "t")


WRONG = {
    "data": 3, "split": {"train": []}, "validation": 5, "chosen": {"of": 3}, "soup": {"taggers": []},
    "events": {"rules": {"thresholds": {"dog": 7}, "medians": {"dog": 0}}}, "tags": {"thresholds": {"dog": "much"}}, "test": "good",
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_part_that_is_something_else(name):
    with pytest.raises(TaggerError, match=f"t: its '{name}' .*altered or damaged"):
        Facts.read({name: WRONG[name]}, "t")


def test_what_is_asked_of_them():
    facts = Facts.read(WHOLE)
    assert facts.dataset == "esc" and facts.chosen == Epoch(3, 9, "the last epoch")
    assert facts.clips("train").folds == ("1", "2") and facts.clips("validation").clips == 0
    assert facts.thresholds(("dog",)).tolist() == [0.25]
    assert facts.rules.thresholds == {"dog": 0.5}
    assert Facts().thresholds(("dog",)) is None and Facts().rules is None
    with pytest.raises(ScoresError, match="lack 1 of its 2 tags, first: 'cow'"):
        Facts(tags=TagTuning({"dog": 0.5})).thresholds(("dog", "cow"))
