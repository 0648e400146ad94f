"""Augmentations: what is done to clips in training so that the net hears more than was recorded; found by looking.

Chance is drawn apart from being applied: `draw` takes an explicit generator and gives a plan (offsets, partners,
weights), `apply` puts the plan to work on waves and targets alike and changes nothing in place. In evaluation none of
them runs; windows are cut by `earmark.windows`. What each is given and what it gives is guarded by `Applied`.

Four stages, in the order in which they work. Clip: one wave (samples,) of any length → a wave. Pair: the windows of a
clip and of others from the whole training set → one window and its target. Batch: waves (batch, samples) and targets
(batch, tags) → the same shapes, on the tagger's device. Maps: the same between the features and the net, on
(batch, channels, bands, frames). Exactly one augmentation of a recipe makes the window: `crop`.

Wherever clips are summed, their weights sum to one, so that the sum stays within full scale; unrelated clips then lose
level, 3 dB for two equal ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from earmark.errors.refusals import refuse
from earmark.train.augment.applied import Applied, build, draw_for, shown, staged
from earmark.train.augment.pool import ClipPool, Sum

__all__ = [
    "Applied",
    "BatchAugmentation",
    "ClipAugmentation",
    "ClipPool",
    "MapAugmentation",
    "PairAugmentation",
    "Sum",
    "Wave",
    "build",
    "check_alpha",
    "check_between",
    "check_share",
    "draw_for",
    "shown",
    "staged",
]

Wave = NDArray[np.float32]


class ClipAugmentation(Protocol):
    """Stage "clip". length: the window, samples."""

    def draw(self, generator: np.random.Generator, wave: Wave, length: int) -> object: ...

    def apply(self, plan: object, wave: Wave) -> Wave: ...


class PairAugmentation(Protocol):
    """Stage "pair". row: the clip's row in `pool`. waves, targets: of the plan's rows, in their order; the clip first."""

    def draw(self, generator: np.random.Generator, row: int, pool: ClipPool) -> Sum: ...

    def apply(
        self, plan: Sum, waves: Sequence[Wave], targets: Sequence[NDArray[np.float32]]
    ) -> tuple[Wave, NDArray[np.float32]]: ...


class BatchAugmentation(Protocol):
    """Stage "batch". A `draw` that has an argument `clips` too is told which clip each is, (batch,) rows of the manifest."""

    def draw(self, generator: np.random.Generator, targets: NDArray[np.float32]) -> object: ...

    def apply(self, plan: object, waves: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]: ...


class MapAugmentation(Protocol):
    """Stage "maps". shape: (batch, channels, bands, frames). clips: as for the stage "batch"."""

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...], targets: NDArray[np.float32]) -> object: ...

    def apply(self, plan: object, maps: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]: ...


def check_between(
    name: str, value: float, low: float, high: float, unit: str = "", say: Callable[[str], None] = refuse
) -> None:
    """Refuse, which a recipe's mistake is made of, what lies outside; NaN does. say: `stop` where something is made so large."""
    if not low <= value <= high:
        unit = f" {unit}" if unit else ""
        say(f"{name} is {value:g}{unit}: it lies between {low:g} and {high:g}{unit}")


def check_share(share: float, name: str = "share") -> None:
    check_between(name, share, 0, 1)


def check_alpha(alpha: float) -> None:
    """Of a beta or Dirichlet distribution: far smaller ones draw weights of 0 and 1 alone, far larger ones equal weights."""
    if not alpha > 0:
        refuse(f"alpha is {alpha:g}: it must be above 0")
    else:
        check_between("alpha", alpha, 0.001, 1000)
