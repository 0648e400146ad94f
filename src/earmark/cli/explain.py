"""`earmark explain`: what goes on inside a tagger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.explaining import add_recordings, missing
from earmark.cli.terminal.needing import Packages
from earmark.cli.terminal.written import EXPLAINED

PLACE = 110  # in `earmark --help`


def explain(
    tagger: o.TaggerFile,
    out: Annotated[
        Path,
        typer.Option(help="A folder for pictures, explain.json and index.html."),
        EXPLAINED,
        Packages("torch", *o.DRAWN.names),
    ],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings, or folders, to see it at work on, and to hold its filters against."),
    ] = None,
    layers: Annotated[list[str] | None, typer.Option(help="Of the raw part: 3, 1-3 or a name; default: all.")] = None,
    filters: Annotated[int, typer.Option(min=1, help="How many of a layer are maximised, at most.")] = 64,
    steps: Annotated[int, typer.Option(min=1, help="Of the ascent.")] = 400,
    start: Annotated[
        float, typer.Option(min=0, help="Seconds into the recordings, of which a minute is explained.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the noise that the ascent begins with.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The numbers on stdout.")] = False,
    salvage: o.Salvage = False,
    device: o.Device = "auto",
) -> None:
    """Show what a tagger's filters listen for, what its gates let through and where in recordings its attention lies."""
    from earmark import audio
    from earmark.cli.terminal import needing
    from earmark.cli.terminal.bar import leave_with_reasons
    from earmark.cli.terminal.console import none_in, print_json, progress, say, say_notes
    from earmark.inference import process
    from earmark.models import loading
    from earmark.report.explain import Explanation, select

    if not paths:
        needing.refuse({"start", "salvage"}, "recordings to see it at work on, and none are given", "give some")
    process.take()
    found = Explanation(loading.load(tagger, device, engine="torch"), out, steps=steps, seed=seed)
    if not found.layers:
        net = f"raw layers, of which {found.facts['net']}, the net of {tagger}, has none: it hears maps, not samples"
        way = "explain one that hears samples. Of this one first kernels are shown, and moments or gates in recordings where it has them"
        needing.refuse({"layers", "filters", "steps", "seed"}, net, way)
    asked = select(found.layers, layers)
    recordings = audio.find(paths or [], say)
    if paths and not recordings:
        say(none_in(paths))
    with progress() as bar:
        found.add_responses()
        notes, failures = add_recordings(found, recordings, bar, start, salvage)  # first: filters are held against them
        task = bar.add_task("layers", total=len(asked), told="")
        found.add_filters(asked, filters, lambda layer: bar.update(task, completed=asked.index(layer), told=layer.name))
    say_notes(notes)
    for line in missing(found, len(recordings)):
        say(line)
        found.facts["notes"].append(line)
    page = found.close()
    if as_json:
        print_json(found.facts)
    else:
        print(page)
    leave_with_reasons(failures, len(recordings))
