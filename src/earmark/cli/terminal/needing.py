"""Options that count for nothing in the command that runs: they are refused, not passed over.

One that counts for nothing without another carries a mark, `Annotated[float, typer.Option(…), Needs("--clips", of="clips of events")]`; one
that does so beside another, `Idle("--no-events", because="no events are judged then")`. An argument that may be files of scores carries
`MayBeScores()`: then nothing is heard, and options of hearing count for nothing. Where a verb begins, the marks of the options that were
given are looked at, also of those that were given their default.

One that takes a package which an install may be without carries `Packages("matplotlib")`, so that this is told before anything is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from inspect import Parameter, signature
from typing import Any, get_type_hints

from earmark.cli.terminal.values import given
from earmark.errors import EarmarkError, unused
from earmark.errors.unused import HEARING
from earmark.errors.words import lacking


@dataclass(frozen=True)
class MayBeScores:
    """A mark of an argument that takes taggers, and files of scores in their place."""


@dataclass(frozen=True, init=False)
class Needs:
    """others: options of which one is to be given, too; of: what the marked one is for, in words."""

    others: tuple[str, ...]
    of: str

    def __init__(self, *others: str, of: str):
        object.__setattr__(self, "others", others)
        object.__setattr__(self, "of", of)


@dataclass(frozen=True)
class Idle:
    """beside: a switch, as it is called where the marked option counts for nothing; because: why that is so, in words; same: the value of
    the marked option that says what the switch says.
    """

    beside: str
    because: str
    same: str | None = None

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the switch is so, among the values of the verb's parameters."""
        name = self.beside.removeprefix("--")
        wanted = not name.startswith("no-")
        name = name.removeprefix("no-").replace("-", "_")
        return bool(values[name if name in values else f"as_{name}"]) is wanted


@dataclass(frozen=True, init=False)
class Packages:
    """names: of packages that the marked option takes; ending: of its files, where those of others take none."""

    names: tuple[str, ...]
    ending: str

    def __init__(self, *names: str, ending: str = ""):
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "ending", ending)

    def lacking(self, value: Any) -> str | None:
        """The first that is not installed of those that this value of the option takes."""
        values = value if isinstance(value, list) else [value]
        if not any(str(each).lower().endswith(self.ending) for each in values if each is not None):
            return None
        return next((name for name in self.names if find_spec(name) is None), None)


def idle(verb: Callable[..., Any]) -> dict[str, Idle]:
    """Of a verb's options that count for nothing beside another, by the names of their parameters."""
    return {name: mark for name, mark in _marks(verb) if isinstance(mark, Idle)}


def needs(verb: Callable[..., Any]) -> dict[str, Needs]:
    """Of a verb's options that need another, by the names of their parameters."""
    return {name: mark for name, mark in _marks(verb) if isinstance(mark, Needs)}


def packages(verb: Callable[..., Any]) -> dict[str, Packages]:
    """Of a verb's options that take packages which an install may be without, by the names of their parameters."""
    return {name: mark for name, mark in _marks(verb) if isinstance(mark, Packages)}


def may_be_scores(verb: Callable[..., Any]) -> str | None:
    """The name of the argument that takes files of scores; None: it has none."""
    return next((name for name, mark in _marks(verb) if isinstance(mark, MayBeScores)), None)


def check(verb: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Raises EarmarkError for an option of the command that runs which counts for nothing in it, or takes a package that is not installed.

    values: of its parameters.
    """
    options = dict(given)
    for name, other in needs(verb).items():
        if name in options:
            without = not set(other.others) & set(options.values())
            unused.needs(options[name], without, " or ".join(other.others), other.of)
    for name, mark in idle(verb).items():
        if name in options:
            asked = values.get(name) not in (False, mark.same) and mark.holds(values)
            unused.beside(options[name], asked, mark.beside, mark.because)
    heard = [
        name for name in HEARING & set(options) if values.get(name) is not False
    ]  # --no-events asks for what is so
    if heard and (argument := may_be_scores(verb)) is not None:
        from earmark.scores import SUFFIXES

        told = values[argument]
        if files := unused.files_of_scores(told if isinstance(told, list) else [told], SUFFIXES):
            refuse(heard, *unused.for_taggers(files))

    for name, takes in packages(verb).items():
        if name in options and (package := takes.lacking(values.get(name))) is not None:
            asked = signature(verb).parameters[name].default is not Parameter.empty
            raise EarmarkError(
                f"{options[name]} needs {lacking(package)}" + (f". Or leave {options[name]} out" if asked else "")
            )


def require(*names: str) -> None:
    """Raises EarmarkError where a package is not installed that a verb takes whatever its options are."""
    for name in names:
        if find_spec(name) is None:
            raise EarmarkError(f"this needs {lacking(name)}")


def refuse(idle: Collection[str], of: str, instead: str) -> None:
    """Raises EarmarkError for those of these parameters whose options were given. of: what they are for; instead: the other way out."""
    unused.refuse([option for name, option in given.items() if name in idle], of, instead)


def _marks(verb: Callable[..., Any]) -> list[tuple[str, Any]]:
    hints = get_type_hints(verb, include_extras=True)
    return [(name, mark) for name, hint in hints.items() for mark in getattr(hint, "__metadata__", ())]
