"""2D-ConvNet: the lower half of Inception v3 on a spectral feature that was resized to a picture.

Wei, Liu, Ruan: A Report on Audio Tagging with Deeper CNN, 1D-ConvNet and 2D-ConvNet. DCASE 2018 task 2, Table 2 and
Figure 2. Blocks as in Szegedy et al.: Rethinking the Inception Architecture for Computer Vision, 2015. Table 2 leaves
out two convolutions and a pool of the stem; with them, convolutions without bias and batch normalisation without scale,
the number of parameters is the published one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.models.layers.blocks import (
    NORM_EPSILON,
    NORM_MOMENTUM,
    check_counts,
    check_dropout,
    check_length,
    check_lists,
    check_momentum,
    initialise,
    norm1d,
)
from earmark.models.nets import net
from earmark.models.prediction import Prediction

# Kernel and step of the layers that make a map smaller: the stem's conv, conv, pool, conv, pool, then block B
SHORTENING = ((3, 2), (3, 1), (3, 2), (3, 1), (3, 2), (3, 2))


class ShiftNorm(nn.BatchNorm2d):
    """Batch normalisation with a shift and its scale fixed at 1: the ReLU passes any scale on to the next convolution.

    The scale is there as a constant, because on GPUs torch has no gradient for a shift without one.
    """

    def __init__(self, channels: int, momentum: float):
        check_momentum(momentum)
        super().__init__(channels, eps=NORM_EPSILON, momentum=momentum)
        self.weight.requires_grad_(False)


class Conv(nn.Sequential):
    """Conv without bias → BN without scale → ReLU. kernel: (bands, frames). same: pad with zeros to keep the size."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: tuple[int, int],
        momentum: float,
        stride: int = 1,
        same: bool = True,
    ):
        padding = (kernel[0] // 2, kernel[1] // 2) if same else 0
        super().__init__(
            nn.Conv2d(channels_in, channels, kernel, stride, padding, bias=False),
            ShiftNorm(channels, momentum),
            nn.ReLU(inplace=True),  # no gradient needs what it overwrites
        )


def mean_pool() -> nn.AvgPool2d:
    """The mean of 3 by 3; at an edge, of those that are there, as in Keras."""
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


class Branches(nn.Module):
    """Modules that all take the same map (batch, channels, bands, frames); their outputs joined along the channels."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def block_a(channels: int, pooled: int, momentum: float) -> Branches:
    """Figure 2a: 1×1 ‖ 5×5 ‖ twice 3×3 ‖ mean and 1×1; 64 + 64 + 96 + `pooled` channels come out."""
    return Branches(
        Conv(channels, 64, (1, 1), momentum),
        nn.Sequential(Conv(channels, 48, (1, 1), momentum), Conv(48, 64, (5, 5), momentum)),
        nn.Sequential(
            Conv(channels, 64, (1, 1), momentum), Conv(64, 96, (3, 3), momentum), Conv(96, 96, (3, 3), momentum)
        ),
        nn.Sequential(mean_pool(), Conv(channels, pooled, (1, 1), momentum)),
    )


def block_b(channels: int, momentum: float) -> Branches:
    """Figure 2b, which halves the map: 3×3 ‖ twice 3×3 ‖ maximum; 384 + 96 + `channels` channels come out."""
    return Branches(
        Conv(channels, 384, (3, 3), momentum, stride=2, same=False),
        nn.Sequential(
            Conv(channels, 64, (1, 1), momentum),
            Conv(64, 96, (3, 3), momentum),
            Conv(96, 96, (3, 3), momentum, stride=2, same=False),
        ),
        nn.MaxPool2d(3, 2),
    )


def block_c(channels: int, middle: int, momentum: float) -> Branches:
    """Figure 2c: 1×1 ‖ 7×7 in two parts ‖ twice 7×7 in two parts each ‖ mean and 1×1; 4 · 192 channels come out."""
    row, column = (1, 7), (7, 1)
    return Branches(
        Conv(channels, 192, (1, 1), momentum),
        nn.Sequential(
            Conv(channels, middle, (1, 1), momentum),
            Conv(middle, middle, row, momentum),
            Conv(middle, 192, column, momentum),
        ),
        nn.Sequential(
            Conv(channels, middle, (1, 1), momentum),
            Conv(middle, middle, column, momentum),
            Conv(middle, middle, row, momentum),
            Conv(middle, middle, column, momentum),
            Conv(middle, 192, row, momentum),
        ),
        nn.Sequential(mean_pool(), Conv(channels, 192, (1, 1), momentum)),
    )


def shortest_side() -> int:
    """The fewest bands, or frames, of which one is left."""
    left = 1
    for kernel, stride in reversed(SHORTENING):
        left = (left - 1) * stride + kernel
    return left


class ConvNet2d(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction. See `convnet2d`."""

    def __init__(
        self,
        tags: int,
        channels: int,
        bands: int,
        pooled: Sequence[int],
        middles: Sequence[int],
        hidden: int,
        dropout: float,
        momentum: float,
    ):
        super().__init__()
        check_counts(tags=tags, channels=channels, bands=bands, hidden=hidden)
        check_lists(pooled=pooled)
        check_lists(middles=middles)
        check_dropout(dropout=dropout)
        check_momentum(momentum)
        self.shortest = shortest_side()
        if bands < self.shortest:
            refuse(
                f"{counted(bands, 'band is', 'bands are')} too few: this net needs at least {self.shortest}. Take more, or "
                "resize the feature"
            )
        self.stem = nn.Sequential(
            Conv(channels, 32, (3, 3), momentum, stride=2, same=False),
            Conv(32, 32, (3, 3), momentum, same=False),
            Conv(32, 64, (3, 3), momentum),
            nn.MaxPool2d(3, 2),
            Conv(64, 80, (1, 1), momentum),
            Conv(80, 192, (3, 3), momentum, same=False),
            nn.MaxPool2d(3, 2),
        )
        blocks, width = [], 192
        for one in pooled:
            blocks.append(block_a(width, one, momentum))
            width = 64 + 64 + 96 + one
        blocks.append(block_b(width, momentum))
        width = 384 + 96 + width
        for one in middles:
            blocks.append(block_c(width, one, momentum))
            width = 4 * 192
        self.blocks = nn.Sequential(*blocks)
        self.hidden = nn.Sequential(nn.Linear(width, hidden), norm1d(hidden, momentum), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, tags)
        initialise(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        x = self.blocks(self.stem(maps))  # (batch, 768, bands, frames)
        embedding = self.hidden(x.mean((2, 3)))
        return Prediction(self.out(self.dropout(embedding))[:, None], embedding)


@net(paper="002", input="maps", total=7_664_969)
def convnet2d(
    tags: int = 41,
    channels: int = 3,
    bands: int = 299,
    pooled: Sequence[int] = (32, 64, 64),
    middles: Sequence[int] = (128, 160, 160),
    hidden: int = 1024,
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> ConvNet2d:
    """Spectral maps as pictures: 32 layers of Inception blocks (2D-ConvNet).

    pooled: for each block A, the channels of its branch with the mean. middles: for each block C, the channels within
    its branches. hidden: the dense layer before the last. dropout: before the last layer. momentum: of the batch
    normalisation's running statistics.

    7,664,969 parameters and running statistics for 41 tags, the published number. It does not show the head's order, taken
    as dense → BN → ReLU, nor dropout, taken as none, nor the start of the weights, taken as Glorot-uniform (Keras'), not
    ImageNet's. The paper feeds 299 bands by 299 frames (3.5 s) in three channels, to which the feature is resized before
    this net. Other sizes are taken too, as the end is a mean over bands and frames: the shortest are 43 bands
    and 43 frames.

    Overlapping windows share the stem and the first blocks; then zeros, with which most layers pad, are felt all over a
    window of usual length.
    """
    return ConvNet2d(tags, channels, bands, pooled, middles, hidden, dropout, momentum)
