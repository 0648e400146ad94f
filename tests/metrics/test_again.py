"""A metric that is asked for again is one metric: nothing is drawn, tested or told of it twice."""

from __future__ import annotations

import numpy as np
import pytest

from earmark import metrics
from earmark.metrics.naming import current

CHANCE = np.random.default_rng(0)
VALUES, OTHERS = CHANCE.random((2, 24, 3))
TRUTH = CHANCE.random((24, 3)) < 0.5
GROUPS = np.array([f"g{row // 2}" for row in range(24)])
SOME, AGAIN = ["map", "f1_clips"], ["map", "f1_clips", "map", "f1_clips", "map"]


def test_of_one_system():
    once, again = (
        metrics.evaluate(VALUES, TRUTH, GROUPS, "many", metrics=each, resamples=50) for each in (SOME, AGAIN)
    )
    assert list(again) == SOME and again == once


def test_of_two_systems():
    how = {"resamples": 50, "permutations": 50}
    once, again = (
        metrics.compare([VALUES, OTHERS], TRUTH, GROUPS, "many", metrics=each, **how) for each in (SOME, AGAIN)
    )
    assert [pair.metric for pair in again] == SOME and again == once


@pytest.mark.parametrize("names", [["f1_clips", "f1_instance"], ["f1_instance", "f1_clips"], ["f1_instance"] * 2])
def test_a_former_name_is_one_of_the_same_metric(names):
    said: list[str] = []
    assert current(names, said.append) == ["f1_clips"] and said
