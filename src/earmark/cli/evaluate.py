"""`earmark evaluate`: how good a tagger is on clips that it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.evaluation.clips import Asked, Judged

Leaks = Literal["refuse", "report"]


def evaluate(
    tagger: Annotated[
        str, typer.Argument(help="A tagger file, the name of a shipped one, or a folder with one for each fold.")
    ],
    data: Annotated[Path, typer.Option(help="The data set's folder, or a manifest.")],
    fold: Annotated[list[str] | None, typer.Option(help="Folds to report; default: those the recipe tests on.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The folder's layout; default: the one it was trained on.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where reports go; default: beside a tagger in a run folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
    leaks: Annotated[
        Leaks, typer.Option(help="Groups or equal files on both sides: refuse to go on, or report them.")
    ] = "refuse",
    seen: Annotated[bool, typer.Option("--seen", help="Allow folds that the tagger was trained or chosen on.")] = False,
    merge: Annotated[
        Path | None, typer.Option(help="A table with the columns tag, merged: judge in that smaller vocabulary.")
    ] = None,
    merge_by: Annotated[
        Literal["highest", "sum"], typer.Option(help="Of merged tags: the surest one's score, or their sum.")
    ] = "highest",
    events: Annotated[
        bool, typer.Option(help="Judge events too, where the clips have known ones; this hears the clips again.")
    ] = True,
    pictures: Annotated[
        bool, typer.Option(help="Draw the events of a few clips into the report, with their spectrograms.")
    ] = True,
    collars: Annotated[
        str, typer.Option(help="Seconds that the edges of events may be off, joined by commas.")
    ] = "0.2,0.4",
    record: Annotated[bool, typer.Option("--record", help="Write the figures into the tagger file.")] = False,
    resamples: Annotated[int, typer.Option(min=0, help="Of the bootstrap that gives the intervals.")] = 1000,
    draw: Annotated[
        Literal["groups", "clips"],
        typer.Option(help="What the bootstrap draws: clips where sources tie nearly all of them into one group."),
    ] = "groups",
    batch: Annotated[int, typer.Option(help="Windows scored at once.")] = 16,
    workers: Annotated[int, typer.Option(help="Threads that decode.")] = 2,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")] = False,
    errors: Annotated[Path | None, typer.Option(help="CSV of the clips that could not be read.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Score the clips of a fold and report every figure with its 95 % interval.

    Where the clips have known events these are judged too: with 0.5, and with the rules that `earmark calibrate` stored.
    Of a folder with a tagger for each fold, each is judged on its own fold, and the report is on all of them together.
    """
    from earmark import report
    from earmark.cli.console import check_file, check_folder, say, write_errors
    from earmark.data.splits import facts as told_of
    from earmark.errors import EarmarkError
    from earmark.evaluation import clips as judging
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading

    check_folder("--out", out)
    check_file("--errors", errors)
    keep_freed_memory()
    files = judging.files(tagger)
    if len(files) > 1 and (record or fold):
        raise EarmarkError(
            f"{tagger}: --record and --fold are for one tagger. Give one of {', '.join(map(str, files))}"
        )
    asked = judging.Asked(data, fold, dataset, seen, leaks == "report", batch, workers, salvage, strict, device)
    heard = [judging.judge(file, asked) for file in files]
    judging.check_apart(heard, tagger)
    failures = [failure for part in heard for failure in part.failures]
    write_errors(errors, failures)
    scores, clips = judging.together(heard)
    facts = judging.protocol(heard)
    if merge is not None:
        scores, clips = judging.merged(scores, clips, merge, merge_by)
        facts["tags merged by"] = f"{merge.name}, {merge_by}"
    facts |= judging.look(tagger, heard, clips, seen)
    clips = judging.ungrouped(clips) if draw == "clips" else clips
    folder = out or _beside(tagger, clips.fold_names())
    section = None
    if events and merge is None:
        section = _events(heard, clips, collars, resamples, asked, folder if pictures else None)
    stored = None if merge is not None else judging.thresholds(heard, scores)
    task = heard[0].tagger.task
    result = report.evaluate(scores, clips, task, facts, resamples=resamples, stored=stored, events=section)
    result["notes"] += [note for part in heard for note in part.notes]
    result["notes"] += [judging.UNGROUPED] if draw == "clips" else []
    if folder is not None:
        report.write(result, folder, "report", scores=scores, manifest=clips)
        scores.save(folder / "scores.parquet")
        say(f"{folder}: report.html, report.md, report.json, pictures and scores.parquet")
    if record:
        judged = heard[0].tagger
        judged.facts["test"] = {"data": str(heard[0].name), **told_of(clips), "metrics": result["metrics"]}
        judged.save(loading.find(tagger))
        say(f"{tagger}: holds these figures now")
    print(json.dumps(result, indent=1, ensure_ascii=False) if as_json else report.summary(result))
    if failures:
        whole = len(clips) + len(failures)
        say(f"{len(failures)} of {whole} clips could not be read, the first: {': '.join(failures[0])}")
        raise typer.Exit(1)


def _events(
    heard: list[Judged], clips: Manifest, collars: str, resamples: int, asked: Asked, folder: Path | None
) -> dict[str, Any] | None:
    """What the report says of events; None where none are known. folder: for pictures of a few clips, if there are any."""
    from earmark.evaluation import detecting

    options: dict[str, Any] = {"batch": asked.batch, "workers": asked.workers, "salvage": asked.salvage}
    detected = detecting.detect(heard, clips, collars, resamples=resamples, **options)
    if detected is None:
        return None
    if folder is not None:
        detecting.draw(detected, folder, "report")
    return detected.section


def _beside(tagger: str, folds: list[str]) -> Path | None:
    """Where the report goes if the user does not say."""
    from earmark.evaluation import clips as judging

    run = judging.run_folder(tagger)
    if run is None or run == Path(tagger):
        return run / "evaluation" if run else None
    return run / ("evaluation-fold-" + "-".join(folds) if folds else "evaluation")
