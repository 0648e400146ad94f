"""A recipe: one YAML file that says how a tagger is made, checked as a whole before anything runs.

All mistakes are found at once, each with the path of its key. Names of nets, features and augmentations are looked up,
and their arguments are compared with the function's own signature, so a recipe can set whatever the function takes.
Quantities are seconds and Hz; `2048/44100` is read as a fraction, so that a window of whole samples can be written down.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from earmark.errors import RecipeError
from earmark.registry import AUGMENTATIONS, DATASETS, FEATURES, NETS, Registry, did_you_mean
from earmark.windows import Windows

FRACTION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*$")
# What the tagger itself passes on, so that no recipe may set it
FILLED_IN = {"tags", "channels", "bands", "sample_rate", "root"}


class Part(BaseModel):
    """Base of the sections: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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

    validation: folds, or the fraction of the remaining clips (whole groups, stratified by tag), that choose the epoch.
    train: folds; default: all others. shared_groups: whether a group (recording, speaker) on two sides of the split
    is an error, or reported and borne, as with official splits that do not keep speakers apart.
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
        return {k: _names(v) if k in ("test", "validation", "train") else v for k, v in value.items()}

    @model_validator(mode="after")
    def _parts_do_not_meet(self) -> Data:
        if isinstance(self.validation, float) and not 0 < self.validation < 1:
            raise ValueError(f"validation is {self.validation:g}: a fraction lies between 0 and 1, a fold is a name in a list")
        parts = {"test": self.test, "train": self.train or []}
        if isinstance(self.validation, list):
            parts["validation"] = self.validation
        seen: dict[str, str] = {}
        for part, folds in parts.items():
            for fold in folds:
                if fold in seen:
                    raise ValueError(f"fold {fold!r} is in both {seen[fold]} and {part}: a figure on it would mean nothing")
                seen[fold] = part
        return self


class WindowsPart(Part):
    """See `earmark.windows.Windows`; seconds."""

    length: float = Field(gt=0)
    hop: float = Field(gt=0)
    last: Literal["align", "pad", "drop"] = "align"
    short: Literal["pad", "centre", "repeat"] = "pad"
    combine: Literal["mean", "geometric", "max"] = "mean"
    skip_below: float | None = None

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
    """epochs: at most. stop_after: epochs without a gain in `choose`, or none. keep: which epoch becomes the tagger."""

    epochs: int = Field(ge=1)
    batch: int = Field(default=16, ge=1)
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    choose: Literal["loss", "accuracy", "map"] = "loss"
    keep: Literal["best", "last"] = "best"
    stop_after: int | None = Field(default=None, ge=1)
    precision: Literal["auto", "float32", "bf16"] = "auto"
    validate_every: int = Field(default=1, ge=1)


class Recipe(Part):
    """See the module's docstring, and the files in `earmark/recipes`."""

    name: str = ""
    summary: str = ""
    seed: int = 0
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


