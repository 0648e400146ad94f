"""A run: its clips, its phases one after the other, its folder; and going on with one that was stopped."""

from __future__ import annotations

import csv
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from earmark import recipe as recipes
from earmark.data.manifest import Manifest
from earmark.data.named import TABLE, data_set
from earmark.data.splits import Parts
from earmark.errors import AudioError
from earmark.errors.kinds import checked
from earmark.files import whole
from earmark.inference import process
from earmark.models import devices, loading, needs
from earmark.models import tagger as taggers
from earmark.models.anytagger import AnyTagger
from earmark.models.computedfacts import Computed
from earmark.models.facts import Base, DataSet, Facts, Split
from earmark.recipe import Recipe
from earmark.report import pictures
from earmark.train import bases, began, precision, processes
from earmark.train.began import Began
from earmark.train.checkpoint import Every, check_processes
from earmark.train.folder import (
    LOG,
    STATE,
    TAGGER,
    Say,
    prepared,
    versions,
    write_json,
)
from earmark.train.folds import divide
from earmark.train.loader import Waves
from earmark.train.packed import PackedWaves, is_packed
from earmark.train.phase import OnProgress, PhaseModule, fit
from earmark.train.plausible import check_heard, check_plans, check_vocabulary, reserved, without_norms
from earmark.train.rehearsal import build, fill, rehearse
from earmark.train.sources import WaveSource
from earmark.train.state import State, ended, load_average, load_state, load_within, write_log
from earmark.train.teaching import Teachers, check_teachers
from earmark.train.transfer import same_net
from earmark.train.unread import add_error, left_out, report_audio

CURVES = "curves.png"


@dataclass(frozen=True)
class Start:
    """A tagger that is trained on: all its weights, with the bases that they are from."""

    tagger: taggers.Tagger
    bases: tuple[Base, ...] = ()


@checked
def train(
    recipe: Recipe,
    manifest: Manifest,
    folder: str | Path,
    *,
    resume: bool = False,
    workers: int = 2,
    strict: bool = False,
    salvage: bool = False,
    device: str = "cpu",
    say: Say = lambda line: None,
    on_progress: OnProgress | None = None,
    teachers: Teachers | None = None,
    every: Every | None = None,
    start: Start | None = None,
    beside: Path | None = None,
) -> Path:
    """Train a tagger; the path of its file. `say` is given one line for each thing worth knowing.

    folder: of the run, new, or with resume that of one that was stopped.

    teachers: whose answers it learns beside the labels, as the recipe's `distil` says (`earmark.train.teaching`). every: when
    the state is kept within an epoch (`earmark.train.checkpoint`); default: never. start: what the first phase goes on from. beside:
    the folder of all runs that are compared with this one, which compute in one precision (`earmark.train.precision`).

    Raises RecipeError, ManifestError, AudioError (strict, or no clip can be read) and EarmarkError (the folder holds
    another run; the loss is no number). KeyboardInterrupt passes through, with what was kept last saved.
    """
    process.take()
    folder = Path(folder)
    device = devices.taken(device)
    precision.check(recipe, device)
    processes.join(device)
    first = processes.rank() == 0
    if not first:
        say, on_progress = (lambda line: None), None
    needs.warn_of_homeless(recipe)
    if gaps := recipe.windows.build().unheard(recipe.sample_rate):
        say(f"recipe {recipe.name}: {gaps}")
    if (of := data_set(manifest, recipe.data.dataset)) != recipe.data.dataset:
        what = "of a table that tells no data set" if of == TABLE else f"of {of}"
        say(f"the clips are {what}, not of the recipe's {recipe.data.dataset}: the tagger tells {of}")
    manifest, parts = divide(recipe, manifest, say)
    vocabulary = manifest.vocabulary
    check_vocabulary(parts, vocabulary, recipe, say)
    check_teachers(recipe, teachers, vocabulary)
    taken, weights = bases.of_recipe(recipe, folder)
    if teachers is not None:
        taken = {name: (*each, *teachers.bases()) for name, each in taken.items()}
    if start is not None:
        first_phase = next(iter(taken))
        taken[first_phase] = (*taken[first_phase], *start.bases)
    found = [base for each in taken.values() for base in each]
    checked = bases.check(found, recipe, manifest, parts, say, named=start is not None)
    check_plans(recipe, parts.validation, vocabulary)
    rehearse(recipe, vocabulary, None if start is None else start.tagger, begun=(folder / STATE).is_file())
    never = reserved(recipe, vocabulary, say)
    begun = Began(vocabulary, salvage, None if teachers is None else teachers.merged(), weights)
    with prepared(folder, recipe, parts, begun, resume, workers, say) if first else nullcontext() as sounds:
        processes.shared(None)  # the others wait for the folder
        waves = _opened(parts, recipe.sample_rate, folder, workers, strict, salvage, say)
        if first:
            report_audio(waves, folder, say)
        check_heard(waves["train"], waves["validation"], vocabulary, say)
        check_plans(recipe, parts.validation.select(waves["validation"].readable), vocabulary)
        split = _read(Split.of(parts, sounds), waves)
        facts = Facts(DataSet(data_set(manifest, recipe.data.dataset), manifest.facts), split, versions())
        facts = replace(facts, level=waves["train"].level(), reserved=never)
        head = None if start is None else start.tagger.facts.head
        facts = replace(facts, head=None if head is None else head.without_figures())
        own = {name: tuple(checked[base] for base in each) for name, each in taken.items()}
        run = Run(
            recipe,
            vocabulary,
            waves,
            folder,
            facts,
            own,
            weights,
            workers,
            device,
            say,
            on_progress,
            teachers,
            every,
            start,
            beside,
        )
        if not recipe.phases:
            return run.phase(recipe, "", folder, before=0, start=None)
        return run.phases()


