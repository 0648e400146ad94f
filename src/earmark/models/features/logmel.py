"""Log-mel spectrogram in torch; its arguments: `earmark.engines.features.logmel`."""

from __future__ import annotations

import torch
from torch import Tensor

from earmark.engines.features import logmel
from earmark.models.features.planned import Planned, feature
from earmark.models.features.spectrum import Spectrum, amplitude, level


@feature("logmel")
class LogMel(Planned):
    filters: Tensor

    def prepare(self, plan: logmel.LogMel) -> None:
        self.spectrum = Spectrum.of(plan.framing)
        self.register_buffer("filters", torch.from_numpy(plan.filters), persistent=False)  # (bins, bands)
        self.parts = plan.parts
        self.magnitude, self.log, self.floor = plan.magnitude, plan.log, plan.floor
        self.mean, self.deviation = plan.mean, plan.deviation

    def forward(self, waves: Tensor) -> Tensor:
        return self.spectrum.over(waves, self._levels)

    def _levels(self, waves: Tensor) -> Tensor:
        parts = [(bins, self.filters[bins, bands]) for bins, bands in self.parts]
        rows = [self._mel(block, parts) for block in self.spectrum.blocks(waves)]
        mel = torch.cat(rows).view(waves.shape[0], -1, self.bands).transpose(1, 2)  # (batch, bands, frames)
        return level(mel, self.log, self.floor, self.mean, self.deviation)[:, None]

    def _mel(self, frames: Tensor, parts: list[tuple[slice, Tensor]]) -> Tensor:
        """Frames (…, fft) → mel (…, bands). parts: bins, and the filters (bins, bands) that reach no others."""
        power = self.spectrum.power(frames)
        power = amplitude(power) if self.magnitude else power
        return torch.cat([power[..., bins] @ filters for bins, filters in parts], -1)
