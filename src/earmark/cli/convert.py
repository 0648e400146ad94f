"""`earmark convert`: a table of events in another format, without hearing the recordings again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import eventoptions as e
from earmark.cli.terminal.eventresults import Format, FormatName

PLACE = 82  # in `earmark --help`


def convert(
    events: Annotated[
        Path, typer.Argument(help="A file of events in any format, or the folder of an earmark events --job or --out.")
    ],
    form: FormatName = None,
    out: e.Out = None,
    recordings: Annotated[
        list[Path] | None, typer.Option("--recordings", help="Where the recordings are, for Raven and clocks.")
    ] = None,
    clock: e.Clock = False,
    names: e.Names = None,
    zone: e.Zone = None,
) -> None:
    """Write events that were found in another format, with times of the clock if asked, without hearing anything again."""
    from earmark.cli.terminal import converting

    told = Format.of(form, out, "csv")
    clocks = converting.clocks_of(clock, names, zone, told)
    if converting.convert(events, told, out, recordings or [], clocks):
        raise typer.Exit(1)
