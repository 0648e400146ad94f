"""`earmark evaluate`: how good a tagger is on clips that it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earmark.manifest import Manifest
    from earmark.tagger import Tagger


def evaluate(
    tagger: Annotated[str, typer.Argument(help="A tagger file, or the name of a shipped one.")],
    data: Annotated[Path, typer.Option(help="The data set's folder, or a manifest.")],
    fold: Annotated[list[str] | None, typer.Option(help="Folds to report; default: those the recipe tests on.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The folder's layout; default: the one it was trained on.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where reports go; default: beside a tagger in a run folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
    seen: Annotated[bool, typer.Option("--seen", help="Allow folds that the tagger was trained or chosen on.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Write the figures into the tagger file.")] = False,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap that gives the intervals.")] = 1000,
    batch: Annotated[int, typer.Option(help="Windows scored at once.")] = 32,
    workers: Annotated[int, typer.Option(help="Threads that decode.")] = 2,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")] = False,
    errors: Annotated[Path | None, typer.Option(help="CSV of the clips that could not be read.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Score the clips of a fold and report every figure with its 95 % interval."""
    from earmark import report
    from earmark import tagger as taggers
    from earmark.allocator import keep_freed_memory
    from earmark.cli.console import open_data, say, write_errors
    from earmark.splits import facts as told_of

    keep_freed_memory()
    judged = taggers.load(tagger, device)
    name = dataset or judged.facts.get("data", {}).get("dataset")
    clips = _choose(judged, open_data(data, name, judged.recipe.data.options), fold, name, seen)
    scores, failures = _score(judged, clips, batch, workers, salvage, strict)
    write_errors(errors, failures)
    if len(scores) < len(clips):
        import numpy as np

        clips = clips.select(np.isin(clips.ids, scores.ids))
    facts: dict[str, Any] = {
        "tagger": judged.identity(),
        "data": str(name),
        "folds": clips.fold_names(),
        "unreadable": len(failures),
    }
    facts |= {key: judged.facts[key] for key in ("chosen", "split", "validation") if key in judged.facts}
    result = report.evaluate(scores, clips, judged.task, facts, resamples=resamples)
    folder = out or _beside(tagger, clips.fold_names())
    if folder is not None:
        report.write(result, folder, "report")
        scores.save(folder / "scores.parquet")
        say(f"{folder}: report.md, report.json, pictures and scores.parquet")
    if record:
        judged.facts["test"] = {"data": str(name), **told_of(clips), "metrics": result["metrics"]}
        judged.save(taggers.find(tagger))
        say(f"{tagger}: holds these figures now")
    print(json.dumps(result, indent=1, ensure_ascii=False) if as_json else report.summary(result))
    if failures:
        say(
            f"{len(failures)} of {len(clips) + len(failures)} clips could not be read, the first: {': '.join(failures[0])}"
        )
        raise typer.Exit(1)


def _choose(tagger: Tagger, clips: Manifest, fold: list[str] | None, dataset: str | None, seen: bool) -> Manifest:
    """The clips to report on. Folds that the tagger learnt from are refused unless the user says so."""
    from earmark.errors import EarmarkError

    split: dict[str, Any] = tagger.facts.get("split", {})
    folds = fold or [name for name in split.get("test", {}).get("folds", []) if name in clips.fold_names()]
    same = dataset is not None and dataset == tagger.facts.get("data", {}).get("dataset")
    known = {f for part in ("train", "validation") for f in split.get(part, {}).get("folds", [])}
    learnt = sorted(known & set(folds or clips.fold_names()))
    if same and not seen and (learnt or (not folds and not clips.fold_names())):
        which = f"fold {', '.join(learnt)}" if learnt else "these clips"
        raise EarmarkError(
            f"the tagger was trained or its epoch chosen on {which}: figures would be too good. "
            f"Report fold {', '.join(split.get('test', {}).get('folds', [])) or '…'}, or say --seen"
        )
    return clips.in_folds(folds) if folds else clips


def _score(tagger: Tagger, clips: Manifest, batch: int, workers: int, salvage: bool, strict: bool) -> Any:
    """Clip scores of what could be read, and (path, reason) of the rest."""
    import numpy as np

    from earmark.cli.console import progress, say_notes
    from earmark.scores import Scores
    from earmark.tag import Failure, Heard, Recording, score

    todo = [
        Recording(path, None if np.isnan(start) else float(start), None if np.isnan(end) else float(end), str(id_))
        for path, start, end, id_ in zip(clips.paths(), clips.start, clips.end, clips.ids, strict=True)
    ]
    heard: list[Heard] = []
    failures: list[tuple[str, str]] = []
    notes: list[str] = []
    with progress() as bar:
        task = bar.add_task("scoring", total=len(todo), told="")
        for result in score(tagger, todo, batch=batch, workers=workers, salvage=salvage):
            bar.advance(task)
            if isinstance(result, Failure):
                if strict:
                    raise result.error
                failures.append((result.error.path, result.error.problem))
            else:
                heard.append(result)
                notes += result.notes
    if not heard:
        from earmark.errors import EarmarkError

        raise EarmarkError(f"none of the {len(todo)} clips could be read, the first: {': '.join(failures[0])}")
    say_notes(notes)
    rows = {
        "ids": np.array([h.recording.name for h in heard]),
        "start": np.array([h.recording.start or 0.0 for h in heard]),
        "end": np.array([(h.recording.start or 0.0) + h.duration for h in heard]),
    }
    facts = {"tagger": tagger.identity(), "windows": tagger.windows.as_dict()}
    return Scores(np.stack([h.values for h in heard]), **rows, tags=tagger.vocabulary, facts=facts), failures


def _beside(tagger: str, folds: list[str]) -> Path | None:
    run = Path(tagger).parent
    if not (run / "run.json").is_file():
        return None
    return run / ("evaluation-fold-" + "-".join(folds) if folds else "evaluation")
