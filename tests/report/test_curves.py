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
