"""Plain JSON values of facts: what is read as names, and what is not told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Plain = Mapping[str, Any]


def names(plain: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if plain is None else tuple(str(name) for name in plain)


def known(told: Plain) -> dict[str, Any]:
    """Without what is not told."""
    return {key: value for key, value in told.items() if value is not None}
