"""How a long piece of work tells how far it is: by callback, since a library prints nothing by itself.

`begin` opens a piece of work of so many steps, `advance` is called after each step, `end` closes it, also where an
error did; `say` hands over a sentence that the user should read. Pieces come one after another, never one in another.

    >>> class Count(Quiet):
    ...     steps = 0
    ...     def advance(self) -> None:
    ...         self.steps += 1
    >>> seen = Count()
    >>> with task(seen, "scoring", 2) as step:
    ...     for _ in range(2):
    ...         step()
    >>> seen.steps
    2
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Who wants to know. Any object with these four methods; `Quiet` is one to start from."""

    def begin(self, what: str, total: int) -> None:
        """A piece of work starts. what: in words. total: steps."""

    def advance(self) -> None:
        """A step of it is done."""

    def end(self) -> None:
        """It has ended, well or not."""

    def say(self, sentence: str) -> None:
        """Something that the user should know, without a line break."""


class Quiet:
    """Nobody wants to know."""

    def begin(self, what: str, total: int) -> None:
        pass

    def advance(self) -> None:
        pass

    def end(self) -> None:
        pass

    def say(self, sentence: str) -> None:
        pass


QUIET: Progress = Quiet()


@contextmanager
def task(progress: Progress, what: str, total: int) -> Iterator[Callable[[], None]]:
    """A piece of work of `total` steps; gives what is to be called after each."""
    progress.begin(what, total)
    try:
        yield progress.advance
    finally:
        progress.end()
