"""From vectors with tags to dense layers: prototypes, logistic regression, one hidden layer.

vectors (rows, width), targets (rows, tags) from 0 to 1, weights (rows,): how much a row counts. What comes out are layers
(weights (out, in), biases (out,)) in float32 for vectors as they are: their standardisation is worked in.

Of the logistic regression the sum over rows of weight · loss, with half the sum of squared weights over `strength`, is least;
biases are free. That is scikit-learn's `LogisticRegression(C=strength)` on standardised vectors. It is found by L-BFGS in the
axes of the vectors' own spread, in which it has few steps to go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from earmark.scores import Task

Floats = NDArray[np.float32]
Layer = tuple[Floats, Floats]
FLOOR = 0.5  # of the numbers' common spread: what hardly varies among the clips must not decide, however rare a sound is in it
SHARP = 10.0  # of prototypes: what a cosine of 1 more is in log-odds
STEPS = 200  # of L-BFGS at most
NEAR = {torch.float32: 1e-6, torch.float64: 1e-10}  # of the first loss: a step that gains less is the last
HIDDEN = 64  # numbers of a hidden layer
AXES = 256  # of the spread, that a hidden layer learns from
SEED = 0


@dataclass(frozen=True)
class Scale:
    """(vector - middle) / spread, number by number."""

    middle: Floats
    spread: Floats

    @staticmethod
    def of(vectors: Floats, weights: Floats) -> Scale:
        """By the weighted mean and standard deviation; of a number that varies little, no less than a part of what all have.

        >>> scale = Scale.of(np.array([[0, 1], [2, 1]], np.float32), np.ones(2, np.float32))
        >>> scale.middle.tolist(), scale.spread.round(4).tolist()
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
    sums = (targets * weights[:, None]).T.astype(np.float64) @ unit
    means = sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-12)[:, None]
    ordinary = float(np.average(lengths, weights=weights)) or 1.0
    layer = (SHARP / ordinary * means).astype(np.float32)
    biases = np.zeros(targets.shape[1], np.float32)
    if task == "many":
        scores = SHARP * unit @ means.T
        for tag in range(targets.shape[1]):
            sides = [weights * targets[:, tag], weights * (1 - targets[:, tag])]
            known = [float(np.average(scores[:, tag], weights=side)) for side in sides if side.sum() > 0]
            biases[tag] = -sum(known) / len(known) if known else 0.0
    return [(layer, biases)]


class Regression:
    """Logistic regressions on the same vectors: which of their rows, how strong. Multinomial for one tag, else tag by tag."""

    def __init__(
        self, vectors: Floats, targets: Floats, weights: Floats, task: Task, kind: torch.dtype = torch.float32
    ):
        self.task: Task = task
        self.scale = Scale.of(vectors, weights)
        scaled = torch.from_numpy(self.scale(vectors)).double()
        counts = torch.from_numpy(np.asarray(weights)).double()
        self.axes, self.power = _axes(scaled, counts)
        self.turned = (scaled @ self.axes).to(kind)  # (rows, axes)
        self.targets = torch.from_numpy(np.asarray(targets)).to(kind)
        self.weights = counts.to(kind)
        self.near = NEAR[kind] * float(counts.sum()) * np.log(max(2, targets.shape[1]))

    def fit(self, strength: float, rows: NDArray[np.int64] | None = None, start: Any = None) -> Any:
        """(weights (tags, axes), biases (tags,)) in the vectors' axes. rows: of the vectors. start: to go on from."""
        taken = slice(None) if rows is None else torch.from_numpy(rows)
        vectors, targets, weights = self.turned[taken], self.targets[taken], self.weights[taken]
        steep = 0.25 if self.task == "many" else 1 / max(2, targets.shape[1])  # of the losses' curvature, about
        pace = (steep * self.power + 1 / strength).rsqrt().to(vectors.dtype)
        free = 1 / max(1.0, float(steep * weights.sum())) ** 0.5
        made, biases = start or (vectors.new_zeros(targets.shape[1], len(pace)), vectors.new_zeros(targets.shape[1]))
        made, biases = (made / pace).requires_grad_(), (biases / free).requires_grad_()

        def loss() -> Tensor:
            told = F.linear(vectors, made * pace, biases * free)  # rows by tags: of all layouts by far the fastest
            return _loss(told, targets, weights, self.task) + (made * pace).square().sum() / (2 * strength)

        _least([made, biases], loss, self.near)
        return (made * pace).detach(), (biases * free).detach()

    def logits(self, made: Any, rows: NDArray[np.int64]) -> Floats:
        """(rows, tags)."""
        return np.asarray(F.linear(self.turned[torch.from_numpy(rows)], *made).numpy(), np.float32)

    def layers(self, made: Any) -> list[Layer]:
        weights, biases = (part.double() for part in made)
        return [self.scale.folded(((weights @ self.axes.T).numpy(), biases.numpy()))]


