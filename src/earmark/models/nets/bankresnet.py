"""A raw-waveform net that begins as a mel filter bank and learns on from there.

In the time domain a mel spectrogram is a bank of band-pass filters, the energy that comes out of each, its mean over a
short while and the logarithm. As convolutions these filters are weights like all others: Zeghidour, Usunier, Kokkinos,
Schatz, Synnaeve, Dupoux: Learning Filterbanks from Raw Speech for Phone Recognition, ICASSP 2018, section 2, where they
begin as Gabor filters with the centres and widths of mel bands. Here such a bank stands before paper 003's trunk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.engines.features.mel import LARGEST, MelScale, hz_to_mel, mel_to_hz
from earmark.models.fullprecision import full_precision
from earmark.models.layers.attention import AttActivation, Attention
from earmark.models.layers.blocks import check_counts, check_dropout, check_length
from earmark.models.layers.residual import NORM_MOMENTUM, Trunk2d, initialise_he, over_time
from earmark.models.nets import net
from earmark.models.prediction import Focus, Grid, Prediction


def gabor_filters(
    sample_rate: int, kernel: int, bands: int, low: float, high: float, scale: MelScale = "slaney"
) -> NDArray[np.float32]:
    """Pairs of Gabor filters (2 · bands, kernel), an even and an odd one for each mel band, of unit gain at its centre.

    Each is a sine under a Gaussian whose frequency response is half at the middle of the way to the neighbours' centres.
    Below, where a band is narrower than the kernel can tell, it is as wide as the kernel makes it.
    """
    if not 0 <= low < high <= sample_rate / 2:
        raise ValueError(
            f"bands from {low:g} to {high:g} Hz do not fit below half the sample rate, {sample_rate / 2:g} Hz"
        )
    if bands * kernel > LARGEST:
        raise ValueError(
            f"{bands:,} pairs of filters of {kernel:,} samples are more than {LARGEST:,} weights: take a shorter window or fewer"
        )
    lowest, highest = hz_to_mel(np.array([low, high]), scale)
    edges = mel_to_hz(np.linspace(lowest, highest, bands + 2), scale)
    centres, widths = edges[1:-1], (edges[2:] - edges[:-2]) / 2  # Hz; widths at half the height
    # a Gaussian of deviation s in time is one of 1 / 2πs in frequency, half as high at √(2 ln 2) deviations
    deviations = np.minimum(math.sqrt(2 * math.log(2)) / (math.pi * widths), kernel / sample_rate / 6)
    times = (np.arange(kernel) - kernel // 2) / sample_rate
    envelopes = np.exp(-0.5 * (times / deviations[:, None]) ** 2)
    envelopes *= 2 / envelopes.sum(1, keepdims=True)
    phases = 2 * np.pi * centres[:, None] * times
    return np.stack([envelopes * np.cos(phases), envelopes * np.sin(phases)], 1).reshape(2 * bands, kernel).astype("f4")


class FilterBank(nn.Module):
    """Waves (batch, samples) → maps (batch, 1, bands, frames): logarithms of the energy in learnt bands.

    Two filters a band, squared and summed; a Hann window of two hops as the mean over time; the logarithm above `floor`
    (power re full scale, so 1e-7 is −70 dB); batch norm by band. Frame k is centred on sample k · hop. In float32
    under autocast too: a sample's eight bits in bfloat16 would drown quiet bands in the noise of loud ones.

    The weights are the filters with their peaks at 1, and the mean over time undoes it: Adam moves all weights by about
    the same, and filters whose peaks are some thousandths were noise after a few hundred steps.

    stride: samples between the outputs of the filters; their energy has to be slower than that, as that of mel bands is.
    """

    mean: Tensor  # (bands, 2, weights)

    def __init__(self, filters: NDArray[np.float32], stride: int, hop: int, floor: float, learn: bool, momentum: float):
        super().__init__()
        both, kernel = filters.shape
        bands = both // 2
        self.conv = nn.Conv1d(1, both, kernel, stride, padding=kernel // 2, bias=False)
        peaks = np.abs(filters).max(1, keepdims=True)
        with torch.no_grad():
            self.conv.weight.copy_(torch.from_numpy(filters / peaks)[:, None])
        self.conv.weight.requires_grad_(learn)
        # an odd number of weights, none of them nought, so that the middle is a sample
        weights = np.hanning(2 * hop // stride + 1)[1:-1]
        self.every = hop // stride
        means = peaks.reshape(bands, 2, 1) ** 2 * (weights / weights.sum())
        self.register_buffer("mean", torch.tensor(means, dtype=torch.float32), persistent=False)
        self.norm = nn.BatchNorm1d(bands, momentum=momentum)
        self.floor = floor

    def forward(self, waves: Tensor) -> Tensor:
        with full_precision(waves.device):
            maps: Tensor = self.norm((self.energies(waves) + self.floor).log())
        return maps[:, None]

    def energies(self, waves: Tensor) -> Tensor:
        """(batch, bands, frames): the power in each band; of a sine at its centre the square of the amplitude."""
        powers = self.conv(waves[:, None]).square()
        return F.conv1d(powers, self.mean, None, self.every, self.mean.shape[-1] // 2, groups=len(self.mean))


class BankResNet(nn.Module):
    """Waves (batch, samples) → Prediction: a learnt filter bank, a trunk and attention. See `bankresnet`."""

    def __init__(
        self, bank: FilterBank, trunk: Trunk2d, tags: int, hop: int, att_activation: AttActivation, dropout: float
    ):
        super().__init__()
        initialise_he(trunk)
        self.bank, self.trunk = bank, trunk
        self.dropout = nn.Dropout(dropout)
        self.head = Attention(trunk.width, tags, att_activation)
        self.grid = Grid(hop * trunk.step)
        self.shortest = self.grid.step

    def forward(self, waves: Tensor) -> Prediction:
        check_length(waves.shape[-1], self.shortest, "samples")
        vectors = over_time(self.trunk(self.bank(waves)))
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
    Zeghidour and others' (the module's docstring), with a batch norm for their normalisation by recording; the trunk
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
    kernel, every = round(window * sample_rate) | 1, round(stride * sample_rate)
    if every < 1 or hop < stride or kernel < every:
        raise ValueError(
            f"window {window:g} s, hop {hop:g} s and stride {stride:g} s at {sample_rate} Hz: a stride is at least one "
            "sample, and at most a hop and a window"
        )
    if floor <= 0:
        raise ValueError(f"floor is {floor:g}: it must be above 0, as silence has no logarithm")
    weights = gabor_filters(sample_rate, kernel, filters, low, sample_rate / 2 if high is None else high)
    samples = every * round(hop / stride)
    if samples > LARGEST:
        raise ValueError(
            f"hop {hop:g} s: the mean over two hops is longer than {LARGEST:,} samples. Take a shorter one"
        )
    bank = FilterBank(weights, every, samples, floor, learn, momentum)
    trunk = Trunk2d(1, widths, blocks, bottleneck=False, stem_stride=stem_stride, momentum=momentum)
    return BankResNet(bank, trunk, tags, samples, att_activation, dropout)
