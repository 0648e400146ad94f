"""Numbers that a tagger tells by: dicts for who reads them, and nothing that is changed unchecked."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from types import MappingProxyType

import pytest

from earmark.errors import ScoresError
from earmark.events import EventRules
from earmark.models.facts import EventTuning, Facts, TagTuning

RULES = EventRules({"dog": 0.5, "rain": 0.4}, {"dog": 0.0, "rain": 1.0}, lows={"dog": 0.5})
FACTS = Facts(events=EventTuning(RULES), tags=TagTuning({"dog": 0.5, "rain": 0.4}))
HELD = {
    **{name: getattr(FACTS.rules, name) for name in ("thresholds", "medians", "lows")},
    "of tags": FACTS.tags.thresholds,
}
ARGUMENTS = {"__setitem__": ("dog", 0.9), "__delitem__": ("dog",), "__ior__": ({"dog": 0.9},), "pop": ("dog",),
             "setdefault": ("cat", 0.9), "update": ({"dog": 0.9},), "clear": (), "popitem": ()}  # fmt: skip
CHANGES = {name for name in dir(dict) if name not in dir(MappingProxyType)} - {"fromkeys"}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("change", sorted(CHANGES | {"__ior__"}))
def test_no_change_goes_unchecked(held, change):
    before = dict(HELD[held])
    with pytest.raises(TypeError, match=r"rules.changed\(threshold=0.9\).* dataclasses.replace"):
        getattr(HELD[held], change)(*ARGUMENTS[change])
    assert HELD[held] == before


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_who_reads_them_has_dicts(held, again):
    plain = dict(HELD[held])
    other = again(HELD[held])
    assert HELD[held] == plain == other and repr(other) == repr(plain) and type(other) is type(HELD[held])
    assert json.loads(json.dumps(other)) == plain and isinstance(other, dict)
    assert type(other | {}) is type(other.copy()) is dict


def test_others_are_made_and_checked():
    given = {"dog": 0.5}
    rules = EventRules(given, {"dog": 0.0})
    given["dog"] = 0.9  # the caller's own
    assert rules.thresholds == {"dog": 0.5} and rules.changed(threshold=0.9).thresholds == {"dog": 0.9}
    assert dataclasses.replace(rules, thresholds={**rules.thresholds, "dog": 0.9}) == rules.changed(threshold=0.9)
    with pytest.raises(ScoresError, match="the threshold of 'dog' is 7"):
        dataclasses.replace(rules, thresholds={**rules.thresholds, "dog": 7})
    assert dataclasses.asdict(rules)["thresholds"] == {"dog": 0.5}
