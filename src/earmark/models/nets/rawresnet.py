"""The raw-waveform system of paper 000: a 1D ResNet draws a map, a 2D ResNet reads it at three levels.

Chen, Hao, Chen, Xie, Yang, Pu: An End-to-End Audio Classification System based on Raw Waveforms and Mix-Training
Strategy. Interspeech 2019, Figure 1. The two attention modules and the 600 units of a level are the structure of its
reference [2], Yu, Barsim, Kong, Yang: Multi-level attention model for weakly supervised audio classification.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from earmark.errors.refusals import refuse
from earmark.models.layers.attention import AttActivation, Attended, Attention
from earmark.models.layers.blocks import check_length
from earmark.models.layers.residual import (
    NORM_MOMENTUM,
    Trunk1d,
    Trunk2d,
    check_trunk1d,
    check_trunk2d,
    initialise_he,
    over_time,
    stretch,
)
from earmark.models.nets import net
from earmark.models.prediction import Focus, Grid, Prediction

OutStart = Literal["mean", "uniform"]


@dataclass(frozen=True, eq=False)
class Level:
    """What one level says: logits (batch, tags), frames (batch, time, tags), hidden (batch, time, hidden) and, for
    explanations, both attentions. The last layer mixes the tags of these two: they need not stay those of the clip.
    """

    logits: Tensor
    frames: Tensor
    hidden: Tensor
    first: Attended
    second: Attended


class LevelHead(nn.Module):
    """Vectors over time (batch, time, width) → Level: attention on them and on what two dense layers make of them."""

    def __init__(
        self,
        width: int,
        tags: int,
        hidden: int,
        att_activation: AttActivation,
        fc_norm: bool,
        dropout: float,
        out_start: OutStart,
        momentum: float,
    ):
        super().__init__()
        if out_start not in typing.get_args(OutStart):
            refuse(f"out_start {out_start!r} is not known: take one of {', '.join(typing.get_args(OutStart))}")
        self.first = Attention(width, tags, att_activation)
        self.dense = nn.Sequential()  # over (batch · time, width)
        for before in (width, hidden):
            self.dense.append(nn.Linear(before, hidden))
            if fc_norm:
                self.dense.append(nn.BatchNorm1d(hidden, momentum=momentum))
            self.dense.append(nn.ReLU(inplace=True))
            if dropout:
                self.dense.append(nn.Dropout(dropout))
        self.second = Attention(hidden, tags, att_activation)
        self.out = nn.Linear(2 * tags, tags)
        if out_start == "mean":
            # 6 (y − ½) is the line nearest to the log-odds of y, by squares over all y; of two, the mean
            with torch.no_grad():
                self.out.weight.copy_(3 * torch.eye(tags).repeat(1, 2))
                self.out.bias.fill_(-3)

    def forward(self, vectors: Tensor) -> Level:
        first: Attended = self.first(vectors)
        hidden = self.dense(vectors.flatten(0, 1)).reshape(*vectors.shape[:2], -1)
        second: Attended = self.second(hidden)
        heard = torch.cat([first.probabilities, second.probabilities], -1)  # (batch, 2 · tags)
        moments = torch.cat([first.frames.sigmoid(), second.frames.sigmoid()], -1)  # (batch, time, 2 · tags)
        logits, frames = self.out(heard.to(vectors.dtype)), self.out(moments.to(vectors.dtype))
        return Level(logits, frames, hidden, first, second)


class RawResNet(nn.Module):
    """Waves (batch, samples) → Prediction with a level for each stage of the 2D trunk but the first. See `rawresnet`."""

    def __init__(self, waves_trunk: Trunk1d, maps_trunk: Trunk2d, heads: Sequence[LevelHead]):
        super().__init__()
        self.waves_trunk, self.maps_trunk = waves_trunk, maps_trunk
        self.heads = nn.ModuleList(heads)
        self.shortest = waves_trunk.step * maps_trunk.step
        self.grids = [Grid(waves_trunk.step * step) for step in maps_trunk.steps[1:]]  # of the levels
        self.grid = self.grids[0]
        initialise_he(self)

    def levels(self, waves: Tensor) -> list[Level]:
        """What each level says, with its attention's weights over time."""
        check_length(waves.shape[-1], self.shortest, "samples")
        maps = self.waves_trunk(waves)[:, None]  # (batch, 1, channels as bands, time)
        stages = self.maps_trunk.levels(maps)[1:]
        return [head(over_time(stage)) for head, stage in zip(self.heads, stages, strict=True)]

    def forward(self, waves: Tensor) -> Prediction:
        levels = self.levels(waves)
        finest = levels[0].frames.shape[1]
        # each level has half the elements of the one before
        frames = [stretch(level.frames, 2**i, finest) for i, level in enumerate(levels)]
        focus: list[Focus] = []
        for number, (level, grid) in enumerate(zip(levels, self.grids, strict=True), 1):
            focus.append(Focus(f"level {number}, on the map", level.first.weights, grid))
            focus.append(Focus(f"level {number}, hidden", level.second.weights, grid))
        return Prediction(
            torch.stack([level.logits for level in levels], 1),
            torch.cat([level.hidden.mean(1) for level in levels], -1),
            torch.stack(frames).mean(0),
            tuple(focus),
        )


