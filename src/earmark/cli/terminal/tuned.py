"""What `earmark calibrate` prints and writes of the rules that were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from earmark.cli.terminal import needing, values
from earmark.cli.terminal.bar import Bar
from earmark.cli.terminal.console import output, print_json, print_table, say
from earmark.errors import EarmarkError, counted
from earmark.evaluation.wording import number, title
from earmark.files.tables import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from earmark.evaluation.goals import Reaching
    from earmark.evaluation.scoring import Settings, Unread
    from earmark.evaluation.thresholds.chosen import Chosen
    from earmark.evaluation.tuning import Tuning
    from earmark.metrics import Interval

SHOWN = 20  # clips that could not be read
WINDOWS = 5  # settings of windows that are shown, the best first


def check_metric(metric: str | None) -> None:
    """Raises EarmarkError for one where no windows are chosen."""
    if metric is not None:
        raise EarmarkError(f"--metric {metric} is for --windows: rules and thresholds are chosen by F1")


# by what is chosen otherwise than for the best F1 of a fold: the parameters of `calibrate` that have a part in it
TAKEN = {
    "--windows": {"data", "fold", "dataset", "windows", "metric", "salvage", "strict", "batch", "workers", "device"},
    "--reviews": {"reviews", "wanted", "device"},
    "--precision and --false-alarms": {
        "data", "wanted", "false_alarms", "fold", "dataset", "gap", "low", "shortest", "on_test", "salvage", "strict", "batch", "workers",
        "device",
    },
}  # fmt: skip
ALWAYS = {"tagger", "out", "as_json", "plugin"}


def check_idle(way: str) -> None:
    """Raises EarmarkError for options that have no part in a way to choose, one of TAKEN."""
    needing.refuse(set(values.given) - TAKEN[way] - ALWAYS, f"other ways to choose than {way}", f"leave {way} out")


def check_windows(data: Path | None, goal: object) -> None:
    """Raises EarmarkError for what does not go with --windows."""
    if data is None or goal is not None:
        raise EarmarkError("--windows are chosen on clips with tags: give them with --data, and no goal")


def windows(
    tagger: str,
    data: Path | None,
    folds: list[str] | None,
    dataset: str | None,
    metric: str | None,
    settings: Settings,
    device: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Choose windows, store them, and print what was tried: the best, and the tagger's own."""
    from earmark.evaluation import windowing
    from earmark.models import loading

    assert data is not None  # see check_windows
    told = windowing.choose(
        tagger, data, folds=folds, dataset=dataset, metric=metric, settings=settings, device=device, progress=Bar()
    )
    best = told.tried[0].windows
    file = out or loading.find(tagger)
    if best != told.own or out is not None:
        told.store(file)
    if as_json:
        print_json(told.as_dict())
    else:
        shown = [each for place, each in enumerate(told.tried) if place < WINDOWS or each.windows == told.own]
        rows = [
            (f"{w.hop:g}", w.combine, w.weigh, number(each.value), "before" * (w == told.own))
            for each in shown
            for w in (each.windows,)
        ]
        print_table(("hop", "combine", "weigh", title(told.metric), ""), rows)
    say(
        f"{counted(len(told.tried), 'setting')} tried on {counted(len(told.clips), 'clip')}, which the choice makes look a little too good"
    )
    say(f"{file}: {'keeps its windows, which are the best' if best == told.own else 'has these windows now'}")
    _say_unread(told.unread, len(told.clips) + len(told.unread))


def place(tagger: str, out: Path | None) -> Path:
    """Where the tagger goes. Raises EarmarkError for a shipped one without a new place."""
    from earmark.errors import EarmarkError
    from earmark.models import loading

    if out is None and not Path(tagger).is_file() and tagger in loading.shipped():
        raise EarmarkError(f"{tagger} is a shipped tagger and stays as it is: name a new file with --out")
    return out or loading.find(tagger)


def by_f1(
    tagger: str, data: Path | None, file: Path, tried: Path | None, as_json: bool, options: dict[str, Any]
) -> None:
    """Choose for the best F1, print and store. options: of `earmark.evaluation.tuning.tune`."""
    from earmark.cli.terminal.console import say_notes
    from earmark.evaluation.tuning import tune
    from earmark.inference import process

    assert data is not None  # or reviews would be
    process.take()
    told = tune(tagger, data, **options)
    say_notes(told.notes)
    write_tried(told, tried)
    store(told, file)
    print_tuning(told, as_json)
    if told.facts.events and (rates := told.facts.events.rates):
        say(rate_of(rates))
    say(f"{file}: holds these rules now")
    say_unread(told)


