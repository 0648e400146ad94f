"""The spectrogram of a recording of any length: computed in blocks, drawn on axes or as a small PNG of its own."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.engines.features import LogMel
from earmark.engines.features.mel import hz_to_mel, mel_to_hz
from earmark.errors import ScoresError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
from earmark.report.pictures.style import GREY

BANDS, WINDOW = 96, 0.046  # of a recording's spectrogram: mel bands; seconds
BLOCK = 10.0  # seconds of a recording that are read at once
SHADES = 64  # of a spectrogram in a page: more cannot be told apart, and fewer bytes are


def spectrum(
    path: str | Path,
    sample_rate: int,
    start: float,
    duration: float,
    *,
    columns: int,
    shortest_hop: float,
    salvage: bool = False,
) -> tuple[NDArray[np.float32], list[float]]:
    """What `spectrogram` draws of a recording, or of `duration` seconds from `start` on: (bands, columns) dB, and Hz,
    (bands + 1,), the edges of the bands.

    A whole recording, `start` 0, is read in blocks, so that a long one takes no more memory. Column i has its middle at
    i hops; a hop is `shortest_hop` seconds, or more where that would make more than `columns` columns: then what lies
    between two columns is not seen. sample_rate: Hz, of which the bands cover half. Raises AudioError.
    """
    step = max(1, math.ceil(max(shortest_hop, duration / columns) * sample_rate))
    feature = LogMel(sample_rate, WINDOW, step / sample_rate, BANDS)
    half = np.zeros(feature.samples(1) // 2, np.float32)  # at both ends, so that columns reach from end to end
    held, skip, total = half, 0, 0
    maps: list[NDArray[np.float32]] = []
    for block in chain(_pieces(path, sample_rate, start, duration, salvage), [None]):
        total += 0 if block is None else len(block)
        held = np.concatenate([held, half if block is None else block])
        held, skip = held[skip:], max(0, skip - len(held))
        if block is None and not maps:
            held = np.pad(held, (0, max(0, feature.shortest - len(held))))
        ready = feature.frames(len(held)) if len(held) >= feature.shortest else 0
        if ready > 0:
            maps.append(feature(held[None, : feature.samples(ready)])[0, 0])
            # hops longer than a frame step over samples that are yet to come
            held, skip = held[ready * step :], max(0, ready * step - len(held))
    low, high = hz_to_mel(np.array([0.0, sample_rate / 2]))
    edges = mel_to_hz(np.linspace(low, high, BANDS + 1)).tolist()
    return np.concatenate(maps, 1)[:, : max(1, math.ceil(total / step))], edges


def _pieces(
    path: str | Path, sample_rate: int, start: float, duration: float, salvage: bool
) -> Iterator[NDArray[np.float32]]:
    """Samples of a part; what is odd about them was said when they were scored."""
    if start:
        yield audio.load(path, sample_rate, start, duration, salvage=salvage, report=lambda _: None)
        return
    left = round(duration * sample_rate)
    for block in audio.blocks(path, sample_rate, BLOCK, salvage=salvage, report=lambda _: None):
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return


def spectrogram(axes: Axes, spectrum: NDArray[np.float32], band_edges: Sequence[float], duration: float) -> None:
    """Draw (bands, frames) dB over `duration` seconds, the loudest 80 dB of it. band_edges: Hz, (bands + 1,)."""
    top = float(np.percentile(spectrum, 99.8))
    axes.imshow(
        np.maximum(spectrum, top - 80), origin="lower", aspect="auto", cmap="magma",
        extent=(0, duration, 0, len(spectrum)), interpolation="nearest",
    )  # fmt: skip
    wanted = [hz for hz in (100, 200, 500, 1000, 2000, 5000, 10000, 20000) if band_edges[0] < hz < band_edges[-1]]
    places = np.interp(wanted, band_edges, np.arange(len(band_edges)))
    # mel bands are even in the low end: labels there would lie on each other
    clear = [i for i, place in enumerate(places) if place - (places[i - 1] if i else 0) > 0.04 * len(spectrum)]
    wanted, places = [wanted[i] for i in clear], places[clear]
    axes.set_yticks(places, [f"{hz / 1000:g}" for hz in wanted])
    axes.set_ylabel("kHz", color=GREY)


def shaded(levels: NDArray[np.float32]) -> bytes:
    """(bands, frames) in 0 … 1, lowest band first → a small PNG with a palette of its own, one pixel a value.

    Written here (PNG specification, sections 5 and 11): matplotlib's has four bytes a pixel. Without matplotlib it is grey.
    """
    if levels.ndim != 2 or not levels.size:
        raise ScoresError(f"a picture of the shape {levels.shape} has nothing to draw: (bands, frames) are needed")
    colours = (_shades() * 255).round().astype(np.uint8)
    cells = (np.clip(np.nan_to_num(levels), 0, 1) * (SHADES - 1)).round().astype(np.uint8)[::-1]
    rows = np.pad(cells, ((0, 0), (1, 0))).tobytes()  # each row opens with its filter: none
    size = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 8, 3, 0, 0, 0)  # 8 bits, palette
    chunks = ((b"IHDR", size), (b"PLTE", colours.tobytes()), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _shades() -> NDArray[np.float64]:
    """(SHADES, 3), from dark to light."""
    even = np.linspace(0, 1, SHADES)
    if find_spec("matplotlib") is None:
        return np.repeat(even[:, None], 3, 1)
    from matplotlib import colormaps

    return np.asarray(colormaps["magma"](even), np.float64)[:, :3]
