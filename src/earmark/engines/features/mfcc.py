"""Mel-frequency cepstral coefficients: one of paper 002's features (section 2.1: 40 of them).

The orthonormal DCT-II along the bands of a log-mel spectrogram in decibels. There is no lifter, and no decibels are cut
off below the loudest frame (librosa's `top_db` is None): a frame's coefficients do not depend on its window. How many
mel bands lie under the coefficients the paper does not say; 128 is librosa's default and the paper's own log-mel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.engines.features.constants import each
from earmark.engines.features.framing import Edges, Floats, Framed, Singles, Window
from earmark.engines.features.levels import check_level
from earmark.engines.features.logmel import LogMel
from earmark.engines.features.mel import MelScale
from earmark.errors import counted
from earmark.errors.refusals import stop
from earmark.registry import NUMPY_FEATURES

MOST_BANDS = 4096  # of which the cosine transform has a square matrix at most


def cosines(count: int, bands: int) -> Floats:
    """The first `count` rows of the orthonormal DCT-II (count, bands)."""
    turns = np.pi / bands * np.arange(count)[:, None] * (np.arange(bands) + 0.5)
    rows = np.sqrt(2.0 / bands) * np.cos(turns)
    rows[0] /= np.sqrt(2.0)
    return np.asarray(rows)


@NUMPY_FEATURES.register("mfcc", paper="002", values="cepstra", calls={"bands": "mel_bands"})
class Mfcc(Framed):
    """Mel-frequency cepstral coefficients: waves (batch, samples) → (batch, 1, coefficients, frames).

    mel_bands, window, hop, low, high, fft, window_kind, centre, mel_scale, equal_area, floor, edges: of the log-mel spectrogram.
    mean, deviation: constants taken from the coefficients, one for all or a list of one for each: coefficient 0, the
    level, is often a hundred times the others.
    """

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
        if not 1 <= coefficients <= mel_bands:
            stop(
                f"{counted(coefficients, 'coefficient')} of {counted(mel_bands, 'mel band')}: there are from 1 to {mel_bands}"
            )
        if mel_bands > MOST_BANDS:
            stop(f"mel_bands is {mel_bands:,}: there are {MOST_BANDS:,} at most")
        means = each(mean, coefficients, "mean", "coefficients")
        deviations = each(deviation, coefficients, "deviation", "coefficients")
        for own_mean, own_deviation in zip(means, deviations, strict=True):
            check_level(floor, own_deviation, mean=own_mean)
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
        self.rows = cosines(coefficients, mel_bands)
        self.mean, self.deviation = np.array(means)[:, None], np.array(deviations)[:, None]  # (coefficients, 1)
        self.channels, self.bands = 1, coefficients
        self.framing = self.logmel.framing

    def __call__(self, waves: Singles) -> Singles:
        logs = self.logmel(waves)[:, 0].astype(np.float64)  # (batch, mel bands, frames)
        # in float64: coefficient 0 is a thousand in size, and its rounding would be that of the small ones
        coefficients = (self.rows @ logs - self.mean) / self.deviation
        return np.asarray(coefficients[:, None], np.float32)
