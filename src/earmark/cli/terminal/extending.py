"""`--plugin FILE.py`, which every verb has: what is in the file is there before the verb begins."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

NAME = "plugin"
Files = Annotated[
    list[Path] | None,
    typer.Option(f"--{NAME}", metavar="FILE.py", help="Run this file, for a net, … of one's own; may be repeated."),
]


def extended(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A verb that first runs the files that are named to it with `--plugin`."""

    if NAME in inspect.signature(verb).parameters:  # of a group's verb, which is the same in every program
        return verb

    @functools.wraps(verb)
    def begin(*arguments: Any, **values: Any) -> Any:
        if files := values.pop(NAME, None):
            from earmark import plugins

            for file in files:
                plugins.load(file)
        return verb(*arguments, **values)

    own = inspect.signature(verb, eval_str=True)
    option = inspect.Parameter(NAME, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Files)
    begin.__signature__ = own.replace(parameters=[*own.parameters.values(), option])  # type: ignore[attr-defined]
    begin.__annotations__ = {**begin.__annotations__, NAME: Files}
    return begin
