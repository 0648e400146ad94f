"""When each tag is heard: by hour of day and by date, in events an hour of recording, so that days of more recording count alike.

However long the recordings lie apart, the days that there are can be seen: where nothing was recorded for more than GAP days the
axis of dates is broken, and of more than DAYS days a column holds several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkError, counted
from earmark.events.counts import Count
from earmark.report.pictures import style

MOST = 40  # tags that are drawn, those heard most often
DAYS = 400  # columns of days
GAP = 31  # days without a recording; more of them are a break of the axis
NAMED = 8  # breaks that say how long they are
TICKS = 6  # dates that are written, about
UNKNOWN = "#c3cad1"  # what was not recorded


@dataclass(frozen=True)
class Run:
    """Days of recording, first to last, with no gap in them that is a break. before: days of the break before it; 0: none."""

    first: date
    last: date
    before: int = 0

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class Column:
    """first: its first day; None: of a break. opens: whether a run begins with it. before: days of the break that it is of."""

    first: date | None
    opens: bool = False
    before: int = 0


def draw(counts: Sequence[Count], path: str | Path) -> list[str]:
    """A PNG. Grey is what was not recorded, white what was and had none. What is to be said of it, a sentence each.

    Raises EarmarkError where no time of day is known.
    """
    timed = [row for row in counts if row.hour is not None and row.date is not None]
    if not timed:
        raise EarmarkError(
            f"{path}: no recording tells when it began, so that there is no time of day to draw: say it with --start or --names"
        )
    tags = _tags(timed)
    days = sorted({date.fromisoformat(row.date or "") for row in timed})
    broken = runs(days)
    step = -(-sum(run.days for run in broken) // DAYS)
    dates = columns(broken, step)
    place = _places(days, dates)
    by_hour = rates(timed, tags, [str(hour) for hour in range(24)], lambda row: str(row.hour))
    by_date = rates(timed, tags, [str(n) for n in range(len(dates))], lambda row: str(place[row.date]))
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
    ticks = _ticks(dates)
    right.set_xticks(ticks, [str(dates[n].first) for n in ticks], rotation=30, ha="right")
    right.set_xlabel("date" if step == 1 else f"date, {counted(step, 'day')} a column", color=style.INK)
    _draw_breaks(right, dates)
    hours = sum(_recorded(timed).values()) / 60
    recorded = f"{hours:.1f} recorded hours" if hours >= 1 else f"{60 * hours:.1f} recorded minutes"
    figure.suptitle(f"{recorded}; grey: not recorded", x=0.01, ha="left", fontsize=9, color=style.INK)
    assert image is not None
    figure.colorbar(image, ax=[left, right], label="events an hour", shrink=0.9)
    style.save(figure, path)
    return _told(broken, step)


def runs(days: Sequence[date]) -> list[Run]:
    """Of days in order, each once.

    >>> [(str(run.first), run.days, run.before) for run in runs([date(1970, 1, 1), date(2024, 5, 1), date(2024, 5, 3)])]
    [('1970-01-01', 1, 0), ('2024-05-01', 3, 19843)]
    """
    found = [Run(days[0], days[0])]
    for one, other in pairwise(days):
        between = (other - one).days - 1
        if between > GAP:
            found.append(Run(other, other, between))
        else:
            found[-1] = Run(found[-1].first, other, found[-1].before)
    return found


def columns(found: Sequence[Run], step: int = 1) -> list[Column]:
    """What stands beside each other on the axis of dates. step: days that a column holds."""
    told: list[Column] = []
    wide = max(
        1, sum(-(-run.days // step) for run in found) // 40
    )  # of a break, so that it can be seen among many days
    for run in found:
        told += [Column(None, before=run.before)] * (wide if run.before else 0)
        told += [Column(run.first + timedelta(n), not n) for n in range(0, run.days, step)]
    return told


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


def _places(days: Sequence[date], dates: Sequence[Column]) -> dict[str | None, int]:
    """The column of each day, by its name."""
    starts = [(column.first, n) for n, column in enumerate(dates) if column.first is not None]
    firsts = np.array([first.toordinal() for first, _ in starts])
    at = np.searchsorted(firsts, [day.toordinal() for day in days], side="right") - 1
    return {day.isoformat(): starts[n][1] for day, n in zip(days, at.tolist(), strict=True)}


def _ticks(dates: Sequence[Column]) -> list[int]:
    """The columns whose dates are written: where runs begin, and some between, none too near another."""
    step = max(1, len(dates) // TICKS)
    told: list[int] = []
    for n, column in enumerate(dates):
        near = n - told[-1] if told else step
        if column.first is not None and (near >= step or (column.opens and 2 * near >= step)):
            told.append(n)
    return told


def _draw_breaks(axes: Any, dates: Sequence[Column]) -> None:
    """White, with a dashed edge, and how many days it stands for."""
    starts = [n for n, column in enumerate(dates) if column.first is None and dates[n - 1].first is not None]
    for n in starts:
        end = next(k for k in range(n, len(dates)) if dates[k].first is not None)
        axes.axvspan(n - 0.5, end - 0.5, facecolor="white", zorder=2)
        for edge in (n - 0.5, end - 0.5):
            axes.axvline(edge, color=style.GREY, linestyle=(0, (2, 2)), linewidth=0.9, zorder=3)
        if len(starts) <= NAMED:
            middle, told = (n + end - 1) / 2, counted(dates[n].before, "day")
            where = {"transform": axes.get_xaxis_transform(), "rotation": 90, "ha": "center", "va": "center"}
            axes.text(middle, 0.5, told, fontsize=7, color=style.INK, zorder=4, **where)


def _told(broken: Sequence[Run], step: int) -> list[str]:
    breaks = [(one, other) for one, other in pairwise(broken)]
    told = []
    if breaks:
        one, other = max(breaks, key=lambda pair: pair[1].before)
        told.append(
            f"for {counted(other.before, 'day')} nothing was recorded, from {one.last} to {other.first}"
            + (f", and {counted(len(breaks) - 1, 'time')} more for over {GAP}" if len(breaks) > 1 else "")
            + ": the axis of dates is broken there. Where a clock was reset, tell when these recordings began with --names or --start"
        )
    if step > 1:
        told.append(f"of {counted(sum(run.days for run in broken), 'day')} {step} share a column: a table has each")
    return told


def _tags(counts: Sequence[Count]) -> list[str]:
    often: dict[str, int] = defaultdict(int)
    for row in counts:
        often[row.tag] += row.events
    chosen = sorted(often, key=lambda tag: -often[tag])[:MOST]
    return sorted(chosen)


def _map() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("counts", ["white", style.BLUE])
