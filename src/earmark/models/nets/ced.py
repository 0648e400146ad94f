"""The transformers of CED on log-mel maps, whose weights others learnt from AudioSet and from an ensemble.

Dinkel, Wang, Yan, Zhang, Wang: CED: Consistent ensemble distillation for audio tagging, ICASSP 2024 (section 2 and Table 1);
layers as in the authors' code (github.com/RicherMans/CED). Each band of a map is normalised by statistics of the training; patches
of 16 bands and 16 frames, side by side, become vectors by one dense layer, to which are added one learnt for their time and one
for their bands; then come twelve blocks, normalised before each part, of attention among all patches and two dense layers (Vaswani
and others, 2017; Dosovitskiy and others: ViT, 2021). Of the patches the mean is taken, normalised and made tags. Stochastic depth
and patches left out in training are not here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.models.layers.blocks import NORM_MOMENTUM, check_counts, check_dropout, check_length, check_momentum
from earmark.models.nets import net
from earmark.models.prediction import Prediction

PAPER = "Dinkel and others: CED, ICASSP 2024"
PATCH = 16  # bands and frames
FRAMES = 1012  # of the longest map, 10.12 s: there are learnt times for its 63 whole patches
DEVIATION = 0.02  # of what weights begin with
EPSILON = 1e-6  # of the normalisations, but for the last, which has torch's
GROWN = 4  # how many times wider the middle of a block's dense part is


class Attention(nn.Module):
    """Vectors (batch, patches, width) → the same: each asks all, in `heads` parts of its numbers."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.asked, self.told = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        # (batch, patches, 3 · width) → three of (batch, heads, patches, width / heads)
        queries, keys, values = self.asked(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        if x.is_meta:  # shapes alone, for which torch's own attention imports a compiler
            heard = (queries @ keys.transpose(-1, -2)).softmax(-1) @ values
        else:
            heard = F.scaled_dot_product_attention(queries, keys, values)
        told: Tensor = self.dropout(self.told(heard.transpose(1, 2).flatten(2)))
        return told


class Block(nn.Module):
    """Attention, then two dense layers with GELU between; what each makes of its normalised input is added to it."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width, eps=EPSILON), nn.LayerNorm(width, eps=EPSILON)
        self.attention = Attention(width, heads, dropout)
        self.dense = nn.Sequential(
            nn.Linear(width, GROWN * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(GROWN * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.first(x))
        told: Tensor = x + self.dense(self.second(x))
        return told


class Ced(nn.Module):
    """Maps (batch, channels, bands, frames) of 16 to 1,012 frames → Prediction. Bands and frames behind the last
    whole patch are not heard."""

    shortest = PATCH

    def __init__(
        self, tags: int, channels: int, bands: int, width: int, depth: int, heads: int, dropout: float, momentum: float
    ):
        super().__init__()
        check_counts(tags=tags, channels=channels, bands=bands, width=width, depth=depth, heads=heads)
        check_dropout(dropout=dropout)
        check_momentum(momentum)
        if width % heads:
            refuse(f"width is {width}, which {counted(heads, 'head')} cannot share: make it a multiple of heads")
        if bands < PATCH:
            refuse(
                f"{counted(bands, 'band is', 'bands are')} too few: this net needs at least {PATCH}, best a multiple of them"
            )
        self.bands = nn.BatchNorm2d(bands, momentum=momentum)
        self.patches = nn.Conv2d(channels, width, PATCH, PATCH)
        self.times = nn.Parameter(torch.empty(1, width, 1, FRAMES // PATCH))
        self.heights = nn.Parameter(torch.empty(1, width, bands // PATCH, 1))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm, self.last_norm = nn.LayerNorm(width, eps=EPSILON), nn.LayerNorm(width)
        self.head = nn.Linear(width, tags)
        for learnt in (self.times, self.heights):
            nn.init.normal_(learnt, std=DEVIATION)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=DEVIATION)
                nn.init.zeros_(layer.bias)

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        if maps.shape[-1] > FRAMES:
            raise ValueError(
                f"{counted(maps.shape[-1], 'frame is', 'frames are')} too many: this net knows times up to {FRAMES:,}. Take a "
                "shorter window"
            )
        x = self.patches(self.bands(maps.transpose(1, 2)).transpose(1, 2))  # (batch, width, heights, times)
        x = x + self.times[..., : x.shape[-1]] + self.heights
        x = self.dropout(x.flatten(2).transpose(1, 2))  # (batch, patches, width)
        for block in self.blocks:
            x = block(x)
        embedding = self.norm(x).mean(1)
        return Prediction(self.head(self.last_norm(embedding))[:, None], embedding)


@net(paper=PAPER, input="maps", parameters=5_503_183)
def ced_tiny(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    width: int = 192,
    depth: int = 12,
    heads: int = 3,
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> Ced:
    """Maps: patches that ask each other, 192 numbers for each (CED-Tiny); the shortest input has 16 frames, the longest 1,012.

    5,503,183 parameters for 527 tags; published: 5.5 million. depth: blocks. heads: parts of a patch's numbers that ask apart.
    dropout: of what blocks add, and of the patches; published: none.
    """
    return Ced(tags, channels, bands, width, depth, heads, dropout, momentum)


@net(paper=PAPER, input="maps", parameters=9_696_655)
def ced_mini(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    width: int = 256,
    depth: int = 12,
    heads: int = 4,
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> Ced:
    """Maps: patches that ask each other, 256 numbers for each (CED-Mini); the shortest input has 16 frames, the longest 1,012.

    9,696,655 parameters for 527 tags; published: 9.6 million. Arguments as of `ced_tiny`.
    """
    return Ced(tags, channels, bands, width, depth, heads, dropout, momentum)


@net(paper=PAPER, input="maps", parameters=21_622_543)
def ced_small(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    width: int = 384,
    depth: int = 12,
    heads: int = 6,
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> Ced:
    """Maps: patches that ask each other, 384 numbers for each (CED-Small); the shortest input has 16 frames, the longest 1,012.

    21,622,543 parameters for 527 tags; published: 22 million. Arguments as of `ced_tiny`.
    """
    return Ced(tags, channels, bands, width, depth, heads, dropout, momentum)


@net(paper=PAPER, input="maps", parameters=85_711_759)
def ced_base(
    tags: int = 527,
    channels: int = 1,
    bands: int = 64,
    width: int = 768,
    depth: int = 12,
    heads: int = 12,
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> Ced:
    """Maps: patches that ask each other, 768 numbers for each (CED-Base); the shortest input has 16 frames, the longest 1,012.

    85,711,759 parameters for 527 tags; published: 86 million. Arguments as of `ced_tiny`.
    """
    return Ced(tags, channels, bands, width, depth, heads, dropout, momentum)
