"""The picture of a recording's moments: spectrogram, attention, what each moment says by itself, levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.engines.features.mel import hz_to_mel, mel_to_hz
from earmark.models.features import LogMel
from earmark.report import pictures
from earmark.report.explain.moments import Curve, Moments, Passage
from earmark.report.pictures import GREY, INK, LINES, PALE, bare, blank
from earmark.report.pictures.recording import SHORTEST_HOP
from earmark.report.pictures.spectrograms import BANDS, WINDOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRONGEST = 4  # tags that are drawn


def strongest(moments: Sequence[Moments], most: int = STRONGEST) -> list[int]:
    """The tags with the highest score in any window, the highest first."""
    peak = np.max([window.scores for window in moments], 0)
    return [int(i) for i in np.argsort(-peak, kind="stable")[:most]]


def draw(excerpt: Passage, moments: Sequence[Moments], tags: Sequence[str], sample_rate: int, title: str) -> Figure:
    """A picture with a row for the spectrogram, each attention and the frames, and one for the levels where there are."""
    chosen = strongest(moments)
    rows = [[window.attention[i] for window in moments] for i in range(len(moments[0].attention))]
    frames = [window.frames for window in moments if window.frames is not None]
    levels = len(moments[0].levels) if moments[0].attention and len(moments[0].levels) > 1 else 0
    count = 1 + len(rows) + bool(frames) + bool(levels)
    figure = blank(10, 1.0 + 1.75 * count)
    grid = list(figure.subplots(count, 1, squeeze=False)[:, 0])
    duration = len(excerpt.wave) / sample_rate
    _spectrogram(grid[0], excerpt.wave, sample_rate)
    grid[0].set_title(title, color=INK, fontsize=11, loc="left", parse_math=False)
    for axes, tracks in zip(grid[1:], rows, strict=False):
        _tracks(axes, tracks, chosen, duration, relative=True)
        axes.axhline(1, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
        axes.set_ylabel("attention" if len(rows) == 1 else f"attention,\n{tracks[0].name}", color=GREY)
    if frames:
        axes = grid[1 + len(rows)]
        _tracks(axes, frames, chosen, duration)
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("probability,\neach moment", color=GREY)
    _seconds(grid[: count - bool(levels)], [window.end for window in moments[:-1]], duration, excerpt.start)
    if levels:
        _levels(grid[-1], moments, chosen, tags)
    _legend(grid[1], tags, chosen)
    return figure


def _spectrogram(axes: Axes, wave: NDArray[np.float32], rate: int) -> None:
    feature = LogMel(rate, WINDOW, SHORTEST_HOP, BANDS)
    padded = np.pad(wave, (0, max(0, feature.shortest - len(wave))))
    spectrum = feature(torch.from_numpy(padded)[None])[0, 0].numpy()
    low, high = hz_to_mel(np.array([0.0, rate / 2]))
    pictures.spectrogram(axes, spectrum, mel_to_hz(np.linspace(low, high, BANDS + 1)).tolist(), len(wave) / rate)


def _tracks(
    axes: Axes, tracks: Sequence[Curve], chosen: Sequence[int], duration: float, *, relative: bool = False
) -> None:  # fmt: skip
    """Values as steps, window by window. relative: times the number of moments, so that even weights are 1.

    The last window may begin before the one before it ends: there it is not drawn.
    """
    until = 0.0
    for track in tracks:
        edges = np.clip(track.edges, until, duration)
        until = max(until, float(edges[-1]))
        scale = len(track.values) if relative else 1
        seen = np.flatnonzero(np.diff(edges) > 0)
        if not len(seen):
            continue
        edges = edges[seen[0] : seen[-1] + 2]
        for colour, i in zip(LINES, chosen, strict=False):
            axes.stairs(track.values[seen, i] * scale, edges, color=colour, linewidth=1.6, baseline=None, zorder=3)
    axes.grid(axis="y", color=PALE)
    if relative:
        axes.set_ylim(bottom=0)


def _seconds(grid: Sequence[Axes], borders: Sequence[float], duration: float, first: float) -> None:
    """One time axis for all, labelled under the last; windows are parted by lines."""
    for axes in grid:
        axes.set_xlim(0, duration)
        bare(axes, keep=("bottom",) if axes is grid[-1] else ())
        if axes is not grid[-1]:
            axes.tick_params(labelbottom=False)
        if axes is not grid[0]:
            for border in borders:
                axes.axvline(border, color=PALE, linewidth=1.5, zorder=0)
    grid[-1].set_xlabel("seconds" if not first else f"seconds from {first:g} s on", color=GREY)


def _levels(axes: Axes, moments: Sequence[Moments], chosen: Sequence[int], tags: Sequence[str]) -> None:
    """Bars: what each level says of the strongest tags, the mean over windows."""
    mean = np.mean([window.levels for window in moments], 0)  # (levels, tags)
    width = 0.8 / len(mean)
    for colour, (place, i) in zip(LINES, enumerate(chosen), strict=False):
        at = place + (np.arange(len(mean)) - (len(mean) - 1) / 2) * width
        axes.bar(at, mean[:, i], width * 0.9, color=colour, alpha=0.85)
        for number, (x, value) in enumerate(zip(at, mean[:, i], strict=True), 1):
            axes.text(x, value + 0.03, str(number), ha="center", fontsize=8, color=INK)
    axes.set_xticks(range(len(chosen)), [tags[i] for i in chosen], parse_math=False)
    axes.set_ylim(0, 1.15)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("probability,\nby level", color=GREY)
    axes.grid(axis="y", color=PALE)
    bare(axes, keep=("bottom",))


def _legend(axes: Axes, tags: Sequence[str], chosen: Sequence[int]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, linewidth=1.8) for colour, _ in zip(LINES, chosen, strict=False)]
    legend = axes.legend(
        handles, [tags[i] for i in chosen], frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.005, 0.5)
    )
    for text in legend.get_texts():
        text.set(color=INK, parse_math=False)
