"""What probabilities are is told by one rule to everything that needs some: rounding beyond 0 … 1 is brought back, 1.01 is none."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from earmark import metrics
from earmark.data.manifest import build
from earmark.errors import ScoresError
from earmark.evaluation.clips import measure
from earmark.evaluation.labels import rank
from earmark.evaluation.reviews.curve import fitted
from earmark.metrics.calibration import calibration_of
from earmark.scores import Scores
from earmark.scores.ensemble import temperature
from earmark.scores.ensemble.rules import Rule, check_scales

STEP = 1.2e-7  # of float32 at 1
EXACT = np.array([[1, 0, 0], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0, 0.25, 0.75], [0, 1, 0]], np.float32)
ONE = np.eye(3, dtype=bool)[[0, 1, 2, 2, 0]]
MANY = ONE | (np.arange(3) == 1) & (np.arange(5) == 0)[:, None]


def off(by: float) -> np.ndarray:
    """The same scores, where the surest is this far beyond 1, and as much is lacking to nought beside it."""
    values = EXACT.astype(float)
    values[0] += [by, -by, 0]
    return values.astype(np.float32)


def report(values: np.ndarray) -> object:
    clips = build({"id": list("abcde"), "path": list("abcde"), "tags": [["xyz"[k]] for k in ONE.argmax(1)]}, ".")
    figures = measure(Scores(values, clips.ids, np.zeros(5), np.ones(5), tuple("xyz")), clips, "one", resamples=0)
    assert any("no probabilities" in note for note in figures.notes) is (figures.calibration is None)
    return figures.metrics["log_loss"].value if "log_loss" in figures.metrics else None


NEEDING: dict[str, Callable[[np.ndarray], object]] = {
    "log_loss": lambda values: metrics.log_loss(values, ONE),
    "brier": lambda values: metrics.brier(values, ONE),
    "log_loss_tags": lambda values: metrics.log_loss_tags(values, MANY),
    "brier_tags": lambda values: metrics.brier_tags(values, MANY),
    "calibration, one": lambda values: calibration_of(values, ONE, "one").error,
    "calibration, many": lambda values: calibration_of(values, MANY, "many").error,
    "doubts, one": lambda values: [doubt.doubt for doubt in rank(values, ONE, "one")],
    "doubts, many": lambda values: [doubt.doubt for doubt in rank(values, MANY, "many")],
    "a report": report,
    "one scale": lambda values: check_scales(Rule(), [EXACT, values], ["one", "other"]) or True,
    "a temperature": lambda values: temperature.fit(values, ONE),
    "a curve": lambda values: fitted(values.ravel(), MANY.ravel()).at(0.3).value,
}


def told(name: str, values: np.ndarray) -> object:
    """None: that these are no probabilities."""
    try:
        found = NEEDING[name](values)
    except (ScoresError, AttributeError):  # refused; no calibration
        return None
    return None if isinstance(found, float) and math.isnan(found) else found


@pytest.mark.parametrize("name", NEEDING)
def test_rounding_changes_no_figure_and_more_leaves_none(name):
    exact = told(name, EXACT)
    assert exact is not None
    assert told(name, off(STEP)) == pytest.approx(exact, abs=1e-6)
    assert told(name, off(0.01)) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_sum_of_what_sums_to_one_is_at_most_one(seed):
    """Of twelve tags, eleven of which are one merged tag, as float32's softmax has them."""
    logits = np.random.default_rng(seed).normal(0, 4, (2000, 12)).astype(np.float32)
    values = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    tags = tuple("abcdefghijkl")
    scores = Scores(values, np.arange(2000).astype(str), np.zeros(2000), np.ones(2000), tags)
    assert (values[:, 1:].sum(1, dtype=float).astype(np.float32) > 1).any()  # as would be without a bound
    merged = metrics.merge_tags(scores, dict.fromkeys(tags[1:], "rest"), "sum")
    assert merged.values.max() == 1
    np.testing.assert_allclose(merged.values.sum(1), 1, atol=1e-6)
    # scores of many tags sum to what they do
    many = Scores(np.full((1, 12), 0.5, np.float32), np.array(["a"]), np.zeros(1), np.ones(1), tags)
    assert metrics.merge_tags(many, dict.fromkeys(tags[1:], "rest"), "sum").values.tolist() == [[0.5, 5.5]]
