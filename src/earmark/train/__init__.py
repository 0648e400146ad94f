"""Training: a recipe and a manifest → a run folder with a tagger in it. See `earmark.train.folder` for what it holds.

Every random draw is seeded by (seed, epoch, …) and the state is replaced in one step at the end of each epoch, so a run
that is killed and resumed ends with the same bytes as one that is not.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from earmark import recipe as recipes
from earmark.data import splits
from earmark.data.manifest import Manifest
from earmark.data.splits import Parts
from earmark.errors import EarmarkError, ManifestError, RecipeError, TaggerError
from earmark.inference.allocator import keep_freed_memory
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.anytagger import AnyTagger
from earmark.recipe import Recipe
from earmark.report import pictures
from earmark.train import precision, processes
from earmark.train.folder import LOG, STATE, TAGGER, Say, prepare, report_audio, versions, write_json
from earmark.train.loader import Waves
from earmark.train.phase import Lesson, Listener, fit, part_of
from earmark.train.state import Course, ended, load_state, write_log


def train(
    recipe: Recipe,
    manifest: Manifest,
    folder: Path,
    *,
    resume: bool = False,
    workers: int = 2,
    strict: bool = False,
    salvage: bool = False,
    device: str = "cpu",
    say: Say = lambda line: None,
    listener: Listener | None = None,
) -> Path:
    """Train a tagger; the path of its file. `say` is given one line for each thing worth knowing.

    Raises RecipeError, ManifestError, AudioError (strict, or no clip can be read) and EarmarkError (the folder holds
    another run; the loss is no number). KeyboardInterrupt passes through, with the last whole epoch saved.
    """
    keep_freed_memory()
    loading.check_device(device)
    processes.join(device)
    first = processes.rank() == 0
    if not first:
        say, listener = (lambda line: None), None
    manifest, parts = divide(recipe, manifest, say)
    vocabulary = manifest.vocabulary
    _check_vocabulary(parts, vocabulary, recipe, say)
    if first:
        prepare(folder, recipe, parts, resume)
    processes.shared(None)  # the others wait for the folder
    waves = {}
    for name in ("train", "validation"):
        waves[name] = Waves(getattr(parts, name), recipe.sample_rate, workers=workers, strict=strict, salvage=salvage)
    if first:
        report_audio(waves, folder, say)
    _check_plans(recipe, waves["validation"], vocabulary)
    facts = {
        "data": {"dataset": recipe.data.dataset, **manifest.facts},
        "split": parts.facts(),
        "versions": versions(),
    }
    school = _School(recipe, vocabulary, waves, folder, facts, workers, device, say, listener)
    if not recipe.phases:
        return school.phase(recipe, "", folder, before=0, start=None)
    return school.phases()


def divide(recipe: Recipe, manifest: Manifest, say: Say = lambda line: None) -> tuple[Manifest, Parts]:
    """The manifest with the recipe's folds, and the recipe's parts of it. Raises ManifestError."""
    data = recipe.data
    if data.folds is not None:
        manifest = splits.deal(manifest, data.folds, recipe.seed, all_clips=data.deal == "all")
    return manifest, splits.divide(
        manifest, data.test, data.validation, data.train,
        seed=recipe.seed, bear_shared_groups=data.shared_groups == "report", say=say,
    )  # fmt: skip


class _School:
    """What the phases of a run have in common."""

    def __init__(
        self,
        recipe: Recipe,
        vocabulary: tuple[str, ...],
        waves: dict[str, Waves],
        folder: Path,
        facts: dict[str, Any],
        workers: int,
        device: str,
        say: Say,
        listener: Listener | None,
    ):
        self.recipe, self.vocabulary, self.waves, self.folder, self.facts = recipe, vocabulary, waves, folder, facts
        self.workers, self.device, self.say, self.listener = workers, device, say, listener

    def phases(self) -> Path:
        """All phases in order; the last one's tagger becomes the run's."""
        run = self.recipe.running()
        self._rehearse(run)
        history: list[dict[str, Any]] = []
        before: Recipe | None = None
        start: Path | None = None
        for name in run:
            plan = recipes.during(self.recipe, name)
            place = self.folder / name
            if processes.rank() == 0:
                place.mkdir(exist_ok=True)
            start = self.phase(plan, name, place, before=len(history), start=start if _same_net(before, plan) else None)
            history += [{"phase": name, **row} for row in _log(place)]
            before = plan
        assert start is not None
        if processes.rank() == 0:
            write_log(self.folder / LOG, history)
            partial = self.folder / (TAGGER + ".part")
            shutil.copyfile(start, partial)
            os.replace(partial, self.folder / TAGGER)
        return self.folder / TAGGER

    def _rehearse(self, run: list[str]) -> None:
        """Pass on weights between the phases' nets without values: what does not fit is told before hours of training.

        Raises RecipeError, and TaggerError for a tagger file that cannot be read.
        """
        built: dict[str, taggers.Tagger] = {}
        before: Recipe | None = None
        for name in run:
            plan = recipes.during(self.recipe, name)
            with torch.device("meta"):
                tagger = self._build(plan, name)
            start = built[list(built)[-1]] if _same_net(before, plan) else None
            self._fill(tagger, name, start, lambda told: built.get(told) or loading.load(told), assign=True)
            for part in self.recipe.phases[name].freeze:
                part_of(tagger, part, self.recipe.name, f"phases.{name}.freeze").requires_grad_(False)
            if not any(parameter.requires_grad for parameter in tagger.parameters()):
                raise RecipeError(self.recipe.name, [f"phases.{name}.freeze: leaves nothing to train"])
            built[name], before = tagger, plan

    def _build(self, plan: Recipe, name: str) -> taggers.Tagger:
        """The untrained tagger of a phase; the last one's tells the whole recipe."""
        last = not name or name == self.recipe.running()[-1]
        return taggers.build(self.recipe if last else plan, self.vocabulary)

    def phase(self, plan: Recipe, name: str, folder: Path, before: int, start: Path | None) -> Path:
        """Train one phase, or go on with it; the path of its tagger."""
        torch.manual_seed(self.recipe.seed)
        tagger = self._build(plan, name)
        tagger.facts = {**self.facts, **({"phase": name} if name else {})}
        course, optimiser_state = Course(), None
        if (folder / STATE).is_file():
            optimiser_state, course = load_state(folder / STATE, tagger)
            self.say(f"going on after epoch {course.epochs} of {plan.train.epochs}{f' of {name}' if name else ''}")
        else:
            self._fill(tagger, name, loading.load(start).alone if start else None, self._trained)
        phase = self.recipe.phases.get(name)
        lesson = Lesson(
            tagger, self.waves["train"], self.waves["validation"], folder, course,
            plan=plan, before=before, freeze=phase.freeze if phase else [], workers=self.workers,
        )  # fmt: skip
        lesson.optimiser_state = optimiser_state
        if ended(course, plan.train):
            self.say(f"{name or 'this run'} has ended, after epoch {course.epochs}")
        else:
            self._teach(lesson, name)
        if processes.rank() == 0:
            monitor = f"valid_{plan.train.choose}"
            history = course.history
            pictures.save(pictures.curves(history, monitor if monitor in history[-1] else None), folder / "curves.png")
        processes.shared(None)
        self.say(f"{name + ': ' if name else ''}kept epoch {course.best_epoch} of {course.epochs}")
        return folder / TAGGER

    def _teach(self, lesson: Lesson, name: str) -> None:
        tagger, plan, course = lesson.tagger, lesson.plan, lesson.course
        if any(isinstance(layer, nn.Conv2d) for layer in tagger.modules()):
            # oneDNN and cuDNN both prefer channels last for 2D maps; the weights' layout decides for the whole net
            tagger.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if not course.precision:
            waves, targets, _ = next(iter(lesson.train_dataloader()))
            chosen = precision.choose(tagger, waves, targets, plan.precision, self.device)
            course.precision, why = processes.shared(chosen)
            self.say(f"precision {course.precision}: {why}")
        if processes.rank() == 0:
            told = {**tagger.facts, "precision": course.precision, "recipe": self.recipe.name}
            write_json(self.folder / "run.json", {**told, "device": self.device, "processes": processes.world()})
        processes.share_norms(tagger)
        fit(lesson, plan.epochs - course.epochs, course.precision, self.device, name, self.listener)

    def _trained(self, told: str) -> AnyTagger:
        """What an earlier phase kept, or the tagger in a file."""
        return loading.load(self.folder / told / TAGGER if told in self.recipe.phases else told)

    def _fill(
        self,
        tagger: taggers.Tagger,
        name: str,
        start: taggers.Tagger | None,
        find: Callable[[str], AnyTagger],
        *,
        assign: bool = False,
    ) -> None:
        """Weights from the phase before (`start`), or from where the recipe says, which `find` turns into a tagger.

        assign: put the source's own tensors in, as nets without values need. Raises RecipeError where they do not fit.
        """
        where = f"phases.{name}." if name else ""
        if start is not None:
            try:
                tagger.load_state_dict(start.state_dict(), assign=assign)
            except RuntimeError as error:
                raise RecipeError(
                    self.recipe.name,
                    [f"{where}net: the weights of the phase before do not fit ({_told(error)}): was the map resized?"],
                ) from error
        load = self.recipe.phases[name].load if name else self.recipe.load
        for part, told in load.items():
            source, _, inner = told.rpartition(":")
            source, inner = (source, inner) if source else (told, part)
            try:
                _copy_part(tagger, part, find(source), inner, assign=assign)
            except ValueError as error:
                raise RecipeError(self.recipe.name, [f"{where}load.{part}: {error}"]) from error


