"""Within an epoch: when its state is kept, and what that state has beside that between epochs.

Which clips come, how they are cut and mixed follows from (seed, epoch, clip) and (seed, epoch, batch). So of the loader nothing
is kept but the place, the number of batches that are done; then the losses so far, and for nets that draw, such as dropout,
how far each process's generators have come. A state is only kept after a step, when no gradient waits for the next batch.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from earmark.errors import EarmarkError, agreed, counted
from earmark.train import processes
from earmark.train.state import State

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass
class Every:
    """After so many steps of the optimiser, or so many seconds; of several processes the first one's clock tells."""

    steps: int | None = None
    seconds: float | None = None
    clock: Callable[[], float] = time.monotonic
    _last: float = field(default=0.0, init=False)

    @staticmethod
    def parse(text: str) -> Every:
        """Of "500" steps, "90s", "10min" or "1h". Raises EarmarkError.

        >>> Every.parse("10min").seconds, Every.parse("500").steps
        (600.0, 500)
        """
        match = re.fullmatch(r"(\d{1,9})\s*(s|min|h)?", text.strip())
        number = int(match[1]) if match else 0
        if match is None or not number:
            raise EarmarkError(f"--save-every {text}: give a number of steps, such as 500, or a time: 90s, 10min, 1h")
        return Every(number) if match[2] is None else Every(seconds=number * UNITS[match[2]])

    def begin(self) -> None:
        """An epoch begins, or goes on."""
        self._last = self.clock()

    def due(self, steps: int) -> bool:
        """Whether to keep the state after this step of the optimiser, counted from 1."""
        if self.steps is not None:
            return steps % self.steps == 0
        assert self.seconds is not None
        now = self.clock()
        if not processes.agreed(now - self._last >= self.seconds):
            return False
        self._last = now
        return True


def within(losses: list[Tensor], device: torch.device) -> dict[str, Tensor]:
    """What an epoch in work depends on besides, of all processes."""
    own = {"rng": torch.get_rng_state(), "losses": torch.stack(losses).float().cpu()}
    if device.type == "cuda":
        own["cuda"] = torch.cuda.get_rng_state(device)
    return {
        f"{rank}/{name}": value for rank, each in enumerate(processes.gathered(own)) for name, value in each.items()
    }


def restored(kept: dict[str, Tensor], device: torch.device) -> list[Tensor]:
    """Put this process's generators where they were; the losses so far."""
    own: dict[str, Any] = {
        name.partition("/")[2]: value for name, value in kept.items() if name.startswith(f"{processes.rank()}/")
    }
    torch.set_rng_state(own["rng"])
    if device.type == "cuda" and "cuda" in own:
        torch.cuda.set_rng_state(own["cuda"], device)
    return list(own["losses"].to(device).unbind())


def check_processes(state: State, where: str) -> None:
    """Raises EarmarkError where an epoch was begun with another number of processes, which share out a batch otherwise."""
    if state.place and state.processes != processes.world():
        raise EarmarkError(
            f"{where}: was stopped within epoch {state.epochs + 1}, after {counted(state.place, 'batch')}, with "
            f"{counted(state.processes, 'process')}, and an epoch is gone on with as it was begun: give --processes "
            f"{state.processes} (there {agreed(processes.world(), 'is', 'are')} {processes.world()} now). Between epochs the "
            "number may change"
        )
