"""Spectrogram on a linear frequency axis, logarithmic in level: one of paper 002's features (section 2.1).

The paper names a window of 2048 samples at 44.1 kHz and 513 bins, which contradict each other: that window needs an FFT
of at least 2048, which has 1025 bins, and 513 bins are those of an FFT of 1024. What was meant cannot be known:

    the default           window 1024, FFT 1024: 513 bins up to 22,050 Hz; the paper's size, half its window
    window: 2048/44100    window 2048, FFT 2048: 1025 bins up to 22,050 Hz; the paper's window, twice its size
    … and bins: 513       the lower half of these, up to 11,025 Hz; window and size are the paper's, what is above is not heard
"""

from __future__ import annotations

from torch import Tensor, nn

from earmark.models.features.spectrum import Edges, Floats, Log, Spectrum, Window, amplitude, check_level, level
from earmark.registry import FEATURES


@FEATURES.register("spectrogram", paper="002", values="levels")
class Spectrogram(nn.Module):
    """Spectrogram, linear in frequency: waves (batch, samples) → (batch, 1, bins, frames).

    sample_rate: Hz. window, hop: seconds. fft: samples, default the window's; the first bin is 0 Hz, the last half the
    sample rate. bins: how many are kept, from the lowest; default all, fft // 2 + 1. log: "db" for 10·log10 with a floor
    of `floor` under the power, "ln" for ln(power + floor). magnitude: take the root of the power first. mean, deviation:
    constants taken from the logarithms. centre, edges: as of `logmel`.
    """

    def __init__(
        self,
        sample_rate: int,
        window: float = 1024 / 44100,
        hop: float = 512 / 44100,
        fft: int | None = None,
        window_kind: Window = "hann",
        centre: bool = False,
        magnitude: bool = False,
        log: Log = "db",
        floor: float = 1e-10,
        mean: float = 0.0,
        deviation: float = 1.0,
        bins: int | None = None,
        edges: Edges = "zeros",
    ):
        super().__init__()
        check_level(floor, deviation, log)
        window_samples = round(window * sample_rate)
        self.spectrum = Spectrum(
            window_samples, round(hop * sample_rate), fft or window_samples, window_kind, centre, edges=edges
        )
        if bins is not None and not 1 <= bins <= self.spectrum.bins:
            raise ValueError(f"bins is {bins}: an FFT of {self.spectrum.fft} has from 1 to {self.spectrum.bins}")
        self.channels, self.bands = 1, bins or self.spectrum.bins
        self.hop_samples, self.shortest = self.spectrum.hop_samples, self.spectrum.shortest
        self.magnitude, self.log, self.floor = magnitude, log, floor
        self.mean, self.deviation = mean, deviation

    def frames(self, samples: int) -> int:
        return self.spectrum.frames(samples)

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return self.spectrum.samples(frames)

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`."""
        return self.spectrum.middles(places, samples)

    def forward(self, waves: Tensor) -> Tensor:
        return self.spectrum.over(waves, self._levels)

    def _levels(self, waves: Tensor) -> Tensor:
        power = self.spectrum.spectra(waves)[:, : self.bands]  # (batch, bins, frames)
        power = amplitude(power) if self.magnitude else power
        return level(power, self.log, self.floor, self.mean, self.deviation)[:, None]