def _same_net(before: Recipe | None, plan: Recipe) -> bool:
    """Whether a phase goes on from the weights of the one before it."""
    return before is not None and (before.net, before.features) == (plan.net, plan.features)


def _copy_part(tagger: taggers.Tagger, part: str, source: AnyTagger, inner: str, *, assign: bool) -> None:
    """Put the weights of a part of one tagger into a part of another. Raises ValueError where they do not fit."""
    try:
        net = source.alone
    except TaggerError as error:
        raise ValueError(f"the source: {error}") from error
    for owner, name in ((tagger, part), (net, inner)):
        try:
            owner.get_submodule(name)
        except AttributeError as error:
            known = ", ".join(f"net.{child}" for child, _ in owner.net.named_children())
            raise ValueError(f"there is no part {name!r} in {owner.recipe.net.name}: {known}") from error
    weights: dict[str, Tensor] = net.get_submodule(inner).state_dict()
    try:
        tagger.get_submodule(part).load_state_dict(weights, assign=assign)
    except RuntimeError as error:
        raise ValueError(f"{net.recipe.net.name}'s {inner} does not fit: {_told(error)}") from error


def _told(error: Exception) -> str:
    """The beginning of a message of torch's, on one line."""
    return " ".join(str(error).split())[:300]


def _log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a phase's log, as they were written."""
    with (folder / LOG).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _check_vocabulary(parts: Parts, vocabulary: tuple[str, ...], recipe: Recipe, say: Say) -> None:
    if len(vocabulary) < 2 and recipe.task == "one":
        raise ManifestError(
            f"the manifest has {len(vocabulary)} tag: with one tag a clip there is nothing to tell apart"
        )
    truth = parts.train.truth(vocabulary)
    unheard = [tag for tag, count in zip(vocabulary, truth.sum(0), strict=True) if not count]
    if unheard:
        say(f"{len(unheard)} tags have no training clip and cannot be learnt: {', '.join(unheard[:8])}")
    if recipe.task == "one":
        for part in (parts.train, parts.validation):
            wrong = np.flatnonzero(part.truth(vocabulary).sum(1) != 1)
            if len(wrong):
                raise ManifestError(
                    f"{len(wrong)} clips do not have exactly one tag, such as {str(part.ids[wrong[0]])!r}: "
                    "with task: one they cannot be used. Take task: many, or mend the manifest"
                )


