"""Spectrogram on a linear frequency axis, logarithmic in level: one of paper 002's features (section 2.1).

The paper names a window of 2048 samples at 44.1 kHz and 513 bins, which do not go together: that window needs an FFT of
at least 2048, which has 1025 bins, and 513 bins are those of an FFT of 1024. The bins are the size that the paper
prints, so the default keeps them and shortens the window to 1024 samples; a window of 2048 / 44100 gives 1025.
"""

from __future__ import annotations

from torch import Tensor, nn

from earmark.models.features.spectrum import Floats, Log, Spectrum, Window, amplitude, check_level, level
from earmark.registry import FEATURES


@FEATURES.register("spectrogram", paper="002", values="levels")
class Spectrogram(nn.Module):
    """Spectrogram, linear in frequency: waves (batch, samples) → (batch, 1, fft // 2 + 1, frames).

    sample_rate: Hz. window, hop: seconds. fft: samples, default the window's; the first bin is 0 Hz, the last half the
    sample rate. log: "db" for 10·log10 with a floor of `floor` under the power, "ln" for ln(power + floor). magnitude:
    take the root of the power first. mean, deviation: constants taken from the logarithms.
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
    ):
        super().__init__()
        check_level(floor, deviation, log)
        window_samples = round(window * sample_rate)
        self.spectrum = Spectrum(window_samples, round(hop * sample_rate), fft or window_samples, window_kind, centre)
        self.channels, self.bands = 1, self.spectrum.bins
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
        power = self.spectrum.spectra(waves)  # (batch, bins, frames)
        power = amplitude(power) if self.magnitude else power
        return level(power, self.log, self.floor, self.mean, self.deviation)[:, None]
