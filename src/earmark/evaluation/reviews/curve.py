"""The score of an event → the probability that it is right, from reviews of one tag: a logistic curve over the score's logit.

    log(p / (1 - p)) = a + b · log(score / (1 - score))

Fitted by Firth's penalised likelihood (1993), which has an answer where all reviews are right, or all above some score; the
interval of p is that of a + b · x (Wald, 95 %). Whether an event was reviewed depends on its score and on chance alone, so that
every review counts alike here. Of fewer than LEAST reviews no curve is told.

b is not below nought: where all reviews are right the penalty alone would make it so, and where higher scores were right less often a
higher threshold is no remedy. Then the share of right ones is that at any score.

The threshold for a precision is the lowest score at which p reaches it: of what lies higher more is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import ScoresError, counted
from earmark.evaluation.reviews.answers import Review
from earmark.metrics.intervals import Interval
from earmark.metrics.shares import Z
from earmark.scores.probabilities import bounded

LEAST = 20  # reviews: ten for each of the two numbers that are fitted
EDGE = 1e-4  # scores nearer to 0 or 1 are taken as this far away: their logits would be endless
STEPS, CLOSE, LONG = 100, 1e-9, 2.0


@dataclass(frozen=True, eq=False)
class Curve:
    """intercept a, slope b; covariance of both (2, 2). reviews: how many it rests on, right of them; low, high: their scores."""

    intercept: float
    slope: float
    covariance: NDArray[np.float64]
    reviews: int
    right: int
    low: float
    high: float

    def at(self, score: float) -> Interval:
        """The probability that an event of this score is right."""
        x = np.array([1.0, float(logit(score))])
        middle, spread = self.intercept + self.slope * x[1], Z * math.sqrt(max(0.0, x @ self.covariance @ x))
        return Interval(*(_logistic(value) for value in (middle, middle - spread, middle + spread)))

    def threshold(self, precision: float) -> float | None:
        """The lowest score, among those that were reviewed, at which an event is right with this probability; None: at none."""
        if self.at(self.low).value >= precision:
            return self.low
        if self.at(self.high).value < precision:
            return None
        x = (math.log(precision / (1 - precision)) - self.intercept) / self.slope
        return min(self.high, max(self.low, _logistic(x)))


def fit(reviews: Sequence[Review]) -> Curve:
    """Of one tag. Raises ScoresError for fewer than LEAST that were answered."""
    answered = [review for review in reviews if review.answer is not None]
    if len(answered) < LEAST:
        raise ScoresError(
            f"{counted(len(answered), 'review is', 'reviews are')} too few to tell how score and being right go together: "
            f"{LEAST} are needed"
        )
    scores = [review.picked.event.score for review in answered]
    return fitted(scores, [review.right for review in answered])


def fitted(scores: ArrayLike, right: ArrayLike) -> Curve:
    """scores: 0 to 1; right: bool; (n,) each. Raises ScoresError for scores that are none."""
    values, truth = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    within = bounded(values)
    if within is None:
        raise ScoresError(f"scores from {values.min():g} to {values.max():g}: a curve is of scores from 0 to 1")
    values = within
    design = np.stack([np.ones(len(values)), logit(values)], 1)
    # where all have one score, only the share can be told
    weights, covariance = _firth(design, truth) if np.ptp(design[:, 1]) > 1e-6 else (np.zeros(2), np.zeros((2, 2)))
    if weights[1] <= 0:
        weights, covariance = np.zeros(2), np.zeros((2, 2))
        weights[:1], covariance[:1, :1] = _firth(design[:, :1], truth)
    low, high = float(values.min()), float(values.max())
    return Curve(float(weights[0]), float(weights[1]), covariance, len(values), int(truth.sum()), low, high)


def _firth(x: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(weights, their covariance) of x (n, k), k each way."""
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = _logistics(x @ weights)
        information = x.T @ (x * (p * (1 - p))[:, None])
        inverse = np.linalg.pinv(information)
        leverage = np.einsum("ni,ij,nj->n", x, inverse, x) * p * (1 - p)
        step = inverse @ (x.T @ (truth - p + leverage * (0.5 - p)))
        weights += step / max(1.0, float(np.abs(step).max()) / LONG)
        if np.abs(step).max() < CLOSE:
            break
    p = _logistics(x @ weights)
    return weights, np.asarray(np.linalg.pinv(x.T @ (x * (p * (1 - p))[:, None])), np.float64)


def logit(score: ArrayLike) -> NDArray[np.float64]:
    values = np.clip(np.asarray(score, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(values / (1 - values)))


def _logistics(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _logistic(x: float) -> float:
    return 0.5 * (1 + math.tanh(0.5 * x))
