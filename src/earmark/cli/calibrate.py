"""`earmark calibrate`: the rules for events of a tagger, and the thresholds of its tags, chosen on validation clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options, written

PLACE = 90  # in `earmark --help`


def calibrate(
    tagger: options.TaggerFile,
    data: Annotated[
        Path | None, typer.Option(help="The data set's folder, or a manifest; with tags or events of its clips.")
    ] = None,
    wanted: Annotated[
        float | None, typer.Option("--precision", help="Choose for so many of what is told to be right, such as 0.9.")
    ] = None,
    false_alarms: Annotated[
        str | None, typer.Option(help="Choose for no more of these, such as 2/hour or 10/day.")
    ] = None,
    reviews: Annotated[
        Path | None, typer.Option(help="In place of --data: a table of earmark review that was filled in.")
    ] = None,
    fold: Annotated[
        list[str] | None, typer.Option(help="Folds to choose on; default: those that chose the tagger's epoch.")
    ] = None,
    dataset: options.Dataset = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The new tagger file; default: the old one is replaced."),
        written.Writes(written.calibrated),
    ] = None,
    collar: Annotated[float, typer.Option(help="Seconds that an edge may be off.")] = 0.2,
    hit: options.Hit = "sed_eval",
    gap: Annotated[float, typer.Option(help="Join events less than this many seconds apart.")] = 0.0,
    shortest: Annotated[float, typer.Option(help="Drop events of fewer seconds.")] = 0.0,
    merge: options.Merge = None,
    tried: Annotated[
        Path | None, typer.Option(help="CSV of all that was tried."), written.Writes(written.tried)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Rules, figures and all that was tried, on stdout.")] = False,
    windows: Annotated[
        bool, typer.Option("--windows", help="Choose hop, weights and mean of windows instead, on validation folds.")
    ] = False,
    metric: Annotated[str | None, typer.Option(help="For --windows. Default: the log loss.")] = None,
    on_test: Annotated[bool, typer.Option("--on-test", help="Allow the folds that the tagger is tested on.")] = False,
    resamples: options.Resamples = 1000,
    salvage: options.Salvage = False,
    strict: options.Strict = False,
    batch: options.Batch = None,
    workers: options.Workers = 2,
    device: options.Device = "auto",
) -> None:
    """Choose each tag's threshold and median filter for the best F1 on a fold, or for a goal, and store them in the tagger file.

    Rules for events where events are known, thresholds for tags where a clip may have several.
    """
    from earmark.cli.terminal import reaching, tuned
    from earmark.cli.terminal.bar import Bar
    from earmark.evaluation.scoring import Settings

    file = tuned.place(tagger, out)
    goal = reaching.goal_of(data, wanted, false_alarms, reviews)
    if windows:
        tuned.check_windows(data, goal)
        settings = Settings(batch, workers, salvage, strict)
        return tuned.windows(tagger, data, fold, dataset, metric, settings, device, out, as_json)
    tuned.check_metric(metric)
    if goal is not None and reviews is not None:
        return reaching.by_reviews(tagger, reviews, goal, device, file, as_json)
    shared = {
        "folds": fold, "dataset": dataset, "gap": gap, "shortest": shortest, "on_test": on_test, "salvage": salvage,
        "strict": strict, "batch": batch, "workers": workers, "device": device, "progress": Bar(),
    }  # fmt: skip
    if goal is not None:
        reaching.check(merge, tried)
        return reaching.by_recordings(tagger, data, goal, file, as_json, shared)
    tuned.by_f1(
        tagger,
        data,
        file,
        tried,
        as_json,
        {**shared, "collar": collar, "hit": hit, "merge": merge, "resamples": resamples},
    )
