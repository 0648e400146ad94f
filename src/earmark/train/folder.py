"""The run folder: what is in it, and that it is the right one.

    recipe.yaml            the recipe as it ran, settings included
    split.json             its clips: a resumed run must find the same ids, labels and sound, in the same order
    began.json             what else it began with: see `earmark.train.began`
    run.json               what it ran on: data, split, precision, versions
    log.csv, curves.png    one row an epoch
    state.safetensors      all that is needed to go on: weights, optimiser, history (no pickle)
    tagger.safetensors     the epoch that was kept so far
    epochs/                every epoch's tagger, with train.keep=every
    errors.csv             clips that could not be read, if any
    known.json             of packs: what was found out of the clips, so that to go on takes no second look at millions
    left-out.json          of a pack: those that were known when the run began, if any, and stay left out

A training in phases has a folder with log, curves, state and tagger for each phase, by its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from earmark import recipe as recipes
from earmark.data import leaks, sounds
from earmark.data.clipset import ClipSet, names_of, sorted_digest
from earmark.data.manifest import Manifest
from earmark.data.splits import Parts
from earmark.errors import EarmarkError
from earmark.files import clear_up, left_of, notation, write_text
from earmark.files.bounds import read_json
from earmark.files.lock import locked
from earmark.recipe import Recipe
from earmark.train import began
from earmark.train.began import Began

RECIPE = "recipe.yaml"
STATE = "state.safetensors"
TAGGER = "tagger.safetensors"
LOG = "log.csv"
SPLIT = "split.json"
KNOWN = "known.json"
# what a start writes before the recipe, and what is in it
BEFORE = {SPLIT: {"train", "validation", "test"}, began.FILE: {"salvage"}}
SHOWN = 3  # how many settings a message tells
SIDES = {"train": "training", "validation": "validation", "test": "test"}  # as people call them
COMPARED = {"sha256": "ids", "folds": "folds", "clips": "number", "labels": "labels", "sound": "sound"}
ROWS = 50_000  # of a table, at a time
Say = Callable[[str], None]


@contextmanager
def prepared(
    folder: Path, recipe: Recipe, parts: Parts, begun: Began, resume: bool, workers: int, say: Say = lambda line: None
) -> Iterator[dict[str, str]]:
    """Make the folder, or see that it holds this very run, in which nobody else works while the block lasts.

    Its clips are the same where their ids, what is told of them and the bytes of their files are. begun: what else it begins with.
    Gives the samples of the sounds that are learnt from (`earmark.data.sounds`), by part. Raises EarmarkError, and ManifestError where a
    sound lies on two sides of the split of a run that has learnt nothing yet; where the recipe bears that, `say` is told.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder, "run"):
            yield _prepare(folder, recipe, parts, begun, resume, workers, say)
    finally:
        if made:
            with suppress(OSError):  # it holds something
                folder.rmdir()


def _of_a_start(file: Path) -> bool:
    """Whether a file is one that a start writes before there is a recipe: of one that was killed it may be there, and goes."""
    if left_of(file) in (*BEFORE, RECIPE):
        return True
    try:
        told = read_json(file) if file.name in BEFORE else None
    except (OSError, ValueError, EarmarkError):
        return False
    return isinstance(told, dict) and BEFORE[file.name] <= set(told)


def learnt(folder: Path) -> bool:
    """Whether a run, or one of its phases, has kept anything to go on with."""
    return any((*folder.rglob(STATE), *folder.rglob(TAGGER)))


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def check_place(folder: Path, recipe: Recipe, resume: bool) -> bool:
    """Whether there is a run to go on with. Raises EarmarkError where a run of the recipe can neither begin nor go on."""
    if not (folder / RECIPE).is_file():
        if others := [each.name for each in _inside(folder) if not _of_a_start(each)]:
            raise EarmarkError(
                f"{folder}: is not empty and holds no run of earmark, but {others[0]}: take another --out"
            )
        return False
    if not resume:
        raise EarmarkError(f"{folder}: holds a run already: --resume goes on with it, another --out starts a new one")
    check_alike(folder, recipe)
    return True


def check_alike(folder: Path, recipe: Recipe) -> None:
    """Raises EarmarkError for the run of another recipe."""
    kept = folder / RECIPE
    if changed := _changed(kept, recipe):
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise EarmarkError(
            f"{folder}: was started with another recipe or other settings ({', '.join(changed[:SHOWN])}{more}; see {kept}): "
            "resume with the same, or take another --out"
        )


def _prepare(
    folder: Path, recipe: Recipe, parts: Parts, begun: Began, resume: bool, workers: int, say: Say
) -> dict[str, str]:
    def apart(digest: Mapping[Path, str]) -> None:
        leaks.check_sounds(parts, digest, bear=recipe.data.shared_groups == "report", say=say)
        for name, what in SIDES.items():
            for line in leaks.copies(what, getattr(parts, name), digest):
                say(line)

    if not check_place(folder, recipe, resume):
        clear_up(folder)
        now, heard = _clips(parts, recipe, workers, apart)
        _begin(folder, recipe, begun, now)
        _know(folder, parts, now, heard)
        return heard
    if learnt(folder):
        begun.check(folder)
    else:
        begun.write(folder)
    before = json.loads((folder / SPLIT).read_text(encoding="utf-8"))
    known = _known(folder, parts)
    # what has learnt goes on as it was begun
    now, heard = known or _clips(parts, recipe, workers, (lambda digest: None) if learnt(folder) else apart)
    if before != now and not learnt(folder):
        write_json(folder / SPLIT, now)  # nothing was learnt yet: clips may have been mended
        before = now
    _check_clips(folder, before, now)
    if known is None:
        _know(folder, parts, now, heard)
    clear_up(folder)  # of a kill while an epoch was written
    return heard


