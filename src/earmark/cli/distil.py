"""`earmark distil`: a small net learns what taggers say, beside what labels say, and is compared with them and with itself alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.written import OwnFolder

PLACE = 24  # in `earmark --help`


def distil(
    teachers: Annotated[
        list[str],
        typer.Argument(help="Taggers, ensembles, or run folders: of a run over folds, each student gets its fold's."),
    ],
    into: Annotated[str, typer.Option(help="The student's recipe: see `earmark list recipes`.")],
    data: o.Data,
    out: Annotated[Path, typer.Option(help="A folder for student/, alone/ and report/."), OwnFolder()],
    settings: o.RecipeSettings = None,
    temperature: Annotated[float, typer.Option(help="By which logits are divided: above 1, small ones count.")] = 2.0,
    share: Annotated[float, typer.Option(help="Of the labels in the loss; the rest is the teachers'.")] = 0.1,
    merge: Annotated[
        Path | None, typer.Option(help="A table of tag and merged, or a shipped one's name: of the teachers' tags.")
    ] = None,
    merge_by: o.MergeBy = "highest",
    fold: Annotated[
        list[str] | None, typer.Option(help="Let these folds take turns, as data.rotate says; `all` for every one.")
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone/--no-alone", help="Train the same net without teachers, to compare with.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was stopped.")] = False,
    workers: Annotated[int, typer.Option(help="Threads that decode and cut.")] = 2,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")] = False,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    resamples: o.Resamples = 1000,
    device: o.Device = "cpu",
) -> None:
    """Train a small net by what other taggers say of the same mixed, cropped waves.

    The report compares student, the same net alone, and teachers on the folds that none of them learnt from, in pairs.
    """
    from earmark.cli.terminal import distilling

    told = {"resume": resume, "workers": workers, "strict": strict, "salvage": salvage, "device": device}
    how = distilling.How(temperature, share, merge, merge_by)
    distilling.distil(
        teachers, into, settings or [], data, out, how, folds=fold, alone=alone, told=told, resamples=resamples
    )
