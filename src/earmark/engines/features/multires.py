"""Multi-resolution log-mel spectrogram: one of paper 002's features (section 2.1, after its reference [22]).

Log-mel spectrograms with windows of different lengths and one hop: short windows tell when, long ones which pitch. The
paper prints their size as T × (128 · 3), and feeds its 2D net three channels. So they are three channels of 128 bands
here, or, with `join: bands`, one map of 384 bands, the bands of the first window below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from earmark.engines.features.constants import check_known, each
from earmark.engines.features.framing import Floats, Singles, Window
from earmark.engines.features.levels import Log
from earmark.engines.features.logmel import LogMel
from earmark.engines.features.mel import LARGEST, MelScale
from earmark.errors import counted
from earmark.errors.refusals import refuse, stop
from earmark.registry import NUMPY_FEATURES

Join = Literal["channels", "bands"]
MOST = 16  # windows


@NUMPY_FEATURES.register("multires", paper="002", values="levels")
class MultiRes:
    """Multi-resolution log-mel spectrogram: waves (batch, samples) → (batch, windows, bands, frames).

    windows: seconds, one a channel, or, with `join` bands, one above the other in one map (batch, 1, windows · bands,
    frames). Each window's FFT has its length. Frames are centred on multiples of the hop, with zeros beyond the ends, so
    that all windows have as many and frame k of each is about the same moment.
    mean, deviation: constants taken from the values, one for all or a list of one for each window: power grows with the
    window's length. The other arguments are those of `logmel`.
    """

    def __init__(
        self,
        sample_rate: int,
        windows: Sequence[float] = (2048 / 44100, 8192 / 44100, 16384 / 44100),
        hop: float = 512 / 44100,
        bands: int = 128,
        low: float = 0.0,
        high: float | None = None,
        window_kind: Window = "hann",
        mel_scale: MelScale = "slaney",
        equal_area: bool = True,
        magnitude: bool = False,
        log: Log = "db",
        floor: float = 1e-10,
        mean: float | Sequence[float] = 0.0,
        deviation: float | Sequence[float] = 1.0,
        join: Join = "channels",
    ):
        check_known("join", join, Join)
        if not windows:
            refuse("windows is empty: give the length of at least one, in seconds")
        if len(windows) > MOST:
            stop(f"windows has {counted(len(windows), 'length')}: there are {MOST} at most")
        bins = sum(round(window * sample_rate) // 2 + 1 for window in windows)
        if bands * bins > LARGEST:
            stop(
                f"{counted(bands, 'band')} of {counted(bins, 'bin')} in all are more than {LARGEST:,} weights: take fewer or "
                "shorter windows"
            )
        means = each(mean, len(windows), "mean", "windows")
        deviations = each(deviation, len(windows), "deviation", "windows")
        self.resolutions = [
            LogMel(
                sample_rate,
                window,
                hop,
                bands,
                low,
                high,
                window_kind=window_kind,
                centre=True,
                mel_scale=mel_scale,
                equal_area=equal_area,
                magnitude=magnitude,
                log=log,
                floor=floor,
                mean=own_mean,
                deviation=own_deviation,
            )
            for window, own_mean, own_deviation in zip(windows, means, deviations, strict=True)
        ]
        self.joined = 1 if join == "channels" else 2  # the dimension along which maps stand side by side
        self.channels, self.bands = (len(windows), bands) if join == "channels" else (1, len(windows) * bands)
        self.hop_samples, self.shortest = round(hop * sample_rate), 1

    def frames(self, samples: int) -> int:
        return samples // self.hop_samples + 1 if samples > 0 else 0

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return max(1, (frames - 1) * self.hop_samples)

    def step(self, hop: int) -> None:
        """Centred frames see zeros at a window's ends: none are in common."""

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`."""
        return places * self.hop_samples

    def __call__(self, waves: Singles) -> Singles:
        return np.concatenate([logmel(waves) for logmel in self.resolutions], self.joined)
