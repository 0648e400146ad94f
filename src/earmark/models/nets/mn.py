"""The MobileNets of EfficientAT on log-mel maps, whose weights others learnt from AudioSet and from transformers.

Schmid, Koutini, Widmer: Efficient Large-Scale Audio Tagging via Transformer-to-CNN Knowledge Distillation, ICASSP 2023 (section
3). The layers are those of MobileNetV3-Large (Howard and others: Searching for MobileNetV3, 2019, Table 1) with one channel at the
input, every width multiplied by a number and made a multiple of eight, squeeze and excitation over channels, and six times the
last block's width behind it. A map is (batch, channels, bands, frames) there as here. Names: `mn10` is 1.0 times as wide.
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
)
from earmark.models.nets import net
from earmark.models.prediction import Prediction

PAPER = "Schmid, Koutini, Widmer: EfficientAT, ICASSP 2023"
# Table 1 of MobileNetV3, one row a block: kernel, stride, squeeze and excitation, hard swish in the place of ReLU
KERNELS = (3, 3, 3, 5, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5)
STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1)
EXCITED = (False, False, False, True, True, True, False, False, False, False, True, True, True, True, True)
HARD = (False,) * 6 + (True,) * 9
INNER = (16, 64, 72, 72, 120, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960)
WIDTHS = (16, 24, 24, 40, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160)
SHORTEST = 32  # all strides together: of fewer frames padding alone would be heard
SQUEEZED = 4  # how many times narrower the middle of squeeze and excitation is


def divisible(width: float) -> int:
    """The nearest multiple of eight, at least eight and not more than a tenth less.

    >>> [divisible(width) for width in (6.4, 9.6, 28.8, 64.0)]
    [8, 16, 32, 64]
    """
    near = max(8, int(width + 4) // 8 * 8)
    return near if near >= 0.9 * width else near + 8


class Layer(nn.Sequential):
    """Convolution without bias → batch normalisation → activation, if there is one. The stride halves by leaving out."""

    def __init__(
        self,
        wide: int,
        width: int,
        kernel: int,
        momentum: float,
        stride: int = 1,
        groups: int = 1,
        hard: bool | None = None,
    ):
        conv = nn.Conv2d(wide, width, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        norm = nn.BatchNorm2d(width, eps=NORM_EPSILON, momentum=momentum)
        super().__init__(conv, norm, *([] if hard is None else [nn.Hardswish() if hard else nn.ReLU()]))


class Excite(nn.Module):
    """Squeeze and excitation: each channel times a share, which two dense layers make of the means of all."""

    def __init__(self, width: int):
        super().__init__()
        self.squeeze = nn.Linear(width, divisible(width // SQUEEZED))
        self.excite = nn.Linear(self.squeeze.out_features, width)

    def forward(self, maps: Tensor) -> Tensor:
        shares = torch.sigmoid(self.excite(torch.relu(self.squeeze(maps.mean((2, 3))))))
        return maps * shares[:, :, None, None]


class Block(nn.Module):
    """Widened by a 1 × 1 convolution, if it is, each channel by itself, excited, narrowed again; added where it fits."""

    def __init__(self, wide: int, inner: int, width: int, number: int, momentum: float):
        super().__init__()
        hard, stride = HARD[number], STRIDES[number]
        self.layers = nn.Sequential(
            *([Layer(wide, inner, 1, momentum, hard=hard)] if inner != wide else []),
            Layer(inner, inner, KERNELS[number], momentum, stride, inner, hard),
            *([Excite(inner)] if EXCITED[number] else []),
            Layer(inner, width, 1, momentum),
        )
        self.adds = stride == 1 and wide == width

    def forward(self, maps: Tensor) -> Tensor:
        narrowed: Tensor = self.layers(maps)
        return maps + narrowed if self.adds else narrowed


class MN(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction. The embedding is the mean over bands and frames, as published."""

    shortest = SHORTEST

    def __init__(
        self,
        tags: int,
        channels: int,
        bands: int,
        stem_width: int,
        inner_widths: Sequence[int],
        widths: Sequence[int],
        last_width: int,
        hidden: int,
        head_dropout: float,
        momentum: float,
    ):
        super().__init__()
        check_counts(
            tags=tags, channels=channels, bands=bands, stem_width=stem_width, last_width=last_width, hidden=hidden
        )
        check_lists(inner_widths=inner_widths, widths=widths)
        check_dropout(head_dropout=head_dropout)
        check_momentum(momentum)
        if len(widths) != len(WIDTHS):
            refuse(
                f"widths has {counted(len(widths), 'number')}: this net has {counted(len(WIDTHS), 'block')}, give one for each"
            )
        if bands < SHORTEST:
            refuse(f"{counted(bands, 'band is', 'bands are')} too few: this net needs at least {SHORTEST}")
        sides = [stem_width, *widths]
        self.trunk = nn.ModuleList([Layer(channels, stem_width, 3, momentum, 2, hard=True)])
        for number, inner in enumerate(inner_widths):
            self.trunk.append(Block(sides[number], inner, sides[number + 1], number, momentum))
        self.trunk.append(Layer(widths[-1], last_width, 1, momentum, hard=True))
        self.hidden, self.head = nn.Linear(last_width, hidden), nn.Linear(hidden, tags)
        self.head_dropout = nn.Dropout(head_dropout)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        for part in self.trunk:
            maps = part(maps)
        embedding = maps.mean((2, 3))  # (batch, last_width)
        hidden = self.head_dropout(nn.functional.hardswish(self.hidden(embedding)))
        return Prediction(self.head(hidden)[:, None], embedding)


def scaled(widths: Sequence[int], multiplier: float) -> tuple[int, ...]:
    return tuple(divisible(width * multiplier) for width in widths)


@net(paper=PAPER, input="maps", parameters=4_876_831)
def mn10(
    tags: int = 527,
    channels: int = 1,
    bands: int = 128,
    stem_width: int = 16,
    inner_widths: Sequence[int] = INNER,
    widths: Sequence[int] = WIDTHS,
    last_width: int = 960,
    hidden: int = 1280,
    head_dropout: float = 0.2,
    momentum: float = NORM_MOMENTUM,
) -> MN:
    """Maps: fifteen blocks that widen, hear each channel by itself and narrow (EfficientAT's mn10); shortest: 32 frames.

    4,876,831 parameters for 527 tags; published: 4.88 million. inner_widths, widths: of each block, where it is wide and where
    it is narrow. last_width: of the 1 × 1 convolution behind them, and of the embedding. hidden: of the dense layer before tags.
    """
    return MN(tags, channels, bands, stem_width, inner_widths, widths, last_width, hidden, head_dropout, momentum)


@net(paper=PAPER, input="maps", parameters=983_599)
def mn04(
    tags: int = 527,
    channels: int = 1,
    bands: int = 128,
    stem_width: int = 8,
    inner_widths: Sequence[int] = scaled(INNER, 0.4),
    widths: Sequence[int] = scaled(WIDTHS, 0.4),
    last_width: int = 6 * divisible(0.4 * 160),
    hidden: int = divisible(0.4 * 1280),
    head_dropout: float = 0.2,
    momentum: float = NORM_MOMENTUM,
) -> MN:
    """Maps: as `mn10` and 0.4 times as wide (EfficientAT's mn04); the shortest input has 32 frames.

    983,599 parameters for 527 tags; published: 0.98 million. Arguments as of `mn10`.
    """
    return MN(tags, channels, bands, stem_width, inner_widths, widths, last_width, hidden, head_dropout, momentum)