def _fractions(value: Any) -> Any:
    """'2048/44100' → 0.0464…, anywhere below `value`."""
    if isinstance(value, dict):
        return {k: _fractions(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_fractions(v) for v in value]
    match = FRACTION.match(value) if isinstance(value, str) else None
    return float(match[1]) / float(match[2]) if match and float(match[2]) else value


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
    raise RecipeError(
        str(name), [f"no such file, and no recipe of that name{did_you_mean(str(name), known)} Known: {', '.join(known)}"]
    )


def load(name: str | Path, settings: Iterable[str] = ()) -> Recipe:
    """Read and check a recipe by name or path. settings: `key.path=value`, values in YAML, put over the file's.

    Raises RecipeError with all mistakes.
    """
    path = find(name)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(str(name), [f"is not YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(raw, dict):
        raise RecipeError(str(name), [f"holds {type(raw).__name__}, not keys and values"])
    raw.setdefault("name", path.stem)
    for setting in settings:
        _put(raw, setting, str(name))
    return parse(raw, str(name))


def parse(raw: Mapping[str, Any], name: str = "recipe") -> Recipe:
    """A recipe from plain values, checked. Raises RecipeError with all mistakes."""
    raw = _fractions(dict(raw))
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


def _put(raw: dict[str, Any], setting: str, name: str) -> None:
    """`train.epochs=3` → raw["train"]["epochs"] = 3; numbers in the path are places in a list."""
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise RecipeError(name, [f"--set {setting}: has the form key.path=value, such as train.epochs=30"])
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(name, [f"--set {setting}: the value is not YAML ({' '.join(str(error).split())})"]) from error
    # YAML 1.1 takes 1e-3 for text; nobody who types it here does
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        value = float(value)
    place: Any = raw
    steps = key.split(".")
    for i, step in enumerate(steps):
        if isinstance(place, list):
            if not step.isdigit() or int(step) >= len(place):
                raise RecipeError(name, [f"--set {setting}: {'.'.join(steps[:i])} is a list of {len(place)}, {step!r} is none of its places"])
            here: Any = int(step)
        else:
            here = step
        if i == len(steps) - 1:
            place[here] = value
            return
        below = place[here] if isinstance(place, list) else place.setdefault(here, {})
        if isinstance(below, str):  # a component given by its name alone
            below = place[here] = {"name": below}
        if below is None:
            below = place[here] = {}
        if not isinstance(below, dict | list):
            raise RecipeError(name, [f"--set {setting}: {'.'.join(steps[: i + 1])} is {below!r} and has nothing below it"])
        place = below


def _sentence(problem: dict[str, Any]) -> str:
    """One of pydantic's errors → 'key.path: what is wrong'."""
    where = [str(step) for step in problem["loc"] if not str(step).startswith(("list[", "float", "function-"))]
    path = ".".join(where) or "recipe"
    if problem["type"] == "extra_forbidden":
        known = _keys_at(where[:-1])
        return f"{path}: no such key{did_you_mean(where[-1], known)} Known here: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{path}: is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    got = problem.get("input")
    told = "" if isinstance(got, dict | list) else f" (it is {got!r})"
    return f"{path}: {message[0].lower()}{message[1:]}{told}"


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
        options = data.get("options") or {}
        mistakes += _check_component(DATASETS, "data.options", {"name": data["dataset"], **options}, named_at="data.dataset")
    return mistakes


def _check_component(
    registry: Registry, where: str, part: Any, named_at: str | None = None, filled_in: set[str] = FILLED_IN
) -> list[str]:
    part = {"name": part} if isinstance(part, str) else part
    if not isinstance(part, dict) or not isinstance(part.get("name"), str):
        return []  # the structure's own check tells
    name = part["name"]
    if name not in registry:
        return [f"{named_at or where + '.name'}: no {registry.kind} is called {name!r}{did_you_mean(name, registry.names())} Known: {', '.join(registry.names())}"]
    entry = registry[name]
    function = entry.function.__init__ if inspect.isclass(entry.function) else entry.function
    hints = typing.get_type_hints(function)
    known = [key for key in entry.arguments() if key not in filled_in and key != "self"]
    mistakes = []
    for key, value in part.items():
        if key == "name":
            continue
        if key in filled_in and key in entry.arguments():
            mistakes.append(f"{where}.{key}: is filled in by the tagger and cannot be set")
        elif key not in known:
            mistakes.append(f"{where}.{key}: {name} takes no such argument{did_you_mean(key, known)} It takes {', '.join(known) or 'none'}")
        elif key in hints:
            mistakes += _check_value(hints[key], value, f"{where}.{key}")
    needed = [k for k in known if entry.arguments()[k].default is inspect.Parameter.empty and k not in part]
    return mistakes + [f"{where}.{key}: is missing ({name} needs it)" for key in needed]


def _check_value(hint: Any, value: Any, where: str) -> list[str]:
    try:
        TypeAdapter(hint).validate_python(value)
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
    stages = [AUGMENTATIONS[part.name].facts.get("stage") for part in recipe.augment]
    if not any(AUGMENTATIONS[part.name].facts.get("crops") for part in recipe.augment):
        mistakes.append(f"augment: nothing makes clips of any length into windows of {recipe.windows.length:g} s: add `crop`")
    if "batch" in stages and "clip" in stages[stages.index("batch") :]:
        mistakes.append("augment: augmentations of single clips come before those of whole batches")
    if recipe.task == "many" and recipe.train.choose == "accuracy":
        mistakes.append("train.choose: accuracy needs one tag a clip: take map or loss")
    return mistakes
