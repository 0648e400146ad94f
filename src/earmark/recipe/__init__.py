"""A recipe: one YAML file that says how a tagger is made, checked as a whole before anything runs.

`reading` finds, reads and checks recipes, `schema` says what they hold, `hearing` is what a tagger hears by, without either.
The names below are imported when they are first used (PEP 562): a tagger that an engine runs needs few of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.recipe.reading import (
        during,
        find,
        load,
        parse,
        parse_built,
        parse_hearing,
        settled,
        shipped,
        tags,
    )
    from earmark.recipe.schema import Optimiser, Recipe, Schedule, Train

__all__ = [
    "Optimiser",
    "Recipe",
    "Schedule",
    "Train",
    "during",
    "find",
    "load",
    "parse",
    "parse_built",
    "parse_hearing",
    "settled",
    "shipped",
    "tags",
]
_OF_SCHEMA = ("Optimiser", "Recipe", "Schedule", "Train")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "schema" if name in _OF_SCHEMA else "reading"
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
