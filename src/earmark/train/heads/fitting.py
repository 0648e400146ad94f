"""From vectors with tags to dense layers: prototypes, logistic regression, one hidden layer.

vectors (rows, width), targets (rows, tags) from 0 to 1, or NaN, of many tags, where it is not known and nothing is learnt from it;
weights (rows,): how much a row counts. What comes out are layers
(weights (out, in), biases (out,)) in float32 for vectors as they are: their standardisation is worked in.

Of the logistic regression the sum over rows of weight · loss, with half the sum of squared weights over `strength`, is least;
biases are free. That is scikit-learn's `LogisticRegression(C=strength)` on standardised vectors. It is found by L-BFGS in the
axes of the vectors' own spread, in which it has few steps to go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.scores import Task

Floats = NDArray[np.float32]
Layer = tuple[Floats, Floats]
FLOOR = 0.5  # of the numbers' common spread: what hardly varies among the clips must not decide, however rare a sound is in it
SHARP = 10.0  # of prototypes: what a cosine of 1 more is in log-odds
STEPS = {
    False: 100,
    True: 1000,
}  # of L-BFGS at most; exact, as a tagger is learnt in the end, or near, while one is chosen
NEAR = {False: 1e-5, True: 1e-10}  # of the first loss: two steps that gain less are the last
MEMORY, HALVINGS = 20, 20  # of L-BFGS: moves that it remembers, and how often a step is halved
HIDDEN = 64  # numbers of a hidden layer
AXES = 256  # of the spread, that a hidden layer learns from, and a regression while it is chosen how strong
SEED = 0


@dataclass(frozen=True, eq=False)
class Scale:
    """(vector - middle) / spread, number by number."""

    middle: Floats
    spread: Floats

    @staticmethod
    def of(vectors: Floats, weights: Floats) -> Scale:
        """By the weighted mean and standard deviation; of a number that varies little, no less than a part of what all have.

        >>> scale = Scale.of(np.array([[0, 1], [2, 1]], np.float32), np.ones(2, np.float32))
        >>> scale.middle.tolist(), [round(each, 4) for each in scale.spread.tolist()]
        ([1.0, 1.0], [1.0607, 0.3536])
        """
        total = float(weights.sum(dtype=np.float64)) or 1.0
        middle = (weights.astype(np.float64) @ vectors) / total
        variance = (weights.astype(np.float64) @ np.square(vectors - middle)) / total
        common = float(variance.mean()) or 1.0
        return Scale(middle.astype(np.float32), np.sqrt(variance + FLOOR**2 * common).astype(np.float32))

    def __call__(self, vectors: Floats) -> Floats:
        return np.asarray((vectors - self.middle) / self.spread, np.float32)

    def folded(self, layer: Layer) -> Layer:
        """A layer for scaled vectors → the same for vectors as they are."""
        weights = layer[0].astype(np.float64) / self.spread
        return weights.astype(np.float32), (layer[1] - weights @ self.middle).astype(np.float32)


def prototypes(vectors: Floats, targets: Floats, weights: Floats, task: Task) -> list[Layer]:
    """The likeness to the mean of each tag's vectors, each of these of length 1: a cosine times the vector's length.

    Among the tags the largest is that of the largest cosine. In log-odds a cosine is `SHARP` for vectors of ordinary length; of
    many tags the odds are even halfway between what the tag's own vectors and the others have.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    unit = vectors / np.maximum(lengths, 1e-12)[:, None]
    sums = (np.nan_to_num(targets) * weights[:, None]).T.astype(np.float64) @ unit
    means = sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-12)[:, None]
    ordinary = float(np.average(lengths, weights=weights)) or 1.0
    layer = (SHARP / ordinary * means).astype(np.float32)
    biases = np.zeros(targets.shape[1], np.float32)
    if task == "many":
        scores = SHARP * unit @ means.T
        for tag in range(targets.shape[1]):
            sides = [np.nan_to_num(weights * side) for side in (targets[:, tag], 1 - targets[:, tag])]
            known = [float(np.average(scores[:, tag], weights=side)) for side in sides if side.sum() > 0]
            biases[tag] = -sum(known) / len(known) if known else 0.0
    return [(layer, biases)]