@net(paper="000", input="waves", parameters=34_326_903)
def rawresnet(
    tags: int = 527,
    widths: Sequence[int] = (16, 32, 64, 128),
    blocks: Sequence[int] = (2, 2, 2, 2),
    stem_kernel: int = 7,
    stem_stride: int = 4,
    pool: int = 2,
    strides: Sequence[int] = (1, 2, 2, 2),
    map_widths: Sequence[int] = (64, 128, 256, 512),
    map_blocks: Sequence[int] = (3, 4, 6, 3),
    map_stem_stride: Sequence[int] = (2, 2),
    hidden: int = 600,
    att_activation: AttActivation = "softmax_time",
    fc_norm: bool = False,
    dropout: float = 0.0,
    out_start: OutStart = "mean",
    momentum: float = NORM_MOMENTUM,
) -> RawResNet:
    """Raw waveform: 1D ResNet-18 → its channels as a map → 2D ResNet-50 with attention at three levels.

    34,326,903 parameters for 527 tags (the paper counts none). 160,000 samples become a map of 128 × 2500, the paper's
    better one; pool=4 gives its other, 128 × 1250. Levels are taken after stages 2, 3 and 4 of the 2D trunk, each as
    the mean over frequency; a level's two attended probabilities together go through its last dense layer.

    `frames` are what the last dense layers make of the class probabilities of each time alone, as if all attention were
    there; the mean over levels, interpolated to the first level's grid: frame k is centred on sample k · 512.
    `embedding` is the mean over time of the three levels' hidden layers, 1800 wide.

    Choices that the paper leaves open. The widths of the 1D trunk: it gives only the last, 128, and ResNet's doubling
    leads there from 16 (64, 64, 128, 128 is the stronger option). What divides the time by 64 instead of ResNet's 32:
    stem_stride (of the first convolution) 4 for 2, while the stages keep ResNet's. The 2D stem: unmodified, (time,
    frequency). Before attention the mean over frequency, not its flattening. att_activation: softmax_time, sigmoid or
    softmax_class (see earmark.models.layers.attention). fc_norm, dropout: in the dense hidden layers, none. The heads of the
    levels share nothing. Convolutions begin by He's normal rule, dense layers as PyTorch's.

    out_start: how a level's last dense layer begins, which the paper does not say either. "mean": as the mean of the
    level's two predictions, with log-odds within ±3. "uniform": as PyTorch's, which with few tags is slow to say
    anything firmly. With hundreds of rare tags "uniform" comes sooner to the low probabilities that most of them need,
    "mean" to the right order.

    widths, blocks, stem_kernel, stem_stride, pool and strides are the 1D trunk's; map_widths, map_blocks and
    map_stem_stride the 2D trunk's; momentum is of the batch normalisation's running statistics. The shortest input is
    2,048 samples, one step of the last level. Convolutions pad time with zeros, which a window's edges feel, the
    farther the deeper: overlapping windows share what lies between.
    """
    if len(map_widths) < 2:
        refuse(f"map_widths {list(map_widths)} should have at least 2 stages: levels come after the second")
    if hidden < 1 or not 0 <= dropout < 1:
        refuse(f"hidden is {hidden} and dropout {dropout}: they should be at least 1 and from 0 to below 1")
    check_trunk1d(widths, blocks, stem_kernel, stem_stride, pool, strides, momentum)
    check_trunk2d(map_widths, map_blocks, map_stem_stride, momentum, "map_")
    waves_trunk = Trunk1d(
        widths,
        blocks,
        stem_kernel=stem_kernel,
        stem_stride=stem_stride,
        pool=pool,
        strides=strides,
        momentum=momentum,
    )
    maps_trunk = Trunk2d(
        1, map_widths, map_blocks, bottleneck=True, stem_stride=map_stem_stride, momentum=momentum, what="map_"
    )
    heads = [
        LevelHead(width, tags, hidden, att_activation, fc_norm, dropout, out_start, momentum)
        for width in maps_trunk.widths[1:]
    ]
    return RawResNet(waves_trunk, maps_trunk, heads)