def store(told: Tuning | Reaching, file: Path) -> None:
    """Write the tagger with what was chosen, and say which figures of the rules of before it no longer tells."""
    before = told.tagger.facts.alarms or ()
    told.store(file)
    kept = told.tagger.facts.alarms or ()
    if gone := [each.of for each in before if each not in kept]:
        say(
            f"false alarms of {', '.join(gone)} were counted by the rules of before and are left out: `earmark alarms --record` "
            "counts them anew"
        )


def rate_of(rates: Mapping[str, float]) -> str:
    """How often each tag is there in what thresholds were chosen on: where it is rarer, more of what is told is false."""
    often = sorted(rates.items(), key=lambda each: -each[1])
    told = ", ".join(f"{tag} {rate:.3g}" for tag, rate in often[:3])
    return f"known events an hour: {told}{', …' if len(often) > 3 else ''}; where a tag is rarer, more of what is told is false"


def write_tried(tuning: Tuning, file: Path | None) -> None:
    """A CSV of every point of the sweep, where the user asked for it and events were tuned."""
    if file is None or tuning.events is None:
        return
    with output(file) as stream:
        writer = Rows(stream)
        writer.writerow(["tag", "threshold", "median", "f1", "hits", "false", "missed"])
        writer.writerows(astuple(point) for point in tuning.events.tried)


def print_tuning(tuning: Tuning, as_json: bool) -> None:
    if as_json:
        # the rules for events stand at the top, as they did before tags had thresholds
        facts = tuning.facts.as_dict()
        events = facts.get("events", {})
        if tuning.events is not None:
            events = {**events, "tried": [vars(point) for point in tuning.events.tried]}
        print_json({**events, "tags": facts.get("tags")})
        return
    if tuning.events is not None:
        _print_events(tuning.events, tuning.facts.events.metric if tuning.facts.events else None)
    if tuning.tags is not None:
        _print_tags(tuning.tags)


def say_unread(tuning: Tuning | Reaching) -> None:
    """The clips that could not be read; leaves with 1 where there are some."""
    _say_unread(tuning.unread, len(tuning.clips or ()))


def _say_unread(unread: Sequence[Unread], clips: int) -> None:
    for each in unread[:SHOWN]:
        say(f"{each.path}: {each.reason}")
    if unread:
        say(f"{len(unread):,} of {counted(clips, 'clip')} could not be read")
        raise typer.Exit(1)


def _print_events(chosen: Chosen, metric: str | None) -> None:
    assert chosen.rules is not None
    say(f"rules for events are chosen by {metric}")
    rows = [
        (tag, f"{value:g}", f"{chosen.rules.medians[tag]:g}", f"{chosen.f1[tag][1]:.3f}")
        for tag, value in chosen.thresholds.items()
        if tag not in chosen.without
    ]
    print_table(("tag", "threshold", "median", "F1"), rows)
    _print_figures("rules for events", {name: row["event_f1"] for name, row in chosen.figures.items()})


def _print_tags(chosen: Chosen) -> None:
    if chosen.without:
        say(f"no clip has these tags, left at 0.5: {', '.join(chosen.without)}")
    rows = [
        (tag, f"{value:.3f}", *map(number, chosen.f1[tag]))
        for tag, value in chosen.thresholds.items()
        if tag not in chosen.without
    ]
    print_table(("tag of clips", "threshold", "F1 at 0.5", "F1"), rows)
    _print_figures("tags of clips", {name: row["f1_macro"] for name, row in chosen.figures.items()})


def _print_figures(what: str, figures: dict[str, Interval]) -> None:
    rows = [(name, *map(_number, (each.value, each.low, each.high))) for name, each in figures.items()]
    if any(low or high for _, _, low, high in rows):
        print_table((what, "macro F1", "from", "to"), rows)
    else:
        print_table((what, "macro F1"), [row[:2] for row in rows])


def _number(value: float) -> str:
    """Empty where there is none."""
    return number(value).replace("–", "")
