"""The command line: one verb a file. Each imports what it needs inside its command, so that --help is instant.

Exit status: 0 all done; 1 some recordings could not be read; 2 wrong usage, an input that contradicts itself, or a file
that the system does not let read or write; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import sys

import typer

from earmark.cli.audit import audit
from earmark.cli.bench import bench
from earmark.cli.calibrate import calibrate
from earmark.cli.check import check
from earmark.cli.compare import compare
from earmark.cli.console import system_failure
from earmark.cli.demo import demo
from earmark.cli.ensemble import ensemble
from earmark.cli.evaluate import evaluate
from earmark.cli.events import events
from earmark.cli.explain import explain
from earmark.cli.index import index
from earmark.cli.list import list_
from earmark.cli.show import show
from earmark.cli.soundscapes import soundscapes
from earmark.cli.tag import tag
from earmark.cli.train import train
from earmark.errors import AudioError, EarmarkError

app = typer.Typer(
    help="Turn recordings into tags, and say when each thing is heard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    index,
    train,
    evaluate,
    compare,
    audit,
    ensemble,
    tag,
    events,
    calibrate,
    show,
    explain,
    check,
    demo,
    soundscapes,
):
    app.command()(verb)
app.command("list")(list_)
app.add_typer(bench, name="bench")


@app.callback(invoke_without_command=True)
def top(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        from importlib.metadata import version as of

        print(of("earmark"))
        raise typer.Exit


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
        print(f"earmark: {system_failure(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("earmark: stopped", file=sys.stderr)
        sys.exit(130)
