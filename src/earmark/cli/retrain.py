"""`earmark retrain`: reviewed detections and clips → a new head that learnt from both, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.written import OwnFolder

PLACE = 87  # in `earmark --help`


def retrain(
    tagger: o.TaggerFile,
    reviews: Annotated[Path, typer.Option(help="A table of earmark review, or of earmark serve, that was filled in.")],
    recordings: Annotated[list[Path], typer.Option("--recordings", help="Where the reviewed recordings are.")],
    data: Annotated[Path, typer.Option(help="The clips that it learnt from: a data set's folder, or a manifest.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The run folder of the new tagger; the old one stays."), OwnFolder()
    ],
    dataset: Annotated[str | None, typer.Option(help="The clips' layout; default: a table's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    as_json: o.AsJson = False,
    salvage: o.Salvage = False,
    workers: o.Workers = 2,
    device: o.Device = "cpu",
) -> None:
    """Learn from what people said of a tagger's detections, and tell by tag what that changed on those it did not learn from.

    The net stays; its head learns from the clips, mixed into the recordings, and from the reviewed events there.
    """
    from earmark.cli.terminal import retraining
    from earmark.train.heads.run import How

    how = How(workers, None, False, salvage, resume)
    retraining.retrain(tagger, reviews, recordings, data, dataset, out, how, device, as_json)
