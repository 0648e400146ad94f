"""Recipes found, read, set and checked: from YAML or plain values to a `Recipe`, or to all that is wrong with them.

All mistakes are found at once, each with the path of its key. Names of nets, features and augmentations are looked up,
and their arguments are compared with the function's own signature, so a recipe can set whatever the function takes.
Quantities are seconds and Hz; `2048/44100` is read as a fraction, so that a window of whole samples can be written down,
and `1e-3` as a number. A key that is given twice is a mistake.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from earmark.errors import RecipeError
from earmark.errors.kinds import checked
from earmark.recipe import bounds, text
from earmark.recipe.checks import check, check_built, check_hearing
from earmark.recipe.idle import idle
from earmark.recipe.renaming import clear, names_first
from earmark.recipe.schema import Recipe
from earmark.registry import DATASETS, did_you_mean


def shipped() -> dict[str, Path]:
    """The recipes in the package, by name."""
    folder = Path(str(resources.files("earmark.recipe"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


@checked
def find(name: str | Path) -> Path:
    """A recipe's file, by path or by the name of one in the package.

    >>> find("esc10-samplecnn").name
    'esc10-samplecnn.yaml'
    """
    path = Path(name)
    if path.is_file():
        return path
    known = shipped()
    if str(name) in known:
        return known[str(name)]
    if path.is_dir():
        raise RecipeError(str(name), ["is a folder: give the recipe's file"])
    raise RecipeError(
        str(name),
        [f"no such file, and no recipe of that name{did_you_mean(str(name), known)} Known: {', '.join(known)}"],
    )


@checked
def load(name: str | Path, settings: Iterable[str] = (), say: Callable[[str], object] = lambda line: None) -> Recipe:
    """Read and check a recipe by name or path. settings: `key.path=value`, values in YAML, put over the file's.

    say: told what goes away where a setting names another feature, net, augmentation or data set (see `renaming`), and what does
    nothing (see `idle`).

    Raises RecipeError with all mistakes.

    >>> recipe = load("esc10-samplecnn", ["train.epochs=3", "windows.hop=1/2"])
    >>> recipe.train.epochs, recipe.windows.hop, recipe.sample_rate
    (3, 0.5, 16000)
    """
    path = find(name)
    try:
        raw: Any = text.read(path)
    except text.Unfit as error:
        raise RecipeError(str(name), [str(error)]) from error
    except OSError as error:
        raise RecipeError(str(name), [f"cannot be read: {error.strerror or error}"]) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        raise RecipeError(str(name), [f"is not YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(raw, dict):
        held = "nothing" if raw is None else "a list" if isinstance(raw, list) else repr(raw)[:60]
        raise RecipeError(str(name), [f"holds {held}, not keys and values"])
    raw.setdefault("name", path.stem)
    return settled(raw, settings, str(name), say)


def settled(
    raw: dict[str, Any], settings: Iterable[str], name: str, say: Callable[[str], object] = lambda line: None
) -> Recipe:
    """Plain values with settings put over them, as a recipe: see `load`. What is given stays as it is. Raises RecipeError with all
    mistakes.
    """
    raw, unfit = copy.deepcopy(raw), list[str]()
    for setting in names_first(settings):
        for line in clear(raw, setting):
            say(line)
        unfit += _put(raw, setting)
    try:
        recipe = parse(raw, name)
    except RecipeError as error:
        raise RecipeError(name, unfit + error.mistakes) from error
    if unfit:
        raise RecipeError(name, unfit)
    for line in idle(recipe):
        say(f"recipe {recipe.name}: {line}")
    return recipe


def tags(recipe: Recipe) -> int | None:
    """How many tags the recipe's data set has: as it says, or as the layout's data sheet does; None where neither tells.

    >>> tags(load("audioset-resnet-c-att")), tags(load("speechcommands-samplecnn"))
    (527, 31)
    """
    told = DATASETS[recipe.data.dataset].facts.get("tags") if recipe.data.dataset in DATASETS else None
    return recipe.data.tags or told


@checked
def parse(raw: Mapping[str, Any], name: str = "recipe") -> Recipe:
    """A recipe from plain values, checked. Raises RecipeError with all mistakes.

    >>> from earmark.errors import RecipeError
    >>> try:
    ...     parse(load("esc10-samplecnn").as_dict() | {"sample_rate": 22.05})
    ... except RecipeError as error:
    ...     print(error.mistakes)
    ['sample_rate: should be a whole number (it is 22.05)']
    """
    return _checked(raw, name, check)


@checked
def parse_built(raw: Mapping[str, Any], name: str = "recipe") -> Recipe:
    """The recipe in a tagger file whose net is built. Raises RecipeError with all mistakes.

    As `parse_hearing`, and the net and its arguments are looked up too. What it was trained with, the data set, the augmentations and
    the phases, is taken as it is: to hear with it nobody needs the plug-ins that these may be of.
    """
    return _checked(raw, name, check_built)


@checked
def parse_hearing(raw: Mapping[str, Any], name: str = "recipe", elsewhere: Collection[str] = ()) -> Recipe:
    """The recipe in a tagger file whose net an engine runs, without torch. Raises RecipeError with all mistakes.

    Structure, bounds, windows and the feature's arguments are checked as by `parse`; the net, the augmentations and the data
    set are taken as they are: they were checked when the file was written, and nothing is built by them. elsewhere: features that are
    taken as they are too, of plug-ins, which need not be there to say what a file tells.

    >>> raw = load("esc10-samplecnn").as_dict()
    >>> parse_hearing(raw) == parse(raw)
    True
    """
    return _checked(raw, name, partial(check_hearing, elsewhere=elsewhere))


def _checked(raw: Any, name: str, by: Callable[[Mapping[str, Any]], tuple[Recipe | None, list[str]]]) -> Recipe:
    # first: what is nested without end can be gone over by nothing else
    too_much = bounds.excess(raw) if isinstance(raw, Mapping) else ["holds no keys and values"]
    recipe, mistakes = (None, too_much) if too_much else by(text.numbers(dict(raw)))
    if mistakes or recipe is None:
        raise RecipeError(name, mistakes)
    return recipe


@checked
def during(recipe: Recipe, phase: str) -> Recipe:
    """The recipe while one of its phases runs."""
    return parse(recipe.during(phase), f"{recipe.name}, phase {phase}")


def _put(raw: dict[str, Any], setting: str) -> list[str]:
    """`train.epochs=3` → raw["train"]["epochs"] = 3; numbers in the path are places in a list. What is wrong with it."""
    key, equals, told = setting.partition("=")
    steps = key.split(".")
    if not equals or not all(steps):
        return [f"--set {setting}: has the form key.path=value, such as train.epochs=30"]
    try:
        value = text.plain(told)
    except text.Unfit as error:
        return [f"--set {setting}: {error}"]
    except (yaml.YAMLError, ValueError) as error:
        return [f"--set {setting}: the value is not YAML ({' '.join(str(error).split())})"]
    place: Any = raw
    for i, step in enumerate(steps):
        if isinstance(place, list) and not (step.isdecimal() and int(step) < len(place)):
            return [f"--set {setting}: {'.'.join(steps[:i])} has places 0 to {len(place) - 1}, not {step!r}"]
        here: Any = int(step) if isinstance(place, list) else step
        if i == len(steps) - 1:
            place[here] = value
            break
        below = place[here] if isinstance(place, list) else place.get(here)
        if isinstance(below, str) and (step in ("net", "features") or steps[max(0, i - 1)] == "augment"):
            below = {"name": below}  # a component given by its name alone
        below = {} if below is None else below
        if not isinstance(below, dict | list):
            return [f"--set {setting}: {'.'.join(steps[: i + 1])} is {below!r} and has nothing below it"]
        place[here] = below
        place = below
    return []
