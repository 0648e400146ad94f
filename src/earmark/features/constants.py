"""Constants that centre and scale the values of a feature: one for all, or one for each part of it."""

from __future__ import annotations

from collections.abc import Sequence


def each(told: float | Sequence[float], count: int, name: str, parts: str) -> list[float]:
    """`count` constants. told: one for all or a list of one for each. name, parts: for the message."""
    values = [float(value) for value in told] if isinstance(told, Sequence) else [float(told)] * count
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} constants for {count} {parts}: give one for all or one for each")
    return values
