"""Workers and the queue before them: a bounded number of requests is worked on and waits; more are told when to come again."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from earmark.errors import EarmarkError, counted

Answer = TypeVar("Answer")
SHARE = 0.2  # of the newest in the mean of how long a request takes
LONGEST = 120  # s that anybody is told to wait


class Busy(EarmarkError):
    """There is no room. seconds: after which it is worth trying again."""

    def __init__(self, what: str, seconds: int):
        self.seconds = seconds
        super().__init__(f"{what}. Try again in {seconds} s")


class Left(Exception):
    """Nobody waits for the answer any more."""


class Task:
    """One request's work, which asks now and then whether anybody still waits for it."""

    def __init__(self) -> None:
        self._left = threading.Event()

    def leave(self) -> None:
        self._left.set()

    @property
    def left(self) -> bool:
        """Whether nobody waits any more."""
        return self._left.is_set()

    def look(self, _: object = None) -> None:
        """Raises Left where nobody waits any more."""
        if self._left.is_set():
            raise Left


class Desk:
    """Threads that work, each on one request, and a queue of `waiting` requests."""

    def __init__(self, workers: int, waiting: int):
        self.workers, self.waiting = workers, waiting
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._lock = threading.Lock()
        self._tasks: set[Task] = set()
        self._usual = 1.0  # s
        self.closed = False

    @property
    def taken(self) -> int:
        """Requests that are worked on or wait."""
        return len(self._tasks)

    def check(self) -> None:
        """Raises Busy where one more would not be taken: before its sound is read."""
        if self.closed:
            raise Busy("the service is stopping", 10)
        if self.taken >= self.workers + self.waiting:
            seconds = self._usual * self.taken / self.workers
            raise Busy(
                f"{counted(self.taken, 'request is worked on or waits', 'requests are worked on or wait')} already",
                min(LONGEST, max(1, math.ceil(seconds))),
            )

    async def run(self, work: Callable[[Task], Answer], gone: Callable[[], Awaitable[object]]) -> Answer:
        """What work makes; gone: what it gives comes to its end when nobody waits any more. Raises Busy, Left, and what work raises."""
        task, future = self._put(work)
        answer = asyncio.wrap_future(future)
        left: asyncio.Future[object] = asyncio.ensure_future(gone())
        both: set[asyncio.Future[Any]] = {answer, left}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise Left
            return answer.result()
        finally:
            task.leave()
            left.cancel()
            answer.cancel()  # what has not begun never will

    def _put(self, work: Callable[[Task], Answer]) -> tuple[Task, Future[Answer]]:
        task = Task()

        def measured() -> Answer:
            task.look()
            began = time.monotonic()
            answer = work(task)
            self._usual += SHARE * (time.monotonic() - began - self._usual)
            return answer

        with self._lock:
            self.check()
            self._tasks.add(task)
        try:
            future = self._threads.submit(measured)
        except RuntimeError as error:  # it was closed in between
            self._tasks.discard(task)
            raise Busy("the service is stopping", 10) from error
        future.add_done_callback(lambda _: self._tasks.discard(task))
        return task, future

    def close(self) -> None:
        """Take no more, and stop what is worked on."""
        self.closed = True
        for task in list(self._tasks):
            task.leave()
        self._threads.shutdown(cancel_futures=True)
