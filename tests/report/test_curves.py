"""Curves against scikit-learn and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.report import curves


def area(curve: curves.Curve) -> float:
    recall, precision = curve
    return float((np.diff(recall, prepend=0) * precision).sum())


@pytest.mark.parametrize("digits", [1, 8])
def test_precision_and_recall_are_sklearns(digits: int) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    rng = np.random.default_rng(digits)
    truth = rng.random(200) < 0.3
    values = np.round(rng.random(200) + 0.4 * truth, digits)  # with one digit most scores are equal to others
    precision, recall, _ = precision_recall_curve(truth, values)
    ours = curves.precision_recall(values, truth)
    assert ours[0] == pytest.approx(recall[-2::-1])  # theirs goes upwards, and ends with a point at recall 0
    assert ours[1] == pytest.approx(precision[-2::-1])
    average = average_precision_score(truth, values)
    assert area(ours) == pytest.approx(average)
    assert area(curves.steps(ours)) == pytest.approx(average)
    assert len(curves.steps(ours, 10)[0]) <= 10
    assert curves.steps(ours, 10)[0][-1] == 1


def test_the_mean_curve_by_hand() -> None:
    perfect = curves.precision_recall([0.9, 0.8, 0.1], [True, True, False])
    late = curves.precision_recall([0.9, 0.8, 0.1], [False, True, True])  # precision 1/2 up to recall 1/2, then 2/3
    recall, precision = curves.mean([perfect, late], points=4)
    assert recall.tolist() == [0.25, 0.5, 0.75, 1]
    assert precision == pytest.approx([3 / 4, 3 / 4, 5 / 6, 5 / 6])


def test_calibration_of_one_tag_by_hand() -> None:
    values = [[0.95, 0.05], [0.95, 0.05], [0.15, 0.85], [0.65, 0.35], [1.0, 0.0]]
    truth = np.eye(2, dtype=bool)[[0, 1, 1, 0, 0]]
    told = curves.calibration(values, truth, "one")
    # bins: 0.6–0.7 with one right; 0.8–0.9 with one right; 0.9–1 with (0.95 right, 0.95 wrong, 1.0 right)
    assert [row["count"] for row in told["bins"]] == [1, 1, 3]
    assert told["bins"][2] == pytest.approx({"low": 0.9, "high": 1, "count": 3, "confidence": 2.9 / 3, "right": 2 / 3})
    assert told["error"] == pytest.approx((0.35 + 0.15 + (2.9 - 2)) / 5)


def test_calibration_of_many_tags_is_of_all_scores() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((500, 6)).astype(np.float32)
    truth = rng.random((500, 6)) < values  # as often as the score says
    told = curves.calibration(values, truth, "many")
    assert sum(row["count"] for row in told["bins"]) == 3000
    assert told["error"] < 0.03
    assert curves.calibration(values, ~truth, "many")["error"] > 0.4
    inside = (values >= 0.2) & (values < 0.3)
    assert told["bins"][2]["right"] == pytest.approx(truth[inside].mean())
    assert told["bins"][2]["confidence"] == pytest.approx(values[inside].mean())


def test_no_probabilities_no_calibration() -> None:
    assert curves.calibration([[1.5, 0.0]], [[True, False]], "one") is None
    assert curves.calibration(np.zeros((0, 2)), np.zeros((0, 2), bool), "one") is None
