"""`earmark evaluate`: how good a tagger is on clips that it has not seen."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earmark.manifest import Manifest
    from earmark.scores import Scores
    from earmark.tagger import Tagger


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
    """Score the clips of a fold and report every figure with its 95 % interval.

    Of a folder with a tagger for each fold, each is judged on its own fold, and the report is on all of them together.
    """
    from earmark import report
    from earmark import tagger as taggers
    from earmark.allocator import keep_freed_memory
    from earmark.cli.console import say, write_errors
    from earmark.errors import EarmarkError
    from earmark.splits import facts as told_of

    keep_freed_memory()
    files = _files(tagger)
    if len(files) > 1 and (record or fold):
        raise EarmarkError(
            f"{tagger}: --record and --fold are for one tagger. Give one of {', '.join(map(str, files))}"
        )
    heard: list[_Judged] = []
    for file in files:
        judged = taggers.load(file, device)
        name = dataset or judged.facts.get("data", {}).get("dataset")
        clips = _choose(judged, _clips(judged, data, name), fold, name, seen)
        heard.append(_Judged(judged, clips, *_score(judged, clips, batch, workers, salvage, strict)))
    _check_apart(heard, tagger)
    failures = [failure for part in heard for failure in part.failures]
    write_errors(errors, failures)
    scores, clips = _together(heard)
    result = report.evaluate(scores, clips, heard[0].tagger.task, _protocol(heard, str(name)), resamples=resamples)
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


@dataclass(frozen=True)
class _Judged:
    """A tagger, the clips that it was judged on, their scores, and what could not be read."""

    tagger: Tagger
    clips: Manifest
    scores: Scores
    failures: list[tuple[str, str]]


def _files(tagger: str) -> list[str | Path]:
    """The tagger, or the taggers of a run over folds."""
    from earmark.manifest import natural

    found = sorted(Path(tagger).glob("fold-*/tagger.safetensors"), key=lambda path: natural(path.parent.name))
    return list(found) or [tagger]


def _clips(tagger: Tagger, data: Path, name: str | None) -> Manifest:
    """The manifest with the folds that the tagger was trained with."""
    from earmark import splits
    from earmark.cli.console import open_data

    clips = open_data(data, name, tagger.recipe.data.options)
    told = tagger.recipe.data
    if told.folds is not None and name == told.dataset:
        clips = splits.deal(clips, told.folds, tagger.recipe.seed, all_clips=told.deal == "all")
    return clips


def _check_apart(heard: list[_Judged], tagger: str) -> None:
    """Of several taggers each must have its own clips and the same tags."""
    from earmark.errors import EarmarkError

    seen: set[str] = set()
    for part in heard:
        if part.tagger.vocabulary != heard[0].tagger.vocabulary:
            raise EarmarkError(
                f"{tagger}: the folds' taggers have different tags: they were not trained on one data set"
            )
        if both := seen & set(part.clips.fold_names()):
            raise EarmarkError(
                f"{tagger}: several of its taggers are tested on fold {min(both)}, so there is no report on all of them "
                "together: evaluate one by one"
            )
        seen |= set(part.clips.fold_names())


def _together(heard: list[_Judged]) -> tuple[Scores, Manifest]:
    """The scores of all, and the clips that they are of."""
    import numpy as np
    import pyarrow as pa

    from earmark import scores

    all_of_them = heard[0].scores if len(heard) == 1 else scores.concat([part.scores for part in heard])
    table = pa.concat_tables([part.clips.table for part in heard])
    clips = replace(heard[0].clips, table=table)
    return all_of_them, clips.select(np.isin(clips.ids, all_of_them.ids))


def _protocol(heard: list[_Judged], name: str) -> dict[str, Any]:
    """What the report says of how its figures came about."""
    from earmark import metrics

    folds = [fold for part in heard for fold in part.clips.fold_names()]
    told: dict[str, Any] = {
        "tagger": heard[0].tagger.identity() if len(heard) == 1 else [part.tagger.identity() for part in heard],
        "data": name,
        "folds": folds,
        "unreadable": sum(len(part.failures) for part in heard),
    }
    if len(heard) == 1:
        kept = heard[0].tagger.facts
        return told | {key: kept[key] for key in ("chosen", "split", "validation") if key in kept}
    by_fold = {}
    for part in heard:
        scores, clips = _together([part])
        order = {id_: row for row, id_ in enumerate(scores.ids.tolist())}
        values = scores.values[[order[id_] for id_ in clips.ids.tolist()]]
        truth = clips.truth(part.tagger.vocabulary)
        figures = {"map": metrics.mean_average_precision(values, truth)}
        if part.tagger.task == "one":
            figures["accuracy"] = metrics.accuracy(values, truth)
        by_fold[", ".join(part.clips.fold_names())] = {
            **{key: round(value, 4) for key, value in figures.items()},
            "chosen": part.tagger.facts.get("chosen", {}),
        }
    return told | {"by fold": by_fold}


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
    if Path(tagger).is_dir():
        return Path(tagger) / "evaluation"
    run = Path(tagger).parent
    if not (run / "run.json").is_file():
        return None
    return run / ("evaluation-fold-" + "-".join(folds) if folds else "evaluation")