def _opened(
    parts: Parts, sample_rate: int, folder: Path, workers: int, strict: bool, salvage: bool, say: Say
) -> dict[str, WaveSource]:
    """The clips that train and those that validate: files decoded beforehand; those of a pack as they are asked for."""
    waves: dict[str, WaveSource] = {}
    known: dict[str, str] = {}
    if is_packed(parts.train):
        known = processes.shared(left_out(folder, parts.train, sample_rate, salvage) if processes.rank() == 0 else {})
    for name in ("train", "validation"):
        part: Manifest = getattr(parts, name)
        if not is_packed(part):
            waves[name] = Waves(part, sample_rate, workers=workers, strict=strict, salvage=salvage)
            continue

        def tell(clip: str, error: AudioError, line: str, name: str = name) -> None:
            add_error(folder, name, clip, error)
            say(line)

        waves[name] = PackedWaves(
            part, sample_rate, left_out=known, salvage=salvage, strict=strict, on_unreadable=tell, say=say
        )
    return waves


def _read(split: Split, waves: dict[str, WaveSource]) -> Split:
    """The split, with how many clips of each part could not be read."""
    clips = {name: getattr(split, name) for name in waves}
    return replace(split, **{name: replace(clips[name], unread=len(part.failures)) for name, part in waves.items()})


