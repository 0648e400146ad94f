"""`earmark ensemble`: score files → one, or taggers → one tagger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.terminal import ensembleoptions as e
from earmark.cli.terminal import options, ours, written

PLACE = 60  # in `earmark --help`


def ensemble(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="Score files; or taggers: files, names of shipped ones, run folders (of folds, seeds)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The score file or tagger file to write."),
        written.Writes(ours.scores_or_ensemble),
    ] = None,
    rule: Annotated[Literal["arithmetic", "geometric", "rank"], typer.Option(help="The mean of what.")] = "arithmetic",
    weights: Annotated[str | None, typer.Option(help="One a member, such as 3:3:2; default: all the same.")] = None,
    over: e.Over = None,
    only: Annotated[
        Literal["same", "common"], typer.Option(help="Score files must have the same clips, or common ones are taken.")
    ] = "same",
    task: Annotated[
        Literal["one", "many"] | None,
        typer.Option(help="Of score files; default: as they tell, else one where they sum to one."),
    ] = None,
    epochs: Annotated[
        list[Path] | None, typer.Option(help="A run (or its epochs/) with train.keep=every: each epoch is a member.")
    ] = None,
    mean_weights: Annotated[
        bool, typer.Option("--mean-weights", help="One net with the mean of the taggers' weights.")
    ] = False,
    search: Annotated[bool, typer.Option("--search", help="Search weights on out-of-fold score files.")] = False,
    cross: Annotated[
        bool, typer.Option("--cross", help="Each fold with the weights, or the temperature, that the others chose.")
    ] = False,
    temperature: Annotated[
        str | None, typer.Option(help="Of one tag a clip: below 1 surer. A number, or of score files `fit`, on --data.")
    ] = None,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Who answers like whom; with --data, what each member adds.")
    ] = False,
    data: e.Data = None,
    dataset: e.Dataset = None,
    metric: e.Metric = None,
    rounds: e.Rounds = 30,
    as_json: options.AsJson = False,
) -> None:
    """Combine score files into one, or taggers into one tagger that `tag`, `evaluate` and `show` take like any other."""
    from earmark.cli.terminal import ensembling
    from earmark.evaluation.members import check_out, files_of
    from earmark.scores import SUFFIXES

    asked = ensembling.Asked(
        out, rule, weights, over, only, task, mean_weights, search, cross, agreement, data,
        dataset, metric, rounds, temperature, as_json,
    )  # fmt: skip
    asked.check()
    files = files_of(inputs or [], epochs or [])
    check_out(out, files)
    ensembling.say_again(files)
    ensembling.of_scores(files, asked) if files[0].suffix in SUFFIXES else ensembling.of_taggers(files, asked)
