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

    def forward(self, waves: Tensor) -> Tensor:
        return self.spectrum.over(waves, self._levels)

    def _levels(self, waves: Tensor) -> Tensor:
        plan = self.plan
        power = self.spectrum.spectra(waves)[:, : self.bands]  # (batch, bins, frames)
        power = amplitude(power) if plan.magnitude else power
        return level(power, plan.log, plan.floor, plan.mean, plan.deviation)[:, None]
