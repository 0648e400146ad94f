"""Results as plain values: dictionaries, JSON, and tables of pandas where that is installed."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

import numpy as np

from earmark.errors import EarmarkError


class Plain:
    """A result that can be handed on. What it holds it tells in `to_dict` and, as the columns of a table, in `columns`."""

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON knows; seconds; a number that is none is None."""
        raise NotImplementedError

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Of the table, by name."""
        raise NotImplementedError

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON. indent: spaces; default: all on one line."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=indent)

    def to_pandas(self) -> Any:
        """A pandas.DataFrame. Raises EarmarkError where pandas is not installed."""
        try:
            pandas: Any = importlib.import_module("pandas")
        except ImportError as error:
            raise EarmarkError(
                "pandas is not installed, which to_pandas needs: pip install pandas, or take to_dict() or to_json()"
            ) from error
        return pandas.DataFrame(dict(self.columns()))


class Rows(Plain):
    """A result of arrays, each with a row a window or a clip: a dataclass of its own, made with eq=False.

    Two are equal that are of one class and hold the same; what is no number is the same as such. Arrays do not compare to one answer.
    """

    def __len__(self) -> int:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = [each.name for each in fields(cast(Any, self)) if each.compare]
        return all(alike(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        return hash((type(self), len(self)))


def alike(one: Any, other: Any) -> bool:
    """Whether two values are the same, arrays too.

    >>> alike(np.array([1.0, np.nan]), np.array([1.0, np.nan])), alike(np.array([1.0]), None)
    (True, False)
    """
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return type(one) is type(other) and bool(one == other)
    return np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")


def number(value: float) -> float | None:
    """As JSON has it."""
    return float(value) if math.isfinite(value) else None


def few(names: Iterable[object], most: int = 3) -> str:
    """The first of many, and how many there are.

    >>> few(["dog", "rain", "wind", "sea"])
    'dog, rain, wind, … 4 in all'
    """
    told = [str(name) for name in names]
    return ", ".join(told[:most]) + (f", … {len(told)} in all" if len(told) > most else "")


def span(start: Any, end: Any) -> str:
    """From the first second to the last, of rows that are some."""
    last = np.nanmax(end) if len(end) and not np.isnan(end).all() else math.nan
    return f"{np.min(start):g} to {last:g} s" if len(start) else "no rows"
