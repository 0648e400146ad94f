"""How many windows at once are fastest, measured once on the first windows and remembered.

A batch of 16 costs one processor half as much again as 16 windows one by one, and another processor less: what is kept in its
caches decides, and no constant knows it. So of a few sizes each is timed twice, the lesser time counts, and the fastest is taken,
in this process and, by a key that names all that it depends on, in every later one. What was scored to find out is thrown
away: the first run gives the same bits as those that remember. Fewer windows than are gathered from recordings are not worth
measuring, and go in fours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.files import remembered
from earmark.inference import waiting
from earmark.inference.finite import taken
from earmark.windows import Stretch

GATHERED = 16  # windows of recordings that wait until the net is asked, where nobody says how many
FEW = 4  # of fewer than that
SIZES = (1, 4, 16)
SHARING = (4, 8)  # beside as many as the tagger takes together
TURNS = 2
KNOWN: dict[str, int] = {}
MEASURING = threading.Lock()


class OneByOne(Protocol):
    def score(self, waves: NDArray[np.float32]) -> Any: ...


class Sharing(Protocol):
    def score_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> Any: ...


def apart(scorer: OneByOne, waves: NDArray[np.float32]) -> int:
    """Of windows one by one (n, samples). Of a scorer that does not tell what its speed depends on: as many as are gathered."""
    key = of(scorer)
    if not key:
        return GATHERED
    if len(waves) < GATHERED:
        return FEW
    return _fastest(
        f"{key}, one by one", SIZES, lambda size, first: taken(lambda: scorer.score(waves[first : first + size]))
    )


def shared(scorer: Sharing, stretch: Stretch, most: int) -> int:
    """Of windows that overlap and share. most: those that the scorer takes together; for a stretch of fewer it is that."""
    key, sizes = of(scorer), (*(size for size in SHARING if size <= most // 2), most)
    if not key or len(stretch) < most or len(sizes) == 1:
        return most

    def run(size: int, first: int) -> object:
        part = stretch.part(first, first + size)
        return taken(lambda: scorer.score_overlapping(part.wave, part.hop, len(part)))

    return _fastest(f"{key}, sharing up to {most}", sizes, run)


def of(scorer: object) -> str:
    """All that a scorer's speed depends on, in words, as its `pace` tells it; '' where there is nothing to measure."""
    told: str = getattr(scorer, "pace", "")
    return told


def _fastest(key: str, sizes: Sequence[int], run: Callable[[int, int], object]) -> int:
    """Of these sizes, the last of which there are windows for. run: a size, and the window to begin with."""
    with MEASURING, waiting.unchanged():  # two threads that measure at once would measure each other
        if key not in KNOWN:
            found = remembered.recall(key)
            KNOWN[key] = found if found in sizes else _measured(sizes, run)
            if found != KNOWN[key]:
                remembered.remember(key, KNOWN[key])
        return KNOWN[key]


def _measured(sizes: Sequence[int], run: Callable[[int, int], object]) -> int:
    """Each on as few windows as are a fair sample, in turns."""
    least = dict.fromkeys(sizes, float("inf"))
    run(sizes[0], 0)  # what is made but once must not be counted for any
    for _ in range(TURNS):
        for size in sizes:
            windows = range(0, max(size, min(FEW, sizes[-1])), size)
            begin = time.perf_counter()
            for first in windows:
                run(size, first)
            least[size] = min(least[size], (time.perf_counter() - begin) / (len(windows) * size))
    return min(sizes, key=lambda size: least[size])
