"""Comparisons: p-values enumerated by hand, uniform under the null, small for a clear case; intervals as elsewhere."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import kstest, rankdata
from tests.metrics.conftest import clips, right_or_wrong

from earmark import metrics as m
from earmark.errors import ScoresError
from earmark.metrics import intervals
from earmark.metrics.comparison import swaps
from earmark.registry import METRICS


def answered(*systems: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Systems as strings of right (+) and wrong (-) answers."""
    pairs = [right_or_wrong(np.array([c == "+" for c in answers])) for answers in systems]
    return [values for values, _ in pairs], pairs[0][1]


def test_a_tiny_case_enumerated_by_hand() -> None:
    """Of four clips A has three that B has not: 3/4. Swapping clips turns signs: ±1 ±1 ±1 and 0.

    16 swaps; |sum| = 3 for the two sign patterns that agree, with the fourth clip swapped or not: 4 of 16.
    """
    values, truth = answered("++++", "---+")
    (found,) = m.compare(values, truth, np.arange(4), "one", metrics=["accuracy"], permutations=1000)
    assert (found.metric, found.a, found.b) == ("accuracy", "A", "B")
    assert (found.value_a, found.value_b, found.difference.value) == (1, 0.25, 0.75)
    assert found.p == found.p_holm == pytest.approx(4 / 16)
    # of groups {0, 1} and {2, 3}: differences ±2 ±1; all four swaps: |3|, |1|, |1|, |3|
    (grouped,) = m.compare(values, truth, np.array([0, 0, 1, 1]), "one", metrics=["accuracy"])
    assert grouped.p == pytest.approx(2 / 4)


def exact(metric: str, a: np.ndarray, b: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> float:
    """p by making every swap, on ranks where the metric ranks clips."""
    measure = METRICS[metric].function
    seen = measure(a, truth) - measure(b, truth)
    if metric in ("map", "auc", "dprime"):
        a, b = (np.apply_along_axis(rankdata, 0, x) for x in (a, b))
    names, far, count = np.unique(groups), 0, 0
    for bits in itertools.product([False, True], repeat=len(names)):
        swap = np.isin(groups, names[np.array(bits)])[:, None]
        d = measure(np.where(swap, b, a), truth) - measure(np.where(swap, a, b), truth)
        far += abs(d) >= abs(seen) - 1e-12
        count += 1
    return far / count


@pytest.mark.parametrize("task", ["one", "many"])
def test_p_is_that_of_every_swap_made_one_by_one(task: str) -> None:
    rng = np.random.default_rng(0)
    a, truth = clips(1, rows=24, tags=4, steps=20, one=task == "one")
    b = np.round(np.clip(a + rng.normal(0, 0.4, a.shape), 0, 2), 1)
    groups = np.arange(24) % 6
    for found in m.compare([a, b], truth, groups, task, resamples=5, permutations=64):
        assert found.p == pytest.approx(exact(found.metric, a, b, truth, groups)), found.metric
        assert found.value_a == pytest.approx(METRICS[found.metric].function(a, truth))
        assert found.difference.value == pytest.approx(found.value_a - found.value_b)


def test_random_swaps_come_close_to_all_of_them() -> None:
    a, truth = clips(2, rows=40, tags=4)
    b = a + np.random.default_rng(3).normal(0, 0.3, a.shape)
    groups = np.arange(40) % 10
    for metric in ("map", "lwlrap"):
        (found,) = m.compare([a, b], truth, groups, "many", metrics=[metric], permutations=900, resamples=0)
        assert found.p == pytest.approx(exact(metric, a, b, truth, groups), abs=4 * math.sqrt(0.25 / 900))
        assert found.p * 901 == pytest.approx(round(found.p * 901))  # (1 + count) / (1 + permutations)


@pytest.mark.parametrize("metric", ["accuracy", "map"])
def test_p_is_uniform_where_the_systems_are_alike(metric: str) -> None:
    rng, found = np.random.default_rng(4), []
    for trial in range(200):
        own = rng.integers(5, size=60)
        truth = np.eye(5, dtype=bool)[own]
        shared = rng.normal(0, 1, (60, 5)) + 1.2 * truth
        a, b = (shared + rng.normal(0, 0.7, (60, 5)) for _ in range(2))
        result = m.compare(
            [a, b], truth, np.arange(60), "one", metrics=[metric], resamples=0, permutations=99, seed=trial
        )
        found.append(result[0].p)
    # accuracy has many equal differences, which make p too large, never too small
    assert np.mean(np.array(found) <= 0.05) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(found) <= 0.5) < 0.5 + 3 * math.sqrt(0.25 / 200)
    if metric == "map":
        assert kstest(found, "uniform").pvalue > 0.001


