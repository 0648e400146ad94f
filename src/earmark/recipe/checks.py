"""What is wrong with a recipe: every mistake as a sentence with the path of its key."""

from __future__ import annotations

import inspect
import json
import reprlib
import typing
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from earmark.errors import EarmarkError
from earmark.errors.refusals import all_of
from earmark.recipe import bounds
from earmark.recipe.phasenames import name_mistakes
from earmark.recipe.schema import Component, Recipe, loaded
from earmark.registry import (
    AUGMENTATIONS,
    DATASETS,
    NETS,
    NUMPY_FEATURES,
    STAGES,
    Entry,
    Registry,
    check_augmentation,
    did_you_mean,
    features,
)

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


def check(raw: Mapping[str, Any]) -> tuple[Recipe | None, list[str]]:
    """Plain values → (the recipe, nothing) or (none or what could be read, all mistakes)."""
    recipe, mistakes = _structure(raw)
    mistakes += _component_mistakes(raw)
    if recipe is not None and not mistakes:
        mistakes = _cross_mistakes(recipe) if not recipe.phases else _phase_mistakes(recipe)
        mistakes += _fold_mistakes(recipe)
    return recipe, sorted(set(mistakes))


def check_hearing(raw: Mapping[str, Any], elsewhere: Collection[str] = ()) -> tuple[Recipe | None, list[str]]:
    """As `check`, of a recipe by which nothing is trained or built: what is not looked up is the net, the augmentations and
    the data set, which only code with torch knows. elsewhere: features that are not looked up either."""
    recipe, mistakes = _structure(raw)
    if recipe is None or recipe.features is None or recipe.features.name not in elsewhere:
        mistakes += _feature_mistakes(raw, "", NUMPY_FEATURES)
    if recipe is not None and not mistakes:
        mistakes = _window_mistakes(recipe)
    return recipe, sorted(set(mistakes))


def check_built(raw: Mapping[str, Any]) -> tuple[Recipe | None, list[str]]:
    """As `check`, of a recipe whose net is built, and by which nothing is trained: the augmentations, the data set and the phases are
    not looked up, which may be of plug-ins that nobody needs to hear with it."""
    recipe, mistakes = _structure(raw)
    mistakes += _heard_mistakes(raw, "")
    if recipe is not None and not mistakes:
        mistakes = _window_mistakes(recipe) + _input_mistakes(recipe)
    return recipe, sorted(set(mistakes))


def _fold_mistakes(recipe: Recipe) -> list[str]:
    """Folds that there will not be, whatever clips come: where all are dealt anew, those are known."""
    data = recipe.data
    if data.folds is None or data.deal != "all":
        return []
    named = {"test": data.test, "validation": data.validation, "train": data.train or []}
    dealt = [str(i + 1) for i in range(data.folds)]
    return [
        f"data.{part}: there is no fold {fold!r} where all clips are dealt into {data.folds}: they are called 1 to {data.folds}"
        for part, folds in named.items()
        for fold in (folds if isinstance(folds, list) else ())
        if fold not in dealt
    ]


def _window_mistakes(recipe: Recipe) -> list[str]:
    return bounds.windows(recipe.windows.length, recipe.windows.hop, recipe.sample_rate) + _resize_mistakes(recipe)


def _structure(raw: Mapping[str, Any]) -> tuple[Recipe | None, list[str]]:
    try:
        return Recipe.model_validate(raw), []
    except ValidationError as error:
        return None, [_sentence(dict(problem)) for problem in error.errors()]


def _phase_mistakes(recipe: Recipe) -> list[str]:
    """What is wrong with each phase put over the recipe, and between the phases that run."""
    run = recipe.running()
    mistakes = name_mistakes(list(recipe.phases))
    mistakes += [
        f"run: no phase is called {name!r}{did_you_mean(name, recipe.phases)} The phases: {', '.join(recipe.phases)}"
        for name in run
        if name not in recipe.phases
    ]
    mistakes += [f"run: {name!r} is there twice" for name in sorted({name for name in run if run.count(name) > 1})]
    if not run:
        mistakes.append("run: is empty, so nothing would be trained: name phases, or leave it out for all of them")
    for name, phase in recipe.phases.items():
        whole, wrong = _structure(recipe.during(name))
        if whole is not None:
            wrong += _cross_mistakes(whole)
        mistakes += [f"phases.{name}.{mistake}" for mistake in wrong]
        earlier = run[: run.index(name)] if name in run else list(recipe.phases)
        mistakes += _source_mistakes(phase.load, earlier, f"phases.{name}.load")
    if run and run[-1] in recipe.phases:
        last = recipe.phases[run[-1]]
        mistakes += [
            f"phases.{run[-1]}.{key}: the last phase trains the recipe's own {key}: set it outside of the phases"
            for key in ("net", "features", "resize")
            if key in last.model_fields_set
        ]
    if recipe.load:
        mistakes.append("load: with phases, each says what it loads")
    return mistakes


