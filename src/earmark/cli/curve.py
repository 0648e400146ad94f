"""`earmark curve`: how good a head on a tagger's embeddings is after 1, 2, 4, … clips a tag, and a recipe from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import heads as h
from earmark.cli.terminal import options as o
from earmark.cli.terminal.written import CURVE

PLACE = 25  # in `earmark --help`


def curve(
    data: Annotated[Path, typer.Argument(help="The clips: a data set's folder, a manifest or a table.")],
    base: Annotated[str, typer.Option("--from", help="A tagger whose embeddings are learnt from.")],
    out: Annotated[Path, typer.Option(help="A folder for table, picture and JSON."), CURVE, o.DRAWN],
    dataset: h.Layout = None,
    task: h.OfTask = None,
    head: h.Kind = None,
    scratch: Annotated[
        str | None,
        typer.Option(help="A recipe: the same draws learnt from scratch stand beside; --set train.… is for it."),
    ] = None,
    clips: Annotated[str, typer.Option(help="Clips a tag.")] = "1,2,4,8,16,all",
    draws: Annotated[int, typer.Option(min=1, help="Of each number.")] = 5,
    resamples: o.Resamples = 1000,
    settings: o.RecipeSettings = None,
    embeddings: h.Embeddings = None,
    workers: o.Workers = 2,
    device: o.Device = "cpu",
) -> None:
    """Learn from ever more clips and test on folds in turn: what a few more clips would bring, with intervals."""
    from earmark.cli.terminal.console import print_table, say
    from earmark.report.wording import between, number

    asked = h.Question(base, data, out, dataset, task, head, embeddings, settings=settings or [], scratch=scratch)
    found = h.curve(asked, h.sizes(clips), draws, resamples, workers, device)
    titles = [title for each in found for title in (f"{each.metric}, {each.facts['source']}", "95 % interval")]
    shown = [
        (
            "all" if points[0].clips is None else points[0].clips,
            *(text for p in points for text in (number(p.value, 4), between(p.low, p.high, 4))),
        )
        for points in zip(*(each.points for each in found), strict=True)
    ]
    print_table(["clips a tag", *titles], shown)
    for note in dict.fromkeys(note for each in found for note in each.notes):
        say(note)
    say(f"{out}: curve.md, curve.json, curve.png")
