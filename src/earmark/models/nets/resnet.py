"""ResNets on log-mel maps, with and without attention over time.

Ford, Tang, Grondin, Glass: A Deep Residual Network for Large-Scale Acoustic Scene Analysis. Interspeech 2019, Table 1.
The trunk and the input are those of its reference [20], Hershey et al.: CNN Architectures for Large-Scale Audio
Classification, ICASSP 2017: ResNet with a first convolution of stride 1, on patches of 96 frames × 64 mel bands at
16 kHz with a hop of 10 ms.

A first convolution of stride 1 makes one element of 160 ms, yet the paper speaks of about 300 ms. `stem_stride` (time,
frequency) decides: (1, 1) is [20]'s and the default of resnet_a, whose patches end as 6 × 4; (2, 1) gives 320 ms and is
the default of the nets that hear whole clips; (2, 2) is the unmodified ResNet. The number of parameters is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.models.layers.attention import AttActivation, Attended, Attention
from earmark.models.layers.blocks import check_counts, check_length
from earmark.models.layers.residual import NORM_MOMENTUM, Trunk2d, check_trunk2d, initialise_he, over_time
from earmark.models.nets import net
from earmark.models.prediction import Focus, Grid, Prediction
from earmark.windows.overlap import framed


def _check_bands(bands: int) -> None:
    if bands < 1:
        refuse(f"{counted(bands, 'band')}: a map needs at least one")


def filled(maps: Tensor, segment: int, pad: float | None) -> Tensor:
    """Maps (batch, channels, bands, frames), fewer frames than a segment → `segment` frames.

    Filled with `pad` or, where that is None, with the last frame.
    """
    filling = maps[..., -1:] if pad is None else torch.full_like(maps[..., -1:], pad)
    return torch.cat([maps, filling.expand(*maps.shape[:-1], segment - maps.shape[-1])], -1)


class SegmentResNet(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction with a level for each segment. See `resnet_a`."""

    def __init__(self, trunk: Trunk2d, tags: int, segment: int, pad: float | None):
        super().__init__()
        if segment < trunk.step:
            refuse(
                f"segment is {counted(segment, 'frame')}, less than one step of the trunk: it must be at least {trunk.step}"
            )
        self.trunk, self.segment, self.pad = trunk, segment, pad
        self.head = nn.Linear(trunk.width, tags)
        self.shortest = trunk.step
        # the middle of frames 0 to segment − 1, counted as everywhere from the middle of frame 0
        self.grid = Grid(segment, (segment - 1) / 2)
        initialise_he(self)

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        rest = maps.shape[-1] % self.segment
        if rest and self.training:
            # all segments in one pass: one by itself would count for running statistics as much as all the others
            maps = torch.cat([maps[..., :-rest], filled(maps[..., -rest:], self.segment, self.pad)], -1)
            rest = 0
        parts = []
        if maps.shape[-1] >= self.segment:
            parts.append(framed(maps, self._pooled, self.segment, self.segment))
        if rest:
            parts.append(self._pooled(filled(maps[..., -rest:], self.segment, self.pad)))
        pooled = torch.cat(parts, -1).transpose(1, 2)  # (batch, segments, width)
        levels = self.head(pooled)
        return Prediction(levels, pooled.mean(1), levels)

    def _pooled(self, maps: Tensor) -> Tensor:
        """Maps → the means of each whole segment over time and frequency (batch, width, segments)."""
        segments = maps.unfold(-1, self.segment, self.segment).movedim(-2, 1)
        pooled: Tensor = self.trunk(segments.flatten(0, 1)).mean((2, 3))
        return pooled.reshape(*segments.shape[:2], -1).transpose(1, 2)


