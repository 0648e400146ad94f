"""Log-mel spectrogram: the feature of papers 002 (section 2.1), 003 (section 2) and 004 (section 2.2)."""

from __future__ import annotations

import numpy as np

from earmark.engines.features.framing import Edges, Frame, Framed, Framing, Singles, Window
from earmark.engines.features.levels import Log, check_level, to_amplitude, to_level
from earmark.engines.features.mel import MelScale, Triangles, band_parts, mel_filters
from earmark.errors.refusals import refuse
from earmark.registry import NUMPY_FEATURES


@NUMPY_FEATURES.register("logmel", paper="002, 003, 004", values="levels")
class LogMel(Framed):
    """Log-mel spectrogram: waves (batch, samples) → (batch, 1, bands, frames).

    sample_rate, low, high: Hz (high: default half the sample rate). window, hop: seconds. fft: samples, default the
    window's. log: "db" for 10·log10 with a floor of `floor` under the mel power, "ln" for ln(mel + floor).
    triangles: the filters' sides are straight over "hz", as librosa's, or over "mel", as VGGish's. magnitude: take the root
    of the power spectrum before the mel bands, as the VGGish front end does.
    mean, deviation: constants taken from the log-mel values, so that nets start from values near one.
    centre: frames about the multiples of the hop, as librosa has them; beyond the ends lie zeros, as in librosa 0.10 and
    later, or, with `edges` reflect, the wave mirrored, as in versions before it (those of the papers).
    preemphasis: of centred frames, what is taken of the sample before from each (0.97 in EfficientAT's front end).
    """

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
        frame: Frame = "fft",
        edges: Edges = "zeros",
        triangles: Triangles = "hz",
        preemphasis: float = 0.0,
    ):
        check_level(floor, deviation, log, mean)
        if bands < 1:
            refuse(f"bands is {bands}: there must be at least one")
        window_samples = round(window * sample_rate)
        self.framing = Framing(
            window_samples,
            round(hop * sample_rate),
            fft or window_samples,
            window_kind,
            centre,
            frame,
            edges,
            preemphasis,
        )
        top = high if high is not None else sample_rate / 2
        filters = mel_filters(sample_rate, self.framing.fft, bands, low, top, mel_scale, equal_area, triangles)
        self.filters = filters.T.copy()  # (bins, bands)
        self.parts = band_parts(filters)
        self._filters = [(reached, own, self.filters[reached, own].copy()) for reached, own in self.parts]
        self.channels, self.bands = 1, bands
        self.magnitude, self.log, self.floor = magnitude, log, floor
        self.mean, self.deviation = mean, deviation

    def __call__(self, waves: Singles) -> Singles:
        return self.framing.over(waves, self.bands, self.framing.bins, self._levels)[:, None]

    def _levels(self, power: Singles, mel: Singles) -> Singles:
        if self.magnitude:
            to_amplitude(power)
        for reached, own, filters in self._filters:
            np.matmul(power[:, reached], filters, out=mel[:, own])
        to_level(mel, self.log, self.floor, self.mean, self.deviation)
        return mel
