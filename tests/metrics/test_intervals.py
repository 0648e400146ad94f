"""Intervals against the binomial distribution, against repeated rows and against simulated test sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from tests.metrics.conftest import clips, right_or_wrong

from earmark import metrics as m
from earmark.errors import ScoresError, UnknownName
from earmark.metrics import intervals
from earmark.registry import METRICS


@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.parametrize("one", [True, False])
def test_weights_are_repeated_rows(one: bool, steps: int) -> None:
    """The whole bootstrap rests on this: each column of weights must give what the repeated rows give elsewhere."""
    values, truth = clips(9, rows=50, tags=5, steps=steps, one=one)
    weights = np.random.default_rng(1).integers(0, 4, (50, 30)).astype(np.int32)
    weights[truth[:, 2], :3] = 0  # the third tag has no positive clip in some draws
    draw = m.Draw(m.Clips(values, truth), weights)
    mean_ap, mean_auc = METRICS["map"].facts["weighted"](draw), METRICS["auc"].facts["weighted"](draw)
    named = {name: METRICS[name].facts["weighted"](draw) for name in METRICS.names() if one or name != "accuracy"}
    for i, times in enumerate(weights.T):
        v, t = np.repeat(values, times, 0), np.repeat(truth, times, 0)
        seen = [c for c in range(5) if t[:, c].any()]
        assert 2 in seen or i < 3
        expected = np.mean([average_precision_score(t[:, c], v[:, c]) for c in seen])
        assert mean_ap[i] == pytest.approx(expected, abs=1e-12)
        assert mean_auc[i] == pytest.approx(np.mean([roc_auc_score(t[:, c], v[:, c]) for c in seen]), abs=1e-12)
        for name, drawn in named.items():
            # those of probabilities have no value here, where scores do not sum to one: see test_probabilities.py
            assert drawn[i] == pytest.approx(METRICS[name].function(v, t), abs=1e-12, nan_ok=True), name


def test_weights_of_one_are_the_plain_value() -> None:
    values, truth = clips(10, steps=4)
    ones = np.ones((60, 2), np.int32)
    for name in intervals.chosen(None, "many"):
        weighted = METRICS[name].facts["weighted"]
        plain = weighted(m.Draw(m.Clips(values, truth)))
        assert plain.shape == (1,)
        np.testing.assert_allclose(weighted(m.Draw(m.Clips(values, truth), ones)), [plain[0]] * 2, rtol=1e-12)


def test_the_interval_of_accuracy_is_the_binomials() -> None:
    right = np.arange(400) < 320
    values, truth = right_or_wrong(right)
    interval = m.evaluate(values, truth, np.arange(400), "one", resamples=4000, metrics=["accuracy"])["accuracy"]
    half = 1.96 * math.sqrt(0.8 * 0.2 / 400)
    assert interval.value == pytest.approx(0.8)
    assert interval.low == pytest.approx(0.8 - half, abs=0.004)
    assert interval.high == pytest.approx(0.8 + half, abs=0.004)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(11), 0
    for trial in range(300):
        values, truth = right_or_wrong(rng.random(150) < 0.7)
        args = {"resamples": 300, "seed": trial, "metrics": ["accuracy"]}
        interval = m.evaluate(values, truth, np.arange(150), "one", **args)["accuracy"]
        covered += interval.low <= 0.7 <= interval.high
    assert 0.91 <= covered / 300 <= 0.98  # 0.95 ± 3 standard errors of 300 trials, and a percentile interval's optimism


def test_the_interval_of_map_is_about_its_value_even_with_many_rare_tags() -> None:
    """Draws alone lie above the value here: repeated clips stand next to themselves in the ranking."""
    rng = np.random.default_rng(18)
    truth = rng.random((400, 150)) < 0.01
    values = rng.normal(size=truth.shape) + 1.5 * truth
    clips_, groups = m.Clips(values, truth), np.arange(400)
    draws = np.concatenate(
        [METRICS["map"].facts["weighted"](m.Draw(clips_, weights)) for weights in m.resample(groups, 200)]
    )
    interval = m.evaluate(values, truth, groups, "many", resamples=200, metrics=["map"])["map"]
    assert (draws > interval.value).mean() > 0.95
    assert interval.low < interval.value < interval.high
    assert interval.high - interval.low == pytest.approx(np.ptp(np.quantile(draws, [0.025, 0.975])), rel=0.1)
    assert (interval.low + interval.high) / 2 == pytest.approx(interval.value, abs=np.std(draws) / 2)


def test_the_interval_of_map_covers_its_mean_over_test_sets_of_this_size() -> None:
    rng = np.random.default_rng(19)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        truth = rng.random((150, 20)) < 0.06
        return rng.normal(size=truth.shape) + 1.5 * truth, truth

    mean = np.mean([m.mean_average_precision(*draw()) for _ in range(1000)])
    covered = 0
    for trial in range(150):
        interval = m.evaluate(*draw(), np.arange(150), "many", resamples=200, seed=trial, metrics=["map"])["map"]
        covered += interval.low <= mean <= interval.high
    assert 0.88 <= covered / 150 <= 0.99


def test_groups_stay_together() -> None:
    """Ten copies of each clip say no more than one: the interval must not shrink by √10."""
    rng = np.random.default_rng(12)
    values, truth = right_or_wrong(rng.random(60) < 0.6)
    single = m.evaluate(values, truth, np.arange(60), "one", metrics=["accuracy"])["accuracy"]
    copies = np.repeat(values, 10, 0), np.repeat(truth, 10, 0)
    kept = m.evaluate(*copies, np.repeat(np.arange(60), 10), "one", metrics=["accuracy"])["accuracy"]
    torn = m.evaluate(*copies, np.arange(600), "one", metrics=["accuracy"])["accuracy"]
    assert kept == single  # the very same draws
    assert (torn.high - torn.low) * 2.5 < kept.high - kept.low


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    groups = np.array(["b", "a", "a", "c", "c", "c"])
    weights = np.concatenate(list(m.resample(groups, 500, seed=3)), 1)
    assert weights.shape == (6, 500)
    assert (weights[1] == weights[2]).all()
    assert (weights[3] == weights[5]).all()
    assert (weights[0] + weights[1] + weights[3] == 3).all()
    assert weights[[0, 1, 3]].mean(1) == pytest.approx([1, 1, 1], abs=0.15)


def test_draws_do_not_depend_on_chunks_or_on_the_order_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    values, truth = clips(13, steps=20)
    groups = np.array([f"g{i % 25}" for i in range(60)])
    whole = m.evaluate(values, truth, groups, "many", resamples=101)
    assert m.evaluate(values, truth, groups, "many", resamples=101) == whole
    assert m.evaluate(values, truth, groups, "many", resamples=101, seed=1) != whole
    monkeypatch.setattr(intervals, "CHUNK", 60 * 7)
    assert [w.shape[1] for w in m.resample(groups, 17)] == [7, 7, 3]
    assert m.evaluate(values, truth, groups, "many", resamples=101) == whole
    order = np.random.default_rng(2).permutation(60)
    mixed = m.evaluate(values[order], truth[order], groups[order], "many", resamples=101)
    for name, interval in whole.items():
        assert mixed[name].as_dict() == pytest.approx(interval.as_dict(), abs=1e-12)


def test_what_cannot_have_an_interval_has_none() -> None:
    values, truth = clips(14)
    for groups, resamples in ((np.zeros(60), 50), (np.arange(60), 0)):
        for interval in m.evaluate(values, truth, groups, "many", resamples=resamples).values():
            assert math.isfinite(interval.value)
            assert math.isnan(interval.low)
            assert math.isnan(interval.high)


def test_the_interval_of_dprime_may_be_infinite_but_is_never_nan() -> None:
    values, truth = right_or_wrong(np.ones(20, bool))
    truth[10:] = truth[10:, ::-1]
    values = truth.astype(float)
    values[0] = [0.0, 1.0]
    interval = m.evaluate(values, truth, np.arange(20), "one", metrics=["dprime"])["dprime"]
    assert math.isfinite(interval.value)
    assert interval.high == math.inf
    assert math.isfinite(interval.low)


def test_a_metric_of_ones_own_gets_an_interval_too() -> None:
    @METRICS.register("share of the first tag", tasks=("one", "many"))
    def share(values: np.ndarray, truth: np.ndarray) -> float:
        """Share of clips with the first tag."""
        return float(truth[:, 0].mean())

    try:
        values, truth = right_or_wrong(np.arange(400) < 320)
        truth = values.astype(bool)
        both = m.evaluate(values, truth, np.arange(400), "many", resamples=200, metrics=["share of the first tag"])
        accuracy = m.evaluate(*right_or_wrong(truth[:, 0]), np.arange(400), "one", resamples=200, metrics=["accuracy"])
        assert both["share of the first tag"].as_dict() == pytest.approx(accuracy["accuracy"].as_dict())
    finally:
        del METRICS._entries["share of the first tag"]


def test_which_metrics_belong_to_which_task() -> None:
    assert intervals.chosen(None, "one") == ["accuracy", "auc", "brier", "dprime", "log_loss", "map", "map@3"]
    assert intervals.chosen(None, "many") == [
        *("auc", "brier_tags", "dprime", "f1_clips", "f1_macro", "f1_micro", "log_loss_tags", "lwlrap", "map", "map@3")
    ]
    for name in METRICS.names():
        assert METRICS[name].summary, name


def test_errors_say_what_is_wrong() -> None:
    values, truth = clips(15)
    one = clips(15, one=True)
    with pytest.raises(ScoresError, match=r"shape \(60, 7\) and truth \(59, 7\)"):
        m.mean_auc(values, truth[:59])
    with pytest.raises(ScoresError, match="nothing to measure: 0 clips and 7 tags"):
        m.mean_auc(values[:0], truth[:0])
    with pytest.raises(ScoresError, match="truth must be bool, not float64"):
        m.mean_auc(values, truth.astype(float))
    broken = values.copy()
    broken[4, 2] = np.nan
    with pytest.raises(ScoresError, match="row 4, column 2 is nan"):
        m.mean_auc(broken, truth)
    with pytest.raises(ScoresError, match=r"row 0 has 7 tags, but in task 'one' .* need task 'many'"):
        m.accuracy(values, truth)
    with pytest.raises(ScoresError, match="row 0 has 7 tags"):
        m.evaluate(values, truth, np.arange(60), "one", metrics=["map"])
    with pytest.raises(ScoresError, match=r"metric 'accuracy' is for task 'one', not 'many'\. Known: auc"):
        m.evaluate(values, truth, np.arange(60), "many", metrics=["accuracy"])
    with pytest.raises(UnknownName, match="did you mean 'accuracy'"):
        m.evaluate(*one, np.arange(60), "one", metrics=["acuracy"])
    with pytest.raises(ScoresError, match=r"'one' .* or 'many', not 'several'"):
        m.evaluate(values, truth, np.arange(60), "several")  # type: ignore[arg-type]
    with pytest.raises(ScoresError, match=r"groups have the shape \(5,\); 60 clips need \(60,\)"):
        m.evaluate(values, truth, np.arange(5), "many")
    with pytest.raises(ScoresError, match="k of map@k must be at least 1, not 0"):
        m.map_at_k(values, truth, 0)
    with pytest.raises(ScoresError, match="3 thresholds for 7 tags"):
        m.f1_micro(values, truth, np.array([0.1, 0.2, 0.3]))


def test_nothing_is_changed_in_place() -> None:
    values, truth = clips(16, one=True)
    before = values.copy(), truth.copy()
    m.evaluate(values, truth, np.arange(60), "one", resamples=10)
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(truth, before[1])