class Regression:
    """Logistic regressions on the same vectors: which of their rows, how strong. Multinomial for one tag, else tag by tag."""

    def __init__(self, vectors: Floats, targets: Floats, weights: Floats, task: Task, exact: bool = False):
        self.task: Task = task
        self.scale = Scale.of(vectors, weights)
        scaled = self.scale(vectors).astype(np.float64)
        kind = np.float64 if exact else np.float32
        axes, power = _axes(scaled, weights.astype(np.float64))
        kept = len(power) if exact else AXES
        self.axes, self.power = axes[:, :kept], power[:kept]
        self.turned: NDArray[Any] = (scaled @ self.axes).astype(kind)  # (rows, axes)
        self.targets, self.weights = targets.astype(kind), weights.astype(kind)
        self.near, self.steps = NEAR[exact], STEPS[exact]

    def fit(self, strength: float, rows: NDArray[np.int64] | None = None, start: Any = None) -> Any:
        """(weights (tags, axes), biases (tags,)) in the vectors' axes. rows: of the vectors. start: to go on from."""
        vectors, targets, weights = self._taken(rows)
        tags, width = targets.shape[1], vectors.shape[1]
        steep = 0.25 if self.task == "many" else 1 / max(2, tags)  # of the losses' curvature, about
        pace = (1 / np.sqrt(steep * self.power + 1 / strength)).astype(vectors.dtype)
        free = vectors.dtype.type(1 / max(1.0, float(steep * weights.sum())) ** 0.5)

        def loss(told: NDArray[Any]) -> tuple[float, NDArray[Any]]:
            made, biases = told[:, :-1] * pace, told[:, -1] * free
            value, slope = _loss(vectors @ made.T + biases, targets, weights, self.task)
            value += float(np.square(made, dtype=np.float64).sum()) / (2 * strength)
            return value, np.concatenate(
                [(slope.T @ vectors + made / strength) * pace, slope.sum(0)[:, None] * free], 1
            )

        begin = np.zeros((tags, width + 1), vectors.dtype)
        if start is not None:
            begin = np.concatenate([start[0] / pace, start[1][:, None] / free], 1)
        made = _least(loss, begin, self.near, self.steps)
        return made[:, :-1] * pace, made[:, -1] * free

    def logits(self, made: Any, rows: NDArray[np.int64]) -> Floats:
        """(rows, tags)."""
        return np.asarray(self.turned[rows] @ made[0].T + made[1], np.float32)

    def answers(self, made: Any, vectors: Floats) -> Floats:
        """The logits (rows, tags) of other vectors, (rows, width)."""
        turned = (self.scale(vectors).astype(np.float64) @ self.axes).astype(self.turned.dtype)
        return np.asarray(turned @ made[0].T + made[1], np.float32)

    def layers(self, made: Any) -> list[Layer]:
        return [self.scale.folded((made[0].astype(np.float64) @ self.axes.T, made[1]))]

    def _taken(self, rows: NDArray[np.int64] | None) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        if rows is None:
            return self.turned, self.targets, self.weights
        return self.turned[rows], self.targets[rows], self.weights[rows]


class Hidden(Regression):
    """The same with one hidden layer, which is not the best of all but that which L-BFGS finds from one seeded start."""

    def __init__(self, vectors: Floats, targets: Floats, weights: Floats, task: Task, exact: bool = False):
        super().__init__(vectors, targets, weights, task, exact)
        kept = min(AXES, len(self.power))
        self.axes, self.power = self.axes[:, :kept], self.power[:kept]
        total = float(self.weights.sum()) or 1.0
        self.size = float((self.power.sum() / total) ** 0.5) or 1.0  # of a vector, so that layers begin alike
        turned: Any = self.turned[:, :kept]
        self.turned = np.ascontiguousarray((turned / self.size).astype(self.turned.dtype))

    def fit(self, strength: float, rows: NDArray[np.int64] | None = None, start: Any = None) -> Any:
        """(weights, biases of the first layer, of the second). start: left aside, each begins alike."""
        vectors, targets, weights = self._taken(rows)
        tags, width = targets.shape[1], vectors.shape[1]
        shapes = [(HIDDEN, width), (HIDDEN,), (tags, HIDDEN), (tags,)]
        chance = np.random.default_rng(SEED)
        first = chance.normal(size=shapes[0]) * 2**0.5  # a vector's length is 1, about
        second = chance.normal(size=shapes[2]) / HIDDEN**0.5
        begin = np.concatenate([first.ravel(), np.zeros(HIDDEN), second.ravel(), np.zeros(tags)]).astype(vectors.dtype)

        def loss(told: NDArray[Any]) -> tuple[float, NDArray[Any]]:
            a, b, c, d = _parts(told, shapes)
            inner = np.maximum(vectors @ a.T + b, 0)
            value, slope = _loss(inner @ c.T + d, targets, weights, self.task)
            value += float(np.square(a, dtype=np.float64).sum() + np.square(c, dtype=np.float64).sum()) / (2 * strength)
            back = (slope @ c) * (inner > 0)
            slopes = (back.T @ vectors + a / strength, back.sum(0), slope.T @ inner + c / strength, slope.sum(0))
            return value, np.concatenate([each.ravel() for each in slopes])

        return _parts(_least(loss, begin, self.near, self.steps), shapes)

    def logits(self, made: Any, rows: NDArray[np.int64]) -> Floats:
        return np.asarray(np.maximum(self.turned[rows] @ made[0].T + made[1], 0) @ made[2].T + made[3], np.float32)

    def layers(self, made: Any) -> list[Layer]:
        first = made[0].astype(np.float64) @ self.axes.T / self.size, made[1]
        return [self.scale.folded(first), (made[2].astype(np.float32), made[3].astype(np.float32))]


