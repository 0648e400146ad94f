"""Threads that wait for each other do not keep the processor from those that they wait for.

torch computes in threads that meet some thousand times a step. GNU's OpenMP, which it brings on Linux, has the ones that come first
spin for milliseconds. On a machine that nobody else uses this is fastest. Beside one other busy program the spinning takes the
processor from the thread that is waited for: on two cores a training step of four nets took 6 to 40 times as long, and two trainings
at once were each four times as slow as on one thread.

The library spins 1,000 turns in place of 300,000 wherever it has more threads than there are processors. Nothing else can tell it
once it runs, so here threads that have nothing to do are kept for as long as that is faster. How many threads compute stays, and so does
every bit of the result. No constant knows when it is faster: each way is timed for a moment, again once a minute or so, and at once
where computations have become slow.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

TURN = 0.5  # seconds of computing that tell how fast a way is
LEAST = 3  # computations that do
KEPT = 60.0  # seconds until the other way is tried again
SHARE = 30  # of what trying both took, if that is longer
GAIN = 1.1  # how much faster the other way must be to be taken
SLOW = 2.0  # times what it took: something has changed
STRIKES = 2  # slow computations one after another
OTHERS = 3  # computations of another kind one after another: that is what is computed now
MOST = 4  # threads kept here at most, each with its own team


class Waiting:
    """Which of two ways of waiting is the faster now. switch: is told whether the threads are to give way.

    `measured` goes around computations. Several threads that compute at once are not measured: each would measure the others.
    At first they give way, which costs least where it is the wrong way.
    """

    def __init__(self, switch: Callable[[bool], None], clock: Callable[[], float] = time.perf_counter):
        self.gives_way = True
        self._switch, self._clock, self._measuring = switch, clock, threading.Lock()
        switch(True)
        self._key: Hashable = None
        self._others = self._strikes = 0
        self._due, self._usual = 0.0, math.inf  # when to try again; seconds of a computation in the way that was chosen
        self._begin()

    @contextmanager
    def measured(self, key: Hashable) -> Iterator[None]:
        """Around a computation. key: those of the same take equally long."""
        if not self._measuring.acquire(blocking=False):
            yield
            return
        try:
            begun = self._clock()
            yield
            self._add(key, self._clock() - begun)
        finally:
            self._measuring.release()

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """While something else is timed: the way that is on stays."""
        with self._measuring:
            yield

    def _begin(self) -> None:
        self._first: float | None = None  # seconds of a computation in the way that was on when the trial began
        self._spent, self._count = 0.0, 0
        self._took = 0.0

    def _add(self, key: Hashable, seconds: float) -> None:
        if key != self._key:
            self._others += 1
            if self._key is None or self._others >= OTHERS:
                self._anew(key)  # without this computation, in which much is made for the first time
            return
        self._others = 0
        if self._clock() < self._due:
            self._strikes = self._strikes + 1 if seconds > SLOW * self._usual else 0
            if self._strikes < STRIKES:
                return
            self._due = 0.0
        self._spent += seconds
        self._count += 1
        mean = self._spent / self._count
        hopeless = self._first is not None and mean > SLOW * self._first
        if not hopeless and (self._spent < TURN or self._count < LEAST):
            return
        self._took += self._spent
        self._spent, self._count = 0.0, 0
        if self._first is None:
            self._first = mean
            self._turn()
        else:
            self._decide(self._first, mean)

    def _anew(self, key: Hashable) -> None:
        """What is computed has changed."""
        if self._first is not None:
            self._turn()
        self._key, self._others, self._strikes, self._due, self._usual = key, 0, 0, 0.0, math.inf
        self._begin()

    def _turn(self) -> None:
        self.gives_way = not self.gives_way
        self._switch(self.gives_way)

    def _decide(self, before: float, now: float) -> None:
        if now * GAIN > before:
            self._turn()
        self._usual, self._strikes = min(before, now), 0
        self._due = self._clock() + max(KEPT, SHARE * self._took)
        self._begin()


class Idle:
    """Threads that have nothing to do, each with a team of torch's; called with whether there are to be some."""

    def __init__(self, count: int):
        self.count = count
        self._go: threading.Event | None = None
        self._threads: list[threading.Thread] = []

    def __call__(self, wanted: bool) -> None:
        if self._go is not None:
            self._go.set()
            for thread in self._threads:
                thread.join()  # their teams end with them
            self._go, self._threads = None, []
        if wanted:
            self._go = threading.Event()
            ready = [threading.Event() for _ in range(self.count)]
            self._threads = [threading.Thread(target=_idle, args=(each, self._go), daemon=True) for each in ready]
            for thread, each in zip(self._threads, ready, strict=True):
                thread.start()
                each.wait()


def _idle(ready: threading.Event, go: threading.Event) -> None:
    import torch

    torch.ones(1 << 18).add_(1)  # large enough that it is computed by a team, which stays with this thread
    ready.set()
    go.wait()


def _needed(threads: int, processors: int) -> int:
    """How many idle threads make more threads than processors, where a computation has `threads`; 0: no use."""
    if threads < 2:
        return 0
    count = max(1, math.ceil((processors - threads + 1) / (threads - 1)))
    return count if count <= MOST else 0


def _gnu() -> bool:
    """Whether GNU's OpenMP is what threads wait in."""
    try:
        return sys.platform.startswith("linux") and "libgomp" in Path("/proc/self/maps").read_text()
    except OSError:
        return False


_wanted = False
_making = threading.Lock()
_made: list[Waiting | None] = []  # of this process: empty before torch computes; None where nothing is to be chosen


def watch() -> None:
    """From now on, in this process, see whether threads should give way."""
    global _wanted
    _wanted = True


def _watched() -> Waiting | None:
    """None where torch has one thread, or another OpenMP, which waits otherwise, or where nobody asked."""
    if _wanted and not _made:
        import torch

        with _making:
            if not _made:
                count = _needed(torch.get_num_threads(), len(os.sched_getaffinity(0))) if _gnu() else 0
                _made.append(Waiting(Idle(count)) if count else None)
    return _made[0] if _made else None


@contextmanager
def unchanged() -> Iterator[None]:
    """While computations are compared with each other: threads go on waiting as they do."""
    watched = _watched() if "torch" in sys.modules else None  # other engines need not wait for it
    with nullcontext() if watched is None else watched.unchanged():
        yield


@contextmanager
def measured(key: Hashable) -> Iterator[None]:
    """Around a computation of torch's on the CPU. key: those of the same take equally long."""
    watched = _watched()
    with nullcontext() if watched is None else watched.measured(key):
        yield
