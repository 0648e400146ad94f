"""CNN_SPEC: the spectrogram branch of the combined net, as a tagger of its own.

Lederle, Wilhelm: Combining High-Level Features of Raw Audio and Spectrograms for Audio Tagging. DCASE 2018 task 2.
The published totals fix the head and the total number of parameters but not every layer: kernels, widths and pools are
this project's reconstruction among the layouts that match the total, chosen so that every stride in time divides the
paper's hop of 5,120 samples and no window's edge is felt (no zero padding in time).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from earmark.nets import net
from earmark.nets.blocks import NORM_MOMENTUM, Prediction, check_length, initialise, norm1d, norm2d


class SpecStage(nn.Sequential):
    """Conv → ReLU → max-pool → BN over (batch, channels, bands, frames): bands zero-padded, frames not.

    pool: (bands, frames). The maximum is taken before the ReLU: both only pick or cut values, so the result is the
    same, and the ReLU has a quarter or a tenth of the work.
    """

    def __init__(self, channels_in: int, channels: int, kernel: int, pool: tuple[int, int], momentum: float):
        super().__init__(
            nn.Conv2d(channels_in, channels, kernel, padding=(kernel // 2, 0)),
            nn.MaxPool2d(pool),
            nn.ReLU(),
            norm2d(channels, momentum),
        )


class DenseHead(nn.Module):
    """Features (batch, width) → dense → ReLU → BN → dense tags."""

    def __init__(self, width: int, hidden: int, tags: int, momentum: float):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), norm1d(hidden, momentum))
        self.out = nn.Linear(hidden, tags)

    def forward(self, features: Tensor) -> Prediction:
        embedding = self.hidden(features)
        return Prediction(self.out(embedding)[:, None], embedding)


class SpecBranch(nn.Module):
    """Maps (batch, channels, bands, frames) → features (batch, width): six stages, then the maximum over time."""

    def __init__(
        self,
        channels: int,
        bands: int,
        widths: Sequence[int],
        kernels: Sequence[int],
        band_pools: Sequence[int],
        frame_pools: Sequence[int],
        momentum: float = NORM_MOMENTUM,
    ):
        super().__init__()
        stages: list[nn.Module] = []
        before, left = channels, bands
        for width, kernel, band_pool, frame_pool in zip(widths, kernels, band_pools, frame_pools, strict=True):
            stages.append(SpecStage(before, width, kernel, (band_pool, frame_pool), momentum))
            before, left = width, left // band_pool
        if left < 1:
            raise ValueError(
                f"{bands} bands are pooled to nothing by {list(band_pools)}: take more bands or smaller pools"
            )
        self.stages = nn.Sequential(*stages)
        self.width = before * left
        self.shortest = 1
        for kernel, pool in zip(reversed(kernels), reversed(frame_pools), strict=True):
            self.shortest = self.shortest * pool + kernel - 1

    def forward(self, maps: Tensor) -> Tensor:
        check_length(maps.shape[-1], self.shortest, "frames")
        x: Tensor = self.stages(maps)  # (batch, channels, bands, frames)
        return x.amax(-1).flatten(1)  # (batch, channels · bands)


class CnnSpec(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction. See `cnnspec`."""

    def __init__(self, branch: SpecBranch, hidden: int, tags: int, momentum: float):
        super().__init__()
        self.branch = branch
        self.head = DenseHead(branch.width, hidden, tags, momentum)
        self.shortest = branch.shortest
        initialise(self)

    def forward(self, maps: Tensor) -> Prediction:
        prediction: Prediction = self.head(self.branch(maps))
        return prediction


@net(paper="004", eats="maps")
def cnnspec(
    tags: int = 41,
    channels: int = 1,
    bands: int = 128,
    widths: Sequence[int] = (64, 128, 128, 128, 256, 512),
    kernels: Sequence[int] = (5, 3, 3, 3, 3, 3),
    band_pools: Sequence[int] = (2, 2, 2, 2, 2, 2),
    frame_pools: Sequence[int] = (2, 2, 5, 1, 1, 1),
    hidden: int = 512,
    momentum: float = NORM_MOMENTUM,
) -> CnnSpec:
    """Log-mel: six stages of 2D convolution, maximum over time, two dense layers (CNN_SPEC).

    2,398,761 parameters and running statistics for 41 tags, a reconstruction that gives the combined net's published
    total. The defaults expect 128 bands with a hop of 256 samples at 44.1 kHz; any length from 156 frames (0.95 s).
    momentum: of the batch normalisation's running statistics.
    """
    branch = SpecBranch(channels, bands, widths, kernels, band_pools, frame_pools, momentum)
    return CnnSpec(branch, hidden, tags, momentum)