class PooledResNet(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction from the mean over time and frequency. See `resnet_b`."""

    def __init__(self, trunk: Trunk2d, tags: int):
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.width, tags)
        self.shortest = trunk.step
        self.grid = Grid(trunk.step)
        initialise_he(self)

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        vectors = over_time(self.trunk(maps))
        embedding = vectors.mean(1)
        return Prediction(self.head(embedding)[:, None], embedding, self.head(vectors))


class AttentionResNet(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction with attention over time. See `resnet_b_att`."""

    def __init__(self, trunk: Trunk2d, tags: int, att_activation: AttActivation):
        super().__init__()
        self.trunk = trunk
        self.head = Attention(trunk.width, tags, att_activation)
        self.shortest = trunk.step
        self.grid = Grid(trunk.step)
        initialise_he(self)

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        vectors = over_time(self.trunk(maps))
        attended: Attended = self.head(vectors)
        focus = (Focus("attention", attended.weights, self.grid),)
        return Prediction(attended.logits[:, None], vectors.mean(1), attended.frames, focus)


@net(paper="003", input="maps", parameters=24_581_583)
def resnet_a(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    widths: Sequence[int] = (64, 128, 256, 512),
    blocks: Sequence[int] = (3, 4, 6, 3),
    stem_stride: Sequence[int] = (1, 1),
    segment: int = 96,
    pad: float | None = None,
    momentum: float = NORM_MOMENTUM,
) -> SegmentResNet:
    """Log-mel: ResNet-50 on segments of 960 ms by themselves, then the mean of their predictions (ResNet A).

    24,581,583 parameters for 527 tags (the paper counts none). Each segment of 96 frames is a level of the prediction,
    so that probability and loss are the means over segments; `frames` are the same logits, one for each 96 frames,
    which they begin. 998 frames make 11 segments.

    Choices that the paper leaves open: a last segment that is short repeats the last frame (`pad`: a value instead).
    What silence looks like is the feature's matter, and nought would be a loud frame where a map holds logarithms. The
    mean over segments is also what is trained, as if each segment had the clip's tags. Convolutions begin by He's
    normal rule, the dense layer as PyTorch's.

    stem_stride: (time, frequency). momentum: of the batch normalisation's running statistics. Any number of bands; the
    shortest input is 16 frames, one step of the trunk. Segments do not feel each other: overlapping windows share
    those that begin together, all but a last one that is filled up.
    """
    _check_bands(bands)
    check_counts(segment=segment)
    check_trunk2d(widths, blocks, stem_stride, momentum)
    trunk = Trunk2d(channels, widths, blocks, bottleneck=True, stem_stride=stem_stride, momentum=momentum)
    return SegmentResNet(trunk, tags, segment, pad)


@net(paper="003", input="maps", parameters=24_581_583)
def resnet_b(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    widths: Sequence[int] = (64, 128, 256, 512),
    blocks: Sequence[int] = (3, 4, 6, 3),
    stem_stride: Sequence[int] = (2, 1),
    momentum: float = NORM_MOMENTUM,
) -> PooledResNet:
    """Log-mel: ResNet-50 on the whole clip, then the mean over time and frequency (ResNet B).

    24,581,583 parameters for 527 tags (the paper counts none). `frames` are what the last layer says of each time by
    itself; the clip's logits are their mean. Frame k is centred on input frame k · 32.

    stem_stride: (time, frequency); the module's docstring says why it is (2, 1). momentum: of the batch normalisation's
    running statistics. Any number of bands; the shortest input is 32 frames, one step of the trunk. The paper leaves
    the initialisation open: convolutions begin by He's normal rule, the dense layer as PyTorch's. Convolutions pad time
    with zeros, which a window's edges feel, the farther the deeper: overlapping windows share what lies between.
    """
    _check_bands(bands)
    trunk = Trunk2d(channels, widths, blocks, bottleneck=True, stem_stride=stem_stride, momentum=momentum)
    return PooledResNet(trunk, tags)


@net(paper="003", input="maps", parameters=25_661_406)
def resnet_b_att(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    widths: Sequence[int] = (64, 128, 256, 512),
    blocks: Sequence[int] = (3, 4, 6, 3),
    stem_stride: Sequence[int] = (2, 1),
    att_activation: AttActivation = "softmax_time",
    momentum: float = NORM_MOMENTUM,
) -> AttentionResNet:
    """Log-mel: ResNet-50, the mean over frequency, then attention over time (ResNet B + att).

    25,661,406 parameters for 527 tags (the paper counts none). The level is the log-odds of the attended probability;
    `frames` are the logits before attention, which the paper thresholds to find events. Frame k is centred on input
    frame k · 32. `focus` has the weights over time.

    Choices that the paper leaves open: "1FC + Attention Module" is read as one dense layer for the classes and one for
    the attention, both on the trunk's output; att_activation is softmax_time, sigmoid or softmax_class (see
    earmark.models.layers.attention); convolutions begin by He's normal rule, dense layers as PyTorch's.

    stem_stride: (time, frequency); the module's docstring says why it is (2, 1). momentum: of the batch normalisation's
    running statistics. Any number of bands; the shortest input is 32 frames, one step of the trunk. Convolutions pad
    time with zeros, which a window's edges feel, the farther the deeper: overlapping windows share what lies between.
    """
    _check_bands(bands)
    trunk = Trunk2d(channels, widths, blocks, bottleneck=True, stem_stride=stem_stride, momentum=momentum)
    return AttentionResNet(trunk, tags, att_activation)


@net(paper="003", input="maps", parameters=21_819_102)
def resnet_c_att(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    widths: Sequence[int] = (64, 128, 256, 512),
    blocks: Sequence[int] = (3, 4, 6, 3),
    stem_stride: Sequence[int] = (2, 1),
    att_activation: AttActivation = "softmax_time",
    momentum: float = NORM_MOMENTUM,
) -> AttentionResNet:
    """Log-mel: ResNet-34, the mean over frequency, then attention over time (ResNet C + att).

    21,819,102 parameters for 527 tags (the paper counts none). All but the trunk, of basic blocks, is resnet_b_att's:
    arguments, the shortest input of 32 frames, the choices, and what windows may share.
    """
    _check_bands(bands)
    trunk = Trunk2d(channels, widths, blocks, bottleneck=False, stem_stride=stem_stride, momentum=momentum)
    return AttentionResNet(trunk, tags, att_activation)


@net(paper="003", input="maps", parameters=44_653_534)
def resnet_d_att(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    widths: Sequence[int] = (64, 128, 256, 512),
    blocks: Sequence[int] = (3, 4, 23, 3),
    stem_stride: Sequence[int] = (2, 1),
    att_activation: AttActivation = "softmax_time",
    momentum: float = NORM_MOMENTUM,
) -> AttentionResNet:
    """Log-mel: ResNet-101, the mean over frequency, then attention over time (ResNet D + att).

    44,653,534 parameters for 527 tags (the paper counts none). All but the number of blocks is resnet_b_att's:
    arguments, the shortest input of 32 frames, the choices, and what windows may share.
    """
    return resnet_b_att(tags, channels, bands, widths, blocks, stem_stride, att_activation, momentum)
