"""Spectrogram in torch; its arguments, and what the paper leaves open: `earmark.engines.features.spectrogram`."""

from __future__ import annotations

from torch import Tensor

from earmark.engines.features import spectrogram
from earmark.models.features.planned import Planned, feature
from earmark.models.features.spectrum import Spectrum, amplitude, level


@feature("spectrogram")
class Spectrogram(Planned):
    def prepare(self, plan: spectrogram.Spectrogram) -> None:
        self.spectrum = Spectrum.of(plan.framing)
        self.magnitude, self.log, self.floor = plan.magnitude, plan.log, plan.floor
        self.mean, self.deviation = plan.mean, plan.deviation

    def forward(self, waves: Tensor) -> Tensor:
        return self.spectrum.over(waves, self._levels)

    def _levels(self, waves: Tensor) -> Tensor:
        power = self.spectrum.spectra(waves)[:, : self.bands]  # (batch, bins, frames)
        power = amplitude(power) if self.magnitude else power
        return level(power, self.log, self.floor, self.mean, self.deviation)[:, None]
