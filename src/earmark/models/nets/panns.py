"""The nets of PANNs on log-mel maps: CNN6, CNN10, CNN14 and MobileNetV2, whose weights others learnt from AudioSet.

Kong, Cao, Iqbal, Wang, Wang, Plumbley: PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition,
2020 (section II, Tables I and XII). There a map is (batch, 1, frames, bands) and here (batch, channels, bands, frames), so that
weights of kernels are turned. All begin with a batch normalisation of each band, end with the mean over bands, the sum of
maximum and mean over time, a dense layer, whose values are the embedding, and a dense layer for tags.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.models.layers.blocks import check_counts, check_dropout, check_length, check_lists, check_momentum
from earmark.models.nets import net
from earmark.models.prediction import Prediction

PAPER = "Kong and others: PANNs, 2020"
MOMENTUM = 0.1  # of the running statistics


class Bands(nn.BatchNorm2d):
    """Batch normalisation of each band: maps (batch, channels, bands, frames), and the statistics are the bands'."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.transpose(1, 2)).transpose(1, 2)


class Block(nn.Module):
    """Convolution → batch normalisation → ReLU, `depth` times; then the mean over squares of `pool`."""

    def __init__(self, wide: int, width: int, kernel: int, depth: int, pool: int, momentum: float):
        super().__init__()
        sides = [wide, *[width] * (depth - 1)]
        self.convs = nn.ModuleList(nn.Conv2d(side, width, kernel, padding=kernel // 2, bias=False) for side in sides)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, momentum=momentum) for _ in sides)
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            maps = torch.relu(norm(conv(maps)))
        return F.avg_pool2d(maps, self.pool) if self.pool > 1 else maps


class Inverted(nn.Module):
    """MobileNetV2's block: widened by a 1 × 1 convolution, each channel by itself, narrowed again; added where it fits.

    A stride is the mean over squares behind the convolution, unlike in the image net.
    """

    def __init__(self, wide: int, width: int, stride: int, expansion: int, momentum: float):
        super().__init__()
        inner = wide * expansion
        widened = [_conv(wide, inner, 1), nn.BatchNorm2d(inner, momentum=momentum), nn.ReLU6()] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widened,
            _conv(inner, inner, 3, inner),
            nn.AvgPool2d(stride),
            nn.BatchNorm2d(inner, momentum=momentum),
            nn.ReLU6(),
            _conv(inner, width, 1),
            nn.BatchNorm2d(width, momentum=momentum),
        )
        self.adds = stride == 1 and wide == width

    def forward(self, maps: Tensor) -> Tensor:
        narrowed: Tensor = self.layers(maps)
        return maps + narrowed if self.adds else narrowed


class Panns(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction. trunk: maps → maps of `width` channels, `shortest` times smaller.

    dropout: behind each part of the trunk; head_dropout: before each dense layer.
    """

    def __init__(
        self,
        tags: int,
        bands: int,
        trunk: Sequence[nn.Module],
        width: int,
        hidden: int,
        shortest: int,
        dropout: float,
        head_dropout: float,
        momentum: float,
    ):
        super().__init__()
        if bands < shortest:
            refuse(f"{counted(bands, 'band is', 'bands are')} too few: this net needs at least {shortest}")
        self.bands = Bands(bands, momentum=momentum)
        self.trunk = nn.ModuleList(trunk)
        self.hidden, self.head = nn.Linear(width, hidden), nn.Linear(hidden, tags)
        self.dropout, self.head_dropout = nn.Dropout(dropout), nn.Dropout(head_dropout)
        self.shortest = shortest
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        x = self.bands(maps)
        for part in self.trunk:
            x = self.dropout(part(x))
        x = x.mean(2)  # (batch, channels, frames)
        x = self.head_dropout(x.amax(2) + x.mean(2))
        embedding = torch.relu(self.hidden(x))
        return Prediction(self.head(self.head_dropout(embedding))[:, None], embedding)


def _conv(wide: int, width: int, kernel: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(wide, width, kernel, padding=kernel // 2, groups=groups, bias=False)


def _blocks(
    tags: int, channels: int, bands: int, widths: Sequence[int], pools: Sequence[int], hidden: int, kernel: int, depth: int,
    dropout: float, head_dropout: float, momentum: float,
) -> Panns:  # fmt: skip
    check_counts(tags=tags, channels=channels, bands=bands, hidden=hidden)
    check_lists(widths=widths, pools=pools)
    check_dropout(dropout=dropout, head_dropout=head_dropout)
    check_momentum(momentum)
    sides, shortest = [channels, *widths], 1
    for pool in pools:
        shortest *= pool
    trunk = [
        Block(wide, width, kernel, depth, pool, momentum)
        for wide, width, pool in zip(sides, widths, pools, strict=False)
    ]
    return Panns(tags, bands, trunk, widths[-1], hidden, shortest, dropout, head_dropout, momentum)


@net(paper=PAPER, input="maps", parameters=4_837_455)
def cnn6(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    widths: Sequence[int] = (64, 128, 256, 512),
    pools: Sequence[int] = (2, 2, 2, 2),
    hidden: int = 512,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    momentum: float = MOMENTUM,
) -> Panns:
    """Maps: four convolutions of 5 × 5, halved behind each (PANNs' CNN6); the shortest input has 16 frames.

    4,837,455 parameters for 527 tags, the published number. pools: by how much each is made smaller, in bands and frames.
    PANNs were trained with a dropout of 0.2 behind each block and a head_dropout of 0.5 before each dense layer.
    """
    return _blocks(tags, channels, bands, widths, pools, hidden, 5, 1, dropout, head_dropout, momentum)


@net(paper=PAPER, input="maps", parameters=5_219_279)
def cnn10(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    widths: Sequence[int] = (64, 128, 256, 512),
    pools: Sequence[int] = (2, 2, 2, 2),
    hidden: int = 512,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    momentum: float = MOMENTUM,
) -> Panns:
    """Maps: four blocks of two convolutions of 3 × 3 (PANNs' CNN10); the shortest input has 16 frames.

    5,219,279 parameters for 527 tags, the published number. Arguments as of `cnn6`.
    """
    return _blocks(tags, channels, bands, widths, pools, hidden, 3, 2, dropout, head_dropout, momentum)


@net(paper=PAPER, input="maps", parameters=80_753_615)
def cnn14(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    widths: Sequence[int] = (64, 128, 256, 512, 1024, 2048),
    pools: Sequence[int] = (2, 2, 2, 2, 2, 1),
    hidden: int = 2048,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    momentum: float = MOMENTUM,
) -> Panns:
    """Maps: six blocks of two convolutions of 3 × 3 (PANNs' CNN14); the shortest input has 32 frames.

    80,753,615 parameters for 527 tags, the published number. Arguments as of `cnn6`.
    """
    return _blocks(tags, channels, bands, widths, pools, hidden, 3, 2, dropout, head_dropout, momentum)


@net(paper=PAPER, input="maps", parameters=4_075_343)
def mobilenetv2(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    stem_width: int = 32,
    widths: Sequence[int] = (16, 24, 32, 64, 96, 160, 320),
    blocks: Sequence[int] = (1, 2, 3, 4, 3, 3, 1),
    strides: Sequence[int] = (1, 2, 2, 2, 2, 1, 1),
    expansions: Sequence[int] = (1, 6, 6, 6, 6, 6, 6),
    last_width: int = 1280,
    hidden: int = 1024,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    momentum: float = MOMENTUM,
) -> Panns:
    """Maps: seventeen blocks that widen, hear each channel by itself and narrow (PANNs' MobileNetV2); shortest: 32 frames.

    4,075,343 parameters for 527 tags, the published number. widths, blocks, strides, expansions: of each stage; the first block
    of a stage has its stride. last_width: of the 1 × 1 convolution behind them.
    """
    check_counts(tags=tags, channels=channels, bands=bands, stem_width=stem_width, last_width=last_width, hidden=hidden)
    check_lists(widths=widths, blocks=blocks, strides=strides, expansions=expansions)
    check_dropout(dropout=dropout, head_dropout=head_dropout)
    check_momentum(momentum)
    stem = [_conv(channels, stem_width, 3), nn.AvgPool2d(2), nn.BatchNorm2d(stem_width, momentum=momentum), nn.ReLU6()]
    trunk: list[nn.Module] = [nn.Sequential(*stem)]
    wide, shortest = stem_width, 2
    for width, count, stride, expansion in zip(widths, blocks, strides, expansions, strict=True):
        for number in range(count):
            trunk.append(Inverted(wide, width, stride if number == 0 else 1, expansion, momentum))
            wide = width
        shortest *= stride
    trunk.append(nn.Sequential(_conv(wide, last_width, 1), nn.BatchNorm2d(last_width, momentum=momentum), nn.ReLU6()))
    return Panns(tags, bands, trunk, last_width, hidden, shortest, dropout, head_dropout, momentum)
