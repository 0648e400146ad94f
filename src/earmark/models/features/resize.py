"""Maps of one size for nets that take no other, in torch: see `earmark.engines.features.resize`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from earmark.engines.features.framing import Floats
from earmark.engines.features.resize import Size
from earmark.models.autocast import full_precision


class Resize(nn.Module):
    """Maps (batch, channels in, bands in, frames in) → maps (batch, channels, bands, frames), float32."""

    def __init__(self, bands: int, frames: int, channels: int = 1):
        super().__init__()
        self.size = Size(bands, frames, channels)
        self.bands, self.frames, self.channels = bands, frames, channels

    def check(self, channels: int) -> None:
        """Refuse maps of so many channels."""
        self.size.check(channels)

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
        return self.resize.size.frames_of(self.feature, samples)

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`: bilinear between the centres of cells."""
        return self.resize.size.middles(self.feature, places, samples)

    def forward(self, waves: Tensor) -> Tensor:
        maps: Tensor = self.resize(self.feature(waves))
        return maps
