"""Several ways to do one thing, timed in turn within one process.

Neighbours on the machine, its clock and its heat then change all ways alike, and the ratios hold where the seconds do
not. `ratio` is median ÷ median and `best` is fastest ÷ fastest, which is nearer to an idle machine; above 1 is faster
than the base. `spread` is the range of the middle half of the rounds over their median.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]  # (rounds,), of one call
Both = NDArray[np.float64]  # (rounds, 2): by the clock, of the processor


def interleave(ways: Mapping[str, Callable[[], object]], rounds: int, at_least: float = 0.0) -> dict[str, Seconds]:
    """Seconds of a call of each way, in each round. Every other round runs backwards, so that no way is always next to one.

    at_least: seconds that a way runs in one round, by repetition; the first call, which pays for what is made but once,
    is not counted.
    """
    repeats = {}
    for name, way in ways.items():
        way()
        repeats[name] = max(1, round(at_least / max(_seconds(way, 1), 1e-9))) if at_least else 1
    times = {name: np.zeros(rounds) for name in ways}
    for turn in range(rounds):
        for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
            times[name][turn] = _seconds(ways[name], repeats[name])
    return times


def _seconds(way: Callable[[], object], repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        way()
    return (time.perf_counter() - begin) / repeats


def compare(times: Mapping[str, Seconds], base: str) -> dict[str, dict[str, float]]:
    """Seconds of each way → its median, min and spread, and its ratio and best against `base`."""
    told = {}
    for name, taken in times.items():
        middle = float(np.median(taken))
        lower, upper = np.quantile(taken, [0.25, 0.75])
        told[name] = {
            "median": middle,
            "min": float(taken.min()),
            "spread": float(upper - lower) / middle,
            "ratio": float(np.median(times[base])) / middle,
            "best": float(times[base].min() / taken.min()),
        }
    return told


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Both]:
    """Seconds of each way in each round, by the clock and of the processor; first once each, which is not counted."""
    for way in ways.values():
        way()
    times = {name: np.zeros((rounds, 2)) for name in ways}
    for turn in range(rounds):
        for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
            clock, cpu = time.perf_counter(), time.process_time()
            ways[name]()
            times[name][turn] = time.perf_counter() - clock, time.process_time() - cpu
    return times


def ratios(times: Mapping[str, Both], base: str) -> dict[str, tuple[float, float]]:
    """How many times as fast as `base` each way is, medians: by the clock, of the processor."""
    middles = {name: np.median(taken, 0) for name, taken in times.items()}
    return {name: tuple((middles[base] / middle).tolist()) for name, middle in middles.items()}
