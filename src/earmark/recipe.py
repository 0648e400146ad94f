"""A recipe: one YAML file that says how a tagger is made, checked as a whole before anything runs.

All mistakes are found at once, each with the path of its key. Names of nets, features and augmentations are looked up,
and their arguments are compared with the function's own signature, so a recipe can set whatever the function takes.
Quantities are seconds and Hz; `2048/44100` is read as a fraction, so that a window of whole samples can be written down,
and `1e-3` as a number. A key that is given twice is a mistake.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from earmark.errors import RecipeError
from earmark.registry import AUGMENTATIONS, DATASETS, FEATURES, NETS, Registry, did_you_mean
from earmark.windows import Windows

FRACTION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*$")
# YAML 1.1 takes 1e-3 for text, because of the missing point; nobody who writes it does
EXPONENT = re.compile(r"^[+-]?\d+(\.\d*)?[eE][+-]?\d+$")
TEXTS = {"name", "summary"}  # keys whose value is text even where it looks like a number
FOLDS = {"test", "validation", "train"}  # keys whose lists hold names
# The beginnings of pydantic's types of error → what the value should have been
KINDS = {
    "model_type": "keys and values",
    "dict_type": "keys and values",
    "list_type": "a list",
    "tuple_type": "a list",
    "string_type": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
}
# What the tagger itself passes on, so that no recipe may set it
FILLED_IN = {"tags", "channels", "bands", "sample_rate", "root"}


class Part(BaseModel):
    """Base of the sections: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Component(BaseModel):
    """A named function and its arguments: `{name: logmel, bands: 64}`, or just `logmel`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Data(Part):
    """Which clips. dataset: a registered layout. test: folds that are reported and never trained or chosen on.

    validation: folds, or the fraction of the remaining clips (whole groups, stratified by tag), that choose the epoch;
    an empty list for none, where the number of epochs is known beforehand. train: folds; default: all others.
    shared_groups: whether a group (recording, speaker) on two sides of the split is an error, or reported and borne, as
    with official splits that do not keep speakers apart.
    """

    dataset: str
    options: dict[str, Any] = Field(default_factory=dict)
    test: list[str] = Field(default_factory=list)
    validation: list[str] | float = 0.15
    train: list[str] | None = None
    shared_groups: Literal["refuse", "report"] = "refuse"

    @model_validator(mode="before")
    @classmethod
    def _folds_are_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: _names(v) if k in FOLDS else v for k, v in value.items()}

    @field_validator("validation", mode="before")
    @classmethod
    def _list_or_fraction(cls, value: Any) -> Any:
        if isinstance(value, list) or (isinstance(value, float) and 0 < value < 1):
            return value
        raise ValueError("should be a list of folds, or a fraction between 0 and 1")

    @model_validator(mode="after")
    def _parts_do_not_meet(self) -> Data:
        parts = {"test": self.test, "train": self.train or []}
        if isinstance(self.validation, list):
            parts["validation"] = self.validation
        seen: dict[str, str] = {}
        for part, folds in parts.items():
            for fold in folds:
                if seen.get(fold) == part:
                    raise ValueError(f"fold {fold!r} is in {part} twice")
                if fold in seen:
                    raise ValueError(
                        f"fold {fold!r} is in both {seen[fold]} and {part}: a figure on it would mean nothing"
                    )
                seen[fold] = part
        return self


class WindowsPart(Part):
    """See `earmark.windows.Windows`; seconds."""

    length: float = Field(gt=0)
    hop: float = Field(gt=0)
    last: Literal["align", "pad", "drop"] = "align"
    short: Literal["pad", "centre", "repeat"] = "pad"
    combine: Literal["mean", "geometric", "max"] = "mean"
    weigh: Literal["equal", "level"] = "equal"

    def build(self) -> Windows:
        return Windows(**self.model_dump())


class Optimiser(Part):
    """name: adam, adamw or sgd (Nesterov, with `momentum`)."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)


class Schedule(Part):
    """How the learning rate changes from epoch to epoch.

    plateau: × factor after `patience` epochs without a gain in `choose`, not below `lowest`. cosine: from lr to
    `lowest` over all epochs. Both after `warm_up` epochs of linear growth.
    """

    name: Literal["constant", "plateau", "cosine"] = "plateau"
    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=3, ge=1)
    lowest: float = Field(default=1e-6, ge=0)
    warm_up: int = Field(default=0, ge=0)


class Train(Part):
    """epochs: at most. stop_after: epochs without a gain in `choose`, or none. keep: which epoch becomes the tagger.

    renew_statistics: take the batch normalisation's running statistics anew at the end of each epoch, over the epoch's
    crops before they were mixed. Where epochs have few steps, statistics that follow the training lag behind the
    weights, and those of mixtures are not those of clips.
    """

    epochs: int = Field(ge=1)
    batch: int = Field(default=16, ge=2)  # batch normalisation needs two
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    choose: Literal["loss", "accuracy", "map"] = "loss"
    keep: Literal["best", "last"] = "best"
    stop_after: int | None = Field(default=None, ge=1)
    renew_statistics: bool = False
    precision: Literal["auto", "float32", "bf16"] = "auto"


