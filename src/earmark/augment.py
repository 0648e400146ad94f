"""Augmentations: what is done to clips in training so that the net hears more than was recorded.

Chance is drawn apart from being applied: `draw` takes an explicit generator and gives a plan (offsets, partners,
weights), `apply` puts the plan to work on waves and targets alike and changes nothing in place. In evaluation none of
them runs; windows are cut by `earmark.windows`.

Two stages. Clip: one wave (samples,) of any length → a wave, before batching. Batch: waves (batch, samples) and targets
(batch, tags) → the same shapes, on the tagger's device. Exactly one augmentation of a recipe makes the window: `crop`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark import audio
from earmark.registry import AUGMENTATIONS
from earmark.windows import fit

Wave = NDArray[np.float32]

RATE = 44_100  # Hz that a wave is taken to have where its speed is changed


class ClipAugmentation(Protocol):
    """Stage "clip". length: the window, samples."""

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> object: ...

    def apply(self, plan: object, wave: Wave) -> Wave: ...


class BatchAugmentation(Protocol):
    """Stage "batch"."""

    def draw(self, generator: np.random.Generator, targets: NDArray[np.float32]) -> object: ...

    def apply(self, plan: object, waves: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]: ...


def build(name: str, arguments: dict[str, Any], sample_rate: int) -> Any:
    """A registered augmentation with its arguments; the sample rate where it asks for it."""
    entry = AUGMENTATIONS[name]
    if "sample_rate" in entry.arguments():
        arguments = {**arguments, "sample_rate": sample_rate}
    return entry.function(**arguments)


@dataclass(frozen=True)
class Span:
    """Samples start … end of a wave; a length beyond the end is made up with zeros, `before` of them in front."""

    start: int
    end: int
    before: int = 0
    length: int | None = None


@AUGMENTATIONS.register("trim", stage="clip", resizes=True)
class Trim:
    """Cut the quiet off both ends, so that crops fall on sound.

    A block of `block` seconds is quiet if its peak lies below `below` dB re full scale.
    """

    def __init__(self, sample_rate: int, below: float = -60.0, block: float = 0.02):
        self.below, self.block_samples = below, max(1, round(block * sample_rate))

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> Span:
        """Nothing is left to chance: the plan follows from the wave."""
        block = self.block_samples
        blocks = np.pad(wave, (0, -len(wave) % block)).reshape(-1, block)
        loud = np.flatnonzero(np.abs(blocks).max(1) >= 10.0 ** (self.below / 20.0))
        if not len(loud):
            return Span(0, len(wave))
        return Span(int(loud[0]) * block, min(len(wave), (int(loud[-1]) + 1) * block))

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, Span)
        return wave[plan.start : plan.end]


@AUGMENTATIONS.register("crop", stage="clip", crops=True)
class Crop:
    """A window from a random place; a shorter wave is padded.

    short: pad (zeros, the wave at a random place), repeat (over and over until the window is full).
    """

    def __init__(self, short: Literal["pad", "repeat"] = "pad"):
        self.short = short

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> Span:
        spare = len(wave) - length
        if spare >= 0:
            start = int(generator.integers(spare + 1))
            return Span(start, start + length, 0, length)
        before = int(generator.integers(-spare + 1)) if self.short == "pad" else 0
        return Span(0, len(wave), before, length)

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, Span) and plan.length is not None
        part = wave[plan.start : plan.end]
        if self.short == "repeat":
            return fit(part, plan.length, "repeat")
        return np.pad(part, (plan.before, plan.length - plan.before - len(part)))


@AUGMENTATIONS.register("gain", stage="clip")
class Gain:
    """Louder or softer by up to `db` decibels, evenly drawn."""

    def __init__(self, db: float = 6.0):
        self.db = db

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> float:
        return float(generator.uniform(-self.db, self.db))

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, float)
        return wave * np.float32(10.0 ** (plan / 20.0))


@AUGMENTATIONS.register("speed", stage="clip", resizes=True)
class Speed:
    """Faster and higher, or slower and lower: the wave is resampled by a factor from 1 / most to `most`.

    The factor's logarithm is evenly drawn.
    """

    def __init__(self, most: float = 1.15):
        if not 1 <= most <= 4:
            raise ValueError(f"most is {most:g}: it lies between 1 and 4")
        self.most = most

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> float:
        return float(self.most ** generator.uniform(-1, 1))

    def apply(self, plan: object, wave: Wave) -> Wave:
        assert isinstance(plan, float)
        # only the ratio of the two rates matters; whole Hz are fine enough and keep the filter short
        return audio.resample(wave, round(RATE * plan), RATE)


@dataclass(frozen=True)
class Mixture:
    """Clip i becomes weights[i] · clip i + (1 − weights[i]) · clip partners[i]."""

    partners: NDArray[np.int64]
    weights: NDArray[np.float32]


@AUGMENTATIONS.register("mixup", stage="batch")
class Mixup:
    """Sums of two clips with the mixing ratio as the target.

    share: of the clips in a batch that are mixed. alpha: the ratio is drawn from Beta(alpha, alpha); 1 is even.
    With hard-labelled clips of different tags this is paper 004's different-class sum.
    """

    def __init__(self, share: float = 1.0, alpha: float = 1.0):
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share:g}: it lies between 0 and 1")
        if alpha <= 0:
            raise ValueError(f"alpha is {alpha:g}: it must be above 0")
        self.share, self.alpha = share, alpha

    def draw(self, generator: np.random.Generator, targets: NDArray[np.float32]) -> Mixture:
        count = len(targets)
        ratio = generator.beta(self.alpha, self.alpha, count)
        mixed = generator.random(count) < self.share
        return Mixture(generator.permutation(count), np.where(mixed, ratio, 1.0).astype(np.float32))

    def apply(self, plan: object, waves: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(plan, Mixture)
        partners = torch.from_numpy(plan.partners).to(waves.device)
        weights = torch.from_numpy(plan.weights).to(waves.device)[:, None]
        return (
            weights * waves + (1 - weights) * waves[partners],
            weights * targets + (1 - weights) * targets[partners],
        )
