"""Thresholds of tags: worked by hand, and against every threshold there is."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.errors import ScoresError
from earmark.evaluation.thresholds.tags import as_facts, best_threshold, choose
from earmark.models.facts import Facts, TagTuning
from earmark.scores.thresholds import reached

GROUPS = [str(i) for i in range(5)]


def columns(*pairs: tuple[float, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([value for value, _ in pairs]), np.array([bool(there) for _, there in pairs])


@pytest.mark.parametrize(
    ("pairs", "threshold"),
    [
        # 0.2 and up are the tag's: between 0.1 and 0.2 nothing is wrong
        ([(0.05, 0), (0.1, 0), (0.2, 1), (0.3, 1)], 0.15),
        # 0.5 parts them already, and so do 0.6 and others: the nearest to 0.5 is itself
        ([(0.3, 0), (0.4, 0), (0.9, 1), (0.95, 1)], 0.5),
        # with two hits and a false one F1 is 0.8, with the surest alone 2/3; 0.45 does it too, 0.5 is nearer
        ([(0.4, 0), (0.5, 1), (0.6, 0), (0.7, 1)], 0.5),
        # 0.35 has two hits and a false one, F1 0.8; 0.65 one hit, 2/3; 0.5 a hit and a false one, 1/2
        ([(0.3, 0), (0.4, 1), (0.6, 0), (0.7, 1)], 0.35),
        # every clip has it: half of the lowest score answers all
        ([(0.2, 1), (0.3, 1)], 0.1),
        # no clip has it
        ([(0.9, 0), (0.8, 0)], 0.5),
    ],
)
def test_by_hand(pairs, threshold):
    assert best_threshold(*columns(*pairs)) == pytest.approx(threshold)


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_is_better(seed):
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(seed)
    truth = generator.random(40) < 0.3
    values = np.round(generator.random(40) * 0.6 + 0.2 * truth, 2)  # with equal ones
    best = f1_score(truth, values >= best_threshold(values, truth))
    every = [*np.unique(values), 1]  # between two scores all thresholds part the clips alike
    assert best == max(f1_score(truth, values >= value, zero_division=0) for value in every)


def test_figures_and_tags_without_clips():
    values = np.array([[0.1, 0.9, 0.2], [0.2, 0.8, 0.2], [0.3, 0.2, 0.2], [0.4, 0.1, 0.2], [0.05, 0.3, 0.2]])
    truth = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], bool)
    chosen = choose(values, truth, ("dog", "rain", "saw"), GROUPS, resamples=20)
    assert chosen.thresholds == pytest.approx({"dog": 0.25, "rain": 0.5, "saw": 0.5})
    assert chosen.without == ("saw",)
    assert chosen.f1["dog"] == (0, 1) and chosen.f1["rain"] == (1, 1) and np.isnan(chosen.f1["saw"]).all()
    # at 0.5 the dog's F1 is 0 and the rain's 1, and two of the four decisions that there are were made
    assert chosen.figures["0.5"]["f1_macro"].value == 0.5
    assert chosen.figures["0.5"]["f1_micro"].value == pytest.approx(2 / 3)
    assert chosen.figures["thresholds"]["f1_macro"].value == 1
    assert as_facts(chosen).f1["saw"] == [None, None]


def test_stored_thresholds_answer_tags():
    facts = {"tags": {"thresholds": {"rain": 0.5, "dog": 0.25}}}
    thresholds = Facts.read(facts).thresholds(("dog", "rain"))
    assert thresholds.tolist() == [0.25, 0.5]
    assert reached(np.array([0.3, 0.45]), ("dog", "rain"), thresholds) == [("dog", 0.3)]
    assert reached(np.array([0.25, 0.9]), ("dog", "rain"), thresholds) == [("rain", 0.9), ("dog", 0.25)]
    assert Facts().thresholds(("dog",)) is None


def test_refused():
    with pytest.raises(ScoresError, match=r"lack 1 of its 2 tags, first: 'dogs', did you mean 'dog'\?"):
        Facts(tags=TagTuning({"dog": 0.5, "rain": 0.5})).thresholds(("dogs", "rain"))
    with pytest.raises(ScoresError, match="none of the 2 clips has a tag"):
        choose(np.zeros((2, 1)), np.zeros((2, 1), bool), ("dog",), GROUPS[:2])
    with pytest.raises(ScoresError, match="do not fit together"):
        choose(np.zeros((2, 1)), np.zeros((2, 1), bool), ("dog", "rain"), GROUPS[:2])
