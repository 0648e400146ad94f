"""Ways timed in turns within one process, so that whatever else the machine does falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def in_turn(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each way. The first call of each, which pays for what is made but once, is not counted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name in ways if turn % 2 else reversed(ways):
            begin = time.perf_counter()
            ways[name]()
            if turn:
                times[name].append(time.perf_counter() - begin)
    return {name: float(np.median(taken)) for name, taken in times.items()}