def _check_plans(recipe: Recipe, validation: Waves, vocabulary: tuple[str, ...]) -> None:
    """What would come up only at the end of an epoch, or in a later phase. Raises ManifestError and EarmarkError."""
    plans = [recipes.during(recipe, name).train for name in recipe.running()] or [recipe.train]
    smallest = min(plan.batch for plan in plans)
    if smallest < processes.world():
        raise EarmarkError(
            f"train.batch: {smallest} clips are too few for {processes.world()} processes: take a larger batch or fewer"
        )
    count = len(validation.readable)
    mapped = any(plan.choose == "map" for plan in plans)
    if mapped and count and not validation.manifest.truth(vocabulary)[validation.readable].any():
        raise ManifestError(
            f"train.choose: map has no value on validation clips without tags, and none of the {count} has one: "
            "take loss, or other validation clips"
        )


def rotations(recipe: Recipe, manifest: Manifest) -> dict[str, Recipe]:
    """The recipe for each fold of a run over all of them. See `earmark.recipe.schema.Data`. Raises ManifestError."""
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
    others = set(manifest.fold_names()) - set(names)
    made = {}
    for place, name in enumerate(names):
        if data.rotate == "validation":
            told: dict[str, Any] = {"test": data.test, "validation": [name]}
        else:
            before: Any = (
                [names[place - 1]] if isinstance(data.validation, list) and data.validation else data.validation
            )
            told = {"test": [name], "validation": before}
        taken = {fold for part in told.values() if isinstance(part, list) for fold in part}
        # folds that take no turn, such as an official test part, do not come into training by being left over
        rest = [fold for fold in names if fold not in taken] if others or data.train is not None else None
        raw = recipe.as_dict()
        raw["data"] |= {**told, "train": rest}
        made[name] = recipes.parse(raw, recipe.name)
    return made
