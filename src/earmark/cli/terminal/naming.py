"""What a word of the command line cannot name: a place of the web, and standard input where a verb hears files alone.

Words are looked at as they were typed: as a path `http://x` is a folder `http:` with an x in it, which `./http:/x` stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from earmark.errors import EarmarkError
from earmark.files.stores import strange

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
STDIN = "-"


@dataclass(frozen=True)
class Streams:
    """Marks recordings among which - stands for raw samples on standard input."""


def check(verb: Callable[..., Any], values: Mapping[str, Any], called: Mapping[str, str]) -> None:
    """Of the words of a verb's parameters. called: what the options among these are called. Raises EarmarkError."""
    told = [(name, word) for name, value in values.items() for word in _words(value)]
    if not any(word == STDIN or SCHEME.match(word) for _, word in told):
        return  # as nearly always: annotations take time to read
    from earmark.cli.terminal.written import Mark

    hints = get_type_hints(verb, include_extras=True)
    for name, word in told:
        hint, *marks = get_args(hints.get(name)) or (hints.get(name),)
        if hint not in (Path, list[Path]) and not {Path, list[Path]} & set(get_args(hint)):
            continue
        option = called.get(name, name.upper())
        if wrong := strange(word):
            raise EarmarkError(f"{option} {word}: {wrong}")
        if word == STDIN and not any(isinstance(mark, Streams | Mark) for mark in marks):
            raise EarmarkError(
                f"{option} -: standard input is heard by earmark tag and earmark events alone. Save it as a file first and name that; "
                "./- is a file of this name"
            )


def _words(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, str):
            yield each
