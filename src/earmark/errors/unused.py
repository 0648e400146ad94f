"""Options that count for nothing in the call that runs: they are refused, not passed over, by commands and by functions alike.

Where files of scores stand in the place of taggers nothing is heard, and options of hearing count for nothing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from earmark.errors import EarmarkError

P = ParamSpec("P")
R = TypeVar("R")

# parameters that say how clips are heard, which clips a tagger may be judged on, and what is made of that
HEARING = frozenset({
    "batch", "collars", "device", "engine", "errors", "events", "hit", "hop", "leaks", "pictures", "precision", "salvage", "strict",
    "workers",
})  # fmt: skip


def hears(argument: str, suffixes: Sequence[str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function whose argument takes taggers, and files of scores, which end so, in their place: of such alone it refuses with
    EarmarkError what is not the default of an option of hearing.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def called(*args: P.args, **values: P.kwargs) -> R:
            told = signature.bind(*args, **values).arguments
            source: Any = told.get(argument)
            several: Iterable[Any] = (
                source.values() if isinstance(source, Mapping) else source if _listed(source) else [source]
            )
            if files := files_of_scores(several, suffixes):
                idle = [name for name in told if name in HEARING and changed(signature, name, told[name])]
                refuse(idle, *for_taggers(files))
            return function(*args, **values)

        called.hears = argument  # type: ignore[attr-defined]
        return called

    return mark


def changed(signature: inspect.Signature, name: str, value: Any) -> bool:
    """Whether a parameter asks for something: it is neither its default nor what asks for nothing, as device="auto" and events=False."""
    default = signature.parameters[name].default
    value, default = (list(each) if _listed(each) else each for each in (value, default))
    return value is not False and value != "auto" and bool(value != default)


def files_of_scores(sources: Iterable[Any], suffixes: Sequence[str]) -> list[str]:
    """All of them, where all are files of scores, also such as are called by a name, NAME=path; none where one is another thing."""
    told = list(sources)
    scores = [isinstance(each, str | Path) and Path(each).suffix in suffixes for each in told]
    return [str(each) for each in told] if told and all(scores) else []


def for_taggers(files: Sequence[str]) -> tuple[str, str]:
    """What options of hearing are for, and the other way out, in words of `refuse`."""
    only = f"{files[0]} holds scores" if len(files) == 1 else "all of these are files of scores"
    return f"what taggers hear, and {only}, taken as they are", "give a tagger"


def refuse(options: Sequence[str], of: str, instead: str) -> None:
    """Raises EarmarkError for options, as they are called, where there are some. of: what they are for; instead: the other way out."""
    if options:
        are, them = ("is", options[0]) if len(options) == 1 else ("are", "them")
        listed = " and ".join(filter(None, [", ".join(options[:-1]), options[-1]]))
        raise EarmarkError(f"{listed} {are} for {of}: leave {them} out, or {instead}")


def needs(option: str, asked: bool, other: str, of: str) -> None:
    """Raises EarmarkError for an option that counts for nothing without another, where it is asked for. of: what it is for."""
    if asked:
        raise EarmarkError(f"{option} is for {of}: name that with {other}, or leave {option} out")


def beside(option: str, asked: bool, other: str, because: str) -> None:
    """Raises EarmarkError for an option that counts for nothing beside another, where it is asked for. because: why that is so."""
    if asked:
        raise EarmarkError(f"{option} counts for nothing with {other}: {because}. Leave one of them out")


def _listed(value: Any) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str | bytes | Mapping)
