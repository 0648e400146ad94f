"""Lines of epochs in the place of a bar: what a file of the output shows of a training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

EVERY = 10.0  # s between lines of epochs, at least


class EpochLines:
    """A line for each epoch where there is no terminal for a bar, so that a file of what was said shows how far it is.

    Of epochs that take less than EVERY seconds some are left out, never the last. clock: seconds.
    """

    def __init__(self, say: Callable[[str], None], title: str = "", clock: Callable[[], float] = time.monotonic):
        self.say, self.title, self.clock = say, title, clock
        self.told: tuple[str, int] | None = None  # phase and epoch of the last line
        self.at = -EVERY + clock()

    def __call__(self, phase: str, epoch: int, epochs: int, share: float, row: dict[str, Any]) -> None:
        """share: done of the epoch; 1 once the phase has ended. row: of the log, the last whole epoch's, or empty."""
        if not row:
            return
        whole = phase, int(row["epoch"]) if "epoch" in row else epoch
        now = self.clock()
        if whole == self.told or (share < 1.0 and now - self.at < EVERY):
            return
        self.told, self.at = whole, now
        where = " ".join(part for part in (self.title, phase) if part)
        self.say(f"{where + ': ' if where else ''}epoch {whole[1]}/{epochs}  {figures_of(row)}")


def figures_of(row: Mapping[str, Any]) -> str:
    """The losses and figures of an epoch."""
    return "  ".join(f"{key} {value:.3f}" for key, value in row.items() if key not in ("epoch", "lr"))
