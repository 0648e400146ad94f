"""JSON that every reader takes: a number that is none, or infinite, is null.

Python writes NaN and Infinity there, which are no JSON: `jq`, browsers and databases refuse the whole text for one such number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def finite(value: Any) -> Any:
    """Plain values with None for what is no finite number.

    >>> finite({"value": float("nan"), "ends": (0.5, float("inf"))})
    {'value': None, 'ends': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text(value: Any, indent: int | None = 1) -> str:
    """Plain values as JSON. indent: spaces; None: all on one line."""
    return json.dumps(finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
