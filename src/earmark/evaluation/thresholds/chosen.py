"""What was chosen on validation clips: thresholds of tags, and of events median filters too; and how good they are there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earmark.events import EventRules
from earmark.metrics import Interval


@dataclass(frozen=True)
class Tried:
    """One point of the sweep: event-based F1 of a tag with these rules. median: seconds."""

    tag: str
    threshold: float
    median: float
    f1: float
    hits: int
    false: int
    missed: int


@dataclass(frozen=True)
class Chosen:
    """thresholds: of each tag. without: tags that no clip had, or that had no event, which keep 0.5.

    f1: of each tag, (at 0.5, with what was chosen), NaN where it is in `without`. figures: of the same clips, too good for
    others, by what they are with ("0.5", "thresholds", …) and by metric. Of events also: rules, with the medians; tried,
    every point of the sweep in order.
    """

    thresholds: dict[str, float]
    without: tuple[str, ...]
    f1: dict[str, tuple[float, float]]
    figures: dict[str, dict[str, Interval]]
    rules: EventRules | None = None
    tried: tuple[Tried, ...] = ()


def rounded(value: float) -> float | None:
    """Six digits for a file; JSON knows no NaN."""
    return None if math.isnan(value) else round(float(value), 6)


def plain(figure: Interval) -> Mapping[str, Any]:
    return {name: rounded(value) for name, value in figure.as_dict().items()}
