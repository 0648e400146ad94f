"""What a page draws of a part of a recording: peaks of its waveform, and its spectrogram as a grey picture.

    peaks         of each of n equal stretches the lowest and the highest sample, full scale ±1, as whole numbers up to ±127
    spectrogram   PNG, one byte a pixel: 0 is FLOOR dB or less, 255 is 0 dB, the level of a sine at full scale. The first row is
                  the highest frequency. A column is the mean power of the frames whose middles lie in it

Both are of the mix that the tagger hears, at the recording's own rate. A part is read by itself, so that the length of its
recording does not matter, where its file can be entered anywhere (`earmark.audio`).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.engines.features.mel import hz_to_mel, mel_to_hz
from earmark.serve.sounds import Sent

Wave = NDArray[np.float32]
Scale = Literal["linear", "mel"]

FLOOR = -120.0  # dB
LONGEST = 300.0  # s that a spectrogram shows at once
DIRECT = 60.0  # s of a part that is read at once for its peaks
FRAMES = 4  # of a column, at most
SIZES = (256, 4096)  # samples of a frame
COARSE = 10  # peaks a second, of the whole of a recording


def part(sound: Sent, rate: int, start: float, end: float) -> Wave:
    """Samples (samples,) of a part at `rate` Hz, as far as they can be read. Raises AudioError."""
    with sound.naming():
        return audio.load(sound.file, rate, start, max(end - start, 1 / rate), salvage=True, report=lambda _: None)


def peaks(wave: Wave, points: int) -> tuple[list[int], list[int]]:
    """Lowest and highest of `points` equal stretches, or of as many as there are samples."""
    points = max(1, min(points, len(wave)))
    edges = np.linspace(0, len(wave), points, endpoint=False).astype(np.int64)
    low, high = np.minimum.reduceat(wave, edges), np.maximum.reduceat(wave, edges)
    return _steps(low), _steps(high)


def _steps(values: Wave) -> list[int]:
    return [int(value) for value in np.clip(np.rint(values * 127), -127, 127)]


def coarse(sound: Sent, rate: int) -> tuple[Wave, Wave, int]:
    """Lowest and highest sample of each tenth of a second of a whole recording, and its samples. Raises AudioError.

    A tenth begins with the first sample that is not before it, also at rates of which it is no whole number of samples.
    """
    low: list[Wave] = []
    high: list[Wave] = []
    total, begun, count, rest = 0, 0, 0, np.zeros(0, np.float32)  # begun: the sample that `rest` begins with
    for block in sound.decoded(rate):
        total += len(block)
        wave = np.concatenate([rest, block])
        whole = total * COARSE // rate  # tenths
        if whole > count:
            edges = -(-np.arange(count, whole + 1) * rate // COARSE) - begun
            starts = np.minimum(edges[:-1], len(wave) - 1)  # of rates below ten
            low.append(np.minimum.reduceat(wave[: edges[-1]], starts))
            high.append(np.maximum.reduceat(wave[: edges[-1]], starts))
            begun, count = begun + int(edges[-1]), whole
            wave = wave[edges[-1] :]
        rest = wave
    if len(rest):
        low.append(rest.min(keepdims=True))
        high.append(rest.max(keepdims=True))
    return np.concatenate(low), np.concatenate(high), total


def far(low: Wave, high: Wave, start: float, end: float, points: int) -> tuple[list[int], list[int]]:
    """Lowest and highest of `points` equal stretches from start to end, seconds, or of as many as there are tenths, of `coarse`."""
    last = min(len(low), math.ceil(end * COARSE))
    points = max(1, min(points, last - int(start * COARSE)))
    edges = np.minimum((np.linspace(start, end, points, endpoint=False) * COARSE).astype(np.int64), last - 1)
    return _steps(np.minimum.reduceat(low[:last], edges)), _steps(np.maximum.reduceat(high[:last], edges))


def around(rate: int) -> float:
    """Seconds before and after a part that its outermost frames reach into."""
    return SIZES[1] / 2 / rate


def spectrogram(
    wave: Wave, rate: int, width: int, height: int, low: float, high: float, scale: Scale, inner: slice = slice(None)
) -> bytes:
    """A picture of width × height pixels. low, high: Hz, of its edges. inner: the samples that it shows; frames at its edges
    look at those around it too.
    """
    size = _size(height * rate / max(1.0, high - low))
    window = np.hanning(size + 1)[:-1]
    power = np.zeros((width, size // 2 + 1))
    count = np.zeros(width)
    first, last, _ = inner.indices(len(wave))
    for columns, frames in _frames(wave, size, width, first, last):
        spectra = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
        np.add.at(power, columns, spectra)
        np.add.at(count, columns, 1)
    seen = np.maximum.accumulate(np.where(count > 0, np.arange(width), 0))  # of fewer samples than columns
    power, count = power[seen], count[seen]
    # a sine at full scale has the magnitude sum(window) / 2 in its bin
    level = power / np.maximum(count, 1)[:, None] * (2 / window.sum()) ** 2
    rows = _rows(level, rate, size, _edges(low, high, height, scale))
    decibels = 10 * np.log10(np.maximum(rows, 10 ** (FLOOR / 10)))
    shades = np.rint(np.clip(1 - decibels / FLOOR, 0, 1) * 255).astype(np.uint8)
    return png(shades.T[::-1])


def _size(wanted: float) -> int:
    """Samples of a frame with about two bins a row: a power of two."""
    return int(np.clip(2 ** math.ceil(math.log2(max(2.0, wanted))), *SIZES))


def _frames(wave: Wave, size: int, width: int, first: int, last: int) -> Iterator[tuple[NDArray[np.int64], Wave]]:
    """(columns, frames) a few hundred at a time, whose middles lie from `first` to `last`; beyond both ends it is mirrored."""
    count = max(last - first, 1)
    hop = max(size // 4, math.ceil(count / (width * FRAMES)))
    if count < width * hop:
        hop = max(1, count // width)
    middles = np.arange(hop // 2, count, hop)
    padded = np.pad(wave, size // 2, "symmetric" if len(wave) >= size // 2 else "constant")
    view = np.lib.stride_tricks.sliding_window_view(padded, size)
    for begin in range(0, len(middles), 256):
        chosen = middles[begin : begin + 256]
        yield np.minimum(chosen * width // count, width - 1), view[np.minimum(first + chosen, len(view) - 1)]


def _edges(low: float, high: float, height: int, scale: Scale) -> NDArray[np.float64]:
    """Hz, (height + 1,), of the rows from the lowest."""
    if scale == "linear":
        return np.linspace(low, high, height + 1)
    ends = hz_to_mel(np.array([low, high]))
    return np.asarray(mel_to_hz(np.linspace(ends[0], ends[1], height + 1)), np.float64)


def _rows(power: NDArray[np.float64], rate: int, size: int, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """(columns, bins) → (columns, rows): the strongest bin of a row, or where it holds none what lies between two bins."""
    bins = power.shape[1]
    at = edges * size / rate
    middle = np.clip((at[:-1] + at[1:]) / 2, 0, bins - 1)
    below = np.floor(middle).astype(np.int64)
    share = middle - below
    between = power[:, below] * (1 - share) + power[:, np.minimum(below + 1, bins - 1)] * share
    first, end = np.ceil(at[:-1]).astype(np.int64), np.ceil(at[1:]).astype(np.int64)
    for row in np.flatnonzero((end - first > 1) & (first < bins)).tolist():
        between[:, row] = power[:, first[row] : min(end[row], bins)].max(1)
    between[:, edges[:-1] >= rate / 2] = 0
    return np.asarray(between, np.float64)


def png(shades: NDArray[np.uint8]) -> bytes:
    """(rows, columns) of one byte each → a grey picture (PNG specification, sections 5 and 11)."""
    rows = np.pad(shades, ((0, 0), (1, 0))).tobytes()  # each row opens with its filter: none
    size = struct.pack(">IIBBBBB", shades.shape[1], shades.shape[0], 8, 0, 0, 0, 0)  # 8 bits, grey
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(rows, 3)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
