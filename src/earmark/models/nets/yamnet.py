"""YAMNet: MobileNet v1 on a log-mel patch, whose embedding of 1,024 numbers others learnt from AudioSet.

Plakal, Ellis: YAMNet, tensorflow/models, research/audioset/yamnet (params.py, yamnet.py), 2019, Apache-2.0. Layers as in
Howard and others: MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017, Table 1.
There a patch is (frames, bands) and here a map is (batch, channels, bands, frames), so weights of kernels are turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.engines.features.constants import check_known
from earmark.models.layers.blocks import check_counts, check_dropout, check_length, check_lists, check_momentum
from earmark.models.nets import net
from earmark.models.prediction import Prediction

Activation = Literal["relu", "relu6"]
Pool = Literal["mean", "mean-max"]
KERNEL = 3
EPSILON, MOMENTUM = 1e-4, 0.01  # of its batch normalisation


def same_padding(size: int, stride: int) -> tuple[int, int]:
    """Zeros before and behind, as TensorFlow's SAME has them for a kernel of 3: out come ⌈size / stride⌉.

    >>> same_padding(96, 2), same_padding(3, 2), same_padding(6, 1)
    ((0, 1), (1, 1), (1, 1))
    """
    # of remainders alone, which a graph of open lengths keeps as they are: it is traced once, of one length
    total = max(0, KERNEL - 1 - (size - 1) % stride)
    return total // 2, total - total // 2


class Shift(nn.BatchNorm2d):
    """Batch normalisation with a shift and its scale fixed at 1: the ReLU passes any scale on to the next convolution."""

    def __init__(self, channels: int, momentum: float):
        super().__init__(channels, eps=EPSILON, momentum=momentum)
        self.weight.requires_grad_(False)


class Layer(nn.Module):
    """Convolution padded as TensorFlow's SAME → shift by channel → ReLU, with `six` at most 6.

    The shift is the convolution's bias or, with `norm`, batch normalisation's: as many numbers learnt either way.
    """

    def __init__(
        self, wide: int, width: int, kernel: int, stride: int, groups: int, norm: bool, six: bool, momentum: float
    ):
        super().__init__()
        self.conv = nn.Conv2d(wide, width, kernel, stride, groups=groups, bias=not norm)
        self.norm = Shift(width, momentum) if norm else nn.Identity()
        self.stride, self.padded, self.six = stride, kernel > 1, six

    def forward(self, maps: Tensor) -> Tensor:
        if self.padded:
            bands, frames = maps.shape[2], maps.shape[3]
            maps = F.pad(maps, (*same_padding(frames, self.stride), *same_padding(bands, self.stride)))
        maps = self.norm(self.conv(maps))
        return F.relu6(maps) if self.six else torch.relu(maps)


class YamNet(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction. See `yamnet`."""

    def __init__(
        self,
        tags: int,
        channels: int,
        stem_width: int,
        widths: Sequence[int],
        strides: Sequence[int],
        norm: bool,
        six: bool,
        dropout: float,
        momentum: float,
        peaks: bool = False,
    ):
        super().__init__()
        self.peaks = peaks
        self.stem = Layer(channels, stem_width, KERNEL, 2, 1, norm, six, momentum)
        self.depthwise, self.pointwise = nn.ModuleList(), nn.ModuleList()
        before = stem_width
        for width, stride in zip(widths, strides, strict=True):
            self.depthwise.append(Layer(before, before, KERNEL, stride, before, norm, six, momentum))
            self.pointwise.append(Layer(before, width, 1, 1, 1, norm, six, momentum))
            before = width
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * before if peaks else before, tags)
        self.shortest = 2
        for stride in strides:
            self.shortest *= stride
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        x = self.stem(maps)
        for depthwise, pointwise in zip(self.depthwise, self.pointwise, strict=True):
            x = pointwise(depthwise(x))
        if self.peaks:
            moments = x.mean(2)  # (batch, last width, frames)
            embedding = torch.cat([moments.mean(2), moments.amax(2)], 1)  # (batch, 2 · last width)
        else:
            embedding = x.mean((2, 3))  # (batch, last width)
        return Prediction(self.head(self.dropout(embedding))[:, None], embedding)


@net(paper="Plakal and Ellis: YAMNet (tensorflow/models), 2019", input="maps", parameters=3_729_481)
def yamnet(
    tags: int = 521,
    channels: int = 1,
    bands: int = 64,
    stem_width: int = 32,
    widths: Sequence[int] = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024),
    strides: Sequence[int] = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1),
    norm: bool = True,
    activation: Activation = "relu",
    dropout: float = 0.0,
    momentum: float = MOMENTUM,
    pool: Pool = "mean",
) -> YamNet:
    """Maps: 27 convolutions, in pairs over each channel's surroundings and over channels, and their mean (YAMNet).

    3,729,481 parameters for 521 tags, the published number: stem 9 · 32 + 32, thirteen pairs of 9 · c + c and c · w + w
    for c channels that become w, dense 1,024 · 521 + 521. The embedding, 1,024 numbers, is the mean over bands and frames.
    stem_width: channels behind the stem, which halves bands and frames; widths and strides: of each pair. Paddings are
    TensorFlow's: where an even size is halved, one zero behind and none before. The shortest input is one step of the net,
    32 frames; the published patch is 96 frames of 10 ms.

    norm: batch normalisation with a shift alone behind every convolution, to train with; without it convolutions have a
    bias, as weights have them that were adopted with their normalisation worked in. activation: relu as published, or
    relu6, which is 6 at most, as files for small devices have it. dropout: before the dense layer;
    momentum: of the running statistics.

    pool: mean-max puts beside the mean over bands and frames the highest that the mean over bands is at any frame, channel
    by channel, so that a short sound counts in a long window; the embedding is then twice as wide and the dense layer as
    well. PANNs (Kong and others, 2020) add the two.
    """
    check_known("activation", activation, Activation)
    check_known("pool", pool, Pool)
    check_counts(tags=tags, channels=channels, bands=bands, stem_width=stem_width)
    check_lists(widths=widths, strides=strides)
    check_dropout(dropout=dropout)
    check_momentum(momentum)
    return YamNet(
        tags, channels, stem_width, widths, strides, norm, activation == "relu6", dropout, momentum, pool == "mean-max"
    )
