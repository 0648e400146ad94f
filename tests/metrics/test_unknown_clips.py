"""Clips and cells of which nothing is known have no part in any metric: held against the known ones alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, log_loss

from earmark import metrics
from earmark.data.matching import Matched
from earmark.errors import ScoresError
from earmark.evaluation.clips import decide
from earmark.evaluation.thresholds import tags as thresholds
from earmark.metrics.calibration import calibration_of
from earmark.registry import METRICS

ROWS, TAGS, KNOWN = 60, 3, 30
GROUPS = np.array([f"g{row:02d}" for row in range(ROWS)])
MANY = [name for name in METRICS.names() if "many" in METRICS[name].facts["tasks"]]


def halves() -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """Scores, truth, and the truth of which the second half of the clips is wholly unknown."""
    rng = np.random.default_rng(0)
    values, truth = rng.random((ROWS, TAGS)), rng.random((ROWS, TAGS)) < 0.4
    mask = np.zeros_like(truth)
    mask[KNOWN:] = True
    return values, truth, np.ma.masked_array(truth, mask)


@pytest.mark.parametrize("name", MANY)
def test_a_clip_of_which_nothing_is_known_has_no_part_in(name):
    values, truth, masked = halves()
    (half,) = metrics.evaluate(values, masked, GROUPS, "many", metrics=[name], resamples=0).values()
    alone = metrics.evaluate(values[:KNOWN], truth[:KNOWN], GROUPS[:KNOWN], "many", metrics=[name], resamples=0)
    assert np.isfinite(half.value) and half.value == pytest.approx(alone[name].value)


@pytest.mark.parametrize("name", MANY)
def test_a_difference_is_that_of_the_known_clips(name):
    values, truth, masked = halves()
    asked = {"task": "many", "metrics": [name], "resamples": 0, "permutations": 0}
    (half,) = metrics.compare([values, 1 - values], masked, GROUPS, **asked)
    (alone,) = metrics.compare([values[:KNOWN], 1 - values[:KNOWN]], truth[:KNOWN], GROUPS[:KNOWN], **asked)
    assert half.value_b == pytest.approx(alone.value_b)
    assert half.difference.value == pytest.approx(alone.difference.value)


def test_a_draw_without_a_known_clip_has_no_f1_of_clips():
    values, _, masked = halves()
    weights = np.zeros((ROWS, 2), np.int32)
    weights[KNOWN:, 0] = weights[:, 1] = 1
    without, all_once = METRICS["f1_clips"].facts["weighted"](metrics.Draw(metrics.Clips(values, masked), weights))
    assert np.isnan(without) and all_once == pytest.approx(metrics.f1_clips(values, masked))


def test_the_f1_of_clips_is_scikit_learns_on_the_known_ones():
    values, truth, masked = halves()
    expected = f1_score(truth[:KNOWN], values[:KNOWN] >= 0.5, average="samples", zero_division=1.0)
    assert metrics.f1_clips(values, masked) == pytest.approx(expected)


def test_a_known_clip_with_no_tag_that_is_answered_with_none_counts_as_1():
    values = np.array([[0.1, 0.2], [0.9, 0.9], [0.1, 0.1]])
    truth = np.ma.masked_array(np.zeros((3, 2), bool), [[False, False], [True, True], [True, False]])
    assert metrics.f1_clips(values[:1], truth[:1]) == 1
    assert metrics.f1_clips(values, truth) == 1  # of the third clip one tag is known, and is not told
    truth[2, 1] = True
    assert metrics.f1_clips(values, truth) == 0.5


def test_chosen_thresholds_and_stored_ones_have_the_figures_of_the_known_clips():
    values, truth, masked = halves()
    half = thresholds.choose(values, masked, "abc", GROUPS, resamples=0).figures
    alone = thresholds.choose(values[:KNOWN], truth[:KNOWN], "abc", GROUPS[:KNOWN], resamples=0).figures
    stored = np.array([0.3, 0.5, 0.7])

    def decided(rows, known):
        paths = [f"{name}.wav" for name in GROUPS[rows]]
        clips = Matched(GROUPS[rows], paths, values[rows], truth[rows] & known[rows], GROUPS[rows], [], known[rows])
        return [row.f1 for row in decide(clips, "abc", stored, 0).rows]

    known = ~np.ma.getmaskarray(masked)
    for row, other in zip(
        [*half.values(), *decided(slice(None), known)], [*alone.values(), *decided(slice(KNOWN), known)], strict=True
    ):
        assert {name: each.value for name, each in row.items()} == pytest.approx(
            {name: each.value for name, each in other.items()}
        )


def cells(unknown: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """Scores, truth, what of it is known, and the truth as metrics take it."""
    rng = np.random.default_rng(1)
    values, truth = rng.random((ROWS, TAGS)), rng.random((ROWS, TAGS)) < 0.4
    known = rng.random((ROWS, TAGS)) >= unknown
    return values, truth, known, np.ma.masked_array(truth, ~known)


@pytest.mark.parametrize("name", MANY)
def test_neither_score_nor_truth_of_an_unknown_cell_moves(name):
    values, truth, known, masked = cells()
    asked = {"groups": GROUPS, "task": "many", "metrics": [name], "resamples": 20}
    told = metrics.evaluate(values, masked, **asked)
    assert np.isfinite([told[name].value, told[name].low, told[name].high]).all()
    others = np.where(known, values, 1 - values), np.ma.masked_array(np.where(known, truth, ~truth), ~known)
    assert metrics.evaluate(*others, **asked) == told
    pairs = asked | {"permutations": 50}
    first = metrics.compare([values, values[::-1]], masked, **pairs)
    assert metrics.compare([others[0], np.where(known, values[::-1], 0.99)], others[1], **pairs) == first
    assert metrics.evaluate(values, truth, **asked) != told  # what is unknown would have counted


def test_log_loss_and_brier_are_scikit_learns_of_the_known_cells():
    values, truth, known, masked = cells()
    assert metrics.log_loss_tags(values, masked) == pytest.approx(log_loss(truth[known], values[known]))
    assert metrics.brier_tags(values, masked) == pytest.approx(brier_score_loss(truth[known], values[known]))
    # a draw is that of repeated rows
    weights = next(iter(metrics.resample(GROUPS, 3)))
    for name in ("log_loss_tags", "brier_tags"):
        drawn = METRICS[name].facts["weighted"](metrics.Draw(metrics.Clips(values, masked), weights))
        for draw in range(3):
            rows = np.arange(ROWS).repeat(weights[:, draw])
            assert drawn[draw] == pytest.approx(METRICS[name].function(values[rows], masked[rows]))


def test_one_unknown_cell_leaves_no_metric_out():
    values, truth, _, _ = cells()
    masked = np.ma.masked_array(truth, np.arange(ROWS * TAGS).reshape(truth.shape) == 4)
    whole, one = (metrics.evaluate(values, each, GROUPS, "many", resamples=0) for each in (truth, masked))
    assert list(one) == list(whole) == MANY


def test_scores_beyond_1_are_no_probabilities_whatever_is_known():
    values, _, known, masked = cells()
    assert np.isnan(metrics.brier_tags(np.where(known, values, 7.0), masked))


ONE = [name for name in METRICS.names() if "one" in METRICS[name].facts["tasks"]]


def alone() -> tuple[np.ndarray, np.ndarray, np.ma.MaskedArray]:
    """Probabilities of one tag a clip, the truth, and the same with one of the other tags of each clip unknown."""
    rng = np.random.default_rng(3)
    values = rng.random((ROWS, TAGS))
    own = rng.integers(0, TAGS, ROWS)
    truth = np.eye(TAGS, dtype=bool)[own]
    return values / values.sum(1, keepdims=True), truth, np.ma.masked_array(truth, np.eye(TAGS, dtype=bool)[own - 1])


@pytest.mark.parametrize("name", ONE)
def test_where_a_clip_has_one_tag_the_others_are_absent_known_or_not(name):
    values, truth, masked = alone()
    asked = {"groups": GROUPS, "task": "one", "metrics": [name], "resamples": 20}
    told = metrics.evaluate(values, truth, **asked)
    assert np.isfinite(told[name].value) and metrics.evaluate(values, masked, **asked) == told
    pairs = asked | {"permutations": 50}
    assert metrics.compare([values, values[::-1]], masked, **pairs) == metrics.compare(
        [values, values[::-1]], truth, **pairs
    )


def test_one_truth_of_one_tag_a_clip_in_accuracy_confusion_table_and_calibration():
    values, truth, masked = alone()
    right = (values.argmax(1) == truth.argmax(1)).mean()
    confusion = metrics.confusion(values, masked)
    assert metrics.accuracy(values, masked) == np.trace(confusion) / confusion.sum() == right
    assert calibration_of(values, masked, "one") == calibration_of(values, truth, "one")
    table, whole = metrics.per_tag(values, masked, "one"), metrics.per_tag(values, truth, "one")
    for column in whole:
        np.testing.assert_array_equal(table[column], whole[column])


def test_an_own_tag_that_is_not_known_is_none():
    values, truth, _ = alone()
    masked = np.ma.masked_array(truth, truth)
    for measured in (metrics.accuracy, metrics.confusion, metrics.log_loss):
        with pytest.raises(ScoresError, match="row 0 has 0 tags, but in task 'one' every clip has exactly 1"):
            measured(values, masked)
