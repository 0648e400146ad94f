"""What a feature tells of itself, and what stands in its place before a net that hears raw samples."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from earmark.engines.features.framing import Floats


class Feature(Protocol):
    """An `nn.Module` from waves (batch, samples) to maps (batch, channels, bands, frames), and the size of these.

    shortest: the fewest samples that give a frame.
    """

    channels: int
    bands: int

    @property
    def shortest(self) -> int: ...

    def frames(self, samples: int) -> int:
        """How many frames a wave of `samples` gives."""
        ...

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames, not only whole ones → samples into a wave of `samples`."""
        ...

    def __call__(self, waves: Tensor) -> Tensor: ...


class NoFeature(nn.Module):
    """No feature: the net hears the waves (batch, samples) as they are, and places in its input are samples."""

    def forward(self, waves: Tensor) -> Tensor:
        return waves

    def middles(self, places: Floats, samples: int) -> Floats:
        return places
