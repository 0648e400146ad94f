"""`earmark evaluate`: how good a tagger is on clips that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options
from earmark.cli.terminal.needing import Idle, MayBeScores

OF_EVENTS = Idle("--no-events", because="no events are judged then")
PLACE = 30  # in `earmark --help`


def evaluate(
    tagger: Annotated[
        str,
        typer.Argument(help="A tagger, its file, a folder with one for each fold or seed, or scores."),
        MayBeScores(),
    ],
    data: options.Data,
    fold: Annotated[list[str] | None, typer.Option(help="Folds to report; default: those the recipe tests on.")] = None,
    dataset: options.Dataset = None,
    out: options.ReportFolder = None,
    submission: options.Submission = None,
    as_json: options.AsJson = False,
    leaks: options.Leaks = "refuse",
    seen: options.Seen = False,
    merge: options.Merge = None,
    merge_by: options.MergeBy = "highest",
    task: options.JudgedAs = None,
    events: Annotated[bool, typer.Option(help="Judge known events too; this hears their clips again.")] = True,
    pictures: Annotated[
        bool, typer.Option(help="Draw the events of a few clips, with their spectrograms."), OF_EVENTS
    ] = True,
    collars: Annotated[
        str, typer.Option(help="Seconds that edges of events may be off, with commas."), OF_EVENTS
    ] = "0.2,0.4",
    hit: Annotated[options.Hit, OF_EVENTS] = "sed_eval",
    record: Annotated[bool, typer.Option("--record", help="Write the figures into the tagger file.")] = False,
    resamples: options.Resamples = 1000,
    draw: options.Draw = "groups",
    hop: options.Hop = None,
    batch: options.Batch = None,
    workers: options.Workers = 2,
    salvage: options.Salvage = False,
    strict: options.Strict = False,
    errors: options.Errors = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    precision: options.Precision = "auto",
) -> None:
    """Score the clips of a fold and report every figure with its 95 % interval.

    Where the clips have known events these are judged too: with 0.5, and with the rules that `earmark calibrate` stored.
    Of a folder with a tagger for each fold, each is judged on its own fold, and the report is on all of them together; of
    one with a run for each seed, each run is judged, and mean and spread are told.
    """
    from earmark.cli.terminal import judging, written
    from earmark.cli.terminal.bar import Bar
    from earmark.evaluation import evaluation, heldout, recording
    from earmark.inference import process

    if out is None:
        written.claim_reports_in(heldout.run_folder(tagger))
    if record:
        recording.check(tagger, hop, seen, precision)
    process.take()

    def judge(one: str | Path) -> evaluation.Evaluation:
        return evaluation.evaluate(
            one, data, folds=fold, dataset=dataset, seen=seen, leaks=leaks, merge=merge, merge_by=merge_by, task=task,
            events=events, collars=options.seconds("--collars", collars), hit=hit, resamples=resamples, draw=draw, hop=hop,
            batch=batch, workers=workers, salvage=salvage, strict=strict, device=device, engine=engine, precision=precision,
            progress=Bar(),
        )  # fmt: skip

    judging.tell(tagger, judge, judging.Wanted(out, submission, errors, record, pictures, as_json))
