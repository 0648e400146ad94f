"""Stage "maps": between the features and the net, on maps (batch, channels, bands, frames).

Paper 002 (section 2.1) applies both, mixup and random erasing, to the maps of its 2D net, without telling parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.errors.refusals import Refused, refuse
from earmark.registry import AUGMENTATIONS
from earmark.train.augment import check_between, check_share
from earmark.train.augment.batches import Mixture, Mixup

TRIES = 100  # rectangles that are drawn for a map before one is drawn among those that fit
NEAR = 0.05  # of an area: what the nearest rectangle of whole cells may miss it by, where none has it


@dataclass(frozen=True, eq=False)
class Rectangles:
    """One a map: bands top … top + height, frames left … left + width; none where the height is 0.

    edges: (4, batch), top, left, height, width. seed: of the noise, which is drawn on the maps' device.
    """

    edges: NDArray[np.int64]
    seed: int


@AUGMENTATIONS.register("erase", stage="maps")
class Erase:
    """Random erasing: a rectangle of the map is filled with noise, its mean or a number.

    Zhong et al. 2017, algorithm 1, whose values are the defaults. p: the probability that a map is erased. low, high: the
    rectangle's share of the area, evenly drawn. narrow, wide: its share of the bands by its share of the frames, evenly
    drawn; in cells, as there, where a map is square, but bands and frames have no unit in common. Rectangles that reach
    over an edge are drawn again, so that large ones are rarer. A map too small for any stays whole.
    fill: noise (normal, with the mean and deviation of each channel of the map), mean (of each channel) or a number.
    All channels of a map lose the same; the target stays.
    """

    def __init__(
        self,
        p: float = 0.5,
        low: float = 0.02,
        high: float = 0.4,
        narrow: float = 0.3,
        wide: float = 1 / 0.3,
        fill: Literal["noise", "mean"] | float = "noise",
    ):
        check_share(p, "p")
        if not 0 < low <= high <= 1:
            refuse(f"areas from {low:g} to {high:g}: low lies above 0, high at most at 1, the lower first")
        if not 0 < narrow <= wide < np.inf:
            refuse(f"aspects from {narrow:g} to {wide:g}: both lie above 0, the smaller first")
        else:
            for name, aspect in (("narrow", narrow), ("wide", wide)):
                check_between(name, aspect, 0.001, 1000)
        if not isinstance(fill, str):
            check_between("fill", fill, -1e6, 1e6)
        elif fill not in ("noise", "mean"):
            refuse(f"fill is {fill!r}: it is noise, mean or a number")
        if narrow > 1 / low or wide < low:  # told alone: with other mistakes it may be of their making
            raise Refused(
                f"areas from {low:g} with aspects from {narrow:g} to {wide:g}: no such rectangle fits on a map, whose sides it would "
                f"leave: of that area aspects go from {low:g} to {1 / low:g}"
            )
        self.p, self.area, self.aspect, self.fill = p, (low, high), (narrow, wide), fill

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...], targets: NDArray[np.float32]) -> Rectangles:
        batch, _, bands, frames = shape
        edges = np.zeros((4, batch), np.int64)
        waiting = np.flatnonzero(generator.random(batch) < self.p)
        seed = int(generator.integers(2**62))
        cells = bands * frames
        for _ in range(TRIES):
            if not len(waiting):
                break
            area = generator.uniform(*self.area, len(waiting))
            aspect = generator.uniform(*self.aspect, len(waiting))
            height = np.rint(bands * np.sqrt(area * aspect)).astype(np.int64)
            width = np.rint(frames * np.sqrt(area / aspect)).astype(np.int64)
            top, left = generator.integers(bands, size=len(waiting)), generator.integers(frames, size=len(waiting))
            fits = (top + height <= bands) & (left + width <= frames)
            got = height * width / cells  # rounding may leave the bounds
            fits &= (got >= self.area[0]) & (got <= self.area[1])
            edges[:, waiting[fits]] = np.stack([top, left, height, width])[:, fits]
            waiting = waiting[~fits]
        if len(waiting):
            edges[:, waiting] = self._among_all(generator, bands, frames, len(waiting))
        return Rectangles(edges, seed)

    def _among_all(self, generator: np.random.Generator, bands: int, frames: int, count: int) -> NDArray[np.int64]:
        """(4, count): edges of rectangles as further tries would give them at last, drawn at once; of no height where none fits."""
        height, width = np.arange(1, bands + 1)[:, None], np.arange(1, frames + 1)
        got = height * width / (bands * frames)
        # a side is within half a cell of what the aspect gives
        possible = (height + 0.5) / bands >= self.aspect[0] * (width - 0.5) / frames
        possible &= (height - 0.5) / bands <= self.aspect[1] * (width + 0.5) / frames
        missed = np.maximum(np.maximum(1 - got / self.area[0], got / self.area[1] - 1), 0)
        nearest = missed[possible].min(initial=np.inf)
        if nearest > NEAR:
            return np.zeros((4, count), np.int64)
        possible &= missed <= nearest
        # height / width: how much of evenly drawn areas and aspects becomes this rectangle; the rest: in how many places it fits
        weights = np.where(possible, height / width * (bands - height + 1) * (frames - width + 1), 0).ravel()
        rows, columns = np.divmod(generator.choice(len(weights), count, p=weights / weights.sum()), frames)
        heights, widths = rows + 1, columns + 1
        top, left = generator.integers(bands - heights + 1), generator.integers(frames - widths + 1)
        return np.stack([top, left, heights, widths])

    def apply(self, plan: object, maps: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(plan, Rectangles)
        if not plan.edges[2].any():
            return maps, targets
        erased = _inside(plan.edges, maps)
        if not isinstance(self.fill, str):
            return maps.masked_fill(erased, self.fill), targets
        fill = maps.detach().mean((2, 3), keepdim=True)  # (batch, channels, 1, 1)
        if self.fill == "noise":
            deviation = maps.detach().std((2, 3), correction=0, keepdim=True)
            chance = torch.Generator(maps.device).manual_seed(plan.seed)
            noise = torch.randn(maps.shape, generator=chance, device=maps.device, dtype=maps.dtype)
            fill = noise.mul_(deviation).add_(fill)
        return torch.where(erased, fill, maps), targets


def _inside(edges: NDArray[np.int64], maps: Tensor) -> Tensor:
    """(batch, 1, bands, frames): whether a cell lies in its map's rectangle."""
    top, left, height, width = torch.from_numpy(edges).to(maps.device)[:, :, None]  # (batch, 1) each
    bands = torch.arange(maps.shape[2], device=maps.device)
    frames = torch.arange(maps.shape[3], device=maps.device)
    high = (bands >= top) & (bands < top + height)  # (batch, bands)
    wide = (frames >= left) & (frames < left + width)  # (batch, frames)
    inside: Tensor = high[:, None, :, None] & wide[:, None, None, :]
    return inside


@AUGMENTATIONS.register("mixup_maps", stage="maps")
class MixupMaps:
    """Sums of two maps with the mixing ratio as the target: mixup after the features.

    Sums of decibels are no sums of sounds; paper 002 mixes the inputs of its 2D net so. share, alpha: as for `mixup`.
    """

    def __init__(self, share: float = 1.0, alpha: float = 1.0):
        self.mixup = Mixup(share, alpha)

    def draw(
        self,
        generator: np.random.Generator,
        shape: tuple[int, ...],
        targets: NDArray[np.float32],
        clips: NDArray[np.int64] | None = None,
    ) -> Mixture:
        return self.mixup.draw(generator, targets, clips)

    def apply(self, plan: object, maps: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return self.mixup.apply(plan, maps, targets)
