"""How recordings are scored, beside by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from earmark.inference.pace import GATHERED
from earmark.inference.recordings import Counted, Part


@dataclass(frozen=True)
class Options:
    """The options of `earmark.inference.score`, where each is described."""

    batch: int | None = None
    workers: int = 2
    salvage: bool = False
    keep_windows: bool = False
    on_audio: Callable[[float], None] | None = None
    on_part: Callable[[Part], None] | None = None
    prompt: bool = False
    gain: float = 0.0
    hear_silence: bool = False
    floor: float | None = None
    on_counted: Callable[[int, Counted], None] | None = (
        None  # of `score_alike`: a recording's number, and some of its windows
    )

    @property
    def at_once(self) -> int | None:
        """Of windows, None: what is fastest. What is heard while it comes does not wait until that is measured."""
        return GATHERED if self.batch is None and self.prompt else self.batch