def _parts(flat: NDArray[Any], shapes: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


def _least(
    loss: Callable[[NDArray[Any]], tuple[float, NDArray[Any]]], begin: NDArray[Any], near: float, steps: int
) -> NDArray[Any]:
    """Where the loss, given with its slope, is about least: L-BFGS (Nocedal and Wright, Algorithm 7.4) with steps that are halved.

    near: of the first loss; two steps that gain less are the last.
    """
    at = begin
    value, slope = loss(at)
    enough, small = near * abs(value), 0
    moves: deque[tuple[NDArray[Any], NDArray[Any], float]] = deque(maxlen=MEMORY)
    for _ in range(steps):
        way = _newton(slope, moves)
        downhill = float(np.vdot(way, slope))
        length = 1.0 if moves else min(1.0, 1 / (float(np.abs(slope).sum()) or 1.0))
        for _ in range(HALVINGS):
            new, new_slope = loss(at + slope.dtype.type(length) * way)
            if new <= value + 1e-4 * length * downhill:
                break
            length /= 2
        else:
            break  # as low as numbers of this kind can tell
        move, turn = slope.dtype.type(length) * way, new_slope - slope
        bent = float(np.vdot(move, turn))
        if bent > 1e-10 * float(np.vdot(turn, turn)):
            moves.append((move, turn, bent))
        small = small + 1 if value - new < enough else 0
        at, value, slope = at + move, new, new_slope
        if small > 1:
            break
    return at


def _newton(slope: NDArray[Any], moves: deque[tuple[NDArray[Any], NDArray[Any], float]]) -> NDArray[Any]:
    """The way to go, by the moves that were made and how the slope turned."""
    way = -slope
    shares = []
    for move, turn, bent in reversed(moves):
        share = float(np.vdot(move, way)) / bent
        shares.append(share)
        way = way - slope.dtype.type(share) * turn
    if moves:
        _, turn, bent = moves[-1]
        way = way * slope.dtype.type(bent / float(np.vdot(turn, turn)))
    for (move, turn, bent), share in zip(moves, reversed(shares), strict=True):
        way = way + slope.dtype.type(share - float(np.vdot(turn, way)) / bent) * move
    return way


def _axes(scaled: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The axes of the spread (width, axes), the widest first, and the weighted sum of squares along each (axes,)."""
    rows, width = scaled.shape
    if rows < width:  # the rows span no more
        axes = np.linalg.svd(scaled, full_matrices=False)[2].T
        return np.ascontiguousarray(axes), weights @ np.square(scaled @ axes)
    power, axes = np.linalg.eigh((scaled * weights[:, None]).T @ scaled)
    return np.ascontiguousarray(axes[:, ::-1]), np.maximum(power[::-1], 0)


def _loss(logits: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any], task: Task) -> tuple[float, NDArray[Any]]:
    """(the weighted sum over rows of the cross-entropy, its slope by the logits (rows, tags))."""
    if task == "one":
        shifted = logits - logits.max(1, keepdims=True)
        grown = np.exp(shifted)
        total = grown.sum(1, keepdims=True)
        rows = targets.sum(1) * np.log(total[:, 0]) - (targets * shifted).sum(1)
        slope = grown / total * targets.sum(1, keepdims=True) - targets
    else:
        small = np.exp(-np.abs(logits))
        each = np.maximum(logits, 0) - targets * logits + np.log1p(small)
        slope = np.where(logits >= 0, 1, small) / (1 + small) - targets
        if (unknown := np.isnan(targets)).any():
            each[unknown], slope[unknown] = 0, 0
        rows = each.sum(1)
    return float(np.vdot(weights.astype(np.float64), rows.astype(np.float64))), slope * weights[:, None]


def logits_of(layers: list[Layer], vectors: Floats) -> Floats:
    """What layers make of vectors (rows, width), as the net will: (rows, tags)."""
    for number, (weights, biases) in enumerate(layers):
        vectors = vectors @ weights.T + biases
        vectors = np.maximum(vectors, 0) if number < len(layers) - 1 else vectors
    return np.asarray(vectors, np.float32)
