"""Which graphs of stretches score a number of overlapping windows with the least work.

A file has graphs for a few numbers of windows. What is left over goes through smaller ones, which hear much of the recording
twice, or through a larger one, behind whose windows zeros follow. Work is counted in inputs of the net: a stretch of n windows
is as long as n − 1 hops and a window.
"""

from __future__ import annotations

from collections.abc import Sequence


def covered(count: int, sizes: Sequence[int], step: int, width: int) -> list[int]:
    """The sizes of the stretches that score `count` windows, the longest first; 1: a window by itself. Their sum is at least `count`.

    sizes: numbers of windows that there are graphs for. step, width: inputs from a window to the next, and of one.

    >>> covered(500, (259, 8, 4), 20, 337)  # 241 are left over, of which 30 stretches of 8 would hear three times as much
    [259, 259]
    >>> covered(20, (259, 8, 4), 20, 337)
    [8, 8, 4]
    >>> covered(5, (33, 8, 4), 160, 337)  # a window by itself costs less than three that are empty
    [4, 1]
    """
    longest = max(sizes, default=1)
    taken = [longest] * (count // longest) if longest > 1 else []
    left = count - longest * len(taken)
    costs = {size: (size - 1) * step + width for size in {*sizes, 1}}
    best: list[tuple[int, list[int]]] = [(0, [])]  # of each number that may be left, its work and its stretches
    for number in range(1, left + 1):
        ways = ((cost + best[max(0, number - size)][0], size) for size, cost in costs.items())
        work, size = min(ways)
        best.append((work, [size, *best[max(0, number - size)][1]]))
    return taken + sorted(best[left][1], reverse=True)