def _source_mistakes(load: Mapping[str, str], phases: Sequence[str], where: str) -> list[str]:
    mistakes = []
    for part, reference in load.items():
        source, _ = loaded(part, reference)
        if source not in phases and not source.endswith(".safetensors"):
            known = f"earlier phases: {', '.join(phases)}" if phases else "there is no earlier phase"
            mistakes.append(
                f"{where}.{part}: {reference!r} is neither an earlier phase nor a tagger file (.safetensors), "
                f"with :part behind it; {known}"
            )
    return mistakes


def _sentence(problem: dict[str, Any]) -> str:
    """One of pydantic's errors → 'key.path: what is wrong'."""
    where = [
        str(s) for s in problem["loc"] if s != "float" and not str(s).startswith(("list[", "function-", "literal["))
    ]
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
    actual = "it is a list" if isinstance(got, list) else "it is empty" if got is None else f"it is {reprlib.repr(got)}"
    # where keys contradict each other, the message says which
    return f"{path}: {message[0].lower()}{message[1:]}" + ("" if isinstance(got, dict) else f" ({actual})")


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
    """Unknown names and wrong arguments of the nets, features, augmentations and the data set."""
    mistakes = _part_mistakes(raw, "")
    phases = raw.get("phases")
    for name, phase in phases.items() if isinstance(phases, dict) else ():
        mistakes += _part_mistakes(phase, f"phases.{name}.") if isinstance(phase, dict) else []
    data = raw.get("data")
    if isinstance(data, dict) and isinstance(data.get("dataset"), str):
        options = data.get("options")
        named = {**(options if isinstance(options, dict) else {}), "name": data["dataset"]}
        mistakes += _check_component(DATASETS, "data.options", named, named_at="data.dataset")
        if isinstance(options, dict) and "name" in options:
            mistakes.append("data.options.name: the data set is named by data.dataset")
    return mistakes


def _part_mistakes(raw: Mapping[str, Any], where: str) -> list[str]:
    mistakes = _heard_mistakes(raw, where)
    augment = raw.get("augment") or []
    for i, part in enumerate(augment if isinstance(augment, list) else ()):
        mistakes += _check_component(AUGMENTATIONS, f"{where}augment.{i}", part)
    return mistakes


def _heard_mistakes(raw: Mapping[str, Any], where: str) -> list[str]:
    """Of the net and its features."""
    return _check_component(NETS, f"{where}net", raw.get("net")) + _feature_mistakes(raw, where, features())


def _feature_mistakes(raw: Mapping[str, Any], where: str, registry: Registry) -> list[str]:
    """registry: of features that are not there in NumPy, whose arguments are at hand without torch."""
    part = raw.get("features")
    name = part.get("name") if isinstance(part, dict) else part
    registry = NUMPY_FEATURES if name in NUMPY_FEATURES else registry
    return _check_component(registry, f"{where}features", part, filled_in=FILLED_IN - {"bands"})


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
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        if entry.own:
            raise
        hints = {}  # of a plug-in whose annotations name what is not there: it says itself what it makes of a value
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
            mistakes += check_value(hints[key], value, f"{where}.{key}")
    needed = [k for k in takes if entry.arguments()[k].default is inspect.Parameter.empty and k not in part]
    return mistakes + [f"{where}.{key}: is missing ({name} needs it)" for key in needed]


def check_value(hint: Any, value: Any, where: str) -> list[str]:
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
    mistakes = bounds.windows(recipe.windows.length, recipe.windows.hop, recipe.sample_rate)
    if recipe.run is not None and not recipe.phases:
        mistakes.append(f"run: there are no phases, so none can be picked (it is {recipe.run})")
    mistakes += _input_mistakes(recipe) + _resize_mistakes(recipe)
    if recipe.task == "many" and recipe.train.choose == "accuracy":
        mistakes.append("train.choose: accuracy needs one tag a clip: take map or loss")
    mistakes += _segment_mistakes(recipe)
    schedule, top = recipe.train.schedule, recipe.train.optimiser.lr
    if schedule.name != "constant" and schedule.lowest > top:
        mistakes.append(
            f"train.schedule.lowest: {schedule.lowest:g} is above train.optimiser.lr, {top:g}: "
            "the rate would rise where it should fall"
        )
    if recipe.data.validation == []:
        needs = "needs validation clips, and data.validation is empty"
        if recipe.train.keep == "best":
            mistakes.append(f"train.keep: best {needs}: take last")
        if recipe.train.schedule.name == "plateau":
            mistakes.append(f"train.schedule.name: plateau {needs}: take constant or cosine")
        if recipe.train.stop_after is not None:
            mistakes.append(f"train.stop_after: {needs}: leave it out")
    return mistakes + _augment_mistakes(recipe)


