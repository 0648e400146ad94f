"""SampleCNN and ReSE-2-Multi: filters and pools of two or three samples on the raw waveform.

Lee, Kim, Park, Nam: Raw Waveform-based Audio Classification Using Sample-level CNN Architectures. NIPS workshop on
machine learning for audio, 2017: Figure 1, Table 1. The paper gives the sizes of the inputs, the number of blocks and
the order of the layers; widths, dropout and initialisation are those of the works that it extends: Lee et al., SMC 2017
(its [9]) and Kim et al., arXiv 1710.10451 (its [11]) with the authors' code.

A sequence is kept as a map of one band, (batch, channels, 1, time), channels last: on a CPU a 2D convolution in that
layout takes less than half the time of a 1D one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.models.layers.blocks import (
    NORM_MOMENTUM,
    Excitation,
    check_counts,
    check_dropout,
    check_length,
    check_lists,
    check_momentum,
    initialise,
    norm1d,
    norm2d,
)
from earmark.models.nets import net
from earmark.models.prediction import Prediction

LEVELS = 3  # blocks whose outputs ReSE-2-Multi concatenates


class SameConv(nn.Conv2d):
    """A convolution over time that keeps the length; an even kernel's odd zero is on the right, as in Keras' "same"."""

    def __init__(self, channels_in: int, channels: int, size: int):
        super().__init__(channels_in, channels, (1, size), padding=(0, (size - 1) // 2))
        self.right = 1 - size % 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, self.right)) if self.right else x)


class SampleBlock(nn.Sequential):
    """Conv → BN → ReLU → max-pool of the same size, over (batch, channels, 1, time).

    The maximum is taken before the ReLU: both only pick or cut values, so the result is the same for less work.
    """

    def __init__(self, channels_in: int, channels: int, size: int, momentum: float):
        super().__init__(
            SameConv(channels_in, channels, size),
            norm2d(channels, momentum),
            nn.MaxPool2d((1, size)),
            nn.ReLU(),
        )


class ReseBlock(nn.Module):
    """Conv → BN → ReLU → dropout → conv → BN → excitation → add → ReLU → max-pool, over (batch, channels, 1, time).

    Where the channels change, the shortcut is a convolution of one sample with a BN of its own. The maximum is taken
    before the last ReLU, as in `SampleBlock`.
    """

    def __init__(self, channels_in: int, channels: int, size: int, ratio: float, dropout: float, momentum: float):
        super().__init__()
        self.conv1 = SameConv(channels_in, channels, size)
        self.norm1 = norm2d(channels, momentum)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = SameConv(channels, channels, size)
        self.norm2 = norm2d(channels, momentum)
        self.excitation = Excitation(channels, ratio)
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels, 1), norm2d(channels, momentum))
        self.pool = nn.MaxPool2d((1, size))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.dropout(torch.relu(self.norm1(self.conv1(x))))
        inner = self.excitation(self.norm2(self.conv2(inner)))
        return torch.relu(self.pool(inner + self.shortcut(x)))


def stem_of(channels: int, size: int, momentum: float) -> nn.Sequential:
    """Waves as (batch, 1, 1, samples) → (batch, channels, 1, samples // size): conv of `size` by `size` → BN → ReLU."""
    return nn.Sequential(nn.Conv2d(1, channels, (1, size), (1, size)), norm2d(channels, momentum), nn.ReLU())


def widths_of(sizes: Sequence[int], widths: Sequence[int] | None) -> list[int]:
    """The channels of each block: as told, or 128 for the first two, 512 for the last and 256 between."""
    if widths is None:
        check_lists(sizes=sizes)
        return [128 if i < 2 else 256 for i in range(len(sizes) - 1)] + [512]
    check_lists(sizes=sizes, widths=widths)
    return list(widths)


def initialise_he(module: nn.Module) -> None:
    """He-uniform kernels of the convolutions over time; all else, one-sample shortcuts included, Glorot-uniform."""
    initialise(module)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")


class SampleCnn(nn.Module):
    """Waves (batch, samples) → Prediction. See `samplecnn`."""

    def __init__(
        self,
        tags: int,
        stem_size: int,
        sizes: Sequence[int],
        widths: Sequence[int] | None,
        hidden: int,
        dropout: float,
        momentum: float,
    ):
        super().__init__()
        check_counts(tags=tags, stem=stem_size, hidden=hidden)
        check_dropout(dropout=dropout)
        widths = widths_of(sizes, widths)
        self.stem = stem_of(widths[0], stem_size, momentum)
        shapes = zip([widths[0], *widths[:-1]], widths, sizes, strict=True)
        self.blocks = nn.Sequential(*(SampleBlock(*shape, momentum) for shape in shapes))
        self.hidden = nn.Sequential(nn.Linear(widths[-1], hidden), norm1d(hidden, momentum), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, tags)
        self.shortest = stem_size * math.prod(sizes)
        initialise_he(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, waves: Tensor) -> Prediction:
        check_length(waves.shape[-1], self.shortest, "samples")
        x = self.blocks(self.stem(waves[:, None, None]))  # (batch, last width, 1, time)
        embedding = self.hidden(x.amax((2, 3)))
        return Prediction(self.out(self.dropout(embedding))[:, None], embedding)


class Rese2Multi(nn.Module):
    """Waves (batch, samples) → Prediction. See `rese2multi`."""

    def __init__(
        self,
        tags: int,
        stem_size: int,
        sizes: Sequence[int],
        widths: Sequence[int] | None,
        se_ratio: float,
        dropout: float,
        block_dropout: float,
        momentum: float,
    ):
        super().__init__()
        check_counts(tags=tags, stem=stem_size)
        check_dropout(dropout=dropout, block_dropout=block_dropout)
        check_momentum(momentum)
        widths = widths_of(sizes, widths)
        if len(sizes) < LEVELS:
            refuse(
                f"{counted(len(sizes), 'size is', 'sizes are')} too few: the last {LEVELS} blocks are concatenated, so give more"
            )
        if not isinstance(se_ratio, int | float) or not 0 < se_ratio < math.inf:
            refuse(f"se_ratio is {se_ratio!r}: give a number above 0, such as 16 or 0.125")
        self.stem = stem_of(widths[0], stem_size, momentum)
        shapes = zip([widths[0], *widths[:-1]], widths, sizes, strict=True)
        self.blocks = nn.ModuleList(ReseBlock(*shape, se_ratio, block_dropout, momentum) for shape in shapes)
        together = sum(widths[-LEVELS:])
        self.hidden = nn.Sequential(nn.Linear(together, together), norm1d(together, momentum), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(together, tags)
        self.shortest = stem_size * math.prod(sizes)
        initialise_he(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, waves: Tensor) -> Prediction:
        check_length(waves.shape[-1], self.shortest, "samples")
        x = self.stem(waves[:, None, None])  # (batch, width, 1, time)
        levels = []
        for block in self.blocks:
            x = block(x)
            levels.append(x)
        together = torch.cat([level.amax((2, 3)) for level in levels[-LEVELS:]], 1)  # (batch, widths of the last three)
        embedding = self.hidden(together)
        return Prediction(self.out(self.dropout(embedding))[:, None], embedding)


@net(paper="001", input="waves", parameters=1_738_802)
def samplecnn(
    tags: int = 50,
    stem: int = 3,
    sizes: Sequence[int] = (3, 3, 3, 3, 3, 3, 3, 3, 2),
    widths: Sequence[int] | None = None,
    hidden: int = 512,
    dropout: float = 0.5,
    momentum: float = NORM_MOMENTUM,
) -> SampleCnn:
    """Raw waveform: blocks of three-sample convolutions and pools (SampleCNN).

    stem: size and step of the first convolution. sizes: of the kernel and the pool of each block. widths: channels of
    each block, the stem having the first's; None: 128 for the first two, 512 for the last, 256 between. dropout: before
    the last layer. momentum: of the batch normalisation's running statistics.

    The defaults are the paper's music model: 39,366 samples at 16 kHz, 50 tags, 1,738,802 parameters (the paper gives
    no number). Speech, 16,000 samples, 31 tags, 1,531,679: sizes [3, 3, 3, 3, 3, 3, 3, 2]; scenes, 19,683 samples,
    17 tags, 1,655,569: eight times 3. The shortest input is the product of the stem and the sizes, of which one step is
    left: 39,366, 13,122 and 19,683 samples. Any length from there: the last layer of convolution sees the maximum over
    time. Samples beyond a whole number of pools are dropped.

    The paper leaves open what the 16,000 samples are divided by (nine threes leave nothing; a last block of 2, as in
    the music model, was taken) and the head (a dense layer of 512 with BN and ReLU, the same as a convolution of one
    sample where one step is left). Convolutions start He-uniform, dense layers Glorot-uniform. Overlapping windows
    share all but their edges where their hop is a multiple of the pools' product; one that is not divisible by 3 makes
    three times as many phases with each pool, and soon more than windows one by one would cost.
    """
    return SampleCnn(tags, stem, sizes, widths, hidden, dropout, momentum)


@net(paper="001", input="waves", parameters=26_586_930)
def rese2multi(
    tags: int = 50,
    stem: int = 3,
    sizes: Sequence[int] = (3, 3, 3, 3, 3, 3, 3, 3, 2),
    widths: Sequence[int] | None = None,
    se_ratio: float = 16,
    dropout: float = 0.5,
    block_dropout: float = 0.2,
    momentum: float = NORM_MOMENTUM,
) -> Rese2Multi:
    """Raw waveform: residual blocks with squeeze and excitation, three levels joined (ReSE-2-Multi).

    stem, sizes, widths, momentum: as in `samplecnn`, with the same inputs and the same shortest ones for music, speech
    and scenes. se_ratio: hidden values of the excitation per channel. dropout: before the last layer; block_dropout:
    between the two convolutions of a block.

    26,586,930 parameters for music (50 tags), 24,071,199 for speech (31), 24,450,065 for scenes (17); with se_ratio
    0.125 it is 4,702,290, 4,271,391 and 4,650,257. The paper gives neither the numbers nor the ratio: 16 is that of the
    code of its [11], which so spends 22 of 26 million parameters on the gates; 1/8 that of the same laboratory's later
    code, for small machines. The last three blocks, each after its pool, are joined by their maxima over time. Start as
    in `samplecnn`; any length from the shortest.

    Overlapping windows share the convolutions of the first block, which cost the most; its gates depend on the mean over
    the whole window, and so does all that follows.
    """
    return Rese2Multi(tags, stem, sizes, widths, se_ratio, dropout, block_dropout, momentum)
