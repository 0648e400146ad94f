"""A training's curves: what is learnt, what is validated, at which rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError
from earmark.registry import did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure
from earmark.report.pictures.style import GREY, INK, LINES, PALE, bare, blank

Floats = NDArray[np.float64]


def curves(history: Sequence[Mapping[str, Any]], monitor: str | None = None, kept: int | None = None) -> Figure:
    """A training: losses, metrics and learning rate over the epochs, the epoch marked that was kept, else the best.

    history: dicts {epoch, train_loss, valid_loss, valid_<metric> …, lr}; None or a missing key leaves a gap.
    monitor: the key that chose the epoch: lowest for a loss, highest for a metric. Default: the first valid_ metric,
    else valid_loss. kept: the epoch that became the tagger, which with `train.keep: last` is not the best. Raises ScoresError
    where there is nothing to draw.
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
    return _panels(epochs, series, panels, monitor, kept)


def _gap(value: Any) -> float:
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan


def _panels(
    epochs: Floats,
    series: Mapping[str, Floats],
    panels: Sequence[tuple[str, list[str]]],
    monitor: str | None,
    kept: int | None,
) -> Figure:
    heights = [0.45 if title == "learning rate" else 1.0 for title, _ in panels]
    figure = blank(7.5, 0.8 + 2.4 * sum(heights))
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    best = None
    if monitor is not None and not np.isnan(series[monitor]).all():
        choose: Callable[[Floats], Any] = np.nanargmin if monitor.endswith("loss") else np.nanargmax
        best = int(choose(series[monitor]))
    if kept is not None and kept in epochs:
        best = int(np.flatnonzero(epochs == kept)[0])
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
        best_epoch = f"{'best' if kept is None else 'kept'} epoch {epochs[best]:g}: {monitor.replace('_', ' ')} {series[monitor][best]:.4g}"
        grid[0].set_title(best_epoch, color=INK, fontsize=11, loc="left")
    return figure
