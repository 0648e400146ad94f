"""A mel filter bank on raw waveforms that is learnt on from where it begins.

In the time domain a mel spectrogram is a bank of band-pass filters, the energy that comes out of each, its mean over a
short while and the logarithm. As convolutions these filters are weights like all others: Zeghidour, Usunier, Kokkinos,
Schatz, Synnaeve, Dupoux: Learning Filterbanks from Raw Speech for Phone Recognition, ICASSP 2018, section 2, where they
begin as Gabor filters with the centres and widths of mel bands.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.engines.features.levels import check_floor
from earmark.engines.features.mel import LARGEST, MelScale, hz_to_mel, mel_to_hz
from earmark.errors import agreed, counted
from earmark.errors.refusals import refuse
from earmark.models.autocast import full_precision


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
            f"{counted(bands, 'pair')} of filters of {counted(kernel, 'sample')} {agreed(bands, 'is', 'are')} more than "
            f"{LARGEST:,} weights: take a shorter window or fewer"
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


def _samples(sample_rate: int, window: float, stride: float) -> tuple[int, int]:
    """Of a filter, an odd number, and between its outputs."""
    return round(window * sample_rate) | 1, round(stride * sample_rate)


def check_bank(sample_rate: int, window: float, hop: float, stride: float, floor: float) -> None:
    """Refuse arguments that `FilterBank` cannot be made with."""
    kernel, step = _samples(sample_rate, window, stride)
    if step < 1 or hop < stride or kernel < step:
        refuse(
            f"window {window:g} s, hop {hop:g} s and stride {stride:g} s at {sample_rate} Hz: a stride is at least one "
            "sample, and at most a hop and a window"
        )
    if floor <= 0:
        refuse(f"floor is {floor:g}: it must be above 0, as silence has no logarithm")
        return
    try:
        check_floor(floor)
    except ValueError as error:
        refuse(str(error))


class FilterBank(nn.Module):
    """Waves (batch, samples) → the logarithms of the energy in learnt bands (batch, bands, frames).

    Two filters a band, squared and summed; a Hann window of two hops as the mean over time; the logarithm above `floor`
    (power re full scale, so 1e-7 is −70 dB). Frame k is centred on sample k · hop. In float32 under autocast too: a
    sample's eight bits in bfloat16 would drown quiet bands in the noise of loud ones.

    The weights are the filters with their peaks at 1, and the mean over time undoes it: Adam moves all weights by about
    the same, and filters whose peaks are some thousandths were noise after a few hundred steps.

    Seconds of a filter (window), between frames (hop) and between the outputs of the filters (stride) are rounded to
    whole samples, hop to a whole number of strides; the filters' energy has to be slower than a stride, as that of mel
    bands is. low, high: Hz, None half the sample rate. learn: whether the filters are trained. momentum: of a batch norm by band
    behind the logarithm; None: there is none.
    """

    mean: Tensor  # (bands, 2, weights)

    def __init__(
        self,
        sample_rate: int,
        bands: int,
        low: float,
        high: float | None,
        window: float,
        hop: float,
        stride: float,
        floor: float,
        learn: bool,
        momentum: float | None = None,
    ):
        super().__init__()
        check_bank(sample_rate, window, hop, stride, floor)
        kernel, step = _samples(sample_rate, window, stride)
        filters = gabor_filters(sample_rate, kernel, bands, low, sample_rate / 2 if high is None else high)
        self.every = round(hop / stride)
        self.hop = step * self.every
        if self.hop > LARGEST:
            raise ValueError(
                f"hop {hop:g} s: the mean over two hops is longer than {LARGEST:,} samples. Take a shorter one"
            )
        self.conv = nn.Conv1d(1, 2 * bands, kernel, step, padding=kernel // 2, bias=False)
        peaks = np.abs(filters).max(1, keepdims=True)
        with torch.no_grad():
            self.conv.weight.copy_(torch.from_numpy(filters / peaks)[:, None])
        self.conv.weight.requires_grad_(learn)
        # an odd number of weights, none of them nought, so that the middle is a sample
        weights = np.hanning(2 * self.every + 1)[1:-1]
        means = peaks.reshape(bands, 2, 1) ** 2 * (weights / weights.sum())
        self.register_buffer("mean", torch.tensor(means, dtype=torch.float32), persistent=False)
        self.norm = nn.Identity() if momentum is None else nn.BatchNorm1d(bands, momentum=momentum)
        self.floor = floor

    def forward(self, waves: Tensor) -> Tensor:
        with full_precision(waves.device):
            levels: Tensor = self.norm((self.energies(waves) + self.floor).log())
        return levels

    def energies(self, waves: Tensor) -> Tensor:
        """(batch, bands, frames): the power in each band; of a sine at its centre the square of the amplitude."""
        powers = self.conv(waves[:, None]).square()
        return F.conv1d(powers, self.mean, None, self.every, self.mean.shape[-1] // 2, groups=len(self.mean))
