"""`earmark explain`: what goes on inside a tagger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from earmark.report.explain import Explanation


def explain(
    tagger: Annotated[str, typer.Argument(help="A tagger file, or the name of a shipped one.")],
    out: Annotated[Path, typer.Option(help="A folder for pictures, explain.json and index.html.")],
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
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged recordings.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Show what a tagger's filters listen for, what its gates let through and where in recordings its attention lies."""
    from earmark import audio
    from earmark.cli.console import check_folder, progress, say, say_notes
    from earmark.errors import EarmarkError
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading
    from earmark.report.explain import Explanation, select

    check_folder("--out", out)
    keep_freed_memory()
    found = Explanation(loading.load(tagger, device), out, steps=steps, seed=seed)
    if layers and not found.layers:
        raise EarmarkError(
            f"{tagger}: the net {found.told['net']} hears maps, not samples, so that there are no raw layers to choose with "
            "--layers. Without it its first kernels are shown, and where it tells of moments, what it makes of recordings"
        )
    asked = select(found.layers, layers)
    recordings = audio.find(paths or [])
    with progress() as bar:
        found.add_responses()
        notes, failures = _add(found, recordings, bar, start, salvage)  # first: filters are held against them
        task = bar.add_task("layers", total=len(asked), told="")
        found.add_filters(asked, filters, lambda layer: bar.update(task, completed=asked.index(layer), told=layer.name))
    say_notes(notes)
    for line in _missing(found, len(recordings)):
        say(line)
        found.told["notes"].append(line)
    page = found.close()
    if as_json:
        print(json.dumps(found.told, indent=1, ensure_ascii=False))
    else:
        print(page)
    for reason in failures[:20]:
        say(reason)
    if failures:
        say(f"{len(failures)} of {len(recordings)} recordings could not be read")
        raise typer.Exit(1)


def _add(
    found: Explanation, recordings: list[Path], bar: Progress, start: float, salvage: bool
) -> tuple[list[str], list[str]]:
    """(what is to be said of the recordings, why those that could not be read could not)."""
    from earmark.errors import AudioError

    notes: list[str] = []
    failures: list[str] = []
    if not found.hears:
        return notes, failures
    task = bar.add_task("recordings", total=len(recordings), told="", visible=bool(recordings))
    for path in recordings:
        try:
            notes += found.add_recording(path, start, salvage=salvage)
        except AudioError as error:
            failures.append(str(error))
        bar.advance(task)
    return notes, failures


def _missing(found: Explanation, recordings: int) -> list[str]:
    """What the user may have expected and does not get."""
    net = found.told["net"]
    told = []
    if not found.layers:
        told.append(f"{net} hears maps, not samples: of its filters only the first layer's kernels are shown")
    if recordings and not found.shows:
        held = ", but for how far they excite its filters" if found.layers else ""
        told.append(
            f"{net} tells of whole windows only, and has no gates: recordings show nothing more of it than "
            f"`earmark tag --pictures` does{held}"
        )
    if not recordings and found.shows:
        told.append(f"{net} can be seen at work: give recordings, and their moments or gates are shown too")
    return told
