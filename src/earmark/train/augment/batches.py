"""Stage "batch": clips of a batch mixed with each other, on the tagger's device.

Partners are a permutation of the batch in which no clip meets itself, nor, where a batch holds a clip several times as
balanced draws may, another copy of itself: papers 000 and 002 sum two different clips. Only what has no other clip to meet
stays as it is: a batch of one, and the copies of a clip that is more than half of its batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from earmark.errors.refusals import refuse, stop
from earmark.registry import AUGMENTATIONS
from earmark.train.augment import check_alpha, check_between, check_share

Clips = NDArray[np.int64]  # (batch,): rows of the manifest, alike where a batch holds a clip several times


@dataclass(frozen=True, eq=False)
class Mixture:
    """Clip i becomes weights[i] · clip i + (1 − weights[i]) · clip partners[i]; a weight of 1 leaves it alone."""

    partners: NDArray[np.int64]
    weights: NDArray[np.float32]

    def mix(self, values: Tensor) -> Tensor:
        """values: (batch, …)."""
        weights = torch.from_numpy(self.weights).to(values.device).view(-1, *[1] * (values.dim() - 1))
        return weights * values + (1 - weights) * self.partners_of(values)

    def mix_targets(self, targets: Tensor) -> Tensor:
        """As `mix`, of targets (batch, tags); a clip that is left alone is so too where its partner's are not known, NaN."""
        alone = torch.from_numpy(self.weights == 1).to(targets.device)[:, None]
        return torch.where(alone, targets, self.mix(targets))

    def mix_as_loud(self, waves: Tensor, levels: Tensor) -> Tensor:
        """waves: (batch, …). levels: (batch,) decibels. The ratio is one of loudness: both clips are first made as loud.

        Their weights sum to one still: p = r / (r + (1 − r) · 10^((level − partner's level) / 20)) and 1 − p.
        """
        ratios = torch.from_numpy(self.weights).to(waves.device)
        amplitudes = 10 ** ((levels - self.partners_of(levels)) / 20)
        weights = (ratios / (ratios + (1 - ratios) * amplitudes)).view(-1, *[1] * (waves.dim() - 1))
        return weights * waves + (1 - weights) * self.partners_of(waves)

    def partners_of(self, values: Tensor) -> Tensor:
        return values[torch.from_numpy(self.partners).to(values.device)]

    def unite(self, targets: Tensor) -> Tensor:
        """Targets (batch, tags) → those of both clips of each mixture: a tag is there if either has it."""
        mixed = torch.from_numpy(self.weights < 1).to(targets.device)[:, None]
        return torch.where(mixed, torch.maximum(targets, self.partners_of(targets)), targets)


def draw_mixture(
    generator: np.random.Generator, ratios: NDArray[np.float64], share: float, clips: Clips | None = None
) -> Mixture:
    """ratios: (batch,), of which a share is used and the rest becomes 1. clips: which clip each is; default all differ."""
    mixed = generator.random(len(ratios)) < share
    clips = np.arange(len(ratios)) if clips is None else np.asarray(clips)
    return Mixture(draw_partners(generator, clips), np.where(mixed, ratios, 1.0).astype(np.float32))


def draw_partners(generator: np.random.Generator, clips: Clips) -> NDArray[np.int64]:
    """(batch,) numbers of clips → a permutation of the batch in which each meets another clip, as far as that can be.

    A place whose partner is its own clip swaps partners with a place that has, and meets, other clips. Where the clip
    fills m of n places, of which one is this, fewer than 2m places have or meet it: up to m = n / 2 there is such a place.
    """
    partners: NDArray[np.int64] = generator.permutation(len(clips))
    for place in np.flatnonzero(clips[partners] == clips):
        own = clips[place]
        if clips[partners[place]] != own:  # an earlier swap mended it
            continue
        fitting = np.flatnonzero((clips != own) & (clips[partners] != own))
        if len(fitting):
            other = int(generator.choice(fitting))
            partners[place], partners[other] = partners[other], partners[place]
    return partners


