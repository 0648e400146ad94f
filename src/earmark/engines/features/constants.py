"""Checks of a feature's arguments: constants that centre and scale its values, and choices by name."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from earmark.errors import counted
from earmark.errors.refusals import refuse


def check_known(name: str, value: object, choices: Any) -> None:
    """Refuse what is none of a Literal's `choices`. A recipe's are checked with it; who calls from Python is told here."""
    known = typing.get_args(choices)
    if value not in known:
        refuse(f"{name} is {value!r}: take one of {', '.join(known)}")


def each(told: float | Sequence[float], count: int, name: str, parts: str) -> list[float]:
    """`count` constants. told: one for all or a list of one for each. name, parts: for the message."""
    values = [float(value) for value in told] if isinstance(told, Sequence) else [float(told)] * count
    if len(values) != count:
        refuse(
            f"{name} has {counted(len(values), 'constant')} for {counted(count, parts.removesuffix('s'), parts)}: give one for "
            "all or one for each"
        )
    return values
