"""Calibration by hand, and of scores that are as often right as they say."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.metrics.calibration import calibration_of


def test_calibration_of_one_tag_by_hand() -> None:
    values = [[0.95, 0.05], [0.95, 0.05], [0.15, 0.85], [0.65, 0.35], [1.0, 0.0]]
    truth = np.eye(2, dtype=bool)[[0, 1, 1, 0, 0]]
    told = calibration_of(values, truth, "one")
    # bins: 0.6–0.7 with one right; 0.8–0.9 with one right; 0.9–1 with (0.95 right, 0.95 wrong, 1.0 right)
    assert [row.count for row in told.bins] == [1, 1, 3]
    assert told.as_dict()["bins"][2] == pytest.approx(
        {"low": 0.9, "high": 1, "count": 3, "confidence": 2.9 / 3, "right": 2 / 3}
    )
    assert told.error == pytest.approx((0.35 + 0.15 + (2.9 - 2)) / 5)


def test_calibration_of_many_tags_is_of_all_scores() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((500, 6)).astype(np.float32)
    truth = rng.random((500, 6)) < values  # as often as the score says
    told = calibration_of(values, truth, "many")
    assert sum(row.count for row in told.bins) == 3000
    assert told.error < 0.03
    assert calibration_of(values, ~truth, "many").error > 0.4
    inside = (values >= 0.2) & (values < 0.3)
    assert told.bins[2].right == pytest.approx(truth[inside].mean())
    assert told.bins[2].confidence == pytest.approx(values[inside].mean())


def test_no_probabilities_no_calibration() -> None:
    assert calibration_of([[1.5, 0.0]], [[True, False]], "one") is None
    assert calibration_of(np.zeros((0, 2)), np.zeros((0, 2), bool), "one") is None
