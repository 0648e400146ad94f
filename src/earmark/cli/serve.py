"""`earmark serve`: tags and events over HTTP, and a page for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.needing import Needs
from earmark.cli.terminal.written import OwnFolder

PLACE = 87  # in `earmark --help`


def serve(
    taggers: Annotated[
        list[str] | None,
        typer.Argument(help="Tagger files, or names of shipped ones; default: esc10. The first is asked first."),
    ] = None,
    recordings: Annotated[
        Path | None, typer.Option(help="A folder whose recordings the page may show and hear.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="With --recordings: a folder for jobs and reviews of them; default: one of the user's."),
        OwnFolder(),
        Needs("--recordings", of="jobs and reviews of recordings"),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(
            help="With --recordings: what the taggers learnt from, for examples and training: a folder or manifest."
        ),
        Needs("--recordings", of="reviews of recordings, to hear examples and train again"),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="With --clips: the folder's layout; default: a table's."),
        Needs("--clips", of="what the taggers learnt from"),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen at; any but this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: one that is free.")] = 8000,
    token: Annotated[
        str | None, typer.Option(envvar="EARMARK_TOKEN", show_envvar=True, help="Who does not send it is refused.")
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="A name by which it is reached, such as a proxy's.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Requests answered at once; default: a core each.")] = None,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait; more are told when to come again.")] = 32,
    most_megabytes: Annotated[float, typer.Option(min=0.001, help="Of a recording that is sent.")] = 512.0,
    most_seconds: Annotated[float, typer.Option(min=0.1, help="Of sound in a recording that is sent.")] = 3600.0,
    stop_seconds: Annotated[
        int, typer.Option(min=0, help="From being stopped until requests that are worked on are cut off, with 503.")
    ] = 5,
    device: o.Device = "auto",
    engine: o.Engine = "auto",
    precision: o.Precision = "auto",
) -> None:
    """Answer over HTTP as tag, events and embed do, and show a page to listen and look, until Ctrl-C."""
    from earmark.cli.terminal import serving
    from earmark.serve.settings import Settings

    workers = serving.workers(workers)
    settings = Settings(
        host=host, port=port, token=token, names=tuple(name or ()), recordings=recordings, state=state, clips=clips,
        dataset=dataset, workers=workers, waiting=waiting, most_bytes=round(most_megabytes * 1e6), most_seconds=most_seconds,
        stop_seconds=stop_seconds,
    )  # fmt: skip
    serving.serve(settings, taggers or ["esc10"], device, engine, precision)
