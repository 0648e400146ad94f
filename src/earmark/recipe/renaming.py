"""A setting that names another feature, net, augmentation or data set: what the old one alone took goes away, and it is said.

`--set features.name=mfcc` over a recipe with `{name: logmel, window: …, bands: 64, log: ln}`: MFCCs take the window too,
and call the bands mel_bands; they have no other logarithm. What is set of the new one by other settings stays, whatever
it is, so that a slip is told.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, get_type_hints

import yaml

from earmark.recipe.checks import check_value
from earmark.recipe.text import plain
from earmark.registry import AUGMENTATIONS, DATASETS, FEATURES, NETS, Entry, Registry

KINDS = {"net": NETS, "features": FEATURES}
SCALES = ("mean", "deviation")  # constants of a feature's values: of other values they are not


def names_first(settings: Iterable[str]) -> list[str]:
    """The same settings, those that name something before the others, which may be of what is named.

    >>> names_first(["net.width=8", "net.name=cnnspec"])
    ['net.name=cnnspec', 'net.width=8']
    """
    return sorted(settings, key=lambda setting: _kind(_path(setting)) is None)


def clear(raw: dict[str, Any], setting: str) -> list[str]:
    """Take out of `raw` what the thing that `setting` names does not take; what was taken out, in sentences."""
    steps = _path(setting)
    registry = _kind(steps)
    name = _value(setting)
    part = _at(raw, steps[:-1])
    if registry is None or not isinstance(name, str) or name not in registry or not part:
        return []
    where = ".".join(steps[:-1])
    part = {"name": part} if isinstance(part, str) else part  # a component given by its name alone
    if not isinstance(part, dict):
        return []
    before = part.get(steps[-1])
    if registry is DATASETS:
        where, part = "data.options", part.get("options")
        part = part if isinstance(part, dict) else {}
    if before == name:
        return []
    notes = _told(where, before, name, _drop(registry, str(before), name, part))
    if registry is DATASETS and _at(raw, steps[:-1]).pop("tags", None) is not None:  # how many there are
        notes += _told("data", before, name, ["tags"])
    if registry is NETS and NETS[name].facts.get("input") == "waves":
        place = _at(raw, steps[:-2])
        gone = [key for key in ("features", "resize") if isinstance(place, dict) and place.pop(key, None) is not None]
        notes += [f"{' and '.join(gone)}: left out, as {name} hears the raw waveform"] if gone else []
    return notes


def _drop(registry: Registry, before: str, name: str, part: dict[str, Any]) -> list[str]:
    """The keys that the new one does not take, taken out of `part`; those that it calls otherwise are called so."""
    entry = registry[name]
    old: Entry | None = registry[before] if before in registry else None  # noqa: SIM401 - a Registry has no get
    for mine, theirs in _renamed(old, entry).items():
        if mine in part and theirs not in part:
            part[theirs] = part.pop(mine)
    function = entry.function.__init__ if inspect.isclass(entry.function) else entry.function
    takes = set(inspect.signature(function).parameters) | {"name"}
    hints = get_type_hints(function)  # another thing of the same name is known by its kind
    takes -= {key for key in part if key in hints and check_value(hints[key], part[key], str(key))}
    if registry is FEATURES and old is not None and old.facts.get("values") != entry.facts.get("values"):
        takes -= set(SCALES)
    gone = [key for key in part if key not in takes]
    for key in gone:
        del part[key]
    return [str(key) for key in gone]


def _renamed(old: Entry | None, new: Entry) -> dict[str, str]:
    """What the old one calls its arguments → what the new one calls the same."""
    both: list[dict[str, str]] = [entry.facts.get("calls", {}) if entry else {} for entry in (old, new)]
    theirs, ours = ({word: key for key, word in both[0].items()}, both[1])
    return theirs | ours


def _told(where: str, before: Any, name: str, gone: list[str]) -> list[str]:
    if not gone:
        return []
    what = f"{', '.join(gone[:-1])} and {gone[-1]} are" if len(gone) > 1 else f"{gone[0]} is"
    return [f"{where}: {what} left out: set for {before}, not for {name}"]


def _path(setting: str) -> list[str]:
    return setting.partition("=")[0].split(".")


def _value(setting: str) -> Any:
    try:
        return plain(setting.partition("=")[2])
    except (yaml.YAMLError, ValueError):
        return None  # the setting itself is refused


def _kind(steps: list[str]) -> Registry | None:
    """Of what a path ends with the name; None where it does not."""
    inner = steps[2:] if steps[0] == "phases" else steps
    if inner == ["data", "dataset"]:
        return DATASETS
    if len(inner) == 2 and inner[1] == "name":
        return KINDS.get(inner[0])
    return AUGMENTATIONS if len(inner) == 3 and inner[0] == "augment" and inner[2] == "name" else None


def _at(raw: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(raw, list):
            raw = raw[int(step)] if step.isdecimal() and int(step) < len(raw) else None
        else:
            raw = raw.get(step) if isinstance(raw, dict) else None
    return raw
