"""What a word of the command line cannot name: a place of the web, and standard input where a verb hears files alone.

Words are looked at as they were typed: as a path `http://x` is a folder `http:` with an x in it, which `./http:/x` stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from earmark.errors import EarmarkError
from earmark.files.stores import strange

STDIN = Path("-")


@dataclass(frozen=True)
class Streams:
    """Marks recordings among which - stands for raw samples on standard input."""


def check(verb: Callable[..., Any], values: Mapping[str, Any], called: Mapping[str, str]) -> None:
    """Of the words of a verb's parameters. called: what the options among these are called. Raises EarmarkError."""
    told = [(name, word, wrong) for name, value in values.items() for word in _words(value) if (wrong := strange(word))]
    if not told:
        return  # as nearly always: annotations take time to read
    hints = get_type_hints(verb)
    for name, word, wrong in told:
        hint = hints.get(name)
        if {Path, list[Path]} & {hint, *get_args(hint)}:
            raise EarmarkError(f"{called.get(name, name.upper())} {word}: {wrong}")


def check_streams(option: str, marks: Iterable[object], paths: Iterable[Path]) -> None:
    """Of paths that a verb reads. Raises EarmarkError for standard input where they may not be streams."""
    if STDIN in paths and not any(isinstance(mark, Streams) for mark in marks):
        raise EarmarkError(
            f"{option} -: standard input is heard by earmark tag and earmark events alone. Save it as a file first and name that; a file "
            f"called - is {STDIN.absolute()}"
        )


def _words(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, str):
            yield each
