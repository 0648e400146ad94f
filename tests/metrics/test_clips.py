"""Metrics of clips against scikit-learn and against cases worked by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score
from sklearn.metrics import confusion_matrix as sklearn_confusion
from tests.metrics.conftest import clips

from earmark import metrics as m
from earmark.metrics.naming import current
from earmark.registry import METRICS


@pytest.mark.parametrize("steps", [0, 100, 4, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_average_precision_and_auc_agree_with_sklearn_with_and_without_ties(steps: int, dtype: type) -> None:
    for seed in range(10):
        values, truth = clips(seed, steps=steps)
        values = values.astype(dtype)
        assert m.mean_average_precision(values, truth) == pytest.approx(
            average_precision_score(truth, values), abs=1e-12
        )
        assert m.mean_auc(values, truth) == pytest.approx(roc_auc_score(truth, values), abs=1e-12)
        tagwise = m.per_tag(values, truth, "many")
        np.testing.assert_allclose(tagwise["average_precision"], average_precision_score(truth, values, average=None))
        np.testing.assert_allclose(tagwise["auc"], roc_auc_score(truth, values, average=None))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_one_tag_of_any_ties_agrees_with_sklearn(pairs: list[tuple[int, bool]]) -> None:
    values = np.array([[float(v)] for v, _ in pairs])
    truth = np.array([[t] for _, t in pairs])
    if truth.any():
        expected = average_precision_score(truth[:, 0], values[:, 0])
        (own,) = m.per_tag(values, truth, "many")["average_precision"]
        assert own == pytest.approx(expected, abs=1e-12)
        # where every clip has it, it is 1 for any scores: that is no mean of anything
        assert np.isnan(m.mean_average_precision(values, truth)) == bool(truth.all())
    if truth.any() and not truth.all():
        assert m.mean_auc(values, truth) == pytest.approx(roc_auc_score(truth[:, 0], values[:, 0]), abs=1e-12)


def test_worked_by_hand() -> None:
    values = np.array([[0.9], [0.8], [0.7], [0.6]])
    truth = np.array([[True], [False], [True], [False]])
    assert m.mean_average_precision(values, truth) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert m.mean_auc(values, truth) == pytest.approx(3 / 4)
    assert m.dprime(values, truth) == pytest.approx(math.sqrt(2) * norm.ppf(0.75))
    assert m.dprime(-values, -values > -0.75) == pytest.approx(math.inf)  # every positive above every negative
    assert m.dprime(values, -values > -0.75) == -math.inf


def test_constant_scores_look_bad() -> None:
    _, truth = clips(0, rows=70, one=True)
    same = np.full(truth.shape, 0.3)
    assert m.accuracy(same, truth) == 0
    assert m.mean_auc(same, truth) == pytest.approx(0.5)
    assert m.mean_average_precision(same, truth) == pytest.approx(1 / 7)
    assert m.map_at_k(same, truth) == 0
    assert m.dprime(same, truth) == pytest.approx(0)


@pytest.mark.parametrize("steps", [0, 3])
def test_accuracy_is_argmax_without_ties_and_less_with_them(steps: int) -> None:
    values, truth = clips(3, rows=200, steps=steps, one=True)
    ours, sklearns = m.accuracy(values, truth), accuracy_score(truth.argmax(1), values.argmax(1))
    unique = (values == values.max(1, keepdims=True)).sum(1) == 1
    assert ours == pytest.approx((unique & (values.argmax(1) == truth.argmax(1))).mean())
    assert (ours < sklearns) if steps else (ours == pytest.approx(sklearns))


def test_confusion_is_sklearns_and_its_diagonal_is_the_accuracy() -> None:
    values, truth = clips(4, rows=150, one=True)
    table = m.confusion(values, truth)
    np.testing.assert_array_equal(table, sklearn_confusion(truth.argmax(1), values.argmax(1)))
    tied = np.round(values, 1)
    table = m.confusion(tied, truth)
    assert table.sum() == 150
    assert np.trace(table) / 150 == pytest.approx(m.accuracy(tied, truth))
    np.testing.assert_array_equal(table.sum(1), truth.sum(0))


def test_confusion_rows_are_the_truth() -> None:
    values, truth = np.array([[0.1, 0.9, 0.0]]), np.array([[True, False, False]])
    assert m.confusion(values, truth).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def kaggle(actual: list[int], predicted: list[int], k: int) -> float:
    """Average precision at k as the competition's page states it, one clip at a time."""
    total = 0.0
    for n in range(1, min(k, len(predicted)) + 1):
        if predicted[n - 1] in actual:
            total += sum(p in actual for p in predicted[:n]) / n
    return total / min(len(actual), k)


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("k", [1, 3, 7, 20])
def test_map_at_k_is_the_competitions(one: bool, k: int) -> None:
    values, truth = clips(5, one=one)
    each = [
        kaggle(np.flatnonzero(t).tolist(), np.argsort(-v).tolist(), k)
        for v, t in zip(values, truth, strict=True)
        if t.any()
    ]
    assert m.map_at_k(values, truth, k) == pytest.approx(np.mean(each))


