"""The phases of a run, one after the other: whose weights each goes on from, in which precision it computes, and what is kept of it."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from earmark import recipe as recipes
from earmark.errors import counted
from earmark.files import whole
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.anytagger import AnyTagger
from earmark.models.computedfacts import Computed
from earmark.models.facts import Base, Facts
from earmark.recipe import Recipe
from earmark.report import pictures
from earmark.train import bases, began, precision, processes
from earmark.train.checkpoint import Every, check_processes
from earmark.train.folder import LOG, STATE, TAGGER, Say, write_json
from earmark.train.phase import OnProgress, PhaseModule, fit
from earmark.train.plausible import without_norms
from earmark.train.rehearsal import build, fill
from earmark.train.sources import WaveSource
from earmark.train.state import State, ended, load_average, load_state, load_within, write_log
from earmark.train.teaching import Teachers
from earmark.train.transfer import same_net

CURVES = "curves.png"


@dataclass(frozen=True)
class Start:
    """A tagger that is trained on: all its weights, with the bases that they are from."""

    tagger: taggers.Tagger
    bases: tuple[Base, ...] = ()


@dataclass(kw_only=True)
class Run:
    """What the phases of a run have in common, and how they follow one another.

    own: the bases of each phase, by its name ("": of a run without phases). weights: identities of the taggers that weights are loaded
    from, by their names in the recipe. beside: the folder of the runs that are compared with this one; its own where there are none.
    computed: by phase, in which precision, as far as is known yet.
    """

    recipe: Recipe
    vocabulary: tuple[str, ...]
    waves: dict[str, WaveSource]
    folder: Path
    facts: Facts
    own: dict[str, tuple[Base, ...]]
    weights: dict[str, str]
    workers: int
    device: str
    say: Say
    on_progress: OnProgress | None
    teachers: Teachers | None
    every: Every | None
    start: Start | None
    beside: Path
    computed: dict[str, str] = field(default_factory=dict)

    def train(self) -> Path:
        """The path of the run's tagger."""
        return self._phases() if self.recipe.phases else self._phase(self.recipe, "", self.folder, before=0, start=None)

    def _phases(self) -> Path:
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
                    self.say(f"{name}: not trained: the {counted(self.recipe.epochs, 'epoch')} of all phases are spent")
                    continue
                shorter = plan.train.model_copy(update={"epochs": min(left, plan.train.epochs)})
                plan = plan.model_copy(update={"train": shorter})
            place = self.folder / name
            if processes.rank() == 0:
                place.mkdir(exist_ok=True)
            start = self._phase(plan, name, place, before=len(history), start=start if same_net(before, plan) else None)
            history += [{"phase": name, **row} for row in _log(place)]
            before = plan
        assert start is not None
        # of a run that has ended it stays: thresholds and figures may have been put into it since
        if processes.rank() == 0 and not (self.folder / TAGGER).is_file():
            write_log(self.folder / LOG, history)
            with whole(self.folder / TAGGER) as part:
                shutil.copyfile(start, part)
        return self.folder / TAGGER

    def _phase(self, plan: Recipe, name: str, folder: Path, before: int, start: Path | None) -> Path:
        """Train one phase, or go on with it; the path of its tagger."""
        torch.manual_seed(self.recipe.seed)
        tagger = build(self.recipe, plan, name, self.vocabulary)
        tagger.facts = replace(self.facts, phase=name or None, bases=self._bases(name, start))
        state, optimiser_state = State(), None
        if (folder / STATE).is_file():
            optimiser_state, state = load_state(folder / STATE, tagger)
            check_processes(state, str(folder))
            where = (
                f"within epoch {state.epochs + 1}, after {counted(state.place, 'batch')},"
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
        if (
            processes.rank() == 0 and find_spec("matplotlib") is None
        ):  # of which a training, once it is done, is not lost
            self.say(f"{CURVES} is not drawn: `pip install 'earmark[pictures]'` brings what draws it")
        elif processes.rank() == 0 and not drawn_before:
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
