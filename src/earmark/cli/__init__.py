"""The command line: one verb a file, found by looking. Each imports what it needs inside, so that --help is instant.

A verb is a module here with a function of its name, or of its name and `_` where Python has that name, or with a
`typer.Typer` of verbs of its own. Its PLACE is where `earmark --help` lists it. What verbs share is in `earmark.cli.terminal`.

Exit status: 0 all done; 1 some recordings could not be read; 2 wrong usage, an input that contradicts itself, or a file
that the system does not let read or write; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

import typer

from earmark.cli.terminal.console import system_failure
from earmark.cli.terminal.written import guarded
from earmark.errors import AudioError, EarmarkError, shortened

LAST = 1000  # of a verb that does not say where `earmark --help` lists it


def verbs() -> dict[str, typer.Typer | Callable[..., Any]]:
    """By name, in the order of `earmark --help`: a function, or a group of commands."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg or module.name.startswith("__"):
            continue
        leaf = importlib.import_module(f"{__name__}.{module.name}")
        verb = getattr(leaf, module.name, None) or getattr(leaf, f"{module.name}_", None)
        if verb is None:
            raise EarmarkError(
                f"{leaf.__file__}: holds no verb. Write a function {module.name}, or move what verbs share to cli/terminal"
            )
        found[module.name] = getattr(leaf, "PLACE", LAST), verb
    return {name: verb for name, (_, verb) in sorted(found.items(), key=lambda item: (item[1][0], item[0]))}


def build() -> typer.Typer:
    """The program of all verbs that are there."""
    program = typer.Typer(
        help="Turn recordings into tags, and say when each thing is heard.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, verb in verbs().items():
        if isinstance(verb, typer.Typer):
            for command in verb.registered_commands:
                if command.callback is not None:
                    command.callback = guarded(command.callback)
            program.add_typer(verb, name=name)
        else:
            program.command(name)(guarded(verb))
    program.callback(invoke_without_command=True)(top)
    return program


def top(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        from importlib.metadata import version as of

        print(of("earmark"))
        raise typer.Exit


app = build()


def main() -> None:
    """The entry point: runs a command and turns errors into messages and exit statuses."""
    try:
        app()
    except EarmarkError as error:
        print(f"earmark: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, AudioError) else 2)
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.errno is None:  # not the system's: a mistake in here, of which the place must be seen
            raise
        print(shortened(f"earmark: {system_failure(error)}"), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("earmark: stopped", file=sys.stderr)
        sys.exit(130)