class Run:
    """What the phases of a run have in common."""

    def __init__(
        self,
        recipe: Recipe,
        vocabulary: tuple[str, ...],
        waves: dict[str, WaveSource],
        folder: Path,
        facts: Facts,
        own: dict[str, tuple[Base, ...]],
        weights: dict[str, str],
        workers: int,
        device: str,
        say: Say,
        on_progress: OnProgress | None,
        teachers: Teachers | None = None,
        every: Every | None = None,
        start: Start | None = None,
        beside: Path | None = None,
    ):
        self.teachers, self.every, self.start = teachers, every, start
        self.beside, self.computed = beside or folder, dict[str, str]()  # by phase, in which precision
        self.recipe, self.vocabulary, self.waves, self.folder, self.facts = recipe, vocabulary, waves, folder, facts
        self.own, self.weights = own, weights  # bases of each phase, by its name; identities of what is loaded from
        self.workers, self.device, self.say, self.on_progress = workers, device, say, on_progress

    def phases(self) -> Path:
        """All phases in order; the last one's tagger becomes the run's, once."""
        run = self.recipe.running()
        history: list[dict[str, Any]] = []
        before: Recipe | None = None
        start: Path | None = None
        for name in run:
            plan = recipes.during(self.recipe, name)
            if self.recipe.epochs is not None:
                left = self.recipe.epochs - len(history)
                if left < 1:
                    self.say(f"{name}: not trained: the {self.recipe.epochs} epochs of all phases are spent")
                    continue
                shorter = plan.train.model_copy(update={"epochs": min(left, plan.train.epochs)})
                plan = plan.model_copy(update={"train": shorter})
            place = self.folder / name
            if processes.rank() == 0:
                place.mkdir(exist_ok=True)
            start = self.phase(plan, name, place, before=len(history), start=start if same_net(before, plan) else None)
            history += [{"phase": name, **row} for row in _log(place)]
            before = plan
        assert start is not None
        # of a run that has ended it stays: thresholds and figures may have been put into it since
        if processes.rank() == 0 and not (self.folder / TAGGER).is_file():
            write_log(self.folder / LOG, history)
            with whole(self.folder / TAGGER) as part:
                shutil.copyfile(start, part)
        return self.folder / TAGGER

    def phase(self, plan: Recipe, name: str, folder: Path, before: int, start: Path | None) -> Path:
        """Train one phase, or go on with it; the path of its tagger."""
        torch.manual_seed(self.recipe.seed)
        tagger = build(self.recipe, plan, name, self.vocabulary)
        tagger.facts = replace(self.facts, phase=name or None, bases=self._bases(name, start))
        state, optimiser_state = State(), None
        if (folder / STATE).is_file():
            optimiser_state, state = load_state(folder / STATE, tagger)
            check_processes(state, str(folder))
            where = (
                f"within epoch {state.epochs + 1}, after {state.place} batches,"
                if state.place
                else f"after epoch {state.epochs}"
            )
            self.computed[name] = state.precision
            self.say(f"going on {where} of {plan.train.epochs}{f' of {name}' if name else ''}")
        else:
            fill(self.recipe, tagger, name, self._before(start, before), self._trained)
        phase = self.recipe.phases.get(name)
        module = PhaseModule(
            tagger, self.waves["train"], self.waves["validation"], folder, state,
            plan=plan, before=before, freeze=phase.freeze if phase else [], workers=self.workers,
            teachers=self.teachers, every=self.every,
        )  # fmt: skip
        for line in without_norms(plan, tagger, module.frozen):
            self.say(f"{name + ': ' if name else ''}{line}")
        module.optimiser_state = optimiser_state
        module.within = load_within(folder / STATE) if state.place else {}
        if module.average is not None and (folder / STATE).is_file():
            module.average.restore(load_average(folder / STATE))
        drawn_before = ended(state, plan.train) and (folder / CURVES).is_file()
        if ended(state, plan.train):
            self.say(f"{name or 'this run'} has ended, after epoch {state.epochs}")
        else:
            self._teach(module, name)
        if processes.rank() == 0 and not drawn_before:
            monitor = f"valid_{plan.train.choose}"
            history = state.history
            drawn = pictures.curves(history, monitor if monitor in history[-1] else None, state.best_epoch or None)
            pictures.save(drawn, folder / CURVES)
        processes.shared(None)
        self.say(f"{name + ': ' if name else ''}kept epoch {state.best_epoch} of {state.epochs}")
        return folder / TAGGER

    def _before(self, start: Path | None, epochs: int) -> taggers.Tagger | None:
        """Whose weights a phase goes on from; epochs: that were trained before it."""
        if start is not None:
            return loading.load(start, engine="torch").alone
        return self.start.tagger if self.start is not None and epochs == 0 else None

    def _bases(self, name: str, start: Path | None) -> tuple[Base, ...] | None:
        """The bases of a phase: its own, and those of the phases that it has weights of."""
        load = self.recipe.phases[name].load if name else {}
        before = [start] if start else []
        before += [self.folder / source / TAGGER for source in bases.sources(load) if source in self.recipe.phases]
        found = [*self.own.get(name, ()), *(base for path in before for base in bases.kept_bases(path))]
        return tuple(dict.fromkeys(found)) or None

    def _teach(self, module: PhaseModule, name: str) -> None:
        tagger, state = module.tagger, module.state
        if any(isinstance(layer, nn.Conv2d) for layer in tagger.modules()):
            # oneDNN and cuDNN both prefer channels last for 2D maps; the weights' layout decides for the whole net
            tagger.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if not state.precision:
            state.precision, why = processes.shared(self._precision(module, name))
            self.say(f"precision {state.precision}: {why}")
        self.computed[name] = state.precision
        tagger.facts = replace(tagger.facts, precision=Computed(dict(self.computed)))
        if processes.rank() == 0:
            head = {**tagger.facts.as_dict(), "recipe": self.recipe.name}
            write_json(self.folder / "run.json", {**head, "device": self.device, "processes": processes.world()})
        processes.share_norms(tagger)
        fit(module, state.precision, self.device, name, self.on_progress)

    def _precision(self, module: PhaseModule, name: str) -> tuple[str, str]:
        """That of the runs which are compared with this one; the first of them chooses."""
        asked = module.plan.precision
        if asked == "auto" and (found := precision.settled(self.beside, name)):
            return found
        waves, targets, _ = next(iter(module.epoch_batches()))
        chosen = precision.choose(module.tagger, waves, targets, asked, self.device)
        if asked == "auto" and processes.rank() == 0 and self.beside != self.folder:
            return precision.keep(self.beside, name, chosen)
        return chosen

    def _trained(self, source: str) -> AnyTagger:
        """What an earlier phase kept, or the tagger in a file, which may be another by the time that a phase begins."""
        if source in self.recipe.phases:
            return loading.load(self.folder / source / TAGGER, engine="torch")
        tagger = loading.load(source, engine="torch")
        identity = tagger.identity()
        began.check_weights(self.folder, source, self.weights.get(source, identity), identity)
        return tagger


def _log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a phase's log, as they were written."""
    with (folder / LOG).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
