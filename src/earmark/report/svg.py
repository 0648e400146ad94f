"""Drawings of a page as inline SVG: intervals, differences against zero, precision against recall, reliability.

Colours come from the page's style sheet by class, so that they follow light and dark. Values lie in 0 … 1 unless said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from earmark.metrics import Interval
from earmark.metrics.calibration import Bin, Calibration
from earmark.report import wording
from earmark.report.curves import Curve

LEFT, TOP, WIDTH, HEIGHT = 46, 14, 320, 260  # of the plot inside a chart of 380 × 330
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def scale(figures: Sequence[Interval]) -> float:
    """The end of the axis for these intervals: 1, or the next whole number above them all."""
    known = [end for figure in figures for end in (figure.value, figure.low, figure.high) if math.isfinite(end)]
    return float(max(1, math.ceil(max(known, default=1) - 1e-9)))


def interval(figure: Interval, top: float = 1.0) -> str:
    """A value and its interval on an axis from 0 to `top`. Decoration: the figures stand beside it."""
    value, low, high = (_share(end, top) for end in (figure.value, figure.low, figure.high))
    marks = "" if low is None or high is None else _bar(low, high)
    marks += "" if value is None else f'<circle class="dot" cx="{_p(value)}" cy="9" r="4.5"/>'
    return _strip(f'<line class="axis" x1="0" x2="100%" y1="9" y2="9"/>{marks}')


def difference(figure: Interval, reach: float, told_apart: bool) -> str:
    """A difference and its interval on an axis from −reach to reach, with zero in the middle."""
    value, low, high = (_share(end + reach, 2 * reach) for end in (figure.value, figure.low, figure.high))
    marks = '<line class="zero" x1="50%" x2="50%" y1="0" y2="18"/>'
    marks += "" if low is None or high is None else _bar(low, high)
    kind = "dot" if told_apart else "dot open"
    marks += "" if value is None else f'<circle class="{kind}" cx="{_p(value)}" cy="9" r="4.5"/>'
    return _strip(f'<line class="axis" x1="0" x2="100%" y1="9" y2="9"/>{marks}')


def _strip(marks: str) -> str:
    return f'<svg class="strip" aria-hidden="true">{marks}</svg>'


def _bar(low: float, high: float) -> str:
    return f'<rect class="bar" x="{_p(low)}" y="5" width="{_p(max(0.005, high - low))}" height="8" rx="4"/>'


def _share(value: float, top: float) -> float | None:
    return None if not math.isfinite(value) else min(1.0, max(0.0, value / top))


def _p(share: float) -> str:
    return f"{100 * share:.2f}%"


def path(curve: Curve) -> str:
    """The steps of a precision-recall curve as the d of a path: the area under them is the average precision."""
    recall, precision = curve
    commands = [f"M{across(0)} {up(precision[0])}"]
    for r, p in zip(recall.tolist(), precision.tolist(), strict=True):
        commands.append(f"V{up(p)}H{across(r)}")
    return "".join(commands)


def precision_recall(shown: str, others: Sequence[str], chance: float, label: str) -> str:
    """A chart: one curve before the others, paths as `path` makes them. chance: the precision of answers by chance."""
    faint = "".join(f'<path d="{d}"/>' for d in others)
    level = f'<line class="chance" id="chance" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{up(chance)}" y2="{up(chance)}"/>'
    inside = f'<g class="faint">{faint}</g>{level}<path class="curve" id="curve" d="{shown}"/>'
    return _chart(inside, "recall", "precision", label)


def reliability(calibration: Calibration, label: str) -> str:
    """A chart: the share that is right against the mean score, one dot a bin, larger where it holds more."""
    bins = calibration.bins
    most = max(row.count for row in bins)
    marks = [f'<line class="chance" x1="{across(0)}" y1="{up(0)}" x2="{across(1)}" y2="{up(1)}"/>']
    for row in bins:
        marks.append(
            f'<line class="gap" x1="{across(row.confidence)}" x2="{across(row.confidence)}"'
            f' y1="{up(row.confidence)}" y2="{up(row.right)}"/>'
        )
    points = " ".join(f"{across(row.confidence)},{up(row.right)}" for row in bins)
    marks.append(f'<polyline class="curve" points="{points}"/>')
    for row in bins:
        radius = 3 + 7 * math.sqrt(row.count / most)
        marks.append(
            f'<circle class="dot" cx="{across(row.confidence)}" cy="{up(row.right)}" r="{radius:.1f}">'
            f"<title>{bin_label(row)}</title></circle>"
        )
    return _chart("".join(marks), "mean score", "share that is right", label)


def bin_label(row: Bin) -> str:
    between = f"scores {row.low:.1f} to {row.high:.1f}"
    return f"{between}: {row.count}, mean score {row.confidence:.3f}, right {wording.percent(row.right)}"


def _chart(inside: str, below: str, beside: str, label: str) -> str:
    grid = "".join(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{up(t)}" y2="{up(t)}"/>' for t in TICKS)
    labels = "".join(
        f'<text x="{across(t)}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{t:g}</text>'
        f'<text x="{LEFT - 8}" y="{float(up(t)) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in TICKS
    )
    middle, side = LEFT + WIDTH / 2, TOP + HEIGHT / 2
    labels += f'<text class="name" x="{middle}" y="{TOP + HEIGHT + 40}" text-anchor="middle">{below}</text>'
    labels += f'<text class="name" transform="translate(12 {side}) rotate(-90)" text-anchor="middle">{beside}</text>'
    return (
        f'<svg class="chart" viewBox="0 0 380 322" role="img" aria-label="{escape(label)}">'
        f'<g class="grid">{grid}</g><g class="labels">{labels}</g>{inside}</svg>'
    )


def across(value: float) -> str:
    return f"{LEFT + WIDTH * value:.1f}"


def up(value: float | np.floating[Any]) -> str:
    return f"{TOP + HEIGHT * (1 - float(value)):.1f}"
