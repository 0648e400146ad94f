"""Options that count for nothing without another one: given alone they are refused, not passed over.

Such an option carries a mark, `Annotated[float, typer.Option(…), Needs("--clips", of="clips of events")]`. Where a verb begins, the marks
of the options that were given are looked at, also of those that were given their default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from earmark.cli.terminal.values import given
from earmark.errors import EarmarkError


@dataclass(frozen=True, init=False)
class Needs:
    """others: options of which one is to be given, too; of: what the marked one is for, in words."""

    others: tuple[str, ...]
    of: str

    def __init__(self, *others: str, of: str):
        object.__setattr__(self, "others", others)
        object.__setattr__(self, "of", of)


def needs(verb: Callable[..., Any]) -> dict[str, Needs]:
    """Of a verb's options that need another, by the names of their parameters."""
    hints = get_type_hints(verb, include_extras=True)
    told = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return {name: mark for name, metadata in told.items() for mark in metadata if isinstance(mark, Needs)}


def check(verb: Callable[..., Any]) -> None:
    """Raises EarmarkError for an option of the command that runs without the one that it needs."""
    options = dict(given)
    for name, mark in needs(verb).items():
        if name in options and not set(mark.others) & set(options.values()):
            raise EarmarkError(
                f"{options[name]} is for {mark.of}: name that with {' or '.join(mark.others)}, or leave {options[name]} out"
            )
