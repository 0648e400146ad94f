"""`earmark compare`: whether systems can be told apart on the same clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options, written
from earmark.cli.terminal.needing import MayBeScores

PLACE = 40  # in `earmark --help`


def compare(
    systems: Annotated[
        list[str],
        typer.Argument(help="Taggers, folders of a run over folds, or files of scores; NAME=… calls one by a name."),
        MayBeScores(),
    ],
    data: options.Data,
    fold: Annotated[list[str] | None, typer.Option(help="Folds to compare on; default: those tested on.")] = None,
    dataset: options.Dataset = None,
    out: Annotated[
        Path | None, typer.Option(help="Where comparison.html, .md, .json and .pairs.csv go."), written.COMPARISON
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Default: all of the task.")] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Compare on the clips that all have, where some miss a few.")
    ] = False,
    merge: options.Merge = None,
    merge_by: options.MergeBy = "highest",
    task: options.JudgedAs = None,
    as_json: options.AsJson = False,
    leaks: options.Leaks = "refuse",
    seen: options.Seen = False,
    resamples: options.Resamples = 1000,
    permutations: Annotated[int, typer.Option(min=0, help="Of the test that gives the p-values.")] = 10_000,
    batch: options.Batch = None,
    workers: options.Workers = 2,
    device: options.Device = "auto",
) -> None:
    """Compare systems on the same clips: paired differences with 95 % intervals and p-values."""
    from earmark import report
    from earmark.cli.terminal.bar import Bar
    from earmark.cli.terminal.console import print_json, say
    from earmark.evaluation import comparison

    told = comparison.compare(
        systems, data, folds=fold, dataset=dataset, metrics=metric, common=common, merge=merge,
        merge_by=merge_by, task=task, leaks=leaks, seen=seen, resamples=resamples, permutations=permutations, batch=batch,
        workers=workers, device=device, progress=Bar(),
    )  # fmt: skip
    if out is not None:
        report.write_comparison(told, out, "comparison")
        say(f"{out}: comparison.html, .md, .json and .pairs.csv")
    if as_json:
        print_json(told.as_dict())
    else:
        print(report.markdown_of_comparison(told, "comparison"))
