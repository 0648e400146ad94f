"""What a tagger hears by, of a recipe that was found right before: the few values that tagging needs, without its schema.

Building the schema takes as long as tagging a clip. So what a file's recipe was found to be is remembered (see
`earmark.models.knownfiles`), and the next load reads it with `Known`, whose attributes are those of `Recipe` by name and value. All
other keys are the whole recipe's, which is read when somebody asks for it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from earmark.scores.tags import Task
from earmark.windows import Combine, Last, Short, Weigh, Windows

Normalise = Literal["none", "peak", "rms"]  # what is 1 in each window that the tagger hears


class Timing(NamedTuple):
    """See `earmark.windows.Windows`; seconds."""

    length: float
    hop: float
    last: Last
    short: Short
    combine: Combine
    weigh: Weigh

    def build(self) -> Windows:
        return Windows(**self._asdict())


class Part(NamedTuple):
    """A net or a feature by its name, with its arguments."""

    name: str
    arguments: dict[str, Any]


class Known:
    """plain: what a file tells, which is what `Recipe.as_dict` gives. where: the file, for messages.

    Raises LookupError, TypeError or ValueError for what no recipe is.
    """

    def __init__(self, plain: Mapping[str, Any], where: str):
        self.plain, self.where = plain, where
        self.name: str = plain["name"]
        self.task: Task = plain["task"]
        self.sample_rate: int = plain["sample_rate"]
        self.normalise: Normalise = plain.get("normalise", "none")
        self.windows = Timing(**plain["windows"])
        self.net = _part(plain["net"])
        self.features = None if plain["features"] is None else _part(plain["features"])
        self.resize: dict[str, int] | None = None if plain["resize"] is None else dict(plain["resize"])

    def as_dict(self) -> dict[str, Any]:
        """As `Recipe.as_dict`."""
        return copy.deepcopy(dict(self.plain))


def _part(plain: Mapping[str, Any]) -> Part:
    return Part(plain["name"], {key: value for key, value in plain.items() if key != "name"})


def rules() -> str:
    """Changes with what recipes may hold, so that nothing is taken for right by the rules of another version."""
    told = [path.stat() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return " ".join(f"{each.st_size}:{each.st_mtime_ns}" for each in told)
