"""Pictures of what goes on inside a tagger: filters, kernels, gates. Each function returns a figure of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark.errors import counted
from earmark.report.explain.filters import mel_curve
from earmark.report.pictures import BLUE, GREY, INK, LINES, ORANGE, PALE, bare, blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

RANGE = 25  # dB below a filter's peak that its column shows
TINY = 1e-12  # of a power, −120 dB below the largest
LISTED = 8  # tags whose gates are drawn


def decibels(power: Floats) -> Floats:
    """Powers (n, bins) → dB below the largest of each row."""
    return np.asarray(10 * np.log10(np.maximum(power / np.maximum(power.max(-1, keepdims=True), 1e-300), TINY)))


def spectra(power: Floats, hz: Floats, centres: Floats, title: str) -> Figure:
    """Power spectra (filters, bins) as columns, the filter with the lowest centre frequency first."""
    figure = blank(7.5, 4.4)
    _columns(figure, figure.add_subplot(), power, hz, centres)
    figure.axes[0].set_title(title, color=INK, fontsize=11, loc="left", parse_math=False)
    return figure


def responses(power: Floats, hz: Floats, centres: Floats, title: str) -> Figure:
    """As `spectra`, of kernels; beside them the sorted centre frequencies and the mel scale."""
    figure = blank(11, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    _columns(figure, left, power, hz, centres)
    left.set_title(title, color=INK, fontsize=11, loc="left", parse_math=False)
    count, rate = len(centres), round(2 * float(hz[-1]))
    x = np.arange(1, count + 1)
    right.plot(x, np.sort(centres) / 1000, color=BLUE, linewidth=1.8, marker=".", markersize=4, label="filters")
    right.plot(x, mel_curve(count, rate) / 1000, color=ORANGE, linewidth=1.6, label="even in mel")
    right.plot(x, (np.arange(count) + 0.5) / count * rate / 2000, color=GREY, linestyle=(0, (4, 3)), label="even in Hz")
    right.set_xlabel("filter, lowest centre frequency first", color=GREY)
    _kilohertz(right, hz)
    return figure


def centres(layers: Mapping[str, Floats], sample_rate: int, title: str) -> Figure:
    """The sorted centre frequencies of several layers, by name, against the mel scale."""
    from matplotlib import colormaps

    figure = blank(8.5, 4.8)
    axes = figure.add_subplot()
    shades = colormaps["viridis"](np.linspace(0.9, 0, len(layers)))
    for shade, (name, hz) in zip(shades, layers.items(), strict=True):
        place = (np.arange(len(hz)) + 0.5) / len(hz)
        axes.plot(place * 100, np.sort(hz) / 1000, color=shade, linewidth=1.5, label=name)
    place = (np.arange(100) + 0.5) / 100
    axes.plot(place * 100, mel_curve(100, sample_rate) / 1000, color=ORANGE, linewidth=2.2, label="even in mel")
    axes.plot(place * 100, place * sample_rate / 2000, color=GREY, linestyle=(0, (4, 3)), label="even in Hz")
    axes.set_xlabel("filters of the layer, lowest centre frequency first (%)", color=GREY)
    axes.set_title(title, color=INK, fontsize=11, loc="left", parse_math=False)
    axes.set_xlim(0, 100)
    _kilohertz(axes, np.array([0.0, sample_rate / 2]))
    return figure


def _columns(figure: Figure, axes: Axes, power: Floats, hz: Floats, centres: Floats) -> None:
    order = np.argsort(centres, kind="stable")
    step = float(hz[1] - hz[0]) / 1000
    shown = axes.imshow(
        np.maximum(decibels(power[order]).T, -RANGE), origin="lower", aspect="auto", cmap="magma",
        vmin=-RANGE, vmax=0, interpolation="nearest",
        extent=(0.5, len(power) + 0.5, float(hz[0]) / 1000 - step / 2, float(hz[-1]) / 1000 + step / 2),
    )  # fmt: skip
    axes.set_xlabel("filter, lowest centre frequency first", color=GREY)
    axes.set_ylabel("kHz", color=GREY)
    bare(axes)
    bar = figure.colorbar(shown, ax=axes, pad=0.02, aspect=30)
    bar.set_label("dB below the filter's peak", color=GREY)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, colors=INK)


def _kilohertz(axes: Axes, hz: Floats) -> None:
    axes.set_ylabel("centre frequency (kHz)", color=GREY)
    axes.set_ylim(-0.01 * float(hz[-1]) / 1000, 1.01 * float(hz[-1]) / 1000)
    axes.grid(color=PALE)
    bare(axes, keep=("bottom",))
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="center left", bbox_to_anchor=(1.005, 0.5))


def kernels(weights: NDArray[np.float32], title: str) -> Figure:
    """Kernels (n, bands, frames) as small maps: each scaled by its own largest weight, 0 white."""
    count = len(weights)
    across = min(count, 16 if count > 32 else 8)
    down = math.ceil(count / across)
    figure = blank(0.55 * across + 1.2, 0.55 * down * weights.shape[1] / weights.shape[2] + 1.0)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes in grid:
        axes.set_xticks([])
        axes.set_yticks([])
        bare(axes)
    for axes, weight in zip(grid, weights, strict=False):
        most = float(np.abs(weight).max()) or 1.0
        axes.imshow(weight, origin="lower", cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    bands, frames = weights.shape[1:]
    figure.suptitle(title, color=INK, fontsize=11, parse_math=False)
    figure.supxlabel(counted(frames, "frame"), color=GREY, fontsize=9)
    figure.supylabel(f"{counted(bands, 'band')}, low ones below", color=GREY, fontsize=9)
    return figure


def gates(of_tags: Mapping[str, Sequence[Floats]], blocks: Sequence[str], title: str) -> Figure:
    """For each tag the mean gates (channels,) of every block; a panel a block, its channels by their mean over tags."""
    shown = list(of_tags.items())[:LISTED]
    down = math.ceil(len(blocks) / 3)
    figure = blank(11, 1.0 + 2.3 * down)
    grid = figure.subplots(down, min(3, len(blocks)), squeeze=False, sharey=True).ravel()
    for place, (axes, name) in enumerate(zip(grid, blocks, strict=False)):
        order = np.argsort(np.mean([by_block[place] for by_block in of_tags.values()], 0), kind="stable")
        for number, (tag, by_block) in enumerate(shown):
            style = "-" if number < len(LINES) else (0, (3, 2))
            colour = LINES[number % len(LINES)]
            axes.plot(by_block[place][order], color=colour, linewidth=1, linestyle=style, label=tag)
        axes.set_title(name, color=INK, fontsize=9.5, loc="left")
        axes.set_ylim(-0.02, 1.02)
        axes.grid(color=PALE)
    for axes in grid:
        bare(axes, keep=("bottom",))
        if not axes.lines:
            axes.set_visible(False)
    legend = figure.legend(
        *grid[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8.5
    )
    for text in legend.get_texts():
        text.set(color=INK, parse_math=False)
    figure.suptitle(title, color=INK, fontsize=11, parse_math=False)
    figure.supxlabel("channel, least open first", color=GREY, fontsize=9)
    figure.supylabel("mean gate", color=GREY, fontsize=9)
    return figure
