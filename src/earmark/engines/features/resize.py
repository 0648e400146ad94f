"""Maps of one size for nets that take no other: what paper 002 (section 2.2) does to make all features 299 × 299 × 3.

Bilinear interpolation between the centres of cells, with nothing smoothed first: a map that is shrunk to less than half
passes over cells. The paper tells the size and not the method. A single channel is repeated, as the paper's log-mel is.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.engines.features.framing import Floats, Singles
from earmark.errors import counted
from earmark.errors.refusals import Refused, refuse


class Sized(Protocol):
    """What a feature tells of itself, in NumPy or in torch."""

    @property
    def channels(self) -> int: ...

    @property
    def bands(self) -> int: ...

    @property
    def shortest(self) -> int: ...

    def frames(self, samples: int) -> int: ...

    def middles(self, places: Floats, samples: int) -> Floats: ...


class Feature(Sized, Protocol):
    """A feature in NumPy: waves (batch, samples) → maps (batch, channels, bands, frames), both float32."""

    def step(self, hop: int) -> int | None:
        """Frames from a window to the next where these, `hop` samples apart, have frames in common; None where they have none."""
        ...

    def __call__(self, waves: Singles) -> Singles: ...


class Size:
    """The size of resized maps, and where their frames lie."""

    def __init__(self, bands: int, frames: int, channels: int = 1):
        for name, value in (("bands", bands), ("frames", frames), ("channels", channels)):
            if value < 1:
                refuse(f"{name} is {value}: there must be at least one")
        self.bands, self.frames, self.channels = bands, frames, channels

    def check(self, channels: int) -> None:
        """Refuse maps of so many channels."""
        if channels not in (1, self.channels):
            raise Refused(
                f"maps of {counted(channels, 'channel')} cannot become {self.channels}: one can be repeated, several stay as they are"
            )

    def frames_of(self, feature: Sized, samples: int) -> int:
        return self.frames if samples >= feature.shortest else 0

    def middles(self, feature: Sized, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`: bilinear between the centres of cells."""
        inner = (places + 0.5) * (feature.frames(samples) / self.frames_of(feature, samples)) - 0.5
        return np.asarray(feature.middles(inner, samples))


class Resized:
    """A feature in NumPy and then a resize: waves (batch, samples) → maps (batch, channels, bands, frames), whatever the wave.

    Its frames are as many whatever the wave, so a longer wave has longer ones, and no fixed hop.
    """

    def __init__(self, feature: Feature, bands: int, frames: int, channels: int = 1):
        self.feature, self.size = feature, Size(bands, frames, channels)
        self.size.check(feature.channels)
        self.channels, self.bands, self.shortest = channels, bands, feature.shortest

    def frames(self, samples: int) -> int:
        return self.size.frames_of(self.feature, samples)

    def step(self, hop: int) -> None:
        """A window's frames lie between those of its feature: none are in common."""

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`."""
        return self.size.middles(self.feature, places, samples)

    def __call__(self, waves: Singles) -> Singles:
        return resized(self.feature(waves), self.size)


def resized(maps: Singles, size: Size) -> Singles:
    """Maps (batch, channels in, bands in, frames in) → (batch, channels, bands, frames), float32."""
    size.check(maps.shape[1])
    below, above, weight = _neighbours(maps.shape[2], size.bands)
    bands = maps[:, :, below] * (1 - weight)[:, None] + maps[:, :, above] * weight[:, None]
    below, above, weight = _neighbours(maps.shape[3], size.frames)
    sized = bands[..., below] * (1 - weight) + bands[..., above] * weight
    return np.ascontiguousarray(np.broadcast_to(sized, (len(sized), size.channels, size.bands, size.frames)))


def _neighbours(cells: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Singles]:
    """Of each wanted cell the two that it lies between, and how far on the way to the second, as torch rounds it.

    torch places cells in float32 with one rounding (a fused multiply and add). Exact places would differ by up to 6e-5 of a
    cell among a few hundred, and where neighbours are 100 dB apart that is 0.006 dB.
    """
    step = np.float64(np.float32(cells) / np.float32(wanted))
    places = np.maximum(np.float32(step * (np.arange(wanted) + 0.5) - 0.5), np.float32(0))
    below = np.minimum(places.astype(np.intp), cells - 1)
    return below, np.minimum(below + 1, cells - 1), np.clip(places - below.astype(np.float32), 0, 1).astype(np.float32)
