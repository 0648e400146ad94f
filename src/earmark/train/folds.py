"""Which clips a run learns from: the recipe's parts of a manifest, and a recipe for each fold of a run over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from earmark import recipe as recipes
from earmark.data import splits
from earmark.data.manifest import Manifest
from earmark.data.splits import Parts
from earmark.errors import EarmarkError, ManifestError
from earmark.files import parts as paths
from earmark.recipe import Recipe
from earmark.train.folder import Say


@dataclass(frozen=True)
class Turns:
    """all: the recipe for each fold that takes a turn. wanted: the names of those that were asked for, in the same order."""

    all: dict[str, Recipe]
    wanted: tuple[str, ...]

    @staticmethod
    def of(recipe: Recipe, manifest: Manifest, asked: Sequence[str], say: Say = lambda line: None) -> Turns:
        """asked: names of folds, or `all`. Raises EarmarkError for a fold that takes no turn, ManifestError as `rotations`."""
        turns = rotations(recipe, manifest, say)
        if unknown := sorted(set(asked) - {*turns, "all"}):
            raise EarmarkError(f"--fold {unknown[0]}: the folds that take turns are {', '.join(turns)}, or say `all`")
        return Turns(turns, tuple(name for name in turns if "all" in asked or name in asked))


def divide(recipe: Recipe, manifest: Manifest, say: Say = lambda line: None) -> tuple[Manifest, Parts]:
    """The manifest with the recipe's folds, and the recipe's parts of it. Raises ManifestError."""
    data = recipe.data
    if data.folds is not None:
        manifest = splits.deal(manifest, data.folds, recipe.seed, all_clips=data.deal == "all")
    return manifest, splits.divide(
        manifest, data.test, data.validation, data.train,
        seed=recipe.seed, bear_shared_groups=data.shared_groups == "report", say=say,
    )  # fmt: skip


def rotations(recipe: Recipe, manifest: Manifest, say: Say = lambda line: None) -> dict[str, Recipe]:
    """The recipe for each fold of a run over all of them. See `earmark.recipe.schema.Data`. Raises ManifestError.

    say: takes a line on clips without a fold, which take no turn.
    """
    data = recipe.data
    if data.folds is not None:
        names = [str(i + 1) for i in range(data.folds)]
    else:
        held = data.validation if isinstance(data.validation, list) else []
        named = None if data.train is None else {*data.train, *held, *data.test}
        names = [name for name in manifest.fold_names() if named is None or name in named]
    if data.rotate == "validation" or data.folds is not None:
        names = [name for name in names if name not in data.test or data.rotate == "test"]
    # a fold to test on, one to learn from and, where a fold validates, one for that
    if len(names) < 2 + (data.rotate == "test" and isinstance(data.validation, list) and bool(data.validation)):
        raise ManifestError(
            f"a run over all folds needs some to take turns; there are {', '.join(names) or 'none'}. "
            "Make them with --set data.folds=5"
        )
    _check_folders(names)
    others = set(manifest.fold_names()) - set(names)
    left = None
    if data.folds is None:
        left = splits.without_fold(manifest, learnt=not others and data.train is None)
    if left is not None:
        say(left)
    rotated = {}
    for place, name in enumerate(names):
        if data.rotate == "validation":
            folds: dict[str, Any] = {"test": data.test, "validation": [name]}
        else:
            before: Any = (
                [names[place - 1]] if isinstance(data.validation, list) and data.validation else data.validation
            )
            folds = {"test": [name], "validation": before}
        taken = {fold for part in folds.values() if isinstance(part, list) for fold in part}
        # folds that take no turn, such as an official test part, do not come into training by being left over
        rest = [fold for fold in names if fold not in taken] if others or data.train is not None else None
        raw = recipe.as_dict()
        raw["data"] |= {**folds, "train": rest}
        rotated[name] = recipes.parse(raw, recipe.name)
    return rotated


def _check_folders(names: list[str]) -> None:
    """Each turn has a folder of the fold's name. Raises ManifestError."""
    way_out = "Call it otherwise in the manifest's column `fold`, or deal folds anew with --set data.folds=5 --set data.deal=all"
    for name in names:
        if why := paths.strange(name):
            raise ManifestError(
                f"fold {name!r} cannot take a turn, as its name becomes that of a folder: {why}. {way_out}"
            )
    if (both := paths.alike(names)) is not None:
        raise ManifestError(
            f"folds {both[0]!r} and {both[1]!r} become one folder where large and small letters are not told apart. {way_out}"
        )
