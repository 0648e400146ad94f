"""`earmark train`: a recipe and clips → a run folder with a tagger in it, or with one for each fold."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import options as o
from earmark.cli.terminal.training import train_folds, train_one, train_seeds
from earmark.cli.terminal.written import OwnFolder

PLACE = 20  # in `earmark --help`


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or file: see `earmark list recipes`.")],
    data: o.Data,
    out: Annotated[Path, typer.Option(help="The run folder."), OwnFolder()],
    settings: o.RecipeSettings = None,
    fold: Annotated[
        list[str] | None, typer.Option(help="Let these folds take turns, as data.rotate says; `all` for every one.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Train once with each, such as 1,2,3: a run in seed-1, …; mean and spread.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    workers: Annotated[int, typer.Option(help="Threads that decode and cut.")] = 2,
    processes: Annotated[int, typer.Option(help="That train together, one a GPU.", min=1)] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")] = False,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    device: o.Device = "cpu",
) -> None:
    """Train a tagger. The epoch is chosen on validation clips, never on the fold that is reported."""
    from earmark import recipe as recipes
    from earmark.cli.terminal.console import say
    from earmark.data.datasets import open_data

    plan = recipes.load(recipe, settings or [], say)
    clips = open_data(data, plan.data.dataset, plan.data.options, say)
    from earmark.train import processes as together

    told = {"resume": resume, "workers": workers, "strict": strict, "salvage": salvage, "device": device}
    # the other processes come here too, with the same arguments, and must not start more
    several = processes > 1 and "WORLD_SIZE" not in os.environ
    with together.launch(processes, sys.argv[1:]) if several else contextlib.nullcontext():
        if seeds is not None:
            train_seeds(plan, clips, out, seeds, fold, told)
        elif fold is None:
            say(str(train_one(plan, clips, out, told)))
        else:
            train_folds(plan, clips, out, fold, told)
