"""`earmark calibrate`: the rules for events of a tagger, and the thresholds of its tags, chosen on validation clips."""

from __future__ import annotations

from earmark.cli.terminal import options
from earmark.cli.terminal import tuneoptions as t
from earmark.cli.terminal.eventoptions import Low

PLACE = 90  # in `earmark --help`


def calibrate(
    tagger: options.TaggerFile,
    data: t.Data = None,
    wanted: t.Precise = None,
    false_alarms: t.FalseAlarms = None,
    reviews: t.Reviews = None,
    fold: t.Fold = None,
    dataset: options.Dataset = None,
    out: t.Out = None,
    collar: t.Collar = 0.2,
    hit: options.Hit = "sed_eval",
    gap: t.Gap = 0.0,
    low: Low = None,
    shortest: t.Shortest = 0.0,
    merge: options.Merge = None,
    tried: t.Tried = None,
    as_json: t.AsJson = False,
    windows: t.Windows = False,
    metric: t.Metric = None,
    on_test: t.OnTest = False,
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
        tuned.check_idle("--windows")
        settings = Settings(batch, workers, salvage, strict)
        return tuned.windows(tagger, data, fold, dataset, metric, settings, device, out, as_json)
    tuned.check_metric(metric)
    if goal is not None and reviews is not None:
        tuned.check_idle("--reviews")
        return reaching.by_reviews(tagger, reviews, goal, device, file, as_json)
    shared = {
        "folds": fold, "dataset": dataset, "gap": gap, "low": low, "shortest": shortest, "on_test": on_test,
        "salvage": salvage, "strict": strict, "batch": batch, "workers": workers, "device": device, "progress": Bar(),
    }  # fmt: skip
    if goal is not None:
        reaching.check(merge, tried)
        tuned.check_idle("--precision and --false-alarms")
        return reaching.by_recordings(tagger, data, goal, file, as_json, shared)
    more = {**shared, "collar": collar, "hit": hit, "merge": merge, "resamples": resamples}
    tuned.by_f1(tagger, data, file, tried, as_json, more)
