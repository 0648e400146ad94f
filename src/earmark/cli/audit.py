"""`earmark audit`: which labels the taggers of a run over folds doubt."""

from __future__ import annotations

from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options, written
from earmark.cli.terminal.needing import MayBeScores
from earmark.errors import agreed, counted

PLACE = 50  # in `earmark --help`


def audit(
    source: Annotated[str, typer.Argument(help="A run over folds, or a file of out-of-fold scores."), MayBeScores()],
    data: options.Data,
    out: Annotated[Path | None, typer.Option(help="Where audit.csv and audit.html go."), written.AUDIT] = None,
    top: Annotated[int, typer.Option(help="Doubts that are shown and can be listened to.", min=1)] = 40,
    dataset: options.Dataset = None,
    as_json: options.AsJson = False,
    batch: options.Batch = None,
    workers: options.Workers = 2,
    device: options.Device = "auto",
) -> None:
    """List the clips whose label the scores speak against, the surest first; each scored by a tagger that never saw it."""
    from earmark import report
    from earmark.cli.terminal import needing
    from earmark.cli.terminal.bar import Bar
    from earmark.cli.terminal.console import print_json, print_table, say
    from earmark.evaluation import labels
    from earmark.report.excerpt import places

    if as_json and out is None:
        needing.refuse({"top"}, "the table and the page, and JSON has all", "name a folder with --out")
    told = labels.audit(source, data, dataset=dataset, batch=batch, workers=workers, device=device, progress=Bar())
    if out is not None:
        report.write_audit(told.labels, out, "audit", places(told.clips), notes=told.notes)
        say(f"{out}: audit.html to look at and listen to, audit.csv with all")
    if as_json:
        print_json([label.as_dict() for label in told.labels])
    else:
        columns = [each.name for each in fields(labels.Label)][1:]
        print_table(columns, [astuple(label)[1:] for label in told.labels[:top]])
    say(
        f"{counted(len(told.labels), 'label')} of {counted(len(told.clips), 'clip')} {agreed(len(told.labels), 'is', 'are')} doubted"
    )
