"""Pictures: a confusion matrix, the tags of a report as bars, a training's curves, a recording over time.

Each function returns a matplotlib figure of its own, without pyplot's state or a window system; `save` writes a PNG.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors import ScoresError
from earmark.registry import did_you_mean
from earmark.scores import Event, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

DPI = 150
BARS = 80  # tags that one picture can hold
LETTERS = 32  # of a tag in a picture
NUMBERED = 60  # tags up to which the cells of a confusion picture hold their counts

INK, GREY, PALE = "#22303c", "#8795a1", "#e6eaee"
BANDS, WINDOW = 96, 0.046  # of a recording's spectrogram: mel bands; seconds
BLOCK = 10.0  # seconds of a recording that are read at once
SHADES = 64  # of a spectrogram in a page: more cannot be told apart, and fewer bytes are
BLUE, ORANGE = "#2166ac", "#d9691e"
LINES = (BLUE, ORANGE, "#3a923a", "#8a56a8", "#b8324a", "#6b7785")


def save(figure: Figure, path: str | Path, dpi: int = DPI) -> None:
    """Write a PNG, whole or not at all. Raises OSError."""
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        figure.savefig(partial, dpi=dpi, format="png")
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def blank(width: float, height: float) -> Figure:
    """An empty figure of its own, in inches: no pyplot, so no window system and no state shared with the caller."""
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained", facecolor="white")


def bare(axes: Axes, keep: Sequence[str] = ()) -> None:
    """Take the frame away, but for the sides to keep."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)
        spine.set_color(GREY)
    axes.tick_params(which="both", length=0, colors=INK)


def _short(tags: Iterable[str]) -> list[str]:
    """The tags, long ones shortened: the tables have them in full."""
    return [tag if len(tag) <= LETTERS else tag[: LETTERS - 1] + "…" for tag in tags]


