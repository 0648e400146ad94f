"""Processes of a cluster that read and hear by themselves, asked for one thing after the other; no sound leaves them.

    driver ─asks: which recordings, which pieces→ `Reader`s, one for each net → driver: what pieces scored

Of Ray these are actors and nothing else: Ray Data plans in the driver all the while. Who dies is replaced where there is room, on
machines that came later, too; and what it had is asked for again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.inference.cluster.cutting import Cut
from earmark.inference.cluster.reading import Reader
from earmark.inference.cluster.rows import Arrived, Work
from earmark.inference.cluster.sharing import TRIES, Sharing
from earmark.inference.options import Options

TICK = 5.0  # s, after which it is looked whether machines came or went


@dataclass
class Crew:
    """Actors by name, as many as `wanted` says now. make: a new one. flying: what is awaited, and of whom."""

    ray: Any
    make: Callable[[], Any]
    wanted: Callable[[], int]
    actors: dict[str, Any] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    flying: dict[Any, str] = field(default_factory=dict)
    deaths: int = 0  # since something came
    _names: Iterator[int] = field(default_factory=itertools.count)

    def fill(self) -> None:
        for _ in range(self.wanted() - len(self.actors)):
            name = f"{next(self._names)}"
            self.actors[name] = self.make()
            self.flying[self.actors[name].begin.remote()] = name

    def drop(self, name: str) -> None:
        """One that died, or is cut off."""
        with contextlib.suppress(self.ray.exceptions.RayError):
            self.ray.kill(self.actors.pop(name))
        self.ready = [each for each in self.ready if each != name]
        self.flying = {ref: who for ref, who in self.flying.items() if who != name}
        self.deaths += 1

    def end(self) -> None:
        for name in list(self.actors):
            self.drop(name)


def through(ray: Any, work: Work, room: Callable[[], tuple[int, dict[str, Any]]]) -> Iterator[Arrived]:
    """What the pieces of recordings scored, in any order. room: for how many nets there is now, and what each takes.

    Raises TimeoutError where nothing comes for so long as the patience is; RayError of what goes wrong there.
    """
    share = Sharing(work.rows)
    given = ray.put(work.load)  # the tagger's file, once
    kind = ray.remote(ReadingNet)
    arguments = (work.cut, work.options, work.machines.cores, work.folder.absolute(), os.getcwd())
    crew = Crew(ray, lambda: kind.options(**room()[1]).remote([given], *arguments), lambda: min(room()[0], share.most))
    try:
        yield from _heard(crew, share, work.machines.patience)
    finally:
        crew.end()


def _heard(crew: Crew, share: Sharing, patience: float) -> Iterator[Arrived]:
    came = looked = time.monotonic()
    crew.fill()
    while not share.done:
        for name in crew.ready:
            while (ask := share.take(name)) is not None:
                crew.flying[crew.actors[name].hear.remote(ask)] = name
        found, _ = crew.ray.wait(list(crew.flying), num_returns=1, timeout=TICK) if crew.flying else ([], [])
        for ref in found:
            came = time.monotonic()
            yield from _taken(crew, share, ref)
        now = time.monotonic()
        if now - came > patience:
            raise TimeoutError
        if now - looked > TICK or not crew.flying:
            looked = now
            crew.fill()
            if not crew.flying:  # no machine has room for one
                time.sleep(TICK / 5)


def _taken(crew: Crew, share: Sharing, ref: Any) -> Sequence[Arrived]:
    """What came, or what comes of a death. Raises what an actor raised, and its death where it is the last of many in a row."""
    name = crew.flying.pop(ref)
    errors = crew.ray.exceptions
    try:
        answer = crew.ray.get(ref)
    except errors.RayTaskError:
        raise
    except errors.RayError:
        crew.drop(name)
        if crew.deaths >= TRIES * max(2, len(crew.actors) + 1):
            raise
        given_up = share.lost(name)
        crew.fill()
        return given_up
    if name not in crew.ready:  # it has begun
        crew.ready.append(name)
        return ()
    crew.deaths = 0
    share.answered(name, answer)
    arrived: Sequence[Arrived] = answer.arrived
    return arrived


class ReadingNet:
    """An actor: a `Reader` whose scorers come by Ray's store."""

    def __init__(self, given: list[Any], cut: Cut, options: Options, cores: int, folder: Path, there: str):
        self.given, self.rest = given, (cut, options, cores, folder, there)

    def begin(self) -> None:
        import ray

        self.reader = Reader(ray.get(self.given[0]), *self.rest)
        self.reader.begin()

    def hear(self, ask: Any) -> Any:
        return self.reader.hear(ask)
