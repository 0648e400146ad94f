"""Weights from before: which taggers a recipe takes them from, and whether these learnt from clips that are to be kept apart.

A tagger knows what its base learnt from. Where the base is of the same data set, folds tell; a data set is the same by its
name where it has official folds, and by the digest of the base's clips where its name is only that of a layout (`folder`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.data import sounds
from earmark.data.manifest import Manifest
from earmark.data.named import data_set
from earmark.data.splits import ClipSet, Parts
from earmark.errors import ManifestError, counted
from earmark.evaluation.leakage import official
from earmark.models import loading
from earmark.models.facts import Base, Facts
from earmark.models.file import read_head
from earmark.recipe import Recipe
from earmark.recipe.schema import loaded
from earmark.train.folder import STATE, TAGGER, Say

BEAR = "bear it with --set data.shared_groups=report"


def sources(load: dict[str, str]) -> dict[str, list[str]]:
    """Where a recipe's `load` takes weights from: source → the parts of it."""
    found: dict[str, list[str]] = {}
    for part, place in load.items():
        source, inner = loaded(part, place)
        found.setdefault(source, []).append(inner)
    return found


def of_recipe(recipe: Recipe, folder: Path) -> tuple[dict[str, tuple[Base, ...]], dict[str, str]]:
    """The bases of each phase ("": of a recipe without phases), but for phases that are another's source; and the identities of
    the taggers that weights are still to be loaded from, by where the recipe says.

    folder: of the run; what a phase kept there tells its bases, which may be gone since. Raises TaggerError.
    """
    plans = {name: recipe.phases[name].load for name in recipe.running()} or {"": recipe.load}
    weights: dict[str, str] = {}
    found: dict[str, tuple[Base, ...]] = {}
    for name, load in plans.items():
        found[name], loaded = _of(load, recipe, folder / name)
        weights |= loaded
    return found, weights


def _of(load: dict[str, str], recipe: Recipe, phase: Path) -> tuple[tuple[Base, ...], dict[str, str]]:
    outside = {source: parts for source, parts in sources(load).items() if source not in recipe.phases}
    kept = phase / TAGGER
    # without a state it begins anew, whatever it kept
    if outside and (phase / STATE).is_file() and kept.is_file() and (told := kept_bases(kept)):
        return told, {}
    found: list[Base] = []
    weights: dict[str, str] = {}
    for source, parts in outside.items():
        tagger = loading.load(source, engine="torch")
        weights[source] = tagger.identity()
        found += Base.of(tagger.facts, weights[source], source, parts)
    return tuple(dict.fromkeys(found)), weights


def kept_bases(tagger: Path) -> tuple[Base, ...]:
    """Those that a tagger's file tells."""
    return Facts.read(read_head(tagger)["facts"], str(tagger)).bases or ()


def check(
    bases: Iterable[Base], recipe: Recipe, manifest: Manifest, parts: Parts, say: Say, *, named: bool = False
) -> dict[Base, Base]:
    """Say what each base learnt from; each again, with whether it is of this data.

    A clip whose very sound a base learnt from is met whatever it is called there, as far as the base's file tells sounds.
    named: clips are those that the base learnt from where their ids or paths are, also where nothing tells that the data
    are the same: a table of one's own names files of a public data set.

    Raises ManifestError where one learnt from test clips, unless the recipe bears shared groups.
    """
    told, heard = {}, {}
    for base in dict.fromkeys(bases):
        same = of_this_data(base, recipe, manifest)
        told[base] = replace(base, same=bool(same))
        say(f"{'is taught by' if base.taught else 'begins with weights of'} {base.words()}")
        if same is None:
            say(
                f"whether {base.source} learnt from clips of this data cannot be known from its file: "
                "where it did, figures on them are too good"
            )
        for name, use in (
            ("test", "figures would be"),
            ("validation", "the epoch would be chosen on figures that are"),
        ):
            part: Manifest = getattr(parts, name)
            met = _learnt(base, part) if same else _known(base, part) if named else np.zeros(len(part), bool)
            if tells_sounds(base) and len(part):
                if name not in heard:
                    heard[name] = list(sounds.keys(part, sounds.of_files(part)))
                met = met | _heard(base, heard[name])
            if met.any():
                _refuse_or_say(told[base], name, met, part, use, recipe, say)
    return told


def _refuse_or_say(
    base: Base, name: str, met: NDArray[np.bool_], part: Manifest, use: str, recipe: Recipe, say: Say
) -> None:
    """met: (clips,) which of the part the base learnt from."""
    first, count = str(part.ids[met.argmax()]), int(met.sum())
    sentence = f"{base.source} learnt from {count:,} of the {counted(len(part), f'{name} clip')}, such as {first!r}: {use} too good"
    other = (
        f"test on other folds than {', '.join(_folds(base))}" if _folds(base) and base.same else "test on other clips"
    )
    if name == "test" and recipe.data.shared_groups != "report":
        raise ManifestError(
            f"{'teacher' if base.taught else 'load'}: {base.words()}. {sentence}. Take another "
            f"{'teacher' if base.taught else 'base'}, {other}, or {BEAR}"
        )
    say(f"warning: {sentence}")


def of_this_data(base: Base, recipe: Recipe, manifest: Manifest) -> bool | None:
    """Whether a base learnt from clips of this manifest's data set; None: cannot be known."""
    if base.train is None or base.data is None:
        return None
    here = data_set(manifest, recipe.data.dataset)
    if official(base.data) and base.data == here:
        return True
    rows = manifest.select(np.isin(manifest.folds, list(base.train.folds))) if base.train.folds else manifest
    if ClipSet.of(rows).sha256 == base.train.sha256:
        return True
    # a data set with official clips is another one than that of another name; of a layout nobody knows
    both = official(base.data) and official(here)
    return False if both else None


def _folds(base: Base) -> list[str]:
    return sorted({fold for clips in (base.train, base.validation) if clips for fold in clips.folds})


def _learnt(base: Base, part: Manifest) -> NDArray[np.bool_]:
    """Which clips of a part (clips,) the base learnt from: those of its folds, or all where it had none."""
    folds = _folds(base)
    return np.isin(part.folds, folds) if folds else np.ones(len(part), bool)


def tells_sounds(base: Base) -> bool:
    return any(clips is not None and clips.sounds for clips in (base.train, base.validation))


def _heard(base: Base, keys: list[str]) -> NDArray[np.bool_]:
    """Which sounds (clips,) the base surely learnt from. keys: of `earmark.data.sounds`."""
    heard: NDArray[np.bool_] = np.any(
        [clips.heard(keys) for clips in (base.train, base.validation) if clips is not None], axis=0
    )
    return heard


def _known(base: Base, part: Manifest) -> NDArray[np.bool_]:
    """Which clips of a part (clips,) the base surely learnt from, whatever data they are a part of: by their ids and paths.

    A table elsewhere names the same file with more or fewer folders before it, so that each end of a path is looked up.
    """
    names = [
        {str(name), *("/".join(path.parts[at:]) for at in range(len(path.parts)))}
        for name, path in zip(part.ids, map(Path, part.table["path"].to_pylist()), strict=True)
    ]
    row = np.repeat(np.arange(len(part)), [len(each) for each in names])
    flat = [name for each in names for name in each]
    known = np.zeros(len(part), bool)
    for clips in (base.train, base.validation):
        if clips is not None and flat:
            known[row[clips.known(flat)]] = True
    return known
