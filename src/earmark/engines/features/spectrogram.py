"""Spectrogram on a linear frequency axis, logarithmic in level: one of paper 002's features (section 2.1).

The paper names a window of 2048 samples at 44.1 kHz and 513 bins, which contradict each other: that window needs an FFT
of at least 2048, which has 1025 bins, and 513 bins are those of an FFT of 1024. What was meant cannot be known:

    the default           window 1024, FFT 1024: 513 bins up to 22,050 Hz; the paper's size, half its window
    window: 2048/44100    window 2048, FFT 2048: 1025 bins up to 22,050 Hz; the paper's window, twice its size
    … and bins: 513       the lower half of these, up to 11,025 Hz; window and size are the paper's, what is above is not heard
"""

from __future__ import annotations

from earmark.engines.features.framing import Edges, Framed, Framing, Singles, Window
from earmark.engines.features.levels import Log, check_level, to_amplitude, to_level
from earmark.errors.refusals import refuse
from earmark.registry import NUMPY_FEATURES


@NUMPY_FEATURES.register("spectrogram", paper="002", values="levels")
class Spectrogram(Framed):
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
        check_level(floor, deviation, log, mean)
        window_samples = round(window * sample_rate)
        self.framing = Framing(
            window_samples, round(hop * sample_rate), fft or window_samples, window_kind, centre, edges=edges
        )
        if bins is not None and not 1 <= bins <= self.framing.bins:
            refuse(f"bins is {bins}: an FFT of {self.framing.fft} has from 1 to {self.framing.bins}")
        self.channels, self.bands = 1, bins or self.framing.bins
        self.magnitude, self.log, self.floor = magnitude, log, floor
        self.mean, self.deviation = mean, deviation

    def __call__(self, waves: Singles) -> Singles:
        return self.framing.over(waves, self.bands, self.bands, self._levels)[:, None]

    def _levels(self, power: Singles, _: Singles) -> Singles:
        if self.magnitude:
            to_amplitude(power)
        to_level(power, self.log, self.floor, self.mean, self.deviation)
        return power