def test_other_scales_do_not_matter_to_metrics_that_rank_clips() -> None:
    a, truth = clips(5, rows=60)
    b = a + np.random.default_rng(6).normal(0, 0.3, a.shape)
    options = {"metrics": ["map", "auc"], "resamples": 50, "permutations": 200}
    plain = m.compare([a, b], truth, np.arange(60), "many", **options)
    scaled = m.compare([a, np.exp(5 * b) - 100], truth, np.arange(60), "many", **options)
    for one, other in zip(plain, scaled, strict=True):
        assert one.p == other.p
        assert one.difference.as_dict() == pytest.approx(other.difference.as_dict(), abs=1e-12)


def test_a_clear_case_is_told_apart_and_a_copy_is_not() -> None:
    rng = np.random.default_rng(7)
    truth = np.eye(5, dtype=bool)[rng.integers(5, size=150)]
    poor = rng.normal(0, 1, (150, 5)) + 0.8 * truth
    good = poor + 1.2 * truth
    systems = {"good": good, "poor": poor, "copy": poor}
    found = {(d.metric, d.a, d.b): d for d in m.compare(systems, truth, np.arange(150), "one", resamples=300)}
    assert len(found) == 5 * 3
    for metric in ("accuracy", "map", "auc", "dprime", "map@3"):
        clear, copy = found[metric, "good", "poor"], found[metric, "poor", "copy"]
        assert clear.p == pytest.approx(1 / 1001)
        assert 0 < clear.difference.low < clear.difference.value < clear.difference.high
        assert copy.p == copy.p_holm == 1
        assert (copy.difference.value, copy.difference.low, copy.difference.high) == (0, 0, 0)
        assert clear.p_holm == pytest.approx(3 / 1001)


def test_holm() -> None:
    # 3 × 0.01, then 2 × 0.02 and 0.03, which must not fall below the one before
    assert m.holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert m.holm([0.9, 0.8]) == [1, 1]
    assert m.holm([math.nan, 0.02])[1] == pytest.approx(0.02)
    assert m.holm([]) == []


def test_the_interval_is_of_the_same_draws_for_both() -> None:
    """The difference of accuracies is the mean of −1, 0 and 1 of the clips: its interval is that mean's."""
    rng = np.random.default_rng(8)
    right_a, right_b = rng.random(300) < 0.7, rng.random(300) < 0.6
    right_b[:200] = right_a[:200]  # most clips do not differ: far narrower than two intervals apart
    (values_a, truth), (values_b, _) = right_or_wrong(right_a), right_or_wrong(right_b)
    (found,) = m.compare([values_a, values_b], truth, np.arange(300), "one", metrics=["accuracy"], resamples=4000)
    d = right_a.astype(float) - right_b
    half = 1.96 * d.std() / math.sqrt(300)
    assert found.difference.value == pytest.approx(d.mean())
    assert (found.difference.low, found.difference.high) == pytest.approx((d.mean() - half, d.mean() + half), abs=0.006)


def test_each_system_has_its_thresholds() -> None:
    a, truth = clips(9)
    same = m.compare([a, a + 1], truth, np.arange(60), "many", metrics=["f1_micro", "f1_macro"], thresholds=[0.6, 1.6])
    for found in same:
        assert found.value_a == found.value_b
        assert found.p == 1
    b = a + np.random.default_rng(1).normal(0, 0.2, a.shape)
    options = {"metrics": ["f1_micro", "f1_macro", "f1_clips"], "resamples": 20, "permutations": 100}
    plain = m.compare([a, b], truth, np.arange(60), "many", **options)
    scaled = m.compare([a, 10 * b], truth, np.arange(60), "many", thresholds=[0.5, np.full(7, 5.0)], **options)
    assert plain == scaled
    assert all(found.p < 1 for found in plain)
    level = np.linspace(0.3, 0.9, 7)
    (found,) = m.compare([a, a], truth, np.arange(60), "many", metrics=["f1_micro"], thresholds=[0.5, level])
    assert found.value_b == pytest.approx(m.f1_micro(a, truth, level))


def test_swaps_do_not_depend_on_chunks_or_on_the_order_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.array([f"g{i % 25}" for i in range(60)])
    whole = np.concatenate(list(swaps(groups, 50, seed=2)), 1)
    assert whole.shape == (60, 50)
    assert set(np.unique(whole)) == {0, 1}
    assert (whole[0] == whole[25]).all()
    monkeypatch.setattr(intervals, "CHUNK", 60 * 2 * 7)
    parts = list(swaps(groups, 50, seed=2))
    assert [part.shape[1] for part in parts] == [7] * 7 + [1]
    np.testing.assert_array_equal(np.concatenate(parts, 1), whole)
    order = np.random.default_rng(1).permutation(60)
    np.testing.assert_array_equal(np.concatenate(list(swaps(groups[order], 50, seed=2)), 1), whole[order])
    every = np.concatenate(list(swaps(np.arange(4), 15)), 1)
    assert len(np.unique(every, axis=1).T) == 15
    assert (every.min(0) == 0).all()


