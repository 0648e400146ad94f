"""A raw-waveform net that begins as a mel filter bank and learns on from there, before paper 003's trunk."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from earmark.models.layers.attention import AttActivation, Attention
from earmark.models.layers.blocks import check_counts, check_dropout, check_length
from earmark.models.layers.filterbank import FilterBank, check_bank
from earmark.models.layers.residual import NORM_MOMENTUM, Trunk2d, check_trunk2d, initialise_he, over_time
from earmark.models.nets import net
from earmark.models.prediction import Focus, Grid, Prediction


class BankResNet(nn.Module):
    """Waves (batch, samples) → Prediction: a learnt filter bank, a trunk and attention. See `bankresnet`."""

    def __init__(self, bank: FilterBank, trunk: Trunk2d, tags: int, att_activation: AttActivation, dropout: float):
        super().__init__()
        initialise_he(trunk)
        self.bank, self.trunk = bank, trunk
        self.dropout = nn.Dropout(dropout)
        self.head = Attention(trunk.width, tags, att_activation)
        self.grid = Grid(bank.hop * trunk.step)
        self.shortest = self.grid.step

    def forward(self, waves: Tensor) -> Prediction:
        check_length(waves.shape[-1], self.shortest, "samples")
        vectors = over_time(self.trunk(self.bank(waves)[:, None]))
        attended = self.head(self.dropout(vectors))
        focus = (Focus("attention", attended.weights, self.grid),)
        return Prediction(attended.logits[:, None], vectors.mean(1), attended.frames, focus)


@net(paper="earmark", input="waves", parameters=2_852_340)
def bankresnet(
    tags: int = 10,
    sample_rate: int = 16_000,
    filters: int = 64,
    low: float = 50.0,
    high: float | None = None,
    window: float = 0.025,
    hop: float = 0.010,
    stride: float = 0.002,
    floor: float = 1e-7,
    learn: bool = True,
    widths: Sequence[int] = (32, 64, 128, 256),
    blocks: Sequence[int] = (2, 2, 2, 2),
    stem_stride: Sequence[int] = (2, 1),
    att_activation: AttActivation = "softmax_time",
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> BankResNet:
    """Raw waveform: a filter bank that begins as mel and is learnt, a ResNet-18 half as wide, attention over time.

    2,852,340 parameters for 10 tags at 16 kHz: filters 2 · 64 · 401, their norm 128, stem 49 · 32 + 64, stages 37,120 +
    131,712 + 525,568 + 2,099,712, attention 2 · (257 · 10). It starts where a log-mel net starts, so it
    learns from few clips, and may leave the mel scale where the clips ask for it. Not of the papers: the bank is
    Zeghidour and others' (`earmark.models.layers.filterbank`), with a batch norm for their normalisation by recording; the trunk
    and the attention are those of `resnet_c_att`.

    filters: pairs of them, each pair a band, between low and high Hz (None: half the sample rate) on Slaney's scale.
    window: seconds of a filter; hop: seconds between frames; stride: seconds between the outputs of the filters. They
    are rounded to whole samples, hop to a whole number of strides. floor: power re full scale, below which nothing is
    told apart. learn: whether the filters are trained; otherwise they stay mel. `frames` are the logits before
    attention; frame k is centred on sample k · hop · 32.

    widths, blocks and stem_stride (time, frequency) are the trunk's; dropout is before the attention; momentum is of
    the batch normalisation's running statistics. The shortest input is 32 frames, one step of the trunk. Filters and
    convolutions pad time with zeros, which a window's edges feel: overlapping windows share what lies between.
    """
    check_counts(tags=tags, filters=filters)
    check_dropout(dropout=dropout)
    check_bank(sample_rate, window, hop, stride, floor)
    check_trunk2d(widths, blocks, stem_stride, momentum)
    bank = FilterBank(sample_rate, filters, low, high, window, hop, stride, floor, learn, momentum)
    trunk = Trunk2d(1, widths, blocks, bottleneck=False, stem_stride=stem_stride, momentum=momentum)
    return BankResNet(bank, trunk, tags, att_activation, dropout)
