"""A recipe: one YAML file that says how a tagger is made, checked as a whole before anything runs.

All mistakes are found at once, each with the path of its key. Names of nets, features and augmentations are looked up,
and their arguments are compared with the function's own signature, so a recipe can set whatever the function takes.
Quantities are seconds and Hz; `2048/44100` is read as a fraction, so that a window of whole samples can be written down,
and `1e-3` as a number. A key that is given twice is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from earmark.errors import RecipeError
from earmark.recipe.checks import check
from earmark.recipe.schema import FOLDS, Optimiser, Recipe, Schedule, Train
from earmark.registry import DATASETS, did_you_mean

__all__ = ["Optimiser", "Recipe", "Schedule", "Train", "during", "find", "load", "parse", "shipped", "tags"]

FRACTION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*$")
# YAML 1.1 takes 1e-3 for text, because of the missing point; nobody who writes it does
EXPONENT = re.compile(r"^[+-]?\d+(\.\d*)?[eE][+-]?\d+$")
TEXTS = {"name", "summary"}  # keys whose value is text even where it looks like a number


def _numbers(value: Any) -> Any:
    """'2048/44100' → 0.0464… and '1e-3' → 0.001, anywhere below `value`, in new lists and dicts."""
    if isinstance(value, dict):
        return {k: v if k in TEXTS or (k in FOLDS and isinstance(v, list)) else _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    if not isinstance(value, str):
        return value
    if EXPONENT.match(value):
        return float(value)
    match = FRACTION.match(value)
    return float(match[1]) / float(match[2]) if match and float(match[2]) else value


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, but a key that is given twice is an error: the first would be lost without a word."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)  # as written: merge keys (<<) add keys that a mapping may override
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return node


def shipped() -> dict[str, Path]:
    """The recipes in the package, by name."""
    folder = Path(str(resources.files("earmark.recipe"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


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


def load(name: str | Path, settings: Iterable[str] = ()) -> Recipe:
    """Read and check a recipe by name or path. settings: `key.path=value`, values in YAML, put over the file's.

    Raises RecipeError with all mistakes.

    >>> recipe = load("esc10-samplecnn", ["train.epochs=3", "windows.hop=1/2"])
    >>> recipe.train.epochs, recipe.windows.hop, recipe.sample_rate
    (3, 0.5, 16000)
    """
    path = find(name)
    try:
        # an alias stands for a copy, so that a setting changes one place
        raw = _numbers(yaml.load(path.read_text(encoding="utf-8-sig"), _Loader))
    except RecursionError as error:
        raise RecipeError(str(name), ["holds itself, by an alias, or is nested too deeply"]) from error
    except OSError as error:
        raise RecipeError(str(name), [f"cannot be read: {error.strerror or error}"]) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a date that there is not
        raise RecipeError(str(name), [f"is not YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(raw, dict):
        held = "nothing" if raw is None else "a list" if isinstance(raw, list) else repr(raw)
        raise RecipeError(str(name), [f"holds {held}, not keys and values"])
    raw.setdefault("name", path.stem)
    unfit = [mistake for setting in settings for mistake in _put(raw, setting)]
    try:
        recipe = parse(raw, str(name))
    except RecipeError as error:
        raise RecipeError(str(name), unfit + error.mistakes) from error
    if unfit:
        raise RecipeError(str(name), unfit)
    return recipe


def tags(recipe: Recipe) -> int | None:
    """How many tags the recipe's data set has: as it says, or as the layout's data sheet does; None where neither tells.

    >>> tags(load("audioset-resnet-c-att")), tags(load("speechcommands-samplecnn"))
    (527, 31)
    """
    told = DATASETS[recipe.data.dataset].facts.get("tags") if recipe.data.dataset in DATASETS else None
    return recipe.data.tags or told


def parse(raw: Mapping[str, Any], name: str = "recipe") -> Recipe:
    """A recipe from plain values, checked. Raises RecipeError with all mistakes.

    >>> from earmark.errors import RecipeError
    >>> try:
    ...     parse(load("esc10-samplecnn").as_dict() | {"sample_rate": 22.05})
    ... except RecipeError as error:
    ...     print(error.mistakes)
    ['sample_rate: should be a whole number (it is 22.05)']
    """
    recipe, mistakes = check(_numbers(dict(raw)))
    if mistakes or recipe is None:
        raise RecipeError(name, mistakes)
    return recipe


def during(recipe: Recipe, phase: str) -> Recipe:
    """The recipe while one of its phases runs."""
    return parse(recipe.during(phase), f"{recipe.name}, phase {phase}")


def _put(raw: dict[str, Any], setting: str) -> list[str]:
    """`train.epochs=3` → raw["train"]["epochs"] = 3; numbers in the path are places in a list. What is wrong with it."""
    key, equals, text = setting.partition("=")
    steps = key.split(".")
    if not equals or not all(steps):
        return [f"--set {setting}: has the form key.path=value, such as train.epochs=30"]
    try:
        value = yaml.load(text, _Loader)
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
