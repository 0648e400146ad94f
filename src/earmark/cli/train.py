"""`earmark train`: a recipe and clips → a run folder with a tagger in it, or with one for each fold."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.terminal import heads as h
from earmark.cli.terminal import options as o
from earmark.cli.terminal.training import train_folds, train_one, train_seeds
from earmark.cli.terminal.written import OwnFolder

PLACE = 20  # in `earmark --help`


def train(
    out: Annotated[Path, typer.Option(help="The run folder."), OwnFolder()],
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name or file: see `earmark list recipes`. With --from: the clips.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The data set's folder, or a manifest.")] = None,
    base: h.From = None,
    settings: o.RecipeSettings = None,
    fold: Annotated[
        list[str] | None, typer.Option(help="Let these folds take turns, as data.rotate says; `all` for every one.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Train once with each, such as 1,2,3: a run in seed-1, …; mean and spread.")
    ] = None,
    dataset: h.Layout = None,
    task: h.OfTask = None,
    head: h.Kind = None,
    recordings: h.Unlabelled = None,
    weak_weight: h.WeakWeight = 0.2,
    weak_windows: h.WeakWindows = 500,
    embeddings: h.Embeddings = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    workers: Annotated[int, typer.Option(help="Threads that decode and cut.")] = 2,
    processes: Annotated[int, typer.Option(help="That train together, one a GPU.", min=1)] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")] = False,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    device: o.Device = "cpu",
) -> None:
    """Train a tagger. The epoch is chosen on validation clips, never on the fold that is reported.

    With --from nothing is trained but a head on the embeddings of a tagger that is there, in seconds.
    """
    from earmark import recipe as recipes
    from earmark.cli.terminal.console import say
    from earmark.data.datasets import open_data

    told = {"resume": resume, "workers": workers, "strict": strict, "salvage": salvage, "device": device}
    if base is not None:
        weak = h.weak(recordings, weak_weight, weak_windows)
        h.train(
            h.Question(
                base, h.clips_of(recipe, data), out, dataset, task, head, embeddings, weak, settings or [], fold
            ),
            told,
        )
        return
    h.refuse_without_base(
        {"--dataset": dataset, "--task": task, "--head": head, "--recordings": recordings, "--embeddings": embeddings}
    )
    plan = recipes.load(
        h.needed(recipe, "a recipe, see `earmark list recipes`, or a tagger with --from"), settings or [], say
    )
    clips = open_data(h.needed(data, "the clips with --data"), plan.data.dataset, plan.data.options, say)
    from earmark.train import processes as together

    # the other processes come here too, with the same arguments, and must not start more
    several = processes > 1 and "WORLD_SIZE" not in os.environ
    with together.launch(processes, sys.argv[1:]) if several else contextlib.nullcontext():
        if seeds is not None:
            train_seeds(plan, clips, out, seeds, fold, told)
        elif fold is None:
            say(str(train_one(plan, clips, out, told)))
        else:
            train_folds(plan, clips, out, fold, told)