class Recipe(Part):
    """See the module's docstring, and the files in `earmark/recipes`."""

    name: str = ""
    summary: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    task: Literal["one", "many"]
    sample_rate: int = Field(ge=1000, le=384_000)
    data: Data
    windows: WindowsPart
    features: Component | None = None
    net: Component
    augment: list[Component] = Field(default_factory=list)
    train: Train

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are stored in a tagger file."""
        return self.model_dump(mode="json")


def _names(value: Any) -> Any:
    """Fold names are strings, though YAML reads 5 as a number."""
    if isinstance(value, list):
        return [str(v) if isinstance(v, int | str) and not isinstance(v, bool) else v for v in value]
    return value


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

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def shipped() -> dict[str, Path]:
    """The recipes in the package, by name."""
    folder = Path(str(resources.files("earmark"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find(name: str | Path) -> Path:
    """A recipe's file, by path or by the name of one in the package."""
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
    """
    path = find(name)
    try:
        # an alias stands for a copy, so that a setting changes one place
        raw = _numbers(yaml.load(path.read_text(encoding="utf-8-sig"), _Loader))
    except RecursionError as error:
        raise RecipeError(str(name), ["holds itself, by an alias, or is nested too deeply"]) from error
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


def parse(raw: Mapping[str, Any], name: str = "recipe") -> Recipe:
    """A recipe from plain values, checked. Raises RecipeError with all mistakes."""
    raw = _numbers(dict(raw))
    mistakes: list[str] = []
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(raw)
    except ValidationError as error:
        mistakes += [_sentence(dict(problem)) for problem in error.errors()]
    mistakes += _component_mistakes(raw)
    if recipe is not None and not mistakes:
        mistakes += _cross_mistakes(recipe)
    if mistakes or recipe is None:
        raise RecipeError(name, sorted(set(mistakes)))
    return recipe


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
        if isinstance(below, str) and steps[:i] in ([], ["augment"]) and steps[0] in ("net", "features", "augment"):
            below = {"name": below}  # a component given by its name alone
        below = {} if below is None else below
        if not isinstance(below, dict | list):
            return [f"--set {setting}: {'.'.join(steps[: i + 1])} is {below!r} and has nothing below it"]
        place[here] = below
        place = below
    return []


def _sentence(problem: dict[str, Any]) -> str:
    """One of pydantic's errors → 'key.path: what is wrong'."""
    where = [str(s) for s in problem["loc"] if s != "float" and not str(s).startswith(("list[", "function-"))]
    path = ".".join(where) or "recipe"
    kind, got = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        known = _keys_at(where[:-1])
        return f"{path}: no such key{did_you_mean(where[-1], known)} Known here: {', '.join(known)}"
    if kind == "missing":
        return f"{path}: is missing"
    wanted = next((f"should be {what}" for start, what in KINDS.items() if kind.startswith(start)), "")
    message = wanted or str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if problem.get("ctx", {}).get("class_name") == "Component":
        message = "should be a name, or a name and arguments"
    told = "it is a list" if isinstance(got, list) else "it is empty" if got is None else f"it is {got!r}"
    # where keys contradict each other, the message says which
    return f"{path}: {message[0].lower()}{message[1:]}" + ("" if isinstance(got, dict) else f" ({told})")


def _keys_at(path: Sequence[str]) -> list[str]:
    """The keys that the recipe knows below `path`."""
    model: Any = Recipe
    for step in path:
        field = model.model_fields.get(step) if inspect.isclass(model) and issubclass(model, BaseModel) else None
        if field is None:
            return []
        options = [field.annotation, *typing.get_args(field.annotation)]
        model = next((o for o in options if inspect.isclass(o) and issubclass(o, BaseModel)), None)
        if model is None:
            return []
    return list(model.model_fields)


def _component_mistakes(raw: Mapping[str, Any]) -> list[str]:
    """Unknown names and wrong arguments of the net, the feature, the data set and the augmentations."""
    mistakes = _check_component(NETS, "net", raw.get("net"))
    mistakes += _check_component(FEATURES, "features", raw.get("features"), filled_in=FILLED_IN - {"bands"})
    augment = raw.get("augment") or []
    if isinstance(augment, list):
        for i, part in enumerate(augment):
            mistakes += _check_component(AUGMENTATIONS, f"augment.{i}", part)
    data = raw.get("data")
    if isinstance(data, dict) and isinstance(data.get("dataset"), str):
        options = data.get("options")
        named = {**(options if isinstance(options, dict) else {}), "name": data["dataset"]}
        mistakes += _check_component(DATASETS, "data.options", named, named_at="data.dataset")
        if isinstance(options, dict) and "name" in options:
            mistakes.append("data.options.name: the data set is named by data.dataset")
    return mistakes


