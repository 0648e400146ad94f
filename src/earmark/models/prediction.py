"""What a net says of a batch: logits, an embedding, what it says of moments, where its attention lies; and its loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from earmark.scores import Task
from earmark.windows.overlap import Overlap


@dataclass(frozen=True)
class Grid:
    """Where moments lie in a net's input, counted in inputs: samples, or frames of the feature.

    step: from one moment to the next. start: from the first input to the middle of the first moment; nought where that
    is centred on the first input.
    """

    step: int
    start: float = 0.0

    def middles(self, count: int) -> NDArray[np.float64]:
        """(count,): the middles of the first moments.

        >>> Grid(step=32, start=0.5).middles(3)
        array([ 0.5, 32.5, 64.5])
        """
        return self.start + self.step * np.arange(count, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Focus:
    """Where one attention of a net lies. weights: (batch, moments, tags), which sum to 1 over the moments of `grid`."""

    name: str
    weights: Tensor
    grid: Grid


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a net says of a batch.

    levels: logits (batch, levels, tags); most nets have one level.
    embedding: (batch, width), what the last layer sees.
    frames: logits over time (batch, frames, tags), or None. Where they lie the net tells, as its `grid`.
    focus: of each attention over time, in the order in which the sound goes through them.
    """

    levels: Tensor
    embedding: Tensor
    frames: Tensor | None = None
    focus: tuple[Focus, ...] = ()


def separate(prediction: Prediction) -> Prediction:
    """The prediction of overlapping windows as that of windows by themselves: tensors, whatever stood for them.

    Without `focus`, which is looked at in windows that are heard one by one.
    """

    def tensor(value: Any) -> Any:
        return value.windows("the prediction") if isinstance(value, Overlap) else value

    return replace(
        prediction,
        levels=tensor(prediction.levels),
        embedding=tensor(prediction.embedding),
        frames=tensor(prediction.frames),
        focus=(),
    )


def activated(logits: Tensor, task: Task) -> Tensor:
    """Logits (…, tags) → probabilities, float32: the softmax (one tag a clip) or the sigmoid (many)."""
    return logits.float().softmax(-1) if task == "one" else logits.float().sigmoid()


def probabilities(prediction: Prediction, task: Task) -> Tensor:
    """(batch, tags): the mean over levels of the softmax (one tag a clip) or the sigmoid (many)."""
    return activated(prediction.levels, task).mean(1)


def loss(prediction: Prediction, targets: Tensor, task: Task) -> Tensor:
    """The mean over clips and levels of the cross-entropy; targets (batch, tags) may be soft.

    For many tags it is the mean over tags of the binary cross-entropy; targets that are NaN, not known, are left out of it.
    """
    levels = prediction.levels.float()
    targets = targets[:, None].expand_as(levels)
    if task == "many" and bool(targets.isnan().any()):
        known = ~targets.isnan()
        losses = F.binary_cross_entropy_with_logits(levels, targets.nan_to_num(), reduction="none")
        return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)
    if task == "many":
        return F.binary_cross_entropy_with_logits(levels, targets)
    return -(targets * levels.log_softmax(-1)).sum(-1).mean()
