"""lwlrap against scikit-learn and by hand; merged vocabularies against mapping the answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score
from tests.metrics.conftest import clips

from earmark import metrics as m
from earmark.errors import ScoresError
from earmark.scores import Scores


@pytest.mark.parametrize("steps", [0, 10, 2])
def test_lwlrap_is_sklearns_weighted_by_the_number_of_tags(steps: int) -> None:
    for seed in range(10):
        values, truth = clips(seed, steps=steps)
        expected = label_ranking_average_precision_score(truth[truth.any(1)], values[truth.any(1)])
        weights = truth[truth.any(1)].sum(1)
        weighted = label_ranking_average_precision_score(
            truth[truth.any(1)], values[truth.any(1)], sample_weight=weights
        )
        assert m.lwlrap(values, truth) == pytest.approx(weighted, abs=1e-12)
        assert m.lwlrap(values, truth) != pytest.approx(expected, abs=1e-6)


def test_lwlrap_worked_by_hand() -> None:
    values = np.array([[0.9, 0.8, 0.7, 0.1], [0.5, 0.5, 0.2, 0.1], [0.3, 0.2, 0.1, 0.0]])
    truth = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    # the first clip: 1/1 and 2/3; the second: one of two equals, 1/2; the third has no tag
    assert m.lwlrap(values, truth) == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    assert math.isnan(m.lwlrap(values, np.zeros_like(truth)))


def test_lwlrap_has_an_interval_about_its_value() -> None:
    values, truth = clips(3)
    interval = m.evaluate(values, truth, np.arange(60), "many", metrics=["lwlrap"])["lwlrap"]
    assert 0 < interval.low < interval.value == m.lwlrap(values, truth) < interval.high < 1


WORDS = tuple(f"word{i:02}" for i in range(21))
COMMANDS = tuple(f"command{i}" for i in range(10))
TO_UNKNOWN = dict.fromkeys(WORDS, "_unknown_")


def spoken(seed: int, steps: int = 0) -> tuple[Scores, np.ndarray]:
    """Softmax scores of 31 tags, and which tag each of 300 clips has."""
    rng = np.random.default_rng(seed)
    tags = (*COMMANDS[:5], *WORDS, *COMMANDS[5:])
    own = rng.integers(len(tags), size=300)
    logits = rng.normal(0, 1, (300, len(tags))) + 2.5 * np.eye(len(tags))[own]
    values = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if steps:
        values = np.round(values * steps) / steps
    nothing = np.zeros(300)
    return Scores(values.astype(np.float32), np.arange(300).astype(str), nothing, nothing, tags), own


def test_the_highest_of_31_decides_and_is_mapped_to_11() -> None:
    scores, own = spoken(0)
    merged = m.merge_tags(scores, TO_UNKNOWN, "highest")
    truth, tags = m.merge_truth(np.eye(31, dtype=bool)[own], scores.tags, TO_UNKNOWN)
    assert merged.tags == tags == (*COMMANDS[:5], "_unknown_", *COMMANDS[5:])
    mapped = [TO_UNKNOWN.get(scores.tags[i], scores.tags[i]) for i in scores.values.argmax(1)]
    right = [TO_UNKNOWN.get(scores.tags[i], scores.tags[i]) for i in own]
    expected = np.mean([a == b for a, b in zip(mapped, right, strict=True)])
    assert m.accuracy(merged.values, truth) == pytest.approx(expected)
    assert [merged.tags[i] for i in m.answers(merged.values, truth)] == mapped
    summed = m.merge_tags(scores, TO_UNKNOWN, "sum")
    assert m.accuracy(summed.values, truth) != pytest.approx(expected)
    np.testing.assert_allclose(summed.values.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(summed.values[:, 5], scores.values[:, 5:26].sum(1), rtol=1e-6)
    assert summed.facts["merged"] == {"rule": "sum", "tags": TO_UNKNOWN}
    assert len(set(merged.ids) & set(scores.ids)) == 300


def test_equal_words_of_one_merged_tag_are_no_tie() -> None:
    scores = Scores(np.array([[0.4, 0.4, 0.2]], np.float32), np.array(["x"]), np.zeros(1), np.zeros(1), ("a", "b", "c"))
    truth, _ = m.merge_truth(np.array([[True, False, False]]), scores.tags, {"a": "u", "b": "u"})
    assert m.accuracy(scores.values, np.array([[True, False, False]])) == 0
    assert m.accuracy(m.merge_tags(scores, {"a": "u", "b": "u"}, "highest").values, truth) == 1


def test_merging_says_what_is_wrong() -> None:
    scores, _ = spoken(1)
    with pytest.raises(ScoresError, match="names 'word99', which is not among the 31 tags, did you mean"):
        m.merge_tags(scores, {"word99": "x"}, "sum")
    with pytest.raises(ScoresError, match="merged by 'sum' or 'highest', not 'mean'"):
        m.merge_tags(scores, TO_UNKNOWN, "mean")  # type: ignore[arg-type]
    with pytest.raises(ScoresError, match=r"must be bool, \(rows, 31\)"):
        m.merge_truth(np.zeros((3, 5), bool), scores.tags, TO_UNKNOWN)
