"""Maps of one size for nets that take no other: what paper 002 (section 2.2) does to make all features 299 × 299 × 3.

Bilinear interpolation between the centres of cells, with nothing smoothed first: a map that is shrunk to less than half
passes over cells. The paper tells the size and not the method. A single channel is repeated, as the paper's log-mel is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from earmark.models.features.spectrum import Floats, full_precision


class Resize(nn.Module):
    """Maps (batch, channels in, bands in, frames in) → maps (batch, channels, bands, frames), float32."""

    def __init__(self, bands: int, frames: int, channels: int = 1):
        super().__init__()
        for name, value in (("bands", bands), ("frames", frames), ("channels", channels)):
            if value < 1:
                raise ValueError(f"{name} is {value}: there must be at least one")
        self.bands, self.frames, self.channels = bands, frames, channels

    def check(self, channels: int) -> None:
        """Refuse maps of so many channels."""
        if channels not in (1, self.channels):
            raise ValueError(
                f"maps of {channels} channels cannot become {self.channels}: one can be repeated, several stay as they are"
            )

    def forward(self, maps: Tensor) -> Tensor:
        self.check(maps.shape[1])
        with full_precision(maps.device):
            size = (self.bands, self.frames)
            sized = nn.functional.interpolate(maps.float(), size, mode="bilinear", align_corners=False, antialias=False)
        return sized.expand(-1, self.channels, -1, -1)  # (batch, channels, bands, frames)


class Resized(nn.Module):
    """A feature and then a `Resize`: waves (batch, samples) → maps (batch, channels, bands, frames), whatever the wave.

    Its frames are as many whatever the wave, so a longer wave has longer ones, and no fixed hop.
    """

    def __init__(self, feature: Any, bands: int, frames: int, channels: int = 1):
        super().__init__()
        self.feature, self.resize = feature, Resize(bands, frames, channels)
        self.resize.check(feature.channels)
        self.channels, self.bands, self.shortest = channels, bands, feature.shortest

    def frames(self, samples: int) -> int:
        return self.resize.frames if samples >= self.shortest else 0

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`: bilinear between the centres of cells."""
        inner = (places + 0.5) * (self.feature.frames(samples) / self.frames(samples)) - 0.5
        return np.asarray(self.feature.middles(inner, samples))

    def forward(self, waves: Tensor) -> Tensor:
        maps: Tensor = self.resize(self.feature(waves))
        return maps
