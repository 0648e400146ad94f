"""Intervals of shares and of counts, at 95 %: of what was looked at one by one, and is no sample of clips."""

from __future__ import annotations

import math

from earmark.metrics.intervals import Interval

Z = 1.959963984540054


def wilson(right: int, count: int) -> Interval:
    """A share and its score interval (Wilson 1927); NaN where there is none.

    >>> figure = wilson(9, 10)
    >>> figure.value, round(figure.low, 4), round(figure.high, 4)
    (0.9, 0.5958, 0.9821)
    """
    if not count:
        return Interval(math.nan, math.nan, math.nan)
    share, square = right / count, Z * Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    # what the formula gives at the ends, but for rounding
    return Interval(share, 0.0 if right == 0 else middle - half, 1.0 if right == count else middle + half)


def poisson(count: int, hours: float) -> Interval:
    """A rate and its interval, of so many events in so many hours: Byar's approximation of the exact one (Breslow and Day 1987).

    >>> figure = poisson(10, 2.0)
    >>> figure.value, round(figure.low, 1), round(figure.high, 1)
    (5.0, 2.4, 9.2)
    """
    low = count * (1 - 1 / (9 * count) - Z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    high = more * (1 - 1 / (9 * more) + Z / (3 * math.sqrt(more))) ** 3
    return Interval(count / hours, max(0.0, low) / hours, high / hours)