def _input_mistakes(recipe: Recipe) -> list[str]:
    hears = NETS[recipe.net.name].facts.get("input")
    if hears != "waves" and recipe.features is None:
        return [f"features: is missing: {recipe.net.name} listens to spectrograms"]
    if hears == "waves" and recipe.features is not None:
        return [f"features: {recipe.net.name} listens to the raw waveform: leave `features` out"]
    return []


def _resize_mistakes(recipe: Recipe) -> list[str]:
    if recipe.resize is not None and recipe.features is None:
        return ["resize: there are no maps to resize without `features`"]
    return []


def _segment_mistakes(recipe: Recipe) -> list[str]:
    """Where every segment comes once, none comes oftener; and a bound on all phases needs some."""
    mistakes = []
    if recipe.train.segments == "every" and recipe.train.balance != "none":
        mistakes.append(f"train.balance: is {recipe.train.balance}, but segments: every has each once: take none")
    if recipe.train.buffer is not None and (recipe.train.balance != "none" or recipe.train.segments != "random"):
        mistakes.append(
            "train.buffer: reads a pack's shards in order, each clip once, which goes with neither balance: classes nor "
            "segments: every. Leave it out"
        )
    entries = [AUGMENTATIONS[part.name] for part in recipe.augment]
    pairs = [entry.name for entry in entries if entry.facts.get("stage") == "pair"]
    if recipe.train.buffer is not None and pairs:
        mistakes.append(
            f"train.buffer: reads a pack's shards in order, and {', '.join(pairs)} takes clips from anywhere in the pack: leave one of "
            "them out, or mix within batches, as mixup does"
        )
    varied = [entry for entry in entries if entry.facts.get("chance", entry.facts.get("stage") == "clip")]
    if recipe.train.consistency is not None and recipe.train.segments == "every" and not (varied or pairs):
        mistakes.append(
            "train.consistency: compares two views of each clip, which with segments: every are the same window, as nothing in augment "
            "changes clips by chance: add gain, equalise or speed, or take segments: random"
        )
    if recipe.epochs is not None and not recipe.phases:
        mistakes.append("epochs: is of all phases together, and there are none: take train.epochs")
    return mistakes


def _made_mistakes(recipe: Recipe, i: int, entry: Entry, part: Component) -> list[str]:
    """What an augmentation refuses of its arguments, and of the windows where these are made before it; what it lacks to be one."""
    given = {"sample_rate": recipe.sample_rate} if "sample_rate" in entry.arguments() else {}
    make = partial(entry.function, **given, **part.arguments)
    try:
        with entry.at_work("making", through=ValueError):  # what it says of its arguments is the recipe's mistake
            made = make()
    except (ValueError, EarmarkError) as error:
        return [f"augment.{i}: {sentence}" for sentence in all_of(make, error)]
    if wrong := check_augmentation(entry.facts["stage"], made):
        return [f"augment.{i}: {entry.told} {wrong}"]
    windowed = any(AUGMENTATIONS[before.name].facts.get("crops") for before in recipe.augment[:i])
    wrong = made.unfit(recipe.windows.length) if windowed and hasattr(made, "unfit") else ""
    return [f"augment.{i}: {wrong}"] if wrong else []


def _augment_mistakes(recipe: Recipe) -> list[str]:
    """Values that an augmentation refuses, and an order that cannot be."""
    mistakes = []
    entries = [AUGMENTATIONS[part.name] for part in recipe.augment]
    for i, (entry, part) in enumerate(zip(entries, recipe.augment, strict=True)):
        mistakes += _made_mistakes(recipe, i, entry, part)
        if entry.facts.get("task", recipe.task) != recipe.task:
            what = "gives a clip several tags" if recipe.task == "one" else "is for clips of one tag"
            mistakes.append(f"augment.{i}: {entry.name} {what}, and task is {recipe.task}: leave it out, or take mixup")
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
    stages = [STAGES.index(str(entry.facts.get("stage"))) for entry in entries]
    if stages != sorted(stages):
        mistakes.append(
            "augment: augmentations of single clips come first, then sums with other clips (pair), then those of whole "
            "batches, then those of maps"
        )
    if "maps" in [entry.facts.get("stage") for entry in entries] and recipe.features is None:
        mistakes.append("augment: there are no maps to work on without `features`")
    return mistakes
