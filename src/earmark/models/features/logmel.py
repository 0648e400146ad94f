"""Log-mel spectrogram: the feature of papers 002 (section 2.1), 003 (section 2) and 004 (section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earmark.models.features.mel import MelScale, Triangles, band_parts, mel_filters
from earmark.models.features.spectrum import Edges, Floats, Frame, Log, Spectrum, Window, amplitude, check_level, level
from earmark.registry import FEATURES


@FEATURES.register("logmel", paper="002, 003, 004", values="levels")
class LogMel(nn.Module):
    """Log-mel spectrogram: waves (batch, samples) → (batch, 1, bands, frames).

    sample_rate, low, high: Hz (high: default half the sample rate). window, hop: seconds. fft: samples, default the
    window's. log: "db" for 10·log10 with a floor of `floor` under the mel power, "ln" for ln(mel + floor).
    triangles: the filters' sides are straight over "hz", as librosa's, or over "mel", as VGGish's. magnitude: take the root
    of the power spectrum before the mel bands, as the VGGish front end does.
    mean, deviation: constants taken from the log-mel values, so that nets start from values near one.
    centre: frames about the multiples of the hop, as librosa has them; beyond the ends lie zeros, as in librosa 0.10 and
    later, or, with `edges` reflect, the wave mirrored, as in versions before it (those of the papers).
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
        frame: Frame = "fft",
        edges: Edges = "zeros",
        triangles: Triangles = "hz",
    ):
        super().__init__()
        check_level(floor, deviation, log)
        if bands < 1:
            raise ValueError(f"bands is {bands}: there must be at least one")
        window_samples = round(window * sample_rate)
        self.spectrum = Spectrum(
            window_samples, round(hop * sample_rate), fft or window_samples, window_kind, centre, frame, edges
        )
        top = high if high is not None else sample_rate / 2
        filters = mel_filters(sample_rate, self.spectrum.fft, bands, low, top, mel_scale, equal_area, triangles)
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
        return self.spectrum.samples(frames)

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`."""
        return self.spectrum.middles(places, samples)

    def forward(self, waves: Tensor) -> Tensor:
        return self.spectrum.over(waves, self._levels)

    def _levels(self, waves: Tensor) -> Tensor:
        parts = [(bins, self.filters[bins, bands]) for bins, bands in self.parts]
        rows = [self._mel(block, parts) for block in self.spectrum.blocks(waves)]
        mel = torch.cat(rows).view(len(waves), -1, self.bands).transpose(1, 2)  # (batch, bands, frames)
        return level(mel, self.log, self.floor, self.mean, self.deviation)[:, None]

    def _mel(self, frames: Tensor, parts: list[tuple[slice, Tensor]]) -> Tensor:
        """Frames (…, fft) → mel (…, bands). parts: bins, and the filters (bins, bands) that reach no others."""
        power = self.spectrum.power(frames)
        power = amplitude(power) if self.magnitude else power
        return torch.cat([power[..., bins] @ filters for bins, filters in parts], -1)
