"""`earmark compare`: whether systems can be told apart on the same clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.evaluation.clips import Asked
    from earmark.report import Matched
    from earmark.scores import Scores, Task


def compare(
    systems: Annotated[
        list[str],
        typer.Argument(help="Taggers, folders of a run over folds, or files of scores; NAME=… calls one by a name."),
    ],
    data: Annotated[Path, typer.Option(help="The data set's folder, or a manifest.")],
    fold: Annotated[list[str] | None, typer.Option(help="Folds to compare on; default: those tested on.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The folder's layout; default: the one they were trained on.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where comparison.html, .md, .json and .pairs.csv go.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Default: all of the task.")] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Compare on the clips that all have, where some miss a few.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON on stdout.")] = False,
    leaks: Annotated[
        Literal["refuse", "report"], typer.Option(help="Groups or equal files on both sides: refuse, or report them.")
    ] = "refuse",
    seen: Annotated[bool, typer.Option("--seen", help="Allow folds that a tagger was trained or chosen on.")] = False,
    resamples: Annotated[int, typer.Option(min=0, help="Of the bootstrap that gives the intervals.")] = 1000,
    permutations: Annotated[int, typer.Option(min=0, help="Of the test that gives the p-values.")] = 10_000,
    batch: Annotated[int, typer.Option(help="Windows scored at once.")] = 16,
    workers: Annotated[int, typer.Option(help="Threads that decode.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Compare systems on the same clips: paired differences with 95 % intervals and p-values."""
    from earmark import report
    from earmark.cli.console import check_folder, say
    from earmark.errors import EarmarkError
    from earmark.evaluation.clips import Asked

    check_folder("--out", out)
    if len(systems) < 2:
        raise EarmarkError("a comparison needs two systems at least: give two taggers, runs or files of scores")
    asked = Asked(data, fold, dataset, seen, leaks == "report", batch, workers, False, False, device)
    heard: dict[str, tuple[Scores, Manifest, list[str]]] = {}
    for told in systems:
        name, path = _named(told, heard)
        heard[name] = _scores(path, asked)
    matched, notes = _match(heard, common)
    result = _result(
        matched, notes + [note for *_, own in heard.values() for note in own], metric, resamples, permutations
    )
    result["protocol"] = {
        name: f"{len(matched[name].ids)} clips{_of(len(scores), len(matched[name].ids))}, from {path}"
        for (name, (scores, *_)), path in zip(heard.items(), systems, strict=True)
    }
    if out is not None:
        report.write_comparison(result, out, "comparison")
        say(f"{out}: comparison.html, .md, .json and .pairs.csv")
    print(
        json.dumps(result, indent=1, ensure_ascii=False)
        if as_json
        else report.markdown_of_comparison(result, "comparison")
    )


def _of(scored: int, compared: int) -> str:
    return f" of the {scored} that it scores" if scored > compared else ""


def _named(told: str, taken: dict[str, Any]) -> tuple[str, str]:
    """(name, path): the name that was given, or the last part of the path that tells it from the others."""
    name, equals, path = told.partition("=")
    if not equals or not name or (Path(told).exists() and not Path(path).exists()):  # a folder such as lr=0.1
        path = told
        place = Path(told)
        plain = place.stem in ("tagger", "scores")  # of a run folder: its name says more
        name = place.parent.name if plain and place.parent.name not in ("", "evaluation") else place.stem
        name = place.parent.parent.name if place.parent.name == "evaluation" else name
    while name in taken:
        name += "′"
    return name, path


def _scores(path: str, asked: Asked) -> tuple[Scores, Manifest, list[str]]:
    """Scores, the clips that they are of, and sentences for the report."""
    import numpy as np

    from earmark.cli.console import open_data
    from earmark.evaluation import clips as judging
    from earmark.scores import Scores

    if Path(path).suffix in (".parquet", ".csv"):
        scores = Scores.load(path)
        clips = open_data(asked.data, asked.dataset)
        if asked.fold:
            clips = clips.in_folds(asked.fold)
        return scores, clips.select(np.isin(clips.ids, scores.ids)), []
    heard = [judging.judge(file, asked) for file in judging.files(path)]
    judging.check_apart(heard, path)
    scores, clips = judging.together(heard)
    judging.look(path, heard, clips, asked.seen)
    lost = [f"{path}: {len(part.failures)} clips could not be read" for part in heard if part.failures]
    return scores, clips, [*lost, *(note for part in heard for note in part.notes)]


def _match(heard: dict[str, tuple[Scores, Manifest, list[str]]], common: bool) -> tuple[dict[str, Matched], list[str]]:
    """Each system's scores and truth on the clips that all have. Raises EarmarkError where some miss clips or tags."""
    import numpy as np

    from earmark import report
    from earmark.errors import EarmarkError

    first, *_ = heard
    tags = heard[first][0].tags
    ids = {name: set(clips.ids.tolist()) for name, (_, clips, _) in heard.items()}
    shared, notes = set.intersection(*ids.values()), []
    for name, (scores, *_) in heard.items():
        if set(scores.tags) != set(tags):
            apart = sorted(set(scores.tags) ^ set(tags))
            raise EarmarkError(f"{first} and {name} have different tags, such as {apart[0]!r}: they cannot be compared")
        if len(ids[name]) > len(shared):
            told = f"{name} has {len(ids[name]) - len(shared)} clips that another system lacks"
            if not common:
                raise EarmarkError(f"{told}: say --common to compare on the {len(shared)} that all have")
            notes.append(f"{told}: left out.")
    if not shared:
        raise EarmarkError("the systems have no clip in common")
    matched = {}
    for name, (scores, clips, _) in heard.items():
        place = [scores.tags.index(tag) for tag in tags]
        ordered = type(scores)(scores.values[:, place], scores.ids, scores.start, scores.end, tags, scores.facts)
        matched[name] = report.match(ordered, clips.select(np.isin(clips.ids, sorted(shared))))
    return matched, notes


def _result(
    matched: dict[str, Matched], notes: list[str], chosen: list[str] | None, resamples: int, permutations: int
) -> dict[str, Any]:
    """The comparison as plain values: see `earmark.report.comparison`."""
    from earmark import metrics

    first = next(iter(matched.values()))
    task: Task = "one" if (first.truth.sum(1) == 1).all() else "many"
    values = {name: own.values for name, own in matched.items()}
    systems = [
        {
            "name": name,
            "metrics": {
                key: figure.as_dict()
                for key, figure in metrics.evaluate(
                    own, first.truth, first.groups, task, resamples=resamples, metrics=chosen
                ).items()
            },
        }
        for name, own in values.items()
    ]
    pairs = metrics.compare(
        values, first.truth, first.groups, task, resamples=resamples, permutations=permutations, metrics=chosen
    )
    return {
        "systems": systems,
        "pairs": [
            {
                "a": pair.a, "b": pair.b, "metric": pair.metric, "difference": pair.difference.value,
                "low": pair.difference.low, "high": pair.difference.high, "p": pair.p, "p_holm": pair.p_holm,
            }
            for pair in pairs
        ],
        "clips": len(first.ids),
        "notes": notes,
    }  # fmt: skip