def _begin(folder: Path, recipe: Recipe, begun: Began, clips: Mapping[str, Any]) -> None:
    write_json(folder / SPLIT, clips)
    begun.write(folder)
    # last and in one step: where there is a recipe, there is a run to go on with, and what a kill leaves without one is no run
    write_text(folder / RECIPE, yaml.safe_dump(recipe.as_dict(), sort_keys=False, allow_unicode=True))


def _check_clips(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """What a run of an earlier version does not tell is not compared."""
    for part, told in now.items():
        for name, what in COMPARED.items():
            if name in before.get(part, {}) and before[part][name] != told[name]:
                raise EarmarkError(
                    f"{folder}: was started with other clips than --data gives now: the {what} of the {part} clips differ. Give "
                    "the data that it was started with, or take another --out"
                )
        if "order" in before.get(part, {}) and before[part]["order"] != told["order"]:
            raise EarmarkError(
                f"{folder}: was started with the same {part} clips in another order, by which the rest would be drawn otherwise. Give "
                "them in the order of then, or take another --out"
            )


def _clips(
    parts: Parts, recipe: Recipe, workers: int, check: Callable[[Mapping[Path, str]], None]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What identifies the clips of each part: those facts that a tagger keeps too, their sound and order; samples of the sounds.

    check: is given the digests of their files.
    """
    digest = {
        path: each for name in parts.as_dict() for path, each in sounds.of_files(getattr(parts, name), workers).items()
    }
    check(digest)
    told, heard = {}, {}
    plans = [recipes.during(recipe, name) for name in recipe.running()] or [recipe]
    in_shards = any(plan.train.buffer is not None for plan in plans)
    for name, facts in parts.as_dict().items():
        clips: Manifest = getattr(parts, name)
        told[name] = {**facts, "sound": _sound(clips, digest)}
        if name != "test":  # teaches nothing
            heard[name] = sounds.sample(clips, digest)
            told[name]["order"] = _order(clips, in_shards)
    return told, heard


def _key(parts: Parts) -> str | None:
    """Of all that is told of the clips, in their order, of which `_clips` finds out more slowly what it gives. None where clips are not of
    packs: what their files hold is to be looked at each time.
    """
    digest = hashlib.sha256(version("earmark").encode())
    for name in ("train", "validation", "test"):
        clips: Manifest = getattr(parts, name)
        if "sha256" not in clips.table.column_names:
            return None
        digest.update(f"\n{name} {len(clips)} {clips.table.column_names}".encode())
        for batch in clips.table.to_batches(max_chunksize=ROWS):
            digest.update(batch.serialize())
    return digest.hexdigest()


def _know(folder: Path, parts: Parts, now: Mapping[str, Any], heard: Mapping[str, str]) -> None:
    if key := _key(parts):
        sets = {name: each.as_facts() for name, each in parts.sets.items()}
        write_json(folder / KNOWN, {"key": key, "clips": now, "sounds": heard, "sets": sets})


def _known(folder: Path, parts: Parts) -> tuple[dict[str, dict[str, Any]], dict[str, str]] | None:
    """What `_clips` gave of these very clips, when the run began."""
    try:
        told = json.loads((folder / KNOWN).read_text(encoding="utf-8"))
        if told["key"] != _key(parts):
            return None
        sets = {name: ClipSet.read(each) for name, each in told["sets"].items()}
        found = dict(told["clips"]), dict(told["sounds"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    parts.take_as_known(sets)
    return found


def _sound(clips: Manifest, digest: Mapping[Path, str]) -> str:
    """A digest of the bytes of the clips' files, wherever these lie; a pack tells each clip's, and is not read for it."""
    return sorted_digest(
        f"{name}\t{each}" for name, each in zip(names_of(clips), sounds.each(clips, digest), strict=True)
    )


def _order(clips: Manifest, in_shards: bool) -> str:
    """A digest of the order of the clips, which what is drawn goes by; of those that are read shard after shard, of their places too."""
    digest = hashlib.sha256()
    columns = ["id", *(["path"] if in_shards else [])]
    for first in range(0, len(clips), ROWS):
        block = clips.table.slice(first, ROWS)
        for told in zip(*(block[name].to_pylist() for name in columns), strict=True):
            digest.update("\t".join((*told, "\n")).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _changed(kept: Path, recipe: Recipe) -> list[str]:
    """What is told otherwise than when a run was started, 'key: before, now'; keys that it did not have then are as their defaults."""
    text = yaml.safe_dump(recipe.as_dict(), sort_keys=False, allow_unicode=True)
    if kept.read_text(encoding="utf-8") == text:
        return []
    try:
        before = recipes.load(kept).as_dict()
    except EarmarkError:
        return ["what it was started with cannot be read"]
    now = recipe.as_dict()
    for told in (before, now):
        told["data"]["tags"] = None  # for `earmark check`: training takes the tags that the clips have
    return list(_differences(before, now))


def _differences(before: Any, now: Any, key: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for each in dict.fromkeys((*before, *now)):
            yield from _differences(before.get(each), now.get(each), f"{key}.{each}" if key else str(each))
    elif before != now:
        yield f"{key}: {_value(before)}, now {_value(now)}"


def _value(told: Any) -> str:
    text = "none" if told is None else json.dumps(told, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def write_json(path: Path, value: Any) -> None:
    write_text(path, notation.text(value) + "\n")


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("earmark", "torch", "numpy", "soundfile", "soxr")}