def test_map_at_3_of_a_single_tag_is_one_over_its_rank() -> None:
    values = np.tile([0.9, 0.5, 0.3, 0.1], (4, 1))
    assert m.map_at_k(values, np.eye(4, dtype=bool)) == pytest.approx((1 + 1 / 2 + 1 / 3 + 0) / 4)
    assert m.map_at_k(values, np.eye(4, dtype=bool), k=1) == pytest.approx(1 / 4)
    assert METRICS["map@3"].function(values, np.eye(4, dtype=bool)) == pytest.approx(11 / 24)


def test_f1_agrees_with_sklearn() -> None:
    values, truth = clips(6, tags=5)
    thresholds = np.array([0.3, 0.5, 0.7, 0.9, 0.5])
    for threshold in (0.5, thresholds):
        answered = values >= threshold
        assert m.f1_micro(values, truth, threshold) == pytest.approx(f1_score(truth, answered, average="micro"))
        assert m.f1_macro(values, truth, threshold) == pytest.approx(f1_score(truth, answered, average="macro"))
        expected = f1_score(truth, answered, average="samples", zero_division=1.0)
        assert m.f1_clips(values, truth, threshold) == pytest.approx(expected)


def official_instance_based(truth: list[list[str]], answered: list[list[str]]) -> float:
    """F in percent as task 4 of DCASE 2017 counts "Instance Based": right answers of all clips, divided once."""
    right = sum(tag in given for given, clip in zip(truth, answered, strict=True) for tag in clip)
    precision = right / sum(map(len, answered))
    recall = right / sum(map(len, truth))
    return 200 * precision * recall / (precision + recall)


def test_the_f_of_dcase_2017_task_4_is_that_of_all_decisions() -> None:
    """By hand: 4 right answers of 4 given and 6 true, so F = 2 · 4 / (4 + 6); the mean over clips is (1 + 2/3 + 2/3) / 3."""
    truth = [["car", "bus"], ["car", "horn"], ["bus", "horn"]]
    answered = [["car", "bus"], ["car"], ["horn"]]
    tags = ["bus", "car", "horn"]
    values, there = (np.array([[tag in clip for tag in tags] for clip in clips]) for clips in (answered, truth))
    assert m.f1_micro(values, there) == pytest.approx(2 * 4 / (4 + 6))
    assert official_instance_based(truth, answered) == pytest.approx(80.0)
    assert m.f1_clips(values, there) == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_the_f_of_the_official_testing_set(data: Path) -> None:
    """Of the 488 official clips, whose first tag alone is answered: the official count is f1_micro, not f1_clips."""
    rows = (data / "metadata/dcase2017_task4/groundtruth_weak_label_testing_set.csv").read_text("utf-8").splitlines()
    truth: dict[str, list[str]] = {}
    for row in rows:
        cells = row.split("\t")
        truth.setdefault(cells[0], []).append(cells[-1])
    answered = [[tags[0]] for tags in truth.values()]
    names = sorted({tag for tags in truth.values() for tag in tags})
    there, values = (
        np.array([[tag in clip for tag in names] for clip in clips]) for clips in (truth.values(), answered)
    )
    assert len(truth) == 488
    official = official_instance_based(list(truth.values()), answered)
    assert 100 * m.f1_micro(values, there) == pytest.approx(official)
    assert abs(100 * m.f1_clips(values, there) - official) > 0.1


