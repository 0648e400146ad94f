"""Training: a recipe and a manifest → a run folder with a tagger in it. See `earmark.train.folder` for what it holds.

Every random draw is seeded by (seed, epoch, …) and the state is replaced in one step at the end of each epoch, so a run
that is killed and resumed ends with the same bytes as one that is not.

The names below are imported when they are first used: a run needs the whole room, and what else is in it (augmentations,
the loader) does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.train.folds import divide, rotations
    from earmark.train.run import train

__all__ = ["divide", "rotations", "train"]

_HOMES = {"divide": "folds", "rotations": "folds", "train": "run"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'earmark.train' has no attribute {name!r}")
    return getattr(importlib.import_module(f"earmark.train.{_HOMES[name]}"), name)
