"""`earmark calibrate`: the rules for events of a tagger, chosen on validation clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earmark.frames import Framewise
    from earmark.manifest import Manifest
    from earmark.scores import Scores


def calibrate(
    tagger: Annotated[str, typer.Argument(help="A tagger file, or the name of a shipped one.")],
    data: Annotated[Path, typer.Option(help="The data set's folder, or a manifest; with the events of its clips.")],
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
    resamples: Annotated[int, typer.Option(help="Of the bootstrap that gives the intervals.")] = 1000,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Windows scored at once.")] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Choose each tag's threshold and median filter for the best event F1 on a fold, and store them in the tagger file."""
    import numpy as np

    from earmark import calibration, metrics
    from earmark import tagger as taggers
    from earmark.allocator import keep_freed_memory
    from earmark.cli import judging
    from earmark.cli.console import say
    from earmark.errors import EarmarkError
    from earmark.frames import framewise

    if out is None and not Path(tagger).is_file() and tagger in taggers.shipped():
        raise EarmarkError(f"{tagger} is a shipped tagger and stays as it is: name a new file with --out")
    keep_freed_memory()
    listener = taggers.load(tagger, device)
    name = dataset or listener.facts.get("data", {}).get("dataset")
    clips = _chosen(listener, judging.clips(listener, data, name), fold, name, on_test)
    reference = metrics.events_of(clips)
    scorer = framewise(listener)
    scores, failures = _scores(listener, scorer, clips, strict, batch=batch, workers=workers, salvage=salvage)
    if not scores:
        raise EarmarkError(f"none of the {len(clips)} clips could be read, the first: {': '.join(failures[0])}")
    read = clips.select(np.isin(clips.ids, list(scores)))
    collars = metrics.Collars(collar, collar)
    chosen = calibration.choose(
        scores,
        {clip: reference[clip] for clip in scores},
        collars=collars,
        gap=gap,
        shortest=shortest,
        groups=dict(zip(read.ids.tolist(), read.groups.tolist(), strict=True)),
        resamples=resamples,
    )
    listener.facts["events"] = _statement(chosen, read, str(name), "frames" if scorer else "windows", collars)
    file = out or taggers.find(tagger)
    listener.save(file)
    _tell(chosen, listener.facts["events"], tried, as_json)
    say(f"{file}: holds these rules now")
    for path, problem in failures[:20]:
        say(f"{path}: {problem}")
    if failures:
        say(f"{len(failures)} of {len(clips)} clips could not be read")
        raise typer.Exit(1)


def _chosen(listener: Any, whole: Manifest, fold: list[str] | None, name: str | None, on_test: bool) -> Manifest:
    """The clips to choose on. Those that the tagger is tested on are refused unless the user says so."""
    from earmark import splits
    from earmark.cli.console import say
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


def _scores(
    listener: Any, scorer: Framewise | None, clips: Manifest, strict: bool, **options: Any
) -> tuple[dict[str, Scores], list[tuple[str, str]]]:
    """Scores over time of each clip that could be read, by id; (path, problem) of the others."""
    import numpy as np

    from earmark.cli.console import progress, say_notes
    from earmark.cli.events import listen
    from earmark.tag import Failure, Recording

    todo = [
        Recording(path, None if np.isnan(start) else float(start), None if np.isnan(end) else float(end), str(id_))
        for path, start, end, id_ in zip(clips.paths(), clips.start, clips.end, clips.ids, strict=True)
    ]
    scores: dict[str, Scores] = {}
    failures: list[tuple[str, str]] = []
    notes: list[str] = []
    with progress() as bar:
        task = bar.add_task("scoring", total=len(todo), told="")
        for result, moments in listen(listener, scorer, todo, **options):
            bar.advance(task)
            if isinstance(result, Failure):
                if strict:
                    raise result.error
                failures.append((result.error.path, result.error.problem))
                continue
            scores[result.recording.name] = moments
            notes += result.notes
    say_notes(notes)
    return scores, failures


def _statement(chosen: Any, clips: Manifest, data: str, scores: str, collars: Any) -> dict[str, Any]:
    """What the tagger file tells: the rules, and what they were chosen on."""
    from dataclasses import asdict

    from earmark import splits

    told = chosen.as_dict()
    del told["tried"]
    return {
        **told,
        "scores": scores,
        "chosen on": {"data": data, **splits.facts(clips)},
        "metric": "event-based F1, mean over tags",
        "collars": asdict(collars),
    }


def _tell(chosen: Any, stored: dict[str, Any], tried: Path | None, as_json: bool) -> None:
    import csv
    from dataclasses import astuple

    from earmark.cli.console import output, print_table, say

    if tried is not None:
        with output(tried) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["tag", "threshold", "median", "f1", "hits", "false", "missed"])
            writer.writerows(astuple(point) for point in chosen.tried)
    if chosen.without:
        say(f"no events in these clips, left at 0.5: {', '.join(chosen.without)}")
    if as_json:
        print(json.dumps({**stored, "tried": chosen.as_dict()["tried"]}, indent=1, ensure_ascii=False))
        return
    rules = chosen.rules
    best = {(point.tag, point.threshold, point.median): point.f1 for point in chosen.tried}
    rows = [
        (tag, f"{value:g}", f"{rules.medians[tag]:g}", f"{best[tag, value, rules.medians[tag]]:.3f}")
        for tag, value in rules.thresholds.items()
        if tag not in chosen.without
    ]
    print_table(("tag", "threshold", "median", "F1"), rows)
    figures = [
        (name, *("" if value is None else f"{value:.3f}" for value in each.values()))
        for name, each in stored["figures"].items()
    ]
    print_table(("rules", "macro F1", "from", "to"), figures)
