"""When each tag is heard: by hour of day and by date, in events an hour of recording, so that days of more recording count alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkError
from earmark.events.counts import Count
from earmark.report.pictures import style

MOST = 40  # tags that are drawn, those heard most often
DAYS = 400  # that are drawn one by one
UNKNOWN = "#c3cad1"  # what was not recorded


def draw(counts: Sequence[Count], path: str | Path) -> None:
    """A PNG. Grey is what was not recorded, white what was and had none. Raises EarmarkError where no time of day is known."""
    timed = [row for row in counts if row.hour is not None and row.date is not None]
    if not timed:
        raise EarmarkError(
            f"{path}: no recording tells when it began, so that there is no time of day to draw: say it with --start or --names"
        )
    tags = _tags(timed)
    days = sorted({row.date or "" for row in timed})
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    if (last - first).days >= DAYS:
        raise EarmarkError(
            f"{path}: the recordings are of {(last - first).days + 1} days, and {DAYS} can be drawn: take a table"
        )
    dates = [(first + timedelta(n)).isoformat() for n in range((last - first).days + 1)]
    by_hour = rates(timed, tags, [str(hour) for hour in range(24)], lambda row: str(row.hour))
    by_date = rates(timed, tags, dates, lambda row: row.date or "")
    height = 2.2 + 0.26 * len(tags)
    figure = style.blank(7.5 + min(8.0, 0.16 * len(dates)), height)
    left, right = figure.subplots(1, 2, width_ratios=[24, max(6, min(50, len(dates)))], sharey=True)
    top = float(np.nanmax([np.nanmax(by_hour), np.nanmax(by_date), 1e-9]))
    image = None
    for axes, values in ((left, by_hour), (right, by_date)):
        axes.set_facecolor(UNKNOWN)
        image = axes.imshow(values, aspect="auto", cmap=_map(), vmin=0, vmax=top, interpolation="nearest")
        style.bare(axes)
    left.set_yticks(range(len(tags)), style.short(tags))
    left.set_xticks(range(0, 24, 3), [f"{hour:02}:00" for hour in range(0, 24, 3)])
    left.set_xlabel("hour of day", color=style.INK)
    step = max(1, len(dates) // 6)
    right.set_xticks(range(0, len(dates), step), dates[::step], rotation=30, ha="right")
    right.set_xlabel("date", color=style.INK)
    hours = sum(_recorded(timed).values()) / 60
    figure.suptitle(f"{hours:.1f} recorded hours; grey: not recorded", x=0.01, ha="left", fontsize=9, color=style.INK)
    assert image is not None
    figure.colorbar(image, ax=[left, right], label="events an hour", shrink=0.9)
    style.save(figure, path)


def rates(counts: Sequence[Count], tags: Sequence[str], columns: Sequence[str], column: Any) -> NDArray[np.float64]:
    """(tags, columns) events an hour of recording; NaN where nothing was recorded. column: of a count."""
    events: dict[tuple[str, str], int] = defaultdict(int)
    minutes: dict[str, float] = defaultdict(float)
    for (_, day, hour), recorded in _recorded(counts).items():
        minutes[column(Count("", day, hour, "", 0, 0.0, 0.0))] += recorded
    for row in counts:
        events[row.tag, column(row)] += row.events
    told = np.array([[events[tag, name] for name in columns] for tag in tags], np.float64)
    effort = np.array([minutes[name] for name in columns]) / 60
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(effort > 0, told / effort, np.nan)


def _recorded(counts: Sequence[Count]) -> dict[tuple[str, str | None, int | None], float]:
    """Minutes, of each site, date and hour once: every tag has a row that tells it."""
    return {(row.site, row.date, row.hour): row.recorded for row in counts}


def _tags(counts: Sequence[Count]) -> list[str]:
    often: dict[str, int] = defaultdict(int)
    for row in counts:
        often[row.tag] += row.events
    chosen = sorted(often, key=lambda tag: -often[tag])[:MOST]
    return sorted(chosen)


def _map() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("counts", ["white", style.BLUE])
