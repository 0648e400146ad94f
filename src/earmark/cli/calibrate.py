"""`earmark calibrate`: the rules for events of a tagger, and the thresholds of its tags, chosen on validation clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest


def calibrate(
    tagger: Annotated[str, typer.Argument(help="A tagger file, or the name of a shipped one.")],
    data: Annotated[Path, typer.Option(help="The data set's folder, or a manifest; with tags or events of its clips.")],
    fold: Annotated[
        list[str] | None, typer.Option(help="Folds to choose on; default: those that chose the tagger's epoch.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The folder's layout; default: the one it was trained on.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The new tagger file; default: the old one is replaced.")] = None,
    collar: Annotated[
        float, typer.Option(help="Seconds that an edge may be off; an offset also 20 % of the event.")
    ] = 0.2,
    gap: Annotated[float, typer.Option(help="Join events less than this many seconds apart.")] = 0.0,
    shortest: Annotated[float, typer.Option(help="Drop events of fewer seconds.")] = 0.0,
    tried: Annotated[Path | None, typer.Option(help="CSV of all that was tried.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Rules, figures and all that was tried, on stdout.")] = False,
    on_test: Annotated[bool, typer.Option("--on-test", help="Allow the folds that the tagger is tested on.")] = False,
    resamples: Annotated[int, typer.Option(min=0, help="Of the bootstrap that gives the intervals.")] = 1000,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Windows scored at once.")] = 16,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Choose each tag's threshold and median filter for the best F1 on a fold, and store them in the tagger file.

    Rules for events on clips with known events, thresholds for the tags of clips where a clip may have several.
    """
    from earmark import metrics
    from earmark.cli.console import say
    from earmark.data import matching
    from earmark.errors import EarmarkError
    from earmark.evaluation import clips as judging
    from earmark.evaluation.thresholds import events as calibration
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading

    if out is None and not Path(tagger).is_file() and tagger in loading.shipped():
        raise EarmarkError(f"{tagger} is a shipped tagger and stays as it is: name a new file with --out")
    keep_freed_memory()
    listener = loading.load(tagger, device)
    name = dataset or listener.facts.get("data", {}).get("dataset")
    clips = _chosen(listener, judging.clips(listener, data, name), fold, name, on_test)
    options: dict[str, Any] = {"batch": batch, "workers": workers, "salvage": salvage, "strict": strict}
    timed = _with_events(clips, listener.task)
    failures: list[tuple[str, str]] = []
    told: dict[str, Any] = {}
    if timed is not None:
        kind, heard, failures = judging.over_time(listener, timed, **options)
        read = _read(timed, list(heard), failures)
        collars = metrics.Collars(collar, collar)
        reference = matching.events_of(read)
        chosen = calibration.choose(
            {clip: heard[clip][0] for clip in reference},
            reference,
            collars=collars,
            gap=gap,
            shortest=shortest,
            groups=dict(zip(read.ids.tolist(), read.groups.tolist(), strict=True)),
            resamples=resamples,
        )
        told["events"] = _statement(chosen, read, str(name), kind, collars)
        _write_tried(chosen, tried)
    if listener.task == "many":
        told["tags"], missed = _tag_thresholds(listener, clips, str(name), resamples, options)
        failures = list(dict.fromkeys([*failures, *missed]))
    listener.facts |= told
    file = out or loading.find(tagger)
    listener.save(file)
    _tell(told, {"events": chosen.as_dict()["tried"]} if timed is not None else {}, as_json)
    say(f"{file}: holds these rules now")
    for path, problem in failures[:20]:
        say(f"{path}: {problem}")
    if failures:
        say(f"{len(failures)} of {len(clips)} clips could not be read")
        raise typer.Exit(1)


def _with_events(clips: Manifest, task: str) -> Manifest | None:
    """The clips whose events are known; None where there are none and tags can be calibrated instead."""
    import pyarrow.compute as pc

    from earmark.cli.console import say
    from earmark.errors import ScoresError

    known = clips.select(clips.table["events"].is_valid().to_numpy())
    if len(known) and pc.sum(pc.list_value_length(known.table["events"])).as_py():
        if len(known) < len(clips):
            say(f"{len(known)} of {len(clips)} clips have known events: rules for events are chosen on these")
        return known
    if task == "many":
        say(
            "no clip has known events: only thresholds of tags are chosen, and no rules for events, of which --collar, "
            "--gap, --shortest and --tried are"
        )
        return None
    raise ScoresError(
        f"the events of {len(clips) - len(known)} of {len(clips)} clips are not known, and none has one. The tagger gives "
        "one tag a clip, the surest, which needs no thresholds: so there is nothing to choose"
    )


def _read(clips: Manifest, ids: list[str], failures: list[tuple[str, str]]) -> Manifest:
    import numpy as np

    from earmark.errors import EarmarkError

    if not ids:
        raise EarmarkError(f"none of the {len(clips)} clips could be read, the first: {': '.join(failures[0])}")
    return clips.select(np.isin(clips.ids, ids))


