"""Stage "batch": clips of a batch mixed with each other, on the tagger's device. Partners are a permutation of the batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.augment import check_share
from earmark.registry import AUGMENTATIONS


@dataclass(frozen=True)
class Mixture:
    """Clip i becomes weights[i] · clip i + (1 − weights[i]) · clip partners[i]; a weight of 1 leaves it alone."""

    partners: NDArray[np.int64]
    weights: NDArray[np.float32]

    def mix(self, values: Tensor) -> Tensor:
        """values: (batch, …)."""
        partners = torch.from_numpy(self.partners).to(values.device)
        weights = torch.from_numpy(self.weights).to(values.device).view(-1, *[1] * (values.dim() - 1))
        return weights * values + (1 - weights) * values[partners]

    def unite(self, targets: Tensor) -> Tensor:
        """Targets (batch, tags) → those of both clips of each mixture: a tag is there if either has it."""
        partners = torch.from_numpy(self.partners).to(targets.device)
        mixed = torch.from_numpy(self.weights < 1).to(targets.device)[:, None]
        return torch.where(mixed, torch.maximum(targets, targets[partners]), targets)


def draw_mixture(generator: np.random.Generator, ratios: NDArray[np.float64], share: float) -> Mixture:
    """ratios: (batch,), of which a share is used and the rest becomes 1."""
    mixed = generator.random(len(ratios)) < share
    return Mixture(generator.permutation(len(ratios)), np.where(mixed, ratios, 1.0).astype(np.float32))


@AUGMENTATIONS.register("mixup", stage="batch")
class Mixup:
    """Sums of two clips with the mixing ratio as the target.

    share: of the clips in a batch that are mixed. alpha: the ratio is drawn from Beta(alpha, alpha); 1 is even.
    With hard-labelled clips of different tags this is paper 004's different-class sum.
    """

    def __init__(self, share: float = 1.0, alpha: float = 1.0):
        check_share(share)
        if not alpha > 0:
            raise ValueError(f"alpha is {alpha:g}: it must be above 0")
        self.share, self.alpha = share, alpha

    def draw(self, generator: np.random.Generator, targets: NDArray[np.float32]) -> Mixture:
        return draw_mixture(generator, generator.beta(self.alpha, self.alpha, len(targets)), self.share)

    def apply(self, plan: object, waves: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(plan, Mixture)
        return plan.mix(waves), plan.mix(targets)


@AUGMENTATIONS.register("mixtrain", stage="batch", task="many")
class MixTrain:
    """Sums of two clips with the tags of both as the target: paper 000's mix-training.

    The sum is α · one + (1 − α) · the other, α evenly drawn from `low` to `high`: section 3.2 allows 0 to 1, section 4.2
    found 0.4 to 0.6 better. The target is the larger of the two, tag by tag: the logical OR, the paper's sign of the sum.
    share: of the clips in a batch that are mixed. For tasks with many tags a clip; the paper then fine-tunes without it.
    """

    def __init__(self, share: float = 1.0, low: float = 0.4, high: float = 0.6):
        check_share(share)
        if not 0 <= low <= high <= 1:
            raise ValueError(f"ratios from {low:g} to {high:g}: low and high lie between 0 and 1, the lower first")
        self.share, self.low, self.high = share, low, high

    def draw(self, generator: np.random.Generator, targets: NDArray[np.float32]) -> Mixture:
        return draw_mixture(generator, generator.uniform(self.low, self.high, len(targets)), self.share)

    def apply(self, plan: object, waves: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(plan, Mixture)
        return plan.mix(waves), plan.unite(targets)
