"""Mel-frequency cepstral coefficients in torch; their arguments: `earmark.engines.features.mfcc`."""

from __future__ import annotations

import torch
from torch import Tensor

from earmark.engines.features import mfcc
from earmark.engines.features.mfcc import cosines
from earmark.models.autocast import full_precision
from earmark.models.features.logmel import LogMel
from earmark.models.features.planned import Planned, feature

__all__ = ["Mfcc", "cosines"]


@feature("mfcc")
class Mfcc(Planned):
    rows: Tensor
    mean: Tensor
    deviation: Tensor

    def prepare(self, plan: mfcc.Mfcc) -> None:
        self.logmel = LogMel.of(plan.logmel)
        for name in ("rows", "mean", "deviation"):
            self.register_buffer(name, torch.from_numpy(getattr(plan, name)), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        with full_precision(waves.device):
            logs = self.logmel(waves)[:, 0].double()  # (batch, mel bands, frames)
            # in float64: coefficient 0 is a thousand in size, and its rounding would be that of the small ones
            coefficients: Tensor = (self.rows @ logs - self.mean) / self.deviation
            return coefficients.float()[:, None]
