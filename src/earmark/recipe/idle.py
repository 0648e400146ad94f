"""What a recipe says that does nothing, because of what else it says: told, where somebody wrote it down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import BaseModel

from earmark.recipe.schema import Data, Optimiser, Recipe, Schedule, Train, WindowsSection
from earmark.registry import AUGMENTATIONS

# key → why it does nothing in a recipe, or ""
Rule = Callable[[Recipe], str]
SECTIONS: dict[str, type[BaseModel]] = {
    "data": Data,
    "windows": WindowsSection,
    "train": Train,
    "train.optimiser": Optimiser,
    "train.schedule": Schedule,
}


def _of_optimiser(*names: str) -> Rule:
    def why(recipe: Recipe) -> str:
        name = recipe.train.optimiser.name
        return "" if name in names else f"it is of {' and '.join(names)}, and train.optimiser.name is {name}"

    return why


def _of_schedule(*names: str) -> Rule:
    def why(recipe: Recipe) -> str:
        name = recipe.train.schedule.name
        return "" if name in names else f"it is of {' and '.join(names)}, and train.schedule.name is {name}"

    return why


def _choose(recipe: Recipe) -> str:
    return "nothing validates, as data.validation is empty" if recipe.data.validation == [] else ""


def _deal(recipe: Recipe) -> str:
    return "" if recipe.data.folds else "no folds are dealt without data.folds"


def _weigh(recipe: Recipe) -> str:
    return (
        "the largest of the windows counts, whatever their weights (windows.combine is max)"
        if recipe.windows.combine == "max"
        else ""
    )


def _warm_up(recipe: Recipe) -> str:
    grown, epochs = recipe.train.schedule.warm_up, recipe.train.epochs
    if grown < epochs:
        return ""
    return f"the rate still grows in the last epoch ({epochs}), so that it never comes to train.optimiser.lr, and no schedule begins"


RULES: dict[str, Rule] = {
    "train.optimiser.momentum": _of_optimiser("sgd"),
    "train.optimiser.betas": _of_optimiser("adam", "adamw"),
    "train.schedule.factor": _of_schedule("plateau"),
    "train.schedule.patience": _of_schedule("plateau"),
    "train.schedule.lowest": _of_schedule("plateau", "cosine"),
    "train.choose": _choose,
    "data.deal": _deal,
    "windows.weigh": _weigh,
}
# keys that do something, but not what they are for
FAILED: dict[str, Rule] = {"train.schedule.warm_up": _warm_up}


def idle(recipe: Recipe) -> list[str]:
    """A line for each key of a recipe that is told, is not what it would be untold, and does nothing.

    With phases: of those of a phase what does nothing in it; of the recipe's own what does nothing in any that runs.
    """
    if not recipe.phases:
        return [f"{key}: {line}" for key, line in _idle(recipe, _told(recipe.model_dump(exclude_unset=True))).items()]
    own = _told(recipe.model_dump(exclude_unset=True))
    nowhere: dict[str, str] | None = None
    lines = []
    for name in (name for name in recipe.running() if name in recipe.phases):
        whole, its = (
            Recipe.model_validate(recipe.during(name)),
            _told(recipe.phases[name].model_dump(exclude_unset=True)),
        )
        lines += [f"phases.{name}.{key}: {line}" for key, line in _idle(whole, its).items()]
        # what a phase says itself is not the recipe's there
        found = {
            key: line
            for key, line in _idle(whole, own).items()
            if key not in its and key.partition(".")[0] not in its - {"train"}
        }
        nowhere = found if nowhere is None else {key: line for key, line in nowhere.items() if key in found}
    return [f"{key}: {line}" for key, line in (nowhere or {}).items()] + lines


def _told(plain: Mapping[str, Any], where: str = "") -> set[str]:
    """The paths of all keys; places of a list are steps, too."""
    found = set()
    for key, value in plain.items():
        path = f"{where}{key}"
        found.add(path)
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            found |= _told(value, f"{path}.")
    return found


def _idle(recipe: Recipe, told: Collection[str]) -> dict[str, str]:
    """Key → what is to be said of it, of those that are told."""
    found = {}
    for rules, verb in ((RULES, "does nothing: "), (FAILED, "")):
        for key, rule in rules.items():
            value = _value(recipe, key)
            if key in told and value != _default(key) and (why := rule(recipe)):
                shown = ", ".join(f"{each:g}" for each in value) if isinstance(value, tuple) else f"{value}"
                found[key] = f"{shown} {verb}{why}" if verb else f"is {shown}: {why}"
    return found | {key: line for key, line in _idle_augmentations(recipe).items() if key in told}


def _idle_augmentations(recipe: Recipe) -> dict[str, str]:
    found = {}
    entries = [AUGMENTATIONS[part.name] for part in recipe.augment]
    mixes = any(entry.facts.get("stage") in ("pair", "batch") for entry in entries)
    for i, (entry, part) in enumerate(zip(entries, recipe.augment, strict=True)):
        if entry.facts.get("crops") and recipe.train.segments == "every":
            arguments = {key: each for key, each in entry.arguments().items() if key in part.arguments}
            for key, argument in arguments.items():
                if part.arguments[key] != argument.default:
                    found[f"augment.{i}.{key}"] = (
                        f"{part.arguments[key]} does nothing: with train.segments: every the windows are cut as tagging cuts them"
                    )
        # what listens for levels behind it, as trim does, hears it all the same
        behind = any(later.facts.get("resizes") for later in entries[i:])
        if entry.facts.get("level") and recipe.normalise != "none" and not mixes and not behind:
            found[f"augment.{i}"] = (
                f"{entry.name} does nothing: normalise: {recipe.normalise} makes all windows as loud again, and no clips are mixed before"
            )
    return found


def _value(recipe: Recipe, key: str) -> Any:
    value: Any = recipe
    for step in key.split("."):
        value = getattr(value, step)
    return value


def _default(key: str) -> Any:
    section, _, name = key.rpartition(".")
    return SECTIONS[section].model_fields[name].default
