"""Spectral features: the first stage of every tagger that listens to spectrograms.

Each feature is an `nn.Module` from waves (batch, samples) to maps (batch, channels, bands, frames). It runs on any
device, lets gradients through, has no trainable parameters and keeps nothing in the tagger file: its constants follow
from its arguments. Windows and hops are given in seconds and rounded to whole samples once; frequencies are Hz.

Conventions are librosa's unless an argument says otherwise: periodic Hann window, power spectrum, Slaney's mel scale
with bands of equal area, decibels re 1 with a floor of 1e-10.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.registry import FEATURES

Window = Literal["hann", "hamming"]
MelScale = Literal["slaney", "htk"]
Log = Literal["db", "ln"]

# Slaney's Auditory Toolbox (1998): linear up to 1 kHz, then logarithmic with 27 steps for a factor of 6.4
LINEAR_STEP = 200.0 / 3.0
LOG_FROM_HZ = 1000.0
LOG_STEP = math.log(6.4) / 27.0

# Samples that are transformed at once: 1 MiB in float64, which fits the second-level cache of one core
BLOCK_SAMPLES = 1 << 17
# Mel bands that are summed at once. Neighbours reach few of the bins, so that most of the full product is by nought:
# with 16 a product of (frames, bins) and (bins, 128) takes a fifth of the time, and smaller ones cost more in calls
BANDS_AT_ONCE = 16


def hz_to_mel(hz: NDArray[np.float64], scale: MelScale = "slaney") -> NDArray[np.float64]:
    """Hz → mel."""
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    above = LOG_FROM_HZ / LINEAR_STEP + np.log(np.maximum(hz, LOG_FROM_HZ) / LOG_FROM_HZ) / LOG_STEP
    return np.where(hz < LOG_FROM_HZ, hz / LINEAR_STEP, above)


def mel_to_hz(mel: NDArray[np.float64], scale: MelScale = "slaney") -> NDArray[np.float64]:
    """mel → Hz."""
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    knee = LOG_FROM_HZ / LINEAR_STEP
    above = LOG_FROM_HZ * np.exp(LOG_STEP * (np.maximum(mel, knee) - knee))
    return np.where(mel < knee, mel * LINEAR_STEP, above)


def mel_filters(
    sample_rate: int, fft: int, bands: int, low: float, high: float, scale: MelScale = "slaney", equal_area: bool = True
) -> NDArray[np.float32]:
    """Triangular filters (bands, fft // 2 + 1) between `low` and `high` Hz."""
    if not 0 <= low < high <= sample_rate / 2:
        raise ValueError(
            f"mel bands from {low:g} to {high:g} Hz do not fit below half the sample rate, {sample_rate / 2:g} Hz"
        )
    bins = np.linspace(0.0, sample_rate / 2, fft // 2 + 1)
    lowest, highest = hz_to_mel(np.array([low, high]), scale)
    edges = mel_to_hz(np.linspace(lowest, highest, bands + 2), scale)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.maximum(0.0, np.minimum(rise, fall))
    if equal_area:
        filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    empty = np.flatnonzero(filters.max(1) == 0)
    if len(empty):
        raise ValueError(
            f"{len(empty)} of {bands} mel bands are narrower than an FFT bin ({sample_rate / fft:.1f} Hz), "
            f"the first at {edges[empty[0] + 1]:.0f} Hz: take fewer bands, a longer FFT or a higher `low`"
        )
    return filters.astype(np.float32)


def band_parts(filters: NDArray[np.float32]) -> list[tuple[slice, slice]]:
    """(bins, bands) of the parts of `filters` (bands, bins) outside of which all is nought, in the order of the bands."""
    parts = []
    for first in range(0, len(filters), BANDS_AT_ONCE):
        bands = slice(first, min(first + BANDS_AT_ONCE, len(filters)))
        reached = np.flatnonzero(filters[bands].any(0))
        parts.append((slice(int(reached[0]), int(reached[-1]) + 1), bands))
    return parts


class Spectrum(nn.Module):
    """Waves (batch, samples) → power spectrum (batch, bins, frames), float32.

    window_samples, hop_samples, fft: samples. centre: frames are centred on multiples of the hop, with zeros beyond
    the ends; otherwise frame k covers samples k·hop … k·hop + fft. A window shorter than the FFT lies in its middle.

    The transform runs in float64: in float32 its rounding noise drowns what lies 120 dB below the loudest bin, which
    shows after the logarithm. Blocks that stay in the cache make up for it: of batches it is faster than torch.stft.
    """

    window: Tensor

    def __init__(self, window_samples: int, hop_samples: int, fft: int, kind: Window = "hann", centre: bool = False):
        super().__init__()
        if not 1 <= window_samples <= fft:
            raise ValueError(f"a window of {window_samples} samples does not fit an FFT of {fft}")
        if hop_samples < 1:
            raise ValueError(f"a hop of {hop_samples} samples: it must be at least one")
        self.hop_samples, self.fft, self.centre = hop_samples, fft, centre
        shape = torch.hann_window if kind == "hann" else torch.hamming_window
        before = (fft - window_samples) // 2
        window = shape(window_samples, periodic=True, dtype=torch.float64)
        window = nn.functional.pad(window, (before, fft - window_samples - before))
        self.register_buffer("window", window, persistent=False)

    @property
    def bins(self) -> int:
        return self.fft // 2 + 1

    @property
    def block(self) -> int:
        """Frames that are transformed at once."""
        return max(1, BLOCK_SAMPLES // self.fft)

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give."""
        return samples // self.hop_samples + 1 if self.centre else (samples - self.fft) // self.hop_samples + 1

    @property
    def shortest(self) -> int:
        """The fewest samples that give a frame."""
        return 1 if self.centre else self.fft

    def cut(self, waves: Tensor) -> Tensor:
        """Waves (batch, samples) → frames (batch, frames, fft) in float64, a view."""
        if waves.shape[-1] < self.shortest:
            raise ValueError(
                f"{waves.shape[-1]} samples are fewer than one frame of {self.fft}: pad the wave, or take a shorter window"
            )
        if self.centre:
            waves = nn.functional.pad(waves, (self.fft // 2, self.fft // 2))
        return waves.double().unfold(-1, self.fft, self.hop_samples)

    def power(self, frames: Tensor) -> Tensor:
        """Frames (n, fft) → power (n, bins), float32."""
        bins = torch.fft.rfft(frames * self.window)
        imag = bins.imag.float()
        power: Tensor = bins.real.float().square_().addcmul_(imag, imag)
        return power

    def forward(self, waves: Tensor) -> Tensor:
        with torch.autocast(waves.device.type, enabled=False):
            rows = [self.power(block) for wave in self.cut(waves) for block in wave.split(self.block)]
            return torch.cat(rows).view(len(waves), -1, self.bins).transpose(1, 2)  # (batch, bins, frames)


class LogMel(nn.Module):
    """Log-mel spectrogram: waves (batch, samples) → (batch, 1, bands, frames).

    sample_rate, low, high: Hz (high: default half the sample rate). window, hop: seconds. fft: samples, default the
    window's. log: "db" for 10·log10 with a floor of `floor` under the mel power, "ln" for ln(mel + floor).
    magnitude: take the root of the power spectrum before the mel bands, as the VGGish front end does.
    mean, deviation: constants taken from the log-mel values, so that nets start from values near one.
    """

    filters: Tensor

    def __init__(
        self,
        sample_rate: int,
        window: float = 2048 / 44100,
        hop: float = 512 / 44100,
        bands: int = 128,
        low: float = 0.0,
        high: float | None = None,
        fft: int | None = None,
        window_kind: Window = "hann",
        centre: bool = False,
        mel_scale: MelScale = "slaney",
        equal_area: bool = True,
        magnitude: bool = False,
        log: Log = "db",
        floor: float = 1e-10,
        mean: float = 0.0,
        deviation: float = 1.0,
    ):
        super().__init__()
        window_samples = round(window * sample_rate)
        self.spectrum = Spectrum(window_samples, round(hop * sample_rate), fft or window_samples, window_kind, centre)
        top = high if high is not None else sample_rate / 2
        filters = mel_filters(sample_rate, self.spectrum.fft, bands, low, top, mel_scale, equal_area)
        self.register_buffer("filters", torch.from_numpy(filters.T.copy()), persistent=False)  # (bins, bands)
        self.parts = band_parts(filters)
        self.channels, self.bands = 1, bands
        self.hop_samples, self.shortest = self.spectrum.hop_samples, self.spectrum.shortest
        self.magnitude, self.log, self.floor = magnitude, log, floor
        self.mean, self.deviation = mean, deviation

    def frames(self, samples: int) -> int:
        return self.spectrum.frames(samples)

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return max(1, (frames - 1) * self.hop_samples + (0 if self.spectrum.centre else self.spectrum.fft))

    def forward(self, waves: Tensor) -> Tensor:
        with torch.autocast(waves.device.type, enabled=False):
            frames = self.spectrum.cut(waves)
            parts = [(bins, self.filters[bins, bands]) for bins, bands in self.parts]
            rows = [self._mel(block, parts) for wave in frames for block in wave.split(self.spectrum.block)]
            mel = torch.cat(rows).view(len(waves), -1, self.bands).transpose(1, 2)  # (batch, bands, frames)
            logs = torch.log10(mel.clamp(min=self.floor)) if self.log == "db" else torch.log(mel + self.floor)
            logs.mul_((10.0 if self.log == "db" else 1.0) / self.deviation)
            return (logs.sub_(self.mean / self.deviation) if self.mean else logs)[:, None]

    def _mel(self, frames: Tensor, parts: list[tuple[slice, Tensor]]) -> Tensor:
        """Frames (n, fft) → mel (n, bands). parts: bins, and the filters (bins, bands) that reach no others."""
        power = self.spectrum.power(frames)
        power = power.sqrt() if self.magnitude else power
        return torch.cat([power[:, bins] @ filters for bins, filters in parts], 1)


FEATURES.register("logmel", paper="002, 003, 004")(LogMel)