def test_the_former_name_of_the_mean_over_clips_is_understood_and_told() -> None:
    values, truth = clips(6, tags=5)
    told = "f1_instance is called f1_clips now.*instance-based F is f1_micro"
    with pytest.warns(FutureWarning, match=told):
        assert m.f1_instance(values, truth) == m.f1_clips(values, truth)
    groups = np.arange(len(values)).astype(str)
    with pytest.warns(FutureWarning, match=told):
        old = m.evaluate(values, truth, groups, "many", resamples=10, metrics=["f1_instance"])
    assert (
        old["f1_instance"] == m.evaluate(values, truth, groups, "many", resamples=10, metrics=["f1_clips"])["f1_clips"]
    )
    assert METRICS["f1_instance"] is METRICS["f1_clips"] and "f1_instance" not in METRICS.names()
    said: list[str] = []
    assert current(["map", "f1_instance"], said.append) == ["map", "f1_clips"]
    assert len(said) == 1 and "the mean over clips" in said[0]


def test_per_tag_precision_recall_and_f1() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    for one in (True, False):
        values, truth = clips(7, rows=120, one=one)
        answered = np.eye(7, dtype=bool)[values.argmax(1)] if one else values >= 0.5
        table = m.per_tag(values, truth, "one" if one else "many")
        expected = precision_recall_fscore_support(truth, answered)
        for name, column in zip(("precision", "recall", "f1", "clips"), expected, strict=True):
            np.testing.assert_allclose(table[name], column, err_msg=name)


def test_map_at_3_of_each_tag() -> None:
    """With one tag a clip, the mean of 1 / rank over the clips of the tag; their mean, by clips, is that of all."""
    values = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.7, 0.2, 0.0], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.4, 0.3]])
    truth = np.eye(4, dtype=bool)[[0, 0, 0, 3]]  # ranks 1, 3, 4 and 2
    table = m.per_tag(values, truth, "one")
    np.testing.assert_allclose(table["map_at_3"], [(1 + 1 / 3 + 0) / 3, np.nan, np.nan, 1 / 2])
    for one in (True, False):
        values, truth = clips(9, rows=90, one=one)
        table = m.per_tag(values, truth, "one" if one else "many")
        for tag in range(truth.shape[1]):
            own = truth[:, tag]
            assert table["map_at_3"][tag] == pytest.approx(m.map_at_k(values[own], truth[own]))


def test_tags_without_positives_or_negatives_are_left_out_not_nought() -> None:
    values, truth = clips(8, tags=5)
    truth[:, 1], truth[:, 3] = False, True
    assert m.undefined(truth) == [1]
    assert m.undefined(truth, negatives=True) == [1, 3]
    kept = [0, 2, 3, 4]
    assert m.mean_average_precision(values, truth) == pytest.approx(
        average_precision_score(truth[:, [0, 2, 4]], values[:, [0, 2, 4]])
    )
    assert m.mean_auc(values, truth) == pytest.approx(roc_auc_score(truth[:, [0, 2, 4]], values[:, [0, 2, 4]]))
    table = m.per_tag(values, truth, "many")
    assert np.isnan(table["average_precision"][1])
    assert np.isnan(table["auc"][[1, 3]]).all()
    assert np.isnan([table["recall"][1], table["f1"][1]]).all()
    expected = f1_score(truth[:, kept], values[:, kept] >= 0.5, average="macro")
    assert m.f1_macro(values, truth) == pytest.approx(expected)
    assert math.isnan(m.mean_average_precision(values, np.zeros_like(truth)))
    assert math.isnan(m.mean_auc(values, np.ones_like(truth)))
    assert math.isnan(m.dprime(values, np.ones_like(truth)))