def test_what_cannot_be_told_is_nan() -> None:
    values, truth = answered("++++-", "+-+--")
    for options in ({"groups": np.zeros(5)}, {"groups": np.arange(5), "permutations": 0, "resamples": 0}):
        (found,) = m.compare(values, truth, task="one", metrics=["accuracy"], **options)
        assert found.difference.value == pytest.approx(0.4)
        assert math.isnan(found.p)
        assert math.isnan(found.p_holm)
        assert math.isnan(found.difference.low)
    perfect = np.array([[True, False], [False, True], [True, False]])
    (found,) = m.compare([perfect * 1.0] * 2, perfect, np.arange(3), "one", metrics=["dprime"])
    assert found.value_a == math.inf
    assert math.isnan(found.difference.value)
    assert math.isnan(found.p)
    assert set(found.as_dict()["difference"]) == {"value", "low", "high"}


def test_errors_say_what_is_wrong() -> None:
    values, truth = answered("++-", "+--")
    groups = np.arange(3)
    with pytest.raises(ScoresError, match="at least 2 systems, not 1"):
        m.compare(values[:1], truth, groups, "one")
    with pytest.raises(ScoresError, match=r"shape \(2, 2\) and truth \(3, 2\)"):
        m.compare([values[0], values[1][:2]], truth, groups, "one")
    with pytest.raises(ScoresError, match="1 threshold for 2 systems"):
        m.compare(values, truth, groups, "many", thresholds=[0.5])
    with pytest.raises(ScoresError, match=r"groups have the shape \(2,\); 3 clips need \(3,\)"):
        m.compare(values, truth, groups[:2], "one")
    with pytest.raises(ScoresError, match="permutations must be at least 0, not -1"):
        m.compare(values, truth, groups, "one", permutations=-1)
    with pytest.raises(ScoresError, match="row 0 has 0 tags, but in task 'one'"):
        m.compare(values, np.zeros_like(truth), groups, "one")


def test_an_interval_and_a_p_value_that_disagree_are_explained():
    from earmark.evaluation.doubts import at_odds
    from earmark.metrics import Difference, Interval

    def pair(low: float, high: float, p: float, holm: float = float("nan")) -> Difference:
        return Difference("map", "a", "b", 0.5, 0.6, Interval(-0.1, low, high), p, holm)

    (told,) = at_odds([pair(-0.141, -0.006, 0.25)])
    assert told.startswith(
        "Of 1 difference the interval excludes 0 and p is not below 0.05: a less b in mAP (0.250). They answer"
    )
    # a p of several pairs is told as what it is, whether or not p alone would tell them apart
    for alone in (0.081, 0.04):
        (told,) = at_odds([pair(-0.141, -0.006, alone, 0.243)])
        assert (
            "excludes 0 and p after Holm's correction for several pairs is not below 0.05: a less b in mAP (0.243). "
            in told
        )
    (told,) = at_odds([pair(-0.141, -0.006, 0.25, 0.25)])
    assert "excludes 0 and p is not below 0.05: a less b in mAP (0.250). " in told
    # each way once, with some of the pairs
    first, second = at_odds([pair(-0.1, 0.1, 0.01, 0.02), *(pair(-0.141, -0.006, 0.1, 0.2 + i / 10) for i in range(5))])
    assert first.startswith(
        "Of 1 difference the interval includes 0 and p after Holm's correction for several pairs is below 0.05: "
    )
    assert second.startswith("Of 5 differences the interval excludes 0 ") and "(0.400) and 2 more. They" in second
    assert at_odds([pair(-0.141, -0.006, 0.01), pair(-0.141, 0.1, 0.25), pair(float("nan"), 0.1, 0.01)]) == []


def test_a_tag_that_every_clip_has_is_no_part_of_the_mean():
    from earmark.metrics import mean_average_precision

    values = np.array([[0.9, 0.1], [0.2, 0.3], [0.4, 0.5]])
    assert np.isnan(mean_average_precision(values, np.array([[False, True]] * 3)))
    # the first tag's one clip is the first of three, whatever the second's are
    assert mean_average_precision(values, np.array([[True, True], [False, True], [False, True]])) == 1.0
    assert mean_average_precision(values, np.array([[False, True], [True, True], [False, True]])) == pytest.approx(
        1 / 3
    )