def confusion(counts: NDArray[np.int64], tags: Sequence[str], title: str) -> Figure:
    """Counts (truth, answered) in cells; colour = share of the row, right answers blue and errors orange."""
    from matplotlib.colors import LinearSegmentedColormap

    tags = _short(tags)
    total = len(tags)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    cell = 0.5 if total <= 15 else 0.3 if total <= 30 else 0.23 if total <= NUMBERED else 0.12
    size = min(40.0, max(3.0, total * cell))
    font = min(10.0, max(4.0, size / total * 30))
    longest = max(map(len, tags)) * font / 110  # inches: a letter is about 0.65 em wide, an inch has 72 points
    turn = 0 if longest < size / total else 45 if total <= 15 else 90
    figure = blank(size + 0.7 + longest, size + 0.9 + longest * math.sin(math.radians(turn)))
    axes = figure.add_subplot()
    diagonal = np.eye(total, dtype=bool)
    for colour, hidden in ((BLUE, ~diagonal), (ORANGE, diagonal)):
        shades = LinearSegmentedColormap.from_list("shades", ["white", colour])
        # the square root lifts small shares: one error in fifty must be seen
        axes.imshow(np.ma.masked_array(np.sqrt(share), hidden), cmap=shades, vmin=0, vmax=1, aspect="equal")
    axes.set_xticks(np.arange(total), tags, rotation=turn, fontsize=font, parse_math=False)
    if turn == 45:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(total), tags, fontsize=font, parse_math=False)
    axes.set_xticks(np.arange(total - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(total - 1) + 0.5, minor=True)
    axes.grid(which="minor", color=PALE, linewidth=0.6 if total <= NUMBERED else 0.3)
    bare(axes)
    axes.set_xlabel("answered  (colour: share of the row)", color=GREY)
    axes.set_ylabel("truth", color=GREY)
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    if total <= NUMBERED:
        for row, column in np.argwhere(counts).tolist():
            colour = "white" if share[row, column] > 0.35 else INK
            count = str(counts[row, column])
            axes.text(column, row, count, ha="center", va="center", fontsize=font, color=colour)
    return figure


def bars(tags: Sequence[Mapping[str, Any]], clips: int, mean: float | None, title: str) -> Figure:
    """Average precision of each tag, best first, against what chance would give: the tag's share of clips.

    tags: rows {tag, clips, average_precision} of a report; those without a value are left out. clips: of the report.
    """
    rows = [row for row in tags if row["average_precision"] is not None]
    rows.sort(key=lambda row: (-row["average_precision"], row["tag"]))
    left_out = max(0, len(rows) - BARS)
    if left_out:
        rows = rows[: BARS // 2] + rows[-BARS // 2 :]
    figure = blank(7.5, 1.3 + 0.23 * max(3, len(rows)))
    axes = figure.add_subplot()
    y = np.arange(len(rows))
    precision = np.array([row["average_precision"] for row in rows])
    axes.barh(y, precision, height=0.72, color=BLUE, alpha=0.85)
    chance = np.array([row["clips"] / clips for row in rows])
    axes.vlines(chance, y - 0.36, y + 0.36, color=ORANGE, linewidth=1.6, label="chance: share of clips")
    for place, row in enumerate(rows):
        label = f"{row['average_precision']:.2f}  ·  {row['clips']}"
        axes.text(1.02, place, label, va="center", fontsize=8, color=INK)
    if mean is not None:
        axes.axvline(mean, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=f"mean: {mean:.3f}")
    axes.set_yticks(y, _short(row["tag"] for row in rows), fontsize=8.5, parse_math=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="x", labelsize=8.5)
    axes.set_xlabel("average precision  (right: value · clips)", color=GREY, fontsize=9)
    axes.grid(axis="x", color=PALE)
    axes.set_axisbelow(True)
    bare(axes)
    between = f"\n{left_out} tags between the best and the worst {BARS // 2} are not drawn" if left_out else ""
    axes.set_title(title + between, color=INK, fontsize=11, loc="left")
    if rows:
        figure.legend(loc="outside lower right", ncols=2, frameon=False, fontsize=8, labelcolor=INK)
    return figure


def curves(history: Sequence[Mapping[str, Any]], monitor: str | None = None) -> Figure:
    """A training: losses, metrics and learning rate over the epochs, the best epoch marked.

    history: dicts {epoch, train_loss, valid_loss, valid_<metric> …, lr}; None or a missing key leaves a gap.
    monitor: the key that chose the epoch: lowest for a loss, highest for a metric. Default: the first valid_ metric,
    else valid_loss. Raises ScoresError where there is nothing to draw.
    """
    if not history:
        raise ScoresError("the history has no epochs: there is nothing to draw")
    if any("epoch" not in row for row in history):
        raise ScoresError(f"a row of the history has no 'epoch'; it has {', '.join(history[0])}")
    keys = list(dict.fromkeys(key for row in history for key in row if key != "epoch"))
    if not keys:
        raise ScoresError("the history has nothing but epochs: there is nothing to draw")
    series = {key: np.array([_gap(row.get(key)) for row in history]) for key in keys}
    if monitor is not None and monitor not in series:
        raise ScoresError(f"the history has no {monitor!r}{did_you_mean(monitor, keys)} It has {', '.join(keys)}")
    losses = [key for key in keys if key.endswith("loss")]
    rates = [key for key in keys if key == "lr" or key.startswith("lr_")]
    others = [key for key in keys if key not in losses and key not in rates]
    shares = [key for key in others if np.nan_to_num(np.abs(series[key])).max() <= 1]
    panels = [
        ("loss", losses),
        ("metric", shares),
        ("", [k for k in others if k not in shares]),
        ("learning rate", rates),
    ]
    panels = [(title, names) for title, names in panels if names]
    if monitor is None:
        valid = [key for key in [*shares, *others] if key.startswith("valid_")]
        monitor = next(iter(valid or [key for key in losses if key.startswith("valid_")]), None)
    epochs = np.array([row["epoch"] for row in history], float)
    return _panels(epochs, series, panels, monitor)


def _gap(value: Any) -> float:
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan


def _panels(
    epochs: Floats, series: Mapping[str, Floats], panels: Sequence[tuple[str, list[str]]], monitor: str | None
) -> Figure:
    heights = [0.45 if title == "learning rate" else 1.0 for title, _ in panels]
    figure = blank(7.5, 0.8 + 2.4 * sum(heights))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    best = None
    if monitor is not None and not np.isnan(series[monitor]).all():
        choose: Callable[[Floats], Any] = np.nanargmin if monitor.endswith("loss") else np.nanargmax
        best = int(choose(series[monitor]))
    for axes, (title, names) in zip(grid, panels, strict=True):
        for colour, name in zip(LINES * (1 + len(names) // len(LINES)), names, strict=False):
            style = {"drawstyle": "steps-mid"} if title == "learning rate" else {"marker": ".", "markersize": 4}
            axes.plot(epochs, series[name], color=colour, linewidth=1.6, label=name.replace("_", " "), **style)
            if best is not None and name == monitor:
                axes.plot(epochs[best], series[name][best], "o", ms=8, mfc="white", mec=colour, mew=2, zorder=5)
        if best is not None:
            axes.axvline(epochs[best], color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.set_ylabel(title, color=GREY)
        axes.grid(color=PALE)
        bare(axes, keep=("bottom",))
        if title == "learning rate" and any((series[name] > 0).any() for name in names):
            axes.set_yscale("log")
        if title != "learning rate" or len(names) > 1:
            axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="center left", bbox_to_anchor=(1.01, 0.5))
    figure.align_ylabels(grid)
    grid[-1].set_xlabel("epoch", color=GREY)
    grid[-1].xaxis.get_major_locator().set_params(integer=True)
    if best is not None and monitor is not None:
        told = f"best epoch {epochs[best]:g}: {monitor.replace('_', ' ')} {series[monitor][best]:.4g}"
        grid[0].set_title(told, color=INK, fontsize=11, loc="left")
    return figure


def timeline(
    spectrum: NDArray[np.float32],
    band_edges: Sequence[float],
    scores: Scores,
    title: str,
    *,
    strongest: int = 5,
    reference: Sequence[Event] = (),
) -> Figure:
    """A recording over time: its spectrogram above, the scores of its strongest tags below, and what is known of it.

    spectrum: (bands, frames) dB over the whole recording. band_edges: Hz, (bands + 1,). scores: its windows; a score is
    drawn over its window's middle. reference: events that are known, drawn as bars between the two.
    """
    duration = float(scores.end.max())
    figure = blank(10, 6 if reference else 5.4)
    heights = [1.0, 0.35, 1.0] if reference else [1.0, 1.0]
    rows = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    spectrogram(rows[0], spectrum, band_edges, duration)
    rows[0].set_title(title, color=INK, fontsize=11, loc="left", parse_math=False)
    peak = scores.values.max(0)
    named = {event.tag for event in reference}
    order = np.argsort(-peak, kind="stable").tolist()[:strongest]
    order += [i for i, tag in enumerate(scores.tags) if tag in named and i not in order]
    colours = {scores.tags[i]: LINES[k % len(LINES)] for k, i in enumerate(order)}
    middle = (scores.start + scores.end) / 2
    for i in order:
        tag = scores.tags[i]
        rows[-1].plot(
            middle, scores.values[:, i], color=colours[tag], linewidth=1.8, marker=".", markersize=4, label=tag
        )
    rows[-1].set_ylim(-0.02, 1.02)
    rows[-1].set_ylabel("score", color=GREY)
    rows[-1].set_xlabel("seconds", color=GREY)
    rows[-1].grid(color=PALE)
    rows[-1].legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="center left", bbox_to_anchor=(1.005, 0.5))
    if reference:
        _bars_of_events(rows[1], reference, colours)
    for axes in rows:
        bare(axes, keep=("bottom",) if axes is rows[-1] else ())
    rows[-1].set_xlim(0, duration)
    return figure


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
    # imported here: reports draw too, and do not know torch
    import torch

    from earmark.features import LogMel
    from earmark.features.mel import hz_to_mel, mel_to_hz

    step = max(1, math.ceil(max(shortest_hop, duration / columns) * sample_rate))
    feature = LogMel(sample_rate, WINDOW, step / sample_rate, BANDS)
    half = np.zeros(feature.samples(1) // 2, np.float32)  # at both ends, so that columns reach from end to end
    held, skip, total = half, 0, 0
    made: list[NDArray[np.float32]] = []
    for block in chain(_pieces(path, sample_rate, start, duration, salvage), [None]):
        total += 0 if block is None else len(block)
        held = np.concatenate([held, half if block is None else block])
        held, skip = held[skip:], max(0, skip - len(held))
        if block is None and not made:
            held = np.pad(held, (0, max(0, feature.shortest - len(held))))
        ready = feature.frames(len(held)) if len(held) >= feature.shortest else 0
        if ready > 0:
            made.append(feature(torch.from_numpy(held[: feature.samples(ready)])[None])[0, 0].numpy())
            # hops longer than a frame step over samples that are yet to come
            held, skip = held[ready * step :], max(0, ready * step - len(held))
    low, high = hz_to_mel(np.array([0.0, sample_rate / 2]))
    edges = mel_to_hz(np.linspace(low, high, BANDS + 1)).tolist()
    return np.concatenate(made, 1)[:, : max(1, math.ceil(total / step))], edges


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


def _bars_of_events(axes: Axes, events: Sequence[Event], colours: Mapping[str, str]) -> None:
    """One bar an event, each tag on a line of its own."""
    tags = sorted({event.tag for event in events}, key=lambda tag: min(e.onset for e in events if e.tag == tag))
    for event in events:
        colour = colours.get(event.tag, GREY)
        axes.barh(tags.index(event.tag), event.offset - event.onset, left=event.onset, height=0.7, color=colour)
    axes.set_yticks(range(len(tags)), _short(tags), fontsize=8.5, parse_math=False)
    axes.invert_yaxis()
    axes.set_ylabel("known", color=GREY)


def shaded(levels: NDArray[np.float32]) -> bytes:
    """(bands, frames) in 0 … 1, lowest band first → a small PNG with a palette of its own, one pixel a value.

    Written here (PNG specification, sections 5 and 11): matplotlib's has four bytes a pixel.
    """
    from matplotlib import colormaps

    if levels.ndim != 2 or not levels.size:
        raise ScoresError(f"a picture of the shape {levels.shape} has nothing to draw: (bands, frames) are needed")
    colours = (np.asarray(colormaps["magma"](np.linspace(0, 1, SHADES)))[:, :3] * 255).round().astype(np.uint8)
    cells = (np.clip(np.nan_to_num(levels), 0, 1) * (SHADES - 1)).round().astype(np.uint8)[::-1]
    rows = np.pad(cells, ((0, 0), (1, 0))).tobytes()  # each row opens with its filter: none
    size = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 8, 3, 0, 0, 0)  # 8 bits, palette
    chunks = ((b"IHDR", size), (b"PLTE", colours.tobytes()), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
