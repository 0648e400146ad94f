"""Taggers whose recipe was read before: what was found of it is remembered, so that the next load need not build its schema.

Under the checksum of the file, which reading it has proved, and what recipes may hold in this version (`recipe.hearing.rules`): another
file, or another version, is looked at anew. Remembered is only what was found right, and what the file tells as this version would
write it, so that its plain values are those of the recipe. Losing it costs a tenth of a second.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from earmark.files import remembered
from earmark.recipe.hearing import Known, rules

if TYPE_CHECKING:
    from earmark.recipe import Recipe

DIGITS = 12  # of an identity


def key(sha256: Any, number: int = 0) -> str:
    """sha256: of the file, as its head tells it. number: of the tagger in it, where it holds several."""
    return f"recipe {hashlib.sha256(f'{sha256} {number} {rules()}'.encode()).hexdigest()[:24]}"


def recall(known_as: str, plain: Mapping[str, Any], where: str) -> tuple[Known, str] | None:
    """(what the tagger hears by, its identity), where it was found right before. Raises as `Known`."""
    identity = remembered.recall(known_as)
    if not isinstance(identity, str) or len(identity) != DIGITS:
        return None
    return Known(plain, where), identity


def remember(known_as: str, plain: Mapping[str, Any], recipe: Recipe, identity: str) -> None:
    """Where the plain values are the recipe's, to the type of each number."""
    if _text(recipe.as_dict()) == _text(plain):
        remembered.remember(known_as, identity)


def _text(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, sort_keys=True)
