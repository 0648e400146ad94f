"""`earmark review`: detections to listen to, as a table to fill in; and what its answers say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.eventoptions import ClipsAs, Margin
from earmark.cli.terminal.needing import Needs
from earmark.cli.terminal.ours import reviews
from earmark.cli.terminal.written import OwnFolder, Writes

PLACE = 85  # in `earmark --help`


def review(
    events: Annotated[
        Path | None, typer.Argument(help="A file of events, or the folder of an earmark events --job or --out.")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many to listen to.")] = 60,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The table to fill in, a .csv."), Writes(reviews)
    ] = None,
    recordings: Annotated[
        list[Path] | None,
        typer.Option("--recordings", help="Where the recordings are, for --clips and --tagger."),
        Needs("--clips", "--tagger", of="files of sound, and what a tagger nearly told"),
    ] = None,
    clips: Annotated[Path | None, typer.Option(help="A new folder for a file of sound of each."), OwnFolder()] = None,
    clips_as: ClipsAs = "wav",
    margin: Margin = 1.0,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Of this tag only; may be given again.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Near which a quarter is chosen; default: each tag's lowest score.")
    ] = None,
    tagger: Annotated[
        str | None,
        typer.Option(
            help="Whose thresholds these are: what lies just below them, in --recordings, is chosen from, too."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice.")] = 0,
    answered: Annotated[
        list[Path] | None,
        typer.Option(
            "--answered",
            help="A table of these detections that was filled in: its answers are kept; may be given again.",
        ),
    ] = None,
    summary: Annotated[
        list[Path] | None,
        typer.Option(
            help="A table that was filled in: tell the precision of each tag; again for others, of other recordings."
        ),
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Choose detections to listen to, and tell from the answers how many of all that were found are right.

    Half have the highest scores, a quarter lie near the threshold, a quarter are drawn at random, spread over tags and recordings. Those
    near it lie above it alone, as events do; with --tagger on both sides.
    """
    from earmark.cli.terminal import reviewing
    from earmark.events.clips import Settings

    reviewing.check(events, out, recordings, clips, summary, tagger, answered)
    if summary:
        return reviewing.summarise(summary, as_json)
    cut = None if clips is None else (clips, Settings(margin, max(count, 1), clips_as), recordings or [])
    near = reviewing.Near(threshold, tagger, recordings or [])
    reviewing.choose(events, out, count, near, tag, seed, cut, as_json, answered or [])
