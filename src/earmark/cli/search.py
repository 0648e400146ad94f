"""`earmark search`: which windows of many recordings are most like an example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.ours import matches
from earmark.cli.terminal.written import Writes

PLACE = 86  # in `earmark --help`


def search(
    store: Annotated[Path, typer.Argument(help="Embeddings that earmark embed wrote.")],
    examples: Annotated[
        list[Path], typer.Argument(help="Recordings of what is looked for; of several the most similar counts.")
    ],
    tagger: o.Tagger = "esc10",
    begin: Annotated[float | None, typer.Option("--from", help="Seconds: the example begins here.")] = None,
    end: Annotated[float | None, typer.Option("--to", help="Seconds: the example ends here.")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many windows.")] = 20,
    each: Annotated[int | None, typer.Option(min=1, help="At most so many of one recording.")] = None,
    form: Annotated[
        Literal["table", "csv", "json"] | None,
        typer.Option("--format", help="Of the results; default: as --out ends, or table."),
        o.FORM,
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[Path | None, typer.Option(help="A file for the results; default: stdout."), Writes(matches)] = None,
) -> None:
    """Find the windows that sound most like an example: by the cosine of their embeddings, exactly, however many there are."""
    from earmark.cli.terminal import searching

    told = searching.form_of("json" if as_json else form, out)
    searching.search(store, examples, tagger, begin, end, top, each, told, out)
