"""What was recognised in a file: a net of earmark's, and its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Found:
    """arguments: of the net. weights: by our names. kind: how they were stored. net: its name here. layout: in words.

    recipe: of the shipped ones, whose front end, windows and training it has.
    """

    arguments: dict[str, Any]
    weights: Weights
    tags: int
    kind: str
    net: str
    layout: str
    recipe: str
