"""Mel-frequency cepstral coefficients: one of paper 002's features (section 2.1: 40 of them).

The orthonormal DCT-II along the bands of a log-mel spectrogram in decibels. There is no lifter, and no decibels are cut
off below the loudest frame (librosa's `top_db` is None): a frame's coefficients do not depend on its window. How many
mel bands lie under the coefficients the paper does not say; 128 is librosa's default and the paper's own log-mel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.models.features.constants import each
from earmark.models.features.logmel import LogMel
from earmark.models.features.mel import MelScale
from earmark.models.features.spectrum import Edges, Floats, Window, check_level, full_precision
from earmark.registry import FEATURES

MOST_BANDS = 4096  # of which the cosine transform has a square matrix at most


def cosines(count: int, bands: int) -> NDArray[np.float64]:
    """The first `count` rows of the orthonormal DCT-II (count, bands)."""
    turns = np.pi / bands * np.arange(count)[:, None] * (np.arange(bands) + 0.5)
    rows = np.sqrt(2.0 / bands) * np.cos(turns)
    rows[0] /= np.sqrt(2.0)
    return np.asarray(rows)


@FEATURES.register("mfcc", paper="002", values="cepstra", calls={"bands": "mel_bands"})
class Mfcc(nn.Module):
    """Mel-frequency cepstral coefficients: waves (batch, samples) → (batch, 1, coefficients, frames).

    mel_bands, window, hop, low, high, fft, window_kind, centre, mel_scale, equal_area, floor, edges: of the log-mel spectrogram.
    mean, deviation: constants taken from the coefficients, one for all or a list of one for each: coefficient 0, the
    level, is often a hundred times the others.
    """

    rows: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        sample_rate: int,
        window: float = 2048 / 44100,
        hop: float = 512 / 44100,
        coefficients: int = 40,
        mel_bands: int = 128,
        low: float = 0.0,
        high: float | None = None,
        fft: int | None = None,
        window_kind: Window = "hann",
        centre: bool = False,
        mel_scale: MelScale = "slaney",
        equal_area: bool = True,
        floor: float = 1e-10,
        mean: float | Sequence[float] = 0.0,
        deviation: float | Sequence[float] = 1.0,
        edges: Edges = "zeros",
    ):
        super().__init__()
        if not 1 <= coefficients <= mel_bands:
            raise ValueError(f"{coefficients} coefficients of {mel_bands} mel bands: there are from 1 to {mel_bands}")
        if mel_bands > MOST_BANDS:
            raise ValueError(f"mel_bands is {mel_bands:,}: there are {MOST_BANDS:,} at most")
        means = each(mean, coefficients, "mean", "coefficients")
        deviations = each(deviation, coefficients, "deviation", "coefficients")
        check_level(floor, min(deviations))
        self.logmel = LogMel(
            sample_rate,
            window,
            hop,
            mel_bands,
            low,
            high,
            fft,
            window_kind,
            centre,
            mel_scale,
            equal_area,
            floor=floor,
            edges=edges,
        )
        self.register_buffer("rows", torch.from_numpy(cosines(coefficients, mel_bands)), persistent=False)
        self.register_buffer("mean", torch.tensor(means, dtype=torch.float64)[:, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviations, dtype=torch.float64)[:, None], persistent=False)
        self.channels, self.bands = 1, coefficients
        self.hop_samples, self.shortest = self.logmel.hop_samples, self.logmel.shortest

    def frames(self, samples: int) -> int:
        return self.logmel.frames(samples)

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return self.logmel.samples(frames)

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`."""
        return self.logmel.middles(places, samples)

    def forward(self, waves: Tensor) -> Tensor:
        with full_precision(waves.device):
            logs = self.logmel(waves)[:, 0].double()  # (batch, mel bands, frames)
            # in float64: coefficient 0 is a thousand in size, and its rounding would be that of the small ones
            coefficients: Tensor = (self.rows @ logs - self.mean) / self.deviation
            return coefficients.float()[:, None]
