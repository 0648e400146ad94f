"""How all pictures look: colours, sizes, a figure without pyplot, a PNG that is written whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
LETTERS = 32  # of a tag in a picture
INK, GREY, PALE = "#22303c", "#8795a1", "#e6eaee"
BLUE, ORANGE = "#2166ac", "#d9691e"
LINES = (BLUE, ORANGE, "#3a923a", "#8a56a8", "#b8324a", "#6b7785")


def save(figure: Figure, path: str | Path, dpi: int = DPI) -> None:
    """Write a PNG, whole or not at all. Raises OSError."""
    with whole(path) as part:
        figure.savefig(part, dpi=dpi, format="png")


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


def short(tags: Iterable[str]) -> list[str]:
    """The tags, long ones shortened: the tables have them in full."""
    return [tag if len(tag) <= LETTERS else tag[: LETTERS - 1] + "…" for tag in tags]
