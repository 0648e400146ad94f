"""The figures of a learning curve: intervals as all others, sizes that there are too few clips for, and what has no value."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
from earmark import metrics
from earmark.data.manifest import build
from earmark.progress import QUIET
from earmark.report import learning
from earmark.train.heads.curve import Curve, Plan, fewer, measured

TAGS = ("fox", "owl", "wren")


def clips(count, fold="1", tags=None):
    names = [f"{fold}-{k}.wav" for k in range(count)]
    return build({"id": names, "path": names, "tags": tags or [[TAGS[k % 3]] for k in range(count)]}, ".")


def points(turns, task, plan):
    """The points of scores that are noise beside what is true, the same of every draw."""

    def score(size):
        def run(train, test):
            noise = np.random.default_rng(len(test)).random((len(test), 3))
            return (noise + 0.6 * test.truth(TAGS)).astype(np.float32)

        return run

    return measured(turns, TAGS, task, plan, score, QUIET)


@pytest.mark.parametrize("task", ["one", "many"])
def test_an_interval_is_that_of_the_same_scores_in_a_report(task):
    """Mean average precision leans upwards when clips are drawn twice; the draws are moved, as everywhere."""
    turns = [(clips(9), clips(18, "2"))]
    (found,) = points(turns, task, Plan((None,), 1, 2000))
    test = turns[0][1]
    values = (np.random.default_rng(18).random((18, 3)) + 0.6 * test.truth(TAGS)).astype(np.float32)
    name = "accuracy" if task == "one" else "map"
    figure = metrics.evaluate(values, test.truth(TAGS), test.groups, task, resamples=2000, metrics=[name])[name]
    assert found.value == pytest.approx(figure.value)
    assert (found.low, found.high) == pytest.approx((figure.low, figure.high), abs=0.015)


def test_sizes_that_there_are_too_few_clips_for_are_told():
    """Eight foxes, owls and wrens in one turn, seven foxes in the other."""
    few = clips(24, tags=[["fox"]] * 7 + [["owl"]] * 8 + [["wren"]] * 8 + [["owl"]])
    turns = [(clips(24), clips(3, "2")), (few, clips(3, "3"))]
    assert fewer(turns, TAGS, (1, 7, None)) == ()
    assert fewer(turns, TAGS, (8,)) == (
        "8 clips a tag: 1 of the 3 tags has fewer training clips (7 the fewest, 'fox'), of which all are taken.",
    )
    told = fewer(turns, TAGS, (1, 100, None))
    assert told == (
        "100 clips a tag: 3 of the 3 tags have fewer training clips (7 the fewest, 'fox'), of which all are taken: these are the "
        "same clips as those of all.",
    )
    made = Curve("accuracy", tuple(points(turns, "one", Plan((1, 100, None), 1, 9))), FACTS, told)
    assert made.as_dict()["notes"] == list(told) and f"- {told[0]}" in learning.text([made.as_dict()])
    assert "notes" not in Curve("accuracy", (), FACTS).as_dict()


FACTS = {"source": "a", "base": "b", "folds": 2, "tested clips": 6, "resamples": 0}


def test_what_has_no_value_is_null_and_a_dash(tmp_path):
    turns = [(clips(9), clips(6, "2"))]
    made = Curve("accuracy", tuple(points(turns, "one", Plan((1, None), 1, 0))), FACTS)
    learning.write([made.as_dict()], tmp_path)

    def refused(constant):
        raise ValueError(f"{constant} is no JSON")

    told = json.loads((tmp_path / "curve.json").read_text(), parse_constant=refused)["curves"][0]
    assert all(each["low"] is None and each["high"] is None and each["value"] <= 1 for each in told["points"])
    page = (tmp_path / "curve.md").read_text()
    assert "nan" not in page and "| – |" in page and "Intervals: none was asked for." in page
    none = [{**each, "value": None, "draws": [None]} for each in told["points"]]
    assert "| 1 | – | – | – |" in learning.text([{**told, "points": none}])
    learning.drawing([{**told, "points": none}])
