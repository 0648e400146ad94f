"""Training as a terminal sees it: a bar, what is to be said, one tagger or one for each fold."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import typer

from earmark.cli.terminal.epochlines import EpochLines, figures_of
from earmark.errors import counted

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.recipe import Recipe
    from earmark.train.checkpoint import Every


def every(told: str | None) -> Every | None:
    """When the state is kept within an epoch."""
    from earmark.train.checkpoint import Every

    return None if told is None else Every.parse(told)


def by_recipe(
    recipe: str | None,
    settings: Sequence[str],
    data: Path | None,
    out: Path,
    fold: list[str] | None,
    seeds: str | None,
    processes: int,
    told: dict[str, Any],
) -> None:
    """Train as a recipe says: once, a fold after the other, or with several seeds; in so many processes."""
    from earmark import recipe as recipes
    from earmark.cli.terminal.console import say
    from earmark.cli.terminal.heads import needed
    from earmark.train import places
    from earmark.train import processes as together

    plan = recipes.load(
        needed(recipe, "a recipe, see `earmark list recipes`, or a tagger with --from"), list(settings), say
    )
    clips = opened(plan, settings, needed(data, "the clips with --data"))
    # the other processes come here too, with the same arguments, and must not start more
    several = processes > 1 and "WORLD_SIZE" not in os.environ
    with together.launch(processes, sys.argv[1:]) if several else together.among_others():
        if seeds is not None:
            train_seeds(plan, clips, out, seeds, fold, told)
        elif fold is None:
            if together.rank() == 0:
                places.check_run(out, plan, told["resume"])
            say(str(train_one(plan, clips, out, told)))
        else:
            train_folds(plan, clips, out, fold, told)


def opened(plan: Recipe, settings: Sequence[str], data: Path) -> Manifest:
    """The clips of a recipe. Raises ManifestError for options among the settings that have no part in them."""
    from earmark.cli.terminal.console import say
    from earmark.data.datasets import open_data

    keys = [setting.partition("=")[0].strip() for setting in settings]
    insisted = {key.removeprefix("data.options.") for key in keys if key.startswith("data.options.")}
    insisted |= set(plan.data.options) if {"data", "data.options"} & set(keys) else set()
    return open_data(data, plan.data.dataset, plan.data.options, say, insisted=insisted)


def train_one(plan: Recipe, clips: Manifest, out: Path, told: dict[str, Any], title: str = "") -> Path:
    """Train once, with a bar on a terminal, else a line an epoch."""
    from earmark import train as training
    from earmark.cli.terminal.console import Silent, progress, say
    from earmark.files.shown import message, shown
    from earmark.train import folder

    with progress() as bar:
        task = bar.add_task("reading", total=None, told="")

        def move(phase: str, epoch: int, epochs: int, share: float, row: dict[str, Any]) -> None:
            where = " ".join(part for part in (title, phase) if part)
            description = f"{where + ': ' if where else ''}epoch {epoch}/{epochs}"
            bar.update(
                task, description=shown(description), total=epochs, completed=epoch - 1 + share, told=figures_of(row)
            )

        def print_above(line: str) -> None:
            if not isinstance(bar, Silent):
                bar.console.print(message(line), markup=False, highlight=False, soft_wrap=True)

        speak: Callable[[str], None] = say if bar.disable else print_above
        listener = EpochLines(say, title) if bar.disable else move
        try:
            return training.train(plan, clips, out, say=speak, on_progress=listener, **told)
        except KeyboardInterrupt:
            bar.stop()
            if folder.learnt(out):
                last = "last whole epoch" if told.get("every") is None else "last kept state"
                say(f"stopped; the {last} is saved: go on with the same command and --resume ({out})")
            else:
                # where nothing is begun --resume begins, and of folds and seeds earlier ones may be gone on with
                say(f"stopped before the first epoch was whole: the same command and --resume begins anew ({out})")
            raise typer.Exit(130) from None


def train_folds(plan: Recipe, clips: Manifest, out: Path, asked: Sequence[str], told: dict[str, Any]) -> None:
    """Train once for each fold, in out/fold-<name>; the validation figures of all that are there at the end."""
    from earmark.cli.terminal.console import print_table, say
    from earmark.train import beforehand, places, processes
    from earmark.train.began import Began
    from earmark.train.folder import TAGGER
    from earmark.train.folds import Turns
    from earmark.train.seeds import Validated

    turns = Turns.of(plan, clips, asked, say)
    if processes.rank() == 0:  # the others may come here when the first has begun
        places.check_folds(out, turns.all, turns.wanted, Began(clips.vocabulary, told["salvage"]), told["resume"])
    beforehand.check_turns({name: turns.all[name] for name in turns.wanted}, clips, **_reading(told))
    for name in turns.wanted:
        train_one(turns.all[name], clips, out / f"fold-{name}", {**told, "beside": out}, f"fold {name}")
    if processes.rank() != 0:
        return
    ended = [name for name, run in places.folds(out).items() if name in turns.all and places.finished(run)]
    rows = {name: Validated.read(out / f"fold-{name}" / TAGGER) for name in ended}
    figures = list(dict.fromkeys(key for row in rows.values() for key in row.figures))
    table: list[tuple[Any, ...]] = [
        (name, row.epoch, *(_shown(row.figures.get(key)) for key in figures)) for name, row in rows.items()
    ]
    over = _over([row.figures for row in rows.values()], figures)
    print_table(["fold", "epoch", *(f"validation {key}" for key in figures)], table + over)
    say(
        f"{out}: {counted(len(rows), 'tagger')}; `earmark evaluate {out}` reports each on the fold that it was not trained on"
    )


def train_seeds(
    plan: Recipe, clips: Manifest, out: Path, text: str, folds: list[str] | None, told: dict[str, Any]
) -> None:
    """Train once for each seed, in out/seed-<N>, over folds if wanted; mean and spread at the end, and in seeds.json."""
    from earmark.cli.terminal.console import print_table, say
    from earmark.train import beforehand, places, processes, seeds
    from earmark.train.began import Began
    from earmark.train.folds import Turns

    plans = seeds.seeded(plan, seeds.parse(text, told["resume"] and places.kind(out) == places.SEEDS), say)
    turns = None if folds is None else Turns.of(plan, clips, folds, say)
    if processes.rank() == 0:  # the others may come here when the first has begun
        seeds.check(out, plans, turns, Began(clips.vocabulary, told["salvage"]), told["resume"])
    over = {} if turns is None else {name: turns.all[name] for name in turns.wanted}
    if over:
        beforehand.check_turns(over, clips, **_reading(told))
    told = {**told, "beside": out}
    for seed, own in plans.items():
        place = seeds.place(out, seed)
        if turns is None:
            train_one(own, clips, place, told, f"seed {seed}")
        for name, turn in over.items():
            turn = turn.model_copy(update={"seed": seed})
            train_one(turn, clips, place / f"fold-{name}", told, f"seed {seed} fold {name}")
    if processes.rank() != 0:
        return
    facts = seeds.write(out, plans, say)
    runs = facts["seeds"]
    names = list(dict.fromkeys(key for run in runs.values() for key in run["validation"]))
    table: list[tuple[Any, ...]] = [
        (seed, *(_shown(run["validation"].get(key)) for key in names)) for seed, run in runs.items()
    ]
    spread = facts["over seeds"]
    for what in ("mean", "deviation", "lowest", "highest") if spread else ():
        table.append((what, *(_shown(spread.get(key, {}).get(what)) for key in names)))
    print_table(["seed", *(f"validation {key}" for key in names)], table)
    say(
        f"{out}: {counted(len(runs), 'seed')}, {seeds.FILE}; `earmark evaluate {out}` judges each, and tells mean and spread"
    )


def _reading(told: Mapping[str, Any]) -> dict[str, Any]:
    """How the clips' files are looked at before the first training: by one process for all."""
    from earmark.train import processes

    return {"resume": told["resume"] or processes.rank() != 0, "workers": told["workers"]}


def _over(rows: Sequence[Mapping[str, float | None]], figures: Sequence[str]) -> list[tuple[Any, ...]]:
    """The mean over folds, the lowest and the highest, where there are several; of figures that all of them have."""
    if len(rows) < 2:
        return []
    known = {key: [value for row in rows if (value := row.get(key)) is not None] for key in figures}
    whole = {key for key in figures if len(known[key]) == len(rows)}
    ways: dict[str, Callable[[list[float]], float]] = {"mean": fmean, "lowest": min, "highest": max}
    return [
        (what, "", *(_shown(way(known[key]) if key in whole else None) for key in figures))
        for what, way in ways.items()
    ]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
