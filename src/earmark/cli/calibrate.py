"""`earmark calibrate`: the rules for events of a tagger, and the thresholds of its tags, chosen on validation clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options, written

PLACE = 90  # in `earmark --help`


def calibrate(
    tagger: options.TaggerFile,
    data: Annotated[Path, typer.Option(help="The data set's folder, or a manifest; with tags or events of its clips.")],
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
    """Choose each tag's threshold and median filter for the best F1 on a fold, and store them in the tagger file.

    Rules for events on clips with known events, thresholds for the tags of clips where a clip may have several.
    """
    from earmark.cli.terminal import tuned
    from earmark.cli.terminal.bar import Bar
    from earmark.cli.terminal.console import say, say_notes
    from earmark.errors import EarmarkError
    from earmark.evaluation.scoring import Settings
    from earmark.evaluation.tuning import tune
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading

    if out is None and not Path(tagger).is_file() and tagger in loading.shipped():
        raise EarmarkError(f"{tagger} is a shipped tagger and stays as it is: name a new file with --out")
    keep_freed_memory()
    if windows:
        settings = Settings(batch, workers, salvage, strict)
        return tuned.windows(tagger, data, fold, dataset, metric, settings, device, out, as_json)
    tuned.check_metric(metric)
    told = tune(
        tagger, data, folds=fold, dataset=dataset, collar=collar, hit=hit, gap=gap, shortest=shortest,
        merge=merge, on_test=on_test, resamples=resamples, salvage=salvage, strict=strict, batch=batch, workers=workers, device=device,
        progress=Bar(),
    )  # fmt: skip
    say_notes(told.notes)
    tuned.write_tried(told, tried)
    file = out or loading.find(tagger)
    told.store(file)
    tuned.print_tuning(told, as_json)
    say(f"{file}: holds these rules now")
    tuned.say_unread(told)
