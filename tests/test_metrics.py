"""Metrics against scikit-learn, against cases worked by hand, and intervals against the binomial distribution."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from earmark import metrics as m
from earmark.errors import ScoresError, UnknownName
from earmark.registry import METRICS


def clips(seed: int, rows: int = 60, tags: int = 7, steps: int = 0, one: bool = False):
    """Random values (in `steps` steps: many ties) and truth in which every tag has both kinds of clips."""
    rng = np.random.default_rng(seed)
    if one:
        truth = np.eye(tags, dtype=bool)[rng.permutation(np.arange(rows) % tags)]
    else:
        truth = rng.random((rows, tags)) < rng.uniform(0.05, 0.6, tags)
        truth[0], truth[1] = True, False
    values = rng.random((rows, tags)) + 0.3 * truth
    return (np.round(values * steps) / steps if steps else values), truth


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
        assert m.mean_average_precision(values, truth) == pytest.approx(expected, abs=1e-12)
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
        assert m.f1_instance(values, truth, threshold) == pytest.approx(expected)


def test_per_tag_precision_recall_and_f1() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    for one in (True, False):
        values, truth = clips(7, rows=120, one=one)
        answered = np.eye(7, dtype=bool)[values.argmax(1)] if one else values >= 0.5
        table = m.per_tag(values, truth, "one" if one else "many")
        expected = precision_recall_fscore_support(truth, answered)
        for name, column in zip(("precision", "recall", "f1", "clips"), expected, strict=True):
            np.testing.assert_allclose(table[name], column, err_msg=name)


def test_tags_without_positives_or_negatives_are_left_out_not_nought() -> None:
    values, truth = clips(8, tags=5)
    truth[:, 1], truth[:, 3] = False, True
    assert m.undefined(truth) == [1]
    assert m.undefined(truth, negatives=True) == [1, 3]
    kept = [0, 2, 3, 4]
    assert m.mean_average_precision(values, truth) == pytest.approx(
        average_precision_score(truth[:, kept], values[:, kept])
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


@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.parametrize("one", [True, False])
def test_weights_are_repeated_rows(one: bool, steps: int) -> None:
    """The whole bootstrap rests on this: each column of weights must give what the repeated rows give elsewhere."""
    values, truth = clips(9, rows=50, tags=5, steps=steps, one=one)
    weights = np.random.default_rng(1).integers(0, 4, (50, 30)).astype(np.int32)
    weights[truth[:, 2], :3] = 0  # the third tag has no positive clip in some draws
    draw = m.Draw(m.Clips(values, truth), weights)
    mean_ap, mean_auc = m._map(draw), m._auc(draw)
    named = {name: METRICS[name].facts["weighted"](draw) for name in METRICS.names() if one or name != "accuracy"}
    for i, times in enumerate(weights.T):
        v, t = np.repeat(values, times, 0), np.repeat(truth, times, 0)
        seen = [c for c in range(5) if t[:, c].any()]
        assert 2 in seen or i < 3
        expected = np.mean([average_precision_score(t[:, c], v[:, c]) for c in seen])
        assert mean_ap[i] == pytest.approx(expected, abs=1e-12)
        assert mean_auc[i] == pytest.approx(np.mean([roc_auc_score(t[:, c], v[:, c]) for c in seen]), abs=1e-12)
        for name, drawn in named.items():
            assert drawn[i] == pytest.approx(METRICS[name].function(v, t), abs=1e-12), name


def test_weights_of_one_are_the_plain_value() -> None:
    values, truth = clips(10, steps=4)
    ones = np.ones((60, 2), np.int32)
    for name in m._chosen(None, "many"):
        weighted = METRICS[name].facts["weighted"]
        plain = weighted(m.Draw(m.Clips(values, truth)))
        assert plain.shape == (1,)
        np.testing.assert_allclose(weighted(m.Draw(m.Clips(values, truth), ones)), [plain[0]] * 2, rtol=1e-12)


def right_or_wrong(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two tags; each clip answered rightly or not."""
    truth = np.tile([True, False], (len(right), 1))
    return np.stack([right, ~right], 1).astype(float), truth


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
    draws = np.concatenate([m._map(m.Draw(clips_, weights)) for weights in m.resample(groups, 200)])
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
    monkeypatch.setattr(m, "CHUNK", 60 * 7)
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
    assert m._chosen(None, "one") == ["accuracy", "auc", "dprime", "map", "map@3"]
    assert m._chosen(None, "many") == ["auc", "dprime", "f1_instance", "f1_macro", "f1_micro", "map", "map@3"]
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


def test_speed() -> None:
    """Guards against a sort in every resample (sixty times slower), not against slow machines."""
    values, truth = clips(17, rows=80, tags=10, one=True)
    began = time.perf_counter()
    m.evaluate(values, truth, np.arange(80), "one", resamples=1000)
    assert time.perf_counter() - began < 1
