"""Pictures of an evaluation: a confusion matrix, the tags as bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from earmark.evaluation.figures import TagFigures
from earmark.errors import agreed, counted
from earmark.report.pictures.style import BLUE, GREY, INK, ORANGE, PALE, bare, blank, short

BARS = 80  # tags that one picture can hold
NUMBERED = 60  # tags up to which the cells of a confusion picture hold their counts


def confusion(counts: NDArray[np.int64], tags: Sequence[str], title: str) -> Figure:
    """Counts (truth, answered) in cells; colour = share of the row, right answers blue and errors orange."""
    from matplotlib.colors import LinearSegmentedColormap

    tags = short(tags)
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


def bars(tags: Sequence[TagFigures], clips: int, mean: float, title: str) -> Figure:
    """Average precision of each tag, best first, against what chance would give: the tag's share of clips.

    tags: those without a value are left out. clips: of the report.
    """
    rows = [row for row in tags if math.isfinite(row.average_precision)]
    rows.sort(key=lambda row: (-row.average_precision, row.tag))
    left_out = max(0, len(rows) - BARS)
    if left_out:
        rows = rows[: BARS // 2] + rows[-BARS // 2 :]
    figure = blank(7.5, 1.3 + 0.23 * max(3, len(rows)))
    axes = figure.add_subplot()
    y = np.arange(len(rows))
    precision = np.array([row.average_precision for row in rows])
    axes.barh(y, precision, height=0.72, color=BLUE, alpha=0.85)
    chance = np.array([row.clips / clips for row in rows])
    axes.vlines(chance, y - 0.36, y + 0.36, color=ORANGE, linewidth=1.6, label="chance: share of clips")
    for place, row in enumerate(rows):
        label = f"{row.average_precision:.2f}  ·  {row.clips}"
        axes.text(1.02, place, label, va="center", fontsize=8, color=INK)
    if math.isfinite(mean):
        axes.axvline(mean, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=f"mean: {mean:.3f}")
    axes.set_yticks(y, short(row.tag for row in rows), fontsize=8.5, parse_math=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="x", labelsize=8.5)
    axes.set_xlabel("average precision  (right: value · clips)", color=GREY, fontsize=9)
    axes.grid(axis="x", color=PALE)
    axes.set_axisbelow(True)
    bare(axes)
    between = (
        f"\n{counted(left_out, 'tag')} between the best and the worst {BARS // 2} {agreed(left_out, 'is', 'are')} not drawn"
        if left_out
        else ""
    )
    axes.set_title(title + between, color=INK, fontsize=11, loc="left")
    if rows:
        figure.legend(loc="outside lower right", ncols=2, frameon=False, fontsize=8, labelcolor=INK)
    return figure
