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
        list[Path] | None, typer.Option("--recordings", help="Where the recordings are, for Raven, clocks and counts.")
    ] = None,
    clock: e.Clock = False,
    names: e.Names = None,
    zone: e.Zone = None,
    summary: e.Summary = None,
    store: e.Store = None,
) -> None:
    """Write events that were found in another format, with times of the clock if asked, without hearing anything again.

    Or count them: with --summary or --store alone nothing else is written."""
    from earmark.cli.terminal import converting

    told = Format.of(form, out, "csv")
    clocks = converting.clocks_of(clock, names, zone, told)
    asked, places = bool(summary) or store is not None, recordings or []
    heard = converting.heard(events, summary or [], store, places, clocks) if asked else []
    alone = asked and form is None and out is None
    failures = [] if alone else converting.convert(events, told, out, places, clocks)
    if (asked and converting.write_counts(events, heard, summary or [], store)) or failures:
        raise typer.Exit(1)