def _tag_thresholds(
    listener: Any, clips: Manifest, name: str, resamples: int, options: dict[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What the tagger file tells of thresholds for the tags of clips; (path, problem) of what could not be read."""
    from earmark.data import splits
    from earmark.evaluation import clips as judging
    from earmark.evaluation.thresholds import tags as thresholds
    from earmark.report import match

    scores, failures = judging.score(listener, clips, **options)
    read = _read(clips, scores.ids.tolist(), failures)
    matched = match(scores, read)
    chosen = thresholds.choose(matched.values, matched.truth, scores.tags, matched.groups, resamples=resamples)
    told = {**chosen.as_dict(), "chosen on": {"data": name, **splits.facts(read)}, "metric": "F1 of each tag"}
    return told, failures


def _chosen(listener: Any, whole: Manifest, fold: list[str] | None, name: str | None, on_test: bool) -> Manifest:
    """The clips to choose on. Those that the tagger is tested on are refused unless the user says so."""
    from earmark.cli.console import say
    from earmark.data import splits
    from earmark.errors import EarmarkError

    split: dict[str, Any] = listener.facts.get("split", {})
    same = name is not None and name == listener.facts.get("data", {}).get("dataset")
    own = split.get("validation", {}).get("folds", []) if same else []
    folds = fold or [each for each in own if each in whole.fold_names()]
    if not folds and whole.fold_names():
        raise EarmarkError(
            f"say with --fold which clips the rules are chosen on: there are {', '.join(whole.fold_names())}. Take a fold "
            "that nothing is reported on"
        )
    clips = whole.in_folds(folds) if folds else whole
    test = split.get("test", {})
    tested = sorted(set(test.get("folds", [])) & set(folds)) if same else []
    if (tested or splits.facts(clips)["sha256"] == test.get("sha256")) and not on_test:
        which = f"fold {', '.join(tested)}" if tested else "these clips"
        raise EarmarkError(
            f"the tagger is tested on {which}: with rules chosen there its figures would be too good. "
            f"Choose on fold {', '.join(own) or '…'}, or say --on-test and report other clips"
        )
    if same and (learnt := sorted(set(split.get("train", {}).get("folds", [])) & set(folds))):
        say(f"the tagger was trained on fold {', '.join(learnt)}, where its scores are better than elsewhere")
    return clips


def _statement(chosen: Any, clips: Manifest, data: str, scores: str, collars: Any) -> dict[str, Any]:
    """What the tagger file tells: the rules, and what they were chosen on."""
    from dataclasses import asdict

    from earmark.data import splits

    told = chosen.as_dict()
    del told["tried"]
    return {
        **told,
        "scores": scores,
        "chosen on": {"data": data, **splits.facts(clips)},
        "metric": "event-based F1, mean over tags",
        "collars": asdict(collars),
    }


def _write_tried(chosen: Any, tried: Path | None) -> None:
    import csv
    from dataclasses import astuple

    from earmark.cli.console import output, say

    if tried is not None:
        with output(tried) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["tag", "threshold", "median", "f1", "hits", "false", "missed"])
            writer.writerows(astuple(point) for point in chosen.tried)
    if chosen.without:
        say(f"no events in these clips, left at 0.5: {', '.join(chosen.without)}")


def _tell(told: dict[str, Any], tried: dict[str, list[dict[str, Any]]], as_json: bool) -> None:
    if as_json:
        # the rules for events stand at the top, as they did before tags had thresholds
        events = {**told.get("events", {}), **({"tried": tried["events"]} if tried else {})}
        print(json.dumps({**events, "tags": told.get("tags")}, indent=1, ensure_ascii=False))
        return
    if "events" in told:
        _tell_events(told["events"], tried["events"])
    if "tags" in told:
        _tell_tags(told["tags"])


def _tell_events(stored: dict[str, Any], tried: list[dict[str, Any]]) -> None:
    from earmark.cli.console import print_table

    rules = stored["rules"]
    best = {(point["tag"], point["threshold"], point["median"]): point["f1"] for point in tried}
    rows = [
        (tag, f"{value:g}", f"{rules['medians'][tag]:g}", f"{best[tag, value, rules['medians'][tag]]:.3f}")
        for tag, value in rules["thresholds"].items()
        if tag not in stored["without events"]
    ]
    print_table(("tag", "threshold", "median", "F1"), rows)
    figures = [(name, *map(_number, each.values())) for name, each in stored["figures"].items()]
    print_table(("rules for events", "macro F1", "from", "to"), figures)


def _tell_tags(stored: dict[str, Any]) -> None:
    from earmark.cli.console import print_table, say

    if stored["without clips"]:
        say(f"no clip has these tags, left at 0.5: {', '.join(stored['without clips'])}")
    rows = [
        (tag, f"{value:.3f}", *map(_number, stored["f1"][tag]))
        for tag, value in stored["thresholds"].items()
        if tag not in stored["without clips"]
    ]
    print_table(("tag of clips", "threshold", "F1 at 0.5", "F1"), rows)
    macro = {name: row["f1_macro"] for name, row in stored["figures"].items()}
    figures = [(name, *map(_number, each.values())) for name, each in macro.items()]
    print_table(("tags of clips", "macro F1", "from", "to"), figures)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
