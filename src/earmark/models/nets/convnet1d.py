"""1D-ConvNet: a residual net of 18 layers on the raw waveform.

Wei, Liu, Ruan: A Report on Audio Tagging with Deeper CNN, 1D-ConvNet and 2D-ConvNet. DCASE 2018 task 2, Table 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from earmark.models.layers.blocks import NORM_MOMENTUM, Residual1d, check_length, check_lists, initialise, norm1d
from earmark.models.nets import net
from earmark.models.prediction import Prediction

STEM_KERNEL, STEM_STRIDE, POOL = 80, 4, 4


class ConvNet1d(nn.Module):
    """Waves (batch, samples) → Prediction. See `convnet1d`."""

    def __init__(self, tags: int, widths: Sequence[int], blocks: Sequence[int], momentum: float):
        super().__init__()
        check_lists(widths=widths, blocks=blocks)
        # 38 zeros on both sides: a quarter of the length comes out, as with Keras' "same"
        self.stem = nn.Conv1d(1, widths[0], STEM_KERNEL, STEM_STRIDE, padding=(STEM_KERNEL - STEM_STRIDE) // 2)
        self.norm = norm1d(widths[0], momentum)
        self.pool = nn.MaxPool1d(POOL)
        self.stages = nn.ModuleList()
        before = widths[0]
        for width, count in zip(widths, blocks, strict=True):
            layers = [Residual1d(before if i == 0 else width, width, momentum) for i in range(count)]
            self.stages.append(nn.Sequential(*layers))
            before = width
        self.head = nn.Linear(before, tags)
        self.shortest = STEM_STRIDE * math.prod(POOL for _ in self.stages)
        initialise(self)

    def forward(self, waves: Tensor) -> Prediction:
        check_length(waves.shape[-1], self.shortest, "samples")
        x = torch.relu(self.norm(self.stem(waves[:, None])))  # (batch, width, samples / 4)
        for stage in self.stages:
            x = stage(self.pool(x))
        embedding = x.mean(-1)  # (batch, last width)
        return Prediction(self.head(embedding)[:, None], embedding)


@net(paper="002", input="waves", total=2_099_801)
def convnet1d(
    tags: int = 41,
    widths: Sequence[int] = (48, 96, 192, 384),
    blocks: Sequence[int] = (2, 2, 2, 2),
    momentum: float = NORM_MOMENTUM,
) -> ConvNet1d:
    """Raw waveform: 18 layers of 1D convolution with residual blocks (1D-ConvNet).

    2,099,801 parameters and running statistics for 41 tags, the published number. The first convolution pads to keep
    a quarter of the length (the paper does not say; the count does not depend on it); the shortcut repeats channels in
    place where they double. Takes any length from 1,024 samples; the paper's crops are 2, 3, 4 and 5 s at 44.1 kHz.
    momentum: of the batch normalisation's running statistics.
    """
    return ConvNet1d(tags, widths, blocks, momentum)