@AUGMENTATIONS.register("mixup", stage="batch")
class Mixup:
    """Sums of two clips with the mixing ratio as the target.

    share: of the clips in a batch that are mixed. alpha: the ratio is drawn from Beta(alpha, alpha); 1 is even.
    With hard-labelled clips of different tags this is paper 004's different-class sum.
    """

    def __init__(self, share: float = 1.0, alpha: float = 1.0):
        check_share(share)
        check_alpha(alpha)
        self.share, self.alpha = share, alpha

    def draw(self, generator: np.random.Generator, targets: NDArray[np.float32], clips: Clips | None = None) -> Mixture:
        return draw_mixture(generator, generator.beta(self.alpha, self.alpha, len(targets)), self.share, clips)

    def apply(self, plan: object, waves: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(plan, Mixture)
        return plan.mix(waves), plan.mix_targets(targets)


def a_weighting(frequencies: Tensor) -> Tensor:
    """Gain in power at frequencies in Hz, about 1 at 1 kHz: how loud a soft tone seems to people (IEC 61672-1, annex E)."""
    f = frequencies.double().square()
    low, high = 20.598997**2, 12194.217**2
    both = (f + 107.65265**2) * (f + 737.86223**2)
    amplitudes = high * f.square() / ((f + low) * both.sqrt() * (f + high))
    return (10**0.2 * amplitudes.square()).float()  # the standard's 2.000 dB make it 1 at 1 kHz


@AUGMENTATIONS.register("between_class", stage="batch")
class BetweenClass:
    """Sums of two clips that are made as loud first, with the mixing ratio as the target: between-class learning.

    Of plain sums of a loud and a soft clip, `mixup`, the target names what nobody hears (Tokozume, Ushiku and
    Harada, ICLR 2018). A clip's level is that of its loudest `block` seconds, A-weighted, no less than `floor` dB re full
    scale. As everywhere here the weights sum to one; the paper divides by the root of the sum of their squares.

    share: of the clips in a batch that are mixed; the ratio is evenly drawn.
    """

    def __init__(self, sample_rate: int, share: float = 1.0, block: float = 0.1, floor: float = -80.0):
        check_share(share)
        if not block * sample_rate >= 2:
            refuse(f"block is {block:g} s: it holds at least two samples, {2 / sample_rate:g} s")
        if not -200 <= floor <= 0:
            refuse(f"floor is {floor:g} dB: it lies between -200 and 0 dB re full scale")
        check_between("block", block, 0, 60, "s", stop)
        self.share, self.floor, self.samples = share, floor, round(block * sample_rate)
        self.gains = a_weighting(torch.arange(self.samples // 2 + 1) * (sample_rate / self.samples))

    def draw(self, generator: np.random.Generator, targets: NDArray[np.float32], clips: Clips | None = None) -> Mixture:
        return draw_mixture(generator, generator.random(len(targets)), self.share, clips)

    def apply(self, plan: object, waves: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(plan, Mixture)
        return plan.mix_as_loud(waves, self.levels(waves)), plan.mix_targets(targets)

    def levels(self, waves: Tensor) -> Tensor:
        """waves: (batch, …) → (batch,) dB re full scale, of a sine at 1 kHz that of its root mean square."""
        flat = waves.float().flatten(1)
        window = torch.hann_window(self.samples, device=waves.device)
        hop = self.samples // 2
        # what hangs over the last whole block counts too
        blocks = F.pad(flat, (0, self.samples)).unfold(1, self.samples, hop) * window
        powers = torch.fft.rfft(blocks).abs().square() @ self.gains.to(waves.device)
        loudest = powers.amax(1) * (2 / (self.samples * window.square().sum()))
        decibels: Tensor = 10 * loudest.log10()
        return decibels.clamp(min=self.floor)


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
            refuse(f"ratios from {low:g} to {high:g}: low and high lie between 0 and 1, the lower first")
        self.share, self.low, self.high = share, low, high

    def draw(self, generator: np.random.Generator, targets: NDArray[np.float32], clips: Clips | None = None) -> Mixture:
        return draw_mixture(generator, generator.uniform(self.low, self.high, len(targets)), self.share, clips)

    def apply(self, plan: object, waves: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(plan, Mixture)
        return plan.mix(waves), plan.unite(targets)
