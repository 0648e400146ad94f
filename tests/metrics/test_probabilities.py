"""Log loss and Brier score, against scikit-learn, cases worked by hand and repeated clips."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as theirs
from tests.metrics.conftest import clips

from earmark import metrics

ONE, MANY = ("log_loss", "brier"), ("log_loss_tags", "brier_tags")


def softened(seed: int) -> tuple[np.ndarray, np.ndarray]:
    values, truth = clips(seed, one=True)
    return values / values.sum(1, keepdims=True), truth


def test_a_case_by_hand():
    values = np.array([[0.5, 0.25, 0.25], [0.0, 0.75, 0.25]])
    truth = np.array([[True, False, False], [False, False, True]])
    assert metrics.log_loss(values, truth) == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert metrics.brier(values, truth) == pytest.approx((0.25 + 2 / 16 + 2 * 0.75**2) / 2)
    assert metrics.log_loss_tags(values, truth) == pytest.approx(
        (math.log(2) + 2 * math.log(4 / 3) + 2 * math.log(4)) / 6
    )
    assert metrics.brier_tags(values, truth) == pytest.approx((0.25 + 2 / 16 + 2 * 0.75**2) / 6)


@pytest.mark.parametrize("seed", range(4))
def test_one_tag_a_clip_as_scikit_learn(seed):
    values, truth = softened(seed)
    assert metrics.log_loss(values, truth) == pytest.approx(theirs(truth.argmax(1), values), rel=1e-9)
    each = [brier_score_loss(truth[:, k], values[:, k]) for k in range(truth.shape[1])]
    assert metrics.brier(values, truth) == pytest.approx(sum(each))


@pytest.mark.parametrize("seed", range(4))
def test_several_tags_as_scikit_learn(seed):
    values, truth = clips(seed)
    values = values / values.max()
    each = [theirs(truth[:, k], np.clip(values[:, k], 1e-12, 1 - 1e-12)) for k in range(truth.shape[1])]
    assert metrics.log_loss_tags(values, truth) == pytest.approx(np.mean(each), rel=1e-6)
    each = [brier_score_loss(truth[:, k], values[:, k]) for k in range(truth.shape[1])]
    assert metrics.brier_tags(values, truth) == pytest.approx(np.mean(each))


def test_a_certain_error_is_finite():
    truth = np.array([[True, False]])
    assert metrics.log_loss(np.array([[0.0, 1.0]]), truth) == pytest.approx(12 * math.log(10))
    assert metrics.log_loss_tags(np.array([[0.0, 1.0]]), truth) == pytest.approx(12 * math.log(10))


def test_what_is_no_probability_has_none():
    values, truth = softened(0)
    for name in ONE:
        assert math.isnan(getattr(metrics, name)(values * 0.9, truth)) and math.isnan(
            getattr(metrics, name)(values - 0.5, truth)
        )
    for name in MANY:
        assert not math.isnan(getattr(metrics, name)(values * 0.9, truth))
        assert math.isnan(getattr(metrics, name)(values * 9, truth))


@pytest.mark.parametrize(("task", "names"), [("one", ONE), ("many", MANY)])
def test_intervals_and_differences(task, names):
    values, truth = softened(1)
    groups = [f"g{i % 20}" for i in range(len(truth))]
    found = metrics.evaluate(values, truth, groups, task, metrics=names, resamples=200)
    for name in names:
        assert found[name].low < found[name].value < found[name].high
        # weighted by counts it is the figure of clips that are repeated
        draw = next(iter(metrics.resample(groups, 1)))
        rows = np.repeat(np.arange(len(truth)), draw[:, 0])
        weighted = metrics.evaluate(values[rows], truth[rows], np.arange(len(rows)), task, metrics=[name], resamples=0)
        one = metrics.Draw(metrics.Clips(values, truth), draw)
        assert metrics.intervals.measure(name, one)[0] == pytest.approx(weighted[name].value)
    better = 0.5 * values + 0.5 * truth
    for pair in metrics.compare([better, values], truth, groups, task, metrics=names, permutations=300, resamples=100):
        assert pair.difference.high < 0 and pair.p < 0.01  # less is better


def test_scores_that_do_not_sum_to_one_have_no_interval():
    values, truth = softened(2)
    found = metrics.evaluate(values * 0.5, truth, np.arange(len(truth)), "one", metrics=["log_loss"], resamples=20)
    assert all(math.isnan(each) for each in (found["log_loss"].value, found["log_loss"].low))
