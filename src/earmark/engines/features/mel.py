"""The mel scale and its triangular filters.

Frequencies are Hz. "slaney" is the scale of Slaney's Auditory Toolbox (1998), linear and then logarithmic; "htk" is
2595·log10(1 + f / 700). Triangles whose sides are straight over Hz are those of librosa; straight over mel, those of VGGish's
front end (Hershey and others, ICASSP 2017), which paper 003 names. Both have their feet and tops at the same frequencies; in
between the latter are higher on the rising side and lower on the falling one, as mel bends down over Hz.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.engines.features.constants import check_known
from earmark.errors import agreed, counted
from earmark.errors.refusals import Refused, refuse, stop

MelScale = Literal["slaney", "htk"]
Triangles = Literal["hz", "mel"]

# Slaney's Auditory Toolbox (1998): linear up to 1 kHz, then logarithmic with 27 steps for a factor of 6.4
LINEAR_STEP = 200.0 / 3.0
LOG_FROM_HZ = 1000.0
LOG_STEP = math.log(6.4) / 27.0

# Mel bands that are summed at once. Neighbours reach few of the bins, so that most of the full product is by nought:
# with 16 a product of (frames, bins) and (bins, 128) takes a fifth of the time, and smaller ones cost more in calls
BANDS_AT_ONCE = 16
LARGEST = 1 << 23  # weights of a filter bank, bands × bins: 64 MiB in float64 while they are computed


def hz_to_mel(hz: NDArray[np.float64], scale: MelScale = "slaney") -> NDArray[np.float64]:
    """Hz → mel.

    >>> hz_to_mel(np.array([200.0, 1000.0, 6400.0])).round(3).tolist()
    [3.0, 15.0, 42.0]
    """
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    above = LOG_FROM_HZ / LINEAR_STEP + np.log(np.maximum(hz, LOG_FROM_HZ) / LOG_FROM_HZ) / LOG_STEP
    return np.where(hz < LOG_FROM_HZ, hz / LINEAR_STEP, above)


def mel_to_hz(mel: NDArray[np.float64], scale: MelScale = "slaney") -> NDArray[np.float64]:
    """mel → Hz.

    >>> mel_to_hz(np.array([3.0, 15.0, 42.0])).round(3).tolist()
    [200.0, 1000.0, 6400.0]
    """
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    knee = LOG_FROM_HZ / LINEAR_STEP
    above = LOG_FROM_HZ * np.exp(LOG_STEP * (np.maximum(mel, knee) - knee))
    return np.where(mel < knee, mel * LINEAR_STEP, above)


def mel_filters(
    sample_rate: int,
    fft: int,
    bands: int,
    low: float,
    high: float,
    scale: MelScale = "slaney",
    equal_area: bool = True,
    triangles: Triangles = "hz",
) -> NDArray[np.float32]:
    """Triangular filters (bands, fft // 2 + 1) between `low` and `high` Hz. triangles: straight over Hz, or over mel.

    >>> mel_filters(16000, fft=512, bands=40, low=50.0, high=8000.0).shape
    (40, 257)
    """
    check_known("mel_scale", scale, MelScale)
    check_known("triangles", triangles, Triangles)
    if not 0 <= low < high <= sample_rate / 2:
        refuse(f"mel bands from {low:g} to {high:g} Hz do not fit below half the sample rate, {sample_rate / 2:g} Hz")
    if bands * (fft // 2 + 1) > LARGEST:
        stop(
            f"{counted(bands, 'mel band')} of {counted(fft // 2 + 1, 'bin')} {agreed(bands, 'is', 'are')} more than "
            f"{LARGEST:,} weights: take fewer bands"
        )
    bins = np.linspace(0.0, sample_rate / 2, fft // 2 + 1)
    lowest, highest = hz_to_mel(np.array([low, high]), scale)
    even = np.linspace(lowest, highest, bands + 2)
    edges = mel_to_hz(even, scale)
    at, feet = (bins, edges) if triangles == "hz" else (hz_to_mel(bins, scale), even)
    rise = (at - feet[:-2, None]) / np.diff(feet)[:-1, None]
    fall = (feet[2:, None] - at) / np.diff(feet)[1:, None]
    filters = np.maximum(0.0, np.minimum(rise, fall))
    if equal_area:
        filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    empty = np.flatnonzero(filters.max(1) == 0)
    if len(empty):  # told alone: after other mistakes it may be of their making
        raise Refused(
            f"{len(empty):,} of {counted(bands, 'mel band')} {agreed(len(empty), 'is', 'are')} narrower than an FFT bin "
            f"({sample_rate / fft:.1f} Hz), the first at {edges[empty[0] + 1]:.0f} Hz: take fewer bands, a longer FFT or a "
            "higher `low`"
        )
    return filters.astype(np.float32)


def band_parts(filters: NDArray[np.float32]) -> list[tuple[slice, slice]]:
    """(bins, bands) of the parts of `filters` (bands, bins) outside of which all is nought, in the order of the bands."""
    parts = []
    for first in range(0, len(filters), BANDS_AT_ONCE):
        bands = slice(first, min(first + BANDS_AT_ONCE, len(filters)))
        reached = np.flatnonzero(filters[bands].any(0))
        parts.append((slice(int(reached[0]), int(reached[-1]) + 1), bands))
    return parts
