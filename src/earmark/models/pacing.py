"""What the speed of a tagger depends on, in words: the key under which `earmark.inference.pace` remembers what is fastest."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from earmark.engines import processor
from earmark.recipe.hearing import Known

if TYPE_CHECKING:
    from earmark.recipe import Recipe

HEARING = (
    "sample_rate",
    "normalise",
    "features",
    "resize",
    "net",
    "head",
    "windows",
)  # of a recipe; weights cost what others cost


def computed(recipe: Recipe | Known, tags: int) -> str:
    """What is computed for a window: twelve hexadecimal digits."""
    told = recipe.as_dict()
    parts = json.dumps(
        [[told.get(name) for name in HEARING if name != "head" or name in told], tags], sort_keys=True, default=str
    )
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def key(what: str, by: str, threads: int) -> str:
    """what: as `computed` tells it. by: the engine with its version and precision."""
    return f"pace {what}, {by}, {threads} threads, {processor.here().name}"
