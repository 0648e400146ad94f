"""What the folder of a training holds: one run, a run over folds or runs with several seeds; and that those to come can go there.

    OUT/recipe.yaml, …              one run
    OUT/fold-<name>/                the run of a fold
    OUT/seed-<N>/                   the run of a seed, or its run over folds

All is looked at before anything is trained, so that nothing is refused hours later, and so that the runs of a folder can be told of
together: of one kind and of one recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from earmark import recipe as recipes
from earmark.data.clipset import natural
from earmark.errors import EarmarkError
from earmark.recipe import Recipe
from earmark.train.began import Began
from earmark.train.folder import RECIPE, STATE, TAGGER, check_alike, check_place, learnt
from earmark.train.state import course, ended

ONE, FOLDS, SEEDS = "a single run", "a run over folds", "runs with several seeds"
HEAD = "head"  # of a net that is trained on after its head: the first of its runs
OF_ONE = (RECIPE, TAGGER, f"{HEAD}/{RECIPE}")
BELOW = {"fold-*": FOLDS, "seed-*": SEEDS, "seed-*/fold-*": SEEDS}
Check = Callable[[Path, Recipe, bool], object]


def kind(folder: Path) -> str | None:
    """What it holds of a training; None where that is nothing."""
    if any((folder / name).is_file() for name in OF_ONE):
        return ONE
    return next((what for below, what in BELOW.items() for name in OF_ONE if any(folder.glob(f"{below}/{name}"))), None)


def check_kind(folder: Path, wanted: str) -> None:
    """Raises EarmarkError for a folder that holds a training of another kind."""
    if (found := kind(folder)) not in (None, wanted):
        raise EarmarkError(f"{folder}: holds {found}, among whose files {wanted} cannot lie: take another --out")


def check_run(folder: Path, recipe: Recipe, resume: bool) -> None:
    """Raises EarmarkError where a run can neither begin nor go on."""
    check_kind(folder, ONE)
    check_place(folder, recipe, resume)


def check_begun(folder: Path, begun: Began) -> None:
    """Raises EarmarkError where a run that is there, if one is, began with something else than is begun with beside it now."""
    if learnt(folder):
        begun.check(folder)


def check_folds(
    folder: Path, turns: Mapping[str, Recipe], wanted: Collection[str], begun: Began, resume: bool, check: Check = check_run,
    inner: str = "",
) -> None:  # fmt: skip
    """Raises EarmarkError where a fold's run cannot go there, and where one that is there already is of another recipe or began otherwise.

    turns: the recipes of all folds; wanted: which are trained now. begun: what those begin with. check: of the place of one; inner:
    folder in it with its recipe.
    """
    check_kind(folder, FOLDS)
    for name, recipe in turns.items():
        place = folder / f"fold-{name}"
        if name in wanted:
            check(place, recipe, resume)
        elif (place / inner / RECIPE).is_file():
            check_alike(place / inner, recipe)
    for place in folds(folder).values():
        check_begun(place / inner, begun)


def folds(folder: Path) -> dict[str, Path]:
    """The folders of the folds' runs, by the folds' names in their natural order."""
    found = {run.name.removeprefix("fold-"): run for run in folder.glob("fold-*") if kind(run) == ONE}
    return {name: found[name] for name in sorted(found, key=natural)}


def finished(run: Path) -> bool:
    """Whether nothing is left to train of the run in a folder. Raises RecipeError where what it is cannot be read."""
    if not (run / TAGGER).is_file():
        return False
    plan = recipes.load(run / RECIPE)
    # of phases the last one's tagger is put there at the end; without its state a run has ended, or it would not be cleared
    return bool(plan.phases) or not (run / STATE).is_file() or ended(course(run / STATE), plan.train)