class Hidden(Regression):
    """The same with one hidden layer, which is not the best of all but that which L-BFGS finds from one seeded start."""

    def __init__(
        self, vectors: Floats, targets: Floats, weights: Floats, task: Task, kind: torch.dtype = torch.float32
    ):
        super().__init__(vectors, targets, weights, task, kind)
        self.width = HIDDEN
        kept = min(AXES, len(self.power))
        self.axes, self.power = self.axes[:, :kept], self.power[:kept]
        self.turned = self.turned[:, :kept].contiguous()
        total = float(self.weights.sum()) or 1.0
        self.size = float((self.power.sum() / total) ** 0.5) or 1.0  # of a vector, so that layers begin alike

    def fit(self, strength: float, rows: NDArray[np.int64] | None = None, start: Any = None) -> Any:
        """(weights, biases of the first layer, of the second). start: left aside, each begins alike."""
        taken = slice(None) if rows is None else torch.from_numpy(rows)
        vectors, targets, weights = self.turned[taken] / self.size, self.targets[taken], self.weights[taken]
        generator = torch.Generator().manual_seed(SEED)
        tags, width = targets.shape[1], vectors.shape[1]
        first = torch.randn(self.width, width, generator=generator) * 2**0.5  # a vector's length is 1, about
        second = torch.randn(tags, self.width, generator=generator) / self.width**0.5
        start = (first, torch.zeros(self.width), second, torch.zeros(tags))
        made = [part.to(vectors.dtype).requires_grad_() for part in start]

        def loss() -> Tensor:
            told = F.linear(F.relu(F.linear(vectors, made[0], made[1])), made[2], made[3])
            held = made[0].square().sum() + made[2].square().sum()
            return _loss(told, targets, weights, self.task) + held / (2 * strength)

        _least(made, loss, self.near)
        return [part.detach() for part in made]

    def logits(self, made: Any, rows: NDArray[np.int64]) -> Floats:
        vectors = F.relu(F.linear(self.turned[torch.from_numpy(rows)] / self.size, made[0], made[1]))
        return np.asarray(F.linear(vectors, made[2], made[3]).numpy(), np.float32)

    def layers(self, made: Any) -> list[Layer]:
        first = (made[0].double() @ self.axes.T / self.size).numpy(), made[1].double().numpy()
        return [self.scale.folded(first), (made[2].float().numpy(), made[3].float().numpy())]


def _least(parts: list[Tensor], loss: Callable[[], Tensor], near: float) -> None:
    """Change the parts until the loss is about least."""
    optimiser = torch.optim.LBFGS(
        parts, max_iter=STEPS, tolerance_grad=0, tolerance_change=near, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]


def _axes(scaled: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The axes of the spread (width, axes), the widest first, and the weighted sum of squares along each (axes,)."""
    rows, width = scaled.shape
    if rows < width:  # the rows span no more
        heavy = scaled * weights.sqrt()[:, None]
        axes = torch.linalg.svd(scaled, full_matrices=False)[2]
        return axes.T.contiguous(), (heavy @ axes.T).square().sum(0)
    power, axes = torch.linalg.eigh((scaled * weights[:, None]).T @ scaled)
    return axes.flip(1).contiguous(), power.flip(0).clamp(min=0)


def _loss(logits: Tensor, targets: Tensor, weights: Tensor, task: Task) -> Tensor:
    if task == "one":
        return -((targets * logits.log_softmax(-1)).sum(-1) * weights).sum()
    return (F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(-1) * weights).sum()


def logits_of(layers: list[Layer], vectors: Floats) -> Floats:
    """What layers make of vectors (rows, width), as the net will: (rows, tags)."""
    for number, (weights, biases) in enumerate(layers):
        vectors = vectors @ weights.T + biases
        vectors = np.maximum(vectors, 0) if number < len(layers) - 1 else vectors
    return np.asarray(vectors, np.float32)
