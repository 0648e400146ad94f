"""How a report words things: the words of `earmark.evaluation.wording`, and sentences on figures and intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from earmark.errors import counted
from earmark.evaluation.figures import Bootstrap, Figures
from earmark.evaluation.wording import TITLES, names, number, percent, position, row, title
from earmark.metrics import Interval

__all__ = [
    "TITLES", "between", "column", "decisions", "head", "headline", "intervals", "known", "names", "number",
    "percent", "position", "row", "title", "with_limits",
]  # fmt: skip


def known(value: float | None) -> float | None:
    """None for what is not a finite number, and so not known."""
    return value if value is not None and math.isfinite(value) else None


def column(name: str) -> str:
    """The head of a column of the table of tags."""
    return {"auc": "AUC", "map_at_3": title("map@3")}.get(name, name.replace("_", " "))


def between(low: float | None, high: float | None, digits: int = 3) -> str:
    """The limits of an interval."""
    if known(low) is None and known(high) is None:
        return "–"
    return f"{number(low, digits)} to {number(high, digits)}"


def with_limits(figure: Interval) -> str:
    """'0.512 (0.430 to 0.601)'."""
    limits = between(figure.low, figure.high)
    return number(figure.value) + (f" ({limits})" if limits != "–" else "")


def with_intervals(figures: Figures) -> bool:
    """Whether any figure has an interval; where none has, a note of the figures says why."""
    return any(known(figure.low) is not None for figure in figures.metrics.values())


def head(figures: Figures) -> str:
    """What a report is on, in one line."""
    counts = f"{counted(figures.clips, 'clip')}, {counted(len(figures.tags), 'tag')}, "
    return counts + ("one tag a clip." if figures.task == "one" else "any number of tags a clip.")


def intervals(interval: Bootstrap) -> str:
    """Where the intervals come from, and what they hold for."""
    resamples = f"{counted(interval.resamples, 'resample')} of {counted(interval.groups, 'group')}"
    centred = " and ".join(title(name) for name in interval.centred)
    sentence = f"Intervals: {interval.kind}, {resamples}" + (f", for {centred} centred on the value" if centred else "")
    return sentence + ". They hold for this tagger, not for another training run."


def decisions(threshold: float | NDArray[np.float64] | None) -> str:
    """What counts as an answer in task many."""
    reached = f"{threshold:g}" if isinstance(threshold, int | float) else "the threshold of their tag"
    return f"Precision, recall and F1: tags count as answered where their score reaches {reached}."


def headline(figures: Figures, metric: str) -> str:
    figure = figures.metrics[metric]
    limits = "" if known(figure.low) is None else f" ({number(figure.low)} to {number(figure.high)})"
    return f"{title(metric)} {number(figure.value)}{limits}, {counted(figures.clips, 'clip')}"