def _check_component(
    registry: Registry, where: str, part: Any, named_at: str | None = None, filled_in: set[str] = FILLED_IN
) -> list[str]:
    part = {"name": part} if isinstance(part, str) else part
    if not isinstance(part, dict) or not isinstance(part.get("name"), str):
        return []  # the structure's own check tells
    name = part["name"]
    if name not in registry:
        names = registry.names()
        known = f"{did_you_mean(name, names)} Known: {', '.join(names)}"
        return [f"{named_at or where + '.name'}: no {registry.kind} is called {name!r}{known}"]
    entry = registry[name]
    function = entry.function.__init__ if inspect.isclass(entry.function) else entry.function
    hints = typing.get_type_hints(function)
    takes = [key for key in entry.arguments() if key not in filled_in and key != "self"]
    mistakes = []
    for key, value in part.items():
        if key == "name" or not isinstance(key, str):  # the structure's own check tells
            continue
        if key in filled_in and key in entry.arguments():
            mistakes.append(f"{where}.{key}: is filled in by the tagger and cannot be set")
        elif key not in takes:
            mistakes.append(
                f"{where}.{key}: {name} takes no such argument{did_you_mean(key, takes)} It takes {', '.join(takes) or 'none'}"
            )
        elif key in hints:
            mistakes += _check_value(hints[key], value, f"{where}.{key}")
    needed = [k for k in takes if entry.arguments()[k].default is inspect.Parameter.empty and k not in part]
    return mistakes + [f"{where}.{key}: is missing ({name} needs it)" for key in needed]


def _check_value(hint: Any, value: Any, where: str) -> list[str]:
    """The function is given the value as it is, so nothing is converted here: '64' is no number and true is none."""
    try:
        # as JSON, because there a list may stand for a tuple even where nothing else is converted
        text = json.dumps(value, default=str, skipkeys=True)
        TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_json(text)
    except ValidationError as error:
        return [_sentence({**problem, "loc": (*where.split("."), *problem["loc"])}) for problem in error.errors()[:1]]
    return []


def _cross_mistakes(recipe: Recipe) -> list[str]:
    """What is wrong between keys that are each right alone."""
    mistakes = []
    eats = NETS[recipe.net.name].facts.get("eats")
    if eats == "maps" and recipe.features is None:
        mistakes.append(f"features: is missing: {recipe.net.name} listens to spectrograms")
    if eats == "waves" and recipe.features is not None:
        mistakes.append(f"features: {recipe.net.name} listens to the raw waveform: leave `features` out")
    if recipe.task == "many" and recipe.train.choose == "accuracy":
        mistakes.append("train.choose: accuracy needs one tag a clip: take map or loss")
    if recipe.data.validation == []:
        needs = "needs validation clips, and data.validation is empty"
        if recipe.train.keep == "best":
            mistakes.append(f"train.keep: best {needs}: take last")
        if recipe.train.schedule.name == "plateau":
            mistakes.append(f"train.schedule.name: plateau {needs}: take constant or cosine")
        if recipe.train.stop_after is not None:
            mistakes.append(f"train.stop_after: {needs}: leave it out")
    return mistakes + _augment_mistakes(recipe)


def _augment_mistakes(recipe: Recipe) -> list[str]:
    """Values that an augmentation refuses, and an order that cannot be."""
    mistakes = []
    entries = [AUGMENTATIONS[part.name] for part in recipe.augment]
    for i, (entry, part) in enumerate(zip(entries, recipe.augment, strict=True)):
        given = {"sample_rate": recipe.sample_rate} if "sample_rate" in entry.arguments() else {}
        try:
            entry.function(**given, **part.arguments)
        except ValueError as error:
            mistakes.append(f"augment.{i}: {error}")
    crops = [i for i, entry in enumerate(entries) if entry.facts.get("crops")]
    if not crops:
        mistakes.append(
            f"augment: nothing makes clips of any length into windows of {recipe.windows.length:g} s: add `crop`"
        )
    for i, entry in enumerate(entries):
        if crops and i > crops[0] and entry.facts.get("crops"):
            mistakes.append(f"augment.{i}: {entry.name} has nothing left to do: augment.{crops[0]} made the windows")
        if crops and i > crops[0] and entry.facts.get("resizes"):
            mistakes.append(f"augment.{i}: {entry.name} changes the length of the windows: put it before the crop")
    stages = [entry.facts.get("stage") for entry in entries]
    if "batch" in stages and "clip" in stages[stages.index("batch") :]:
        mistakes.append("augment: augmentations of single clips come before those of whole batches")
    return mistakes
