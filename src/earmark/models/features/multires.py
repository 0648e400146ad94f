"""Multi-resolution log-mel spectrogram in torch; its arguments: `earmark.engines.features.multires`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earmark.engines.features import multires
from earmark.models.features.logmel import LogMel
from earmark.models.features.planned import Planned, feature


@feature("multires")
class MultiRes(Planned):
    def prepare(self, plan: multires.MultiRes) -> None:
        self.resolutions = nn.ModuleList(LogMel.of(resolution) for resolution in plan.resolutions)
        self.joined = plan.joined

    def forward(self, waves: Tensor) -> Tensor:
        return torch.cat([logmel(waves) for logmel in self.resolutions], self.joined)
