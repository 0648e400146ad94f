"""The command line: one verb a file, found by looking. Each imports what it needs inside, so that --help is instant.

A verb is a module here with a function of its name, or of its name and `_` where Python has that name, or with a
`typer.Typer` of verbs of its own. Its PLACE is where `earmark --help` lists it. What verbs share is in `earmark.cli.terminal`.

Exit statuses, and what ends a command: `earmark.cli.terminal.failures`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from earmark.cli.terminal import failures
from earmark.cli.terminal.extending import extended
from earmark.cli.terminal.values import Verb, Verbs
from earmark.cli.terminal.written import guarded
from earmark.errors import EarmarkError

LAST = 1000  # of a verb that does not say where `earmark --help` lists it


def names() -> list[str]:
    """Of the verbs, without importing them."""
    return [leaf.name for leaf in pkgutil.iter_modules(__path__) if not (leaf.ispkg or leaf.name.startswith("__"))]


def verbs(only: str | None = None) -> dict[str, typer.Typer | Callable[..., Any]]:
    """By name, in the order of `earmark --help`: a function, or a group of commands. only: of this name."""
    found = {}
    for name in names() if only is None else [only]:
        leaf = importlib.import_module(f"{__name__}.{name}")
        verb = getattr(leaf, name, None) or getattr(leaf, f"{name}_", None)
        if verb is None:
            raise EarmarkError(
                f"{leaf.__file__}: holds no verb. Write a function {name}, or move what verbs share to cli/terminal"
            )
        found[name] = getattr(leaf, "PLACE", LAST), verb
    return {name: verb for name, (_, verb) in sorted(found.items(), key=lambda item: (item[1][0], item[0]))}


@functools.cache
def begun(name: str) -> typer.Typer | Callable[..., Any]:
    """A verb, or a group of them, that before it begins runs the files of `--plugin` and looks at what it writes."""
    verb = verbs(name)[name]
    if not isinstance(verb, typer.Typer):
        return extended(guarded(verb))
    for command in verb.registered_commands:
        if command.callback is not None:
            command.cls = Verb if command.cls in (None, TyperCommand) else command.cls
            command.callback = extended(guarded(command.callback))
    return verb


class Program(Verbs):
    """The program's verbs. What typer gives statuses of its own, a closed pipe and Ctrl-C, is taken from it here."""

    def make_context(self, *args: Any, **values: Any) -> Any:
        with failures.usage_shown():
            return super().make_context(*args, **values)

    def invoke(self, context: Any) -> Any:
        try:
            with failures.named(), failures.usage_shown():
                return super().invoke(context)
        except (BrokenPipeError, KeyboardInterrupt) as error:
            raise typer.Exit(failures.ended(error) or 0) from error


@functools.cache
def build(only: str | None = None) -> typer.Typer:
    """The program of all verbs that are there, or of one alone, which begins sooner."""
    program = typer.Typer(
        cls=Program,
        help="Turn recordings into tags, and say when each thing is heard.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in verbs(only):
        verb = begun(name)
        if isinstance(verb, typer.Typer):
            program.add_typer(verb, name=name)
        else:
            program.command(name, cls=Verb)(verb)
    program.callback(invoke_without_command=True)(top)
    return program


def top(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        from importlib.metadata import version as of

        print(of("earmark"))
        raise typer.Exit


def __getattr__(name: str) -> Any:
    """app: the whole program, built when it is asked for."""
    if name == "app":
        return build()
    raise AttributeError(f"module {__name__} has no attribute {name!r}")


def main() -> None:
    """What `earmark.__main__` begins: runs a command and turns errors into messages and exit statuses."""
    try:
        failures.guard_streams()
        first = sys.argv[1] if len(sys.argv) > 1 else None
        build(first if first in names() else None)()
    except (Exception, KeyboardInterrupt) as error:
        status = failures.ended(error)
        if status is None:  # a mistake in here, of which the place must be seen
            raise
        sys.exit(status)
