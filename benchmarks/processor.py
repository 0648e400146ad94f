"""What processes that a benchmark starts take of the processor, by what they are."""

from __future__ import annotations

import importlib
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Processor:
    """Seconds of the processor that this process's children take, of all depths, while the block lasts: looked at four times a
    second, so that of what ends in between the last quarter is not seen.
    """

    def __enter__(self) -> Processor:
        self._taken: dict[tuple[int, float], tuple[str, float]] = {}
        self._before = self._look()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._taken |= self._look()

    def _run(self) -> None:
        while not self._stop.wait(0.25):
            self._taken |= self._look()

    @staticmethod
    def _look() -> dict[tuple[int, float], tuple[str, float]]:
        system = psutil()

        found = {}
        for each in system.Process().children(recursive=True):
            try:
                with each.oneshot():
                    name, times = named(each.cmdline()), each.cpu_times()
                    if name:  # else it has ended
                        found[each.pid, each.create_time()] = name, times.user + times.system
            except system.Error:
                continue
        return found

    def by_name(self) -> Counter[str]:
        told: Counter[str] = Counter()
        for key, (name, seconds) in self._taken.items():
            told[name] += seconds - self._before.get(key, (name, 0.0))[1]
        return told

    @property
    def seconds(self) -> float:
        return sum(self.by_name().values())

    def most(self) -> dict[str, float]:
        return {name: round(seconds, 1) for name, seconds in self.by_name().most_common(6)}


def named(command: Sequence[str]) -> str:
    """What a process is, short."""
    words = [Path(word).name for word in command[:3]]
    if not words:
        return ""
    if words[0].startswith("ray::"):
        return words[0].split("(")[0]
    if words[0].startswith("python"):
        return "earmark" if list(command[1:3]) == ["-m", "earmark"] else (words[1] if len(words) > 1 else "python")
    return words[0]


def psutil() -> Any:
    """Which comes with Ray."""
    importlib.import_module("ray")
    return importlib.import_module("psutil")
