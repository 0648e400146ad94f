"""One phase of training: what happens in a step, at the end of an epoch, and when the tagger is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.errors import EarmarkError, RecipeError, counted
from earmark.models import tagger as taggers
from earmark.models.facts import Epoch
from earmark.models.layers.statistics import measured_anew, norms_of
from earmark.models.prediction import loss
from earmark.recipe import Recipe
from earmark.train import augment, loader, processes
from earmark.train.checkpoint import Every, restored, within
from earmark.train.consistency import consistency
from earmark.train.ema import MovingAverage
from earmark.train.folder import LOG, STATE, TAGGER
from earmark.train.loader import Batches
from earmark.train.order import draw_shards
from earmark.train.packed import PackedWaves
from earmark.train.sources import WaveSource
from earmark.train.state import State, ended, learning_rate, save_state, write_log
from earmark.train.steps import Steps, interrupted_by_term
from earmark.train.teaching import Teachers, Teaching
from earmark.train.validation import clip_scores, figures

OnProgress = Callable[[str, int, int, float, dict[str, Any]], None]


class PhaseModule(nn.Module):
    """One phase of training; called with a batch, it gives the loss of it.

    plan: the recipe while it runs. before: epochs of the phases that ran earlier, so that no draw comes twice.
    freeze: parts of the tagger that stay as they are. every: when the state is kept within an epoch; None: never.
    """

    def __init__(
        self,
        tagger: taggers.Tagger,
        train: WaveSource,
        validation: WaveSource,
        folder: Path,
        state: State,
        *,
        plan: Recipe | None = None,
        before: int = 0,
        freeze: list[str] | None = None,
        workers: int = 2,
        teachers: Teachers | None = None,
        every: Every | None = None,
    ):
        super().__init__()
        self.teaching: Teaching | None = None
        self.tagger, self.folder, self.state = tagger, folder, state
        self.recipe = plan or tagger.recipe
        self.plan = self.recipe.train
        if teachers is not None and self.recipe.distil is not None:
            self.teaching = Teaching(
                teachers, tagger.vocabulary, self.recipe.task, self.recipe.sample_rate, self.recipe.distil
            )
        self.before, self.workers, self.every = before, workers, every
        self.train_waves, self.validation_waves = train, validation
        staged = augment.staged(self.recipe.augment, self.recipe.sample_rate)
        self.of_clips, self.of_pairs = staged["clip"], staged["pair"]
        self.of_batches, self.of_maps = staged["batch"], staged["maps"]
        self.targets = loader.targets_of(train.manifest, tagger.vocabulary, self.recipe.task)
        clips = validation.manifest
        self.truth = clips.judged_as(self.recipe.task, tagger.vocabulary)
        self.optimiser_state: dict[str, Any] | None = None
        self.within: dict[str, Tensor] = {}  # of an epoch that was stopped: see `earmark.train.checkpoint`
        self.average = None if self.plan.ema is None else MovingAverage(tagger, self.plan.ema)
        self.steps: Steps  # once it runs: see `fit`
        self.losses: list[Tensor] = []
        self.rate: float  # of the first step of the epoch in work
        self.frozen = [part_of(tagger, name, self.recipe.name) for name in freeze or []]
        for part_of_it in self.frozen:
            part_of_it.requires_grad_(False)
        self.renews = self.plan.renew_statistics and bool(norms_of(tagger, self.frozen))

    @cached_property
    def _segment_counts(self) -> NDArray[np.int64]:
        return loader.segment_counts(self.train_waves, self.tagger.windows)

    @property
    def epoch(self) -> int:
        """The epoch in work, counted from 1."""
        return self.state.epochs + 1

    def generator(self, *what: int) -> np.random.Generator:
        """A generator for this epoch and purpose."""
        return np.random.default_rng([self.recipe.seed, self.before + self.epoch, *what])

    def epoch_batches(self, views: int = 1, done: int = 0) -> Batches:
        """The batches of this epoch, the same each time that they are asked for. views: windows of each clip.

        done: batches that are not given again.
        """
        length = self.tagger.windows.samples(self.tagger.sample_rate)[0]
        seed, epoch = self.recipe.seed, self.before + self.epoch
        balance = self.plan.balance == "classes"
        segments = self.tagger.windows if self.plan.segments == "every" else None
        places = None
        if isinstance(self.train_waves, PackedWaves) and self.plan.buffer is not None:
            self.train_waves.in_order(self.plan.buffer)
            rows = draw_shards(
                self.train_waves.readable, self.train_waves.places, self.plan.buffer, self.plan.clips, seed, epoch,
                processes.world(),
            )  # fmt: skip
        elif segments is None:
            rows = loader.draw_order(self.train_waves.readable, self.targets, balance, self.plan.clips, seed, epoch)
        else:
            rows, places = loader.draw_segments(
                self.train_waves.readable, self._segment_counts, self.plan.clips, seed, epoch
            )
        self.batches = Batches(
            self.train_waves, self.targets, rows, self.plan.batch, length, seed=seed, epoch=epoch,
            clips=self.of_clips, pairs=self.of_pairs, segments=segments, places=places,
            rank=processes.rank(), world=processes.world(), workers=self.workers,
            views=views, done=done,
        )  # fmt: skip
        return self.batches

    def optimiser(self) -> torch.optim.Optimizer:
        """The recipe's optimiser of all that is not frozen, as far as an earlier run had brought it."""
        settings = self.plan.optimiser
        parameters = [p for p in self.tagger.parameters() if p.requires_grad]
        optimiser: torch.optim.Optimizer
        if settings.name == "sgd":
            nesterov = settings.momentum > 0
            optimiser = torch.optim.SGD(
                parameters, settings.lr, settings.momentum, nesterov=nesterov, weight_decay=settings.weight_decay
            )
        else:
            kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
            optimiser = kind(parameters, settings.lr, settings.betas, weight_decay=settings.weight_decay)
        if self.optimiser_state is not None:
            optimiser.load_state_dict(self.optimiser_state)
        return optimiser

    def forward(self, waves: Tensor, targets: Tensor, total: int, index: int) -> Tensor:
        """The loss of this process's share of a batch: waves (n, samples), targets (n, tags). index: of the batch.

        Two views of each clip are (n, 2, samples); they are mixed alike. total: clips of the whole batch, of all processes.
        """
        views = [waves] if waves.dim() == 2 else list(waves.unbind(1))
        views, targets = self._mixed(views, targets, total, index)
        tags = targets.shape[1]
        if self.teaching is not None:  # beside the labels, so that maps that are mixed mix both alike
            taught = torch.stack([self.teaching.targets(view) for view in views]).mean(0)
            targets = torch.cat([targets, taught], 1)
        waves = self.tagger.normalised(_joined(views))
        maps, targets = self._changed(self.tagger.features(waves), len(views), targets, total, index, tags)
        prediction, wanted = self.tagger.predict(waves, maps), _joined([targets] * len(views))
        if self.teaching is None:
            value = loss(prediction, wanted, self.recipe.task)
        else:
            value = self.teaching.loss(prediction, wanted[:, :tags], wanted[:, tags:])
        if self.plan.consistency is not None:
            one, other = prediction.levels.chunk(2)
            value = value + self.plan.consistency * consistency(one, other, self.recipe.task)
        # the processes' gradients are averaged: a share that is larger than the others counts for more
        value = value * (len(targets) * processes.world() / total)
        self.losses.append(value.detach())
        return value

    def _mixed(self, views: list[Tensor], targets: Tensor, total: int, index: int) -> tuple[list[Tensor], Tensor]:
        """The stage "batch", on waves; a plan is put to work on all views."""
        if not self.of_batches:
            return views, targets
        generator = self.generator(loader.BATCH, index)
        views, targets = [processes.whole(view, total) for view in views], processes.whole(targets, total)
        plain = targets.cpu().numpy()
        for augmentation in self.of_batches:
            plan = augmentation.draw(generator, plain, clips=self.batches.rows(index))
            both = [augmentation.to_batch(plan, view, targets) for view in views]
            views, targets = [view for view, _ in both], both[0][1]
        return [_share(view) for view in views], _share(targets)

    def _changed(
        self, maps: Tensor, views: int, targets: Tensor, total: int, index: int, tags: int
    ) -> tuple[Tensor, Tensor]:
        """The stage "maps", on features of the views one after the other. tags: columns of the targets that are labels."""
        if not self.of_maps:
            return maps, targets
        generator = self.generator(loader.MAPS, index)
        parts = [processes.whole(part, total) for part in maps.chunk(views)]
        targets = processes.whole(targets, total)
        for change in self.of_maps:
            plain = targets[:, :tags].cpu().numpy()
            plan = change.draw(generator, tuple(parts[0].shape), plain, clips=self.batches.rows(index))
            both = [change.to_batch(plan, part, targets) for part in parts]
            parts, targets = [part for part, _ in both], both[0][1]
        return _joined([_share(part) for part in parts]), _share(targets)

    def learn(self, on_batch: Callable[[float], None]) -> None:
        """An epoch of steps, or what is left of it. on_batch: is given the share of it that is done after each batch."""
        self._learn()
        state = self.state
        self._begin()
        self.rate = self._rate(state.steps - state.place // self.plan.accumulate)
        count = len(self.epoch_batches(views=1 if self.plan.consistency is None else 2, done=state.place))
        with closing(iter(self.batches)) as batches:
            for index, batch in enumerate(batches, state.place):
                taken = self.steps.take(batch, index, self._rate(state.steps), count=count)
                state.steps += taken
                if taken and self.average is not None:
                    self.average.update(state.steps)
                on_batch(min(0.99, (index + 1) / count))
                if taken and self.every is not None and index + 1 < count and self.every.due(state.steps):
                    self._keep_place(index + 1)
        state.place = 0

    def _rate(self, steps: int) -> float:
        """Of learning, after so many steps of the phase."""
        return self.state.lr / (1 + self.plan.optimiser.decay * steps)

    def _begin(self) -> None:
        """What an epoch begins with, or goes on with."""
        self.losses.clear()
        if self.every is not None:
            self.every.begin()
        if self.state.place:
            self.losses += restored(self.within, self.tagger.device)
            return
        rank = processes.rank()
        torch.manual_seed(int(self.generator(loader.NET, *([rank] * bool(rank))).integers(2**62)))
        self.state.lr = learning_rate(self.plan, self.state)

    def _check_loss(self, value: float) -> None:
        """Raises EarmarkError for one that is no number: what was learnt since is lost, and must not take the place of what was kept."""
        if not math.isfinite(value):
            raise EarmarkError(f"the loss became {value} in epoch {self.epoch}: {self._milder()}")

    def _keep_place(self, done: int) -> None:
        """Save the state within an epoch: a kill loses what came after it."""
        self._check_loss(processes.mean(float(torch.stack(self.losses).mean())))
        self.state.place, self.state.processes = done, processes.world()
        self._save(within(self.losses, self.tagger.device))

    def _save(self, inside: dict[str, Tensor] | None = None) -> None:
        """Write the state, last of all, because a run goes on after it: what is not written by then is written again."""
        if processes.rank() == 0:
            self.state.scaler = self.steps.scaler.state_dict()
            average = None if self.average is None else self.average.values
            save_state(self.folder / STATE, self.tagger, self.steps.optimiser, self.state, average, inside)

    def end_epoch(self) -> None:
        """Validate, write the row of the log, keep the epoch if it is the best, save the state: a kill loses one epoch."""
        state = self.state
        row: dict[str, Any] = {"epoch": self.epoch, "lr": self.rate}
        row["train_loss"] = processes.mean(float(torch.stack(self.losses).mean()))
        self._check_loss(row["train_loss"])
        with nullcontext() if self.average is None else self.average.in_place():
            self._judge(row)
        if processes.rank() == 0:
            write_log(self.folder / LOG, state.history)
        self._save()

    def _judge(self, row: dict[str, Any]) -> None:
        """Validate the tagger as it is, put the figures into the epoch's row, and keep it if it is the best."""
        state, validates = self.state, len(self.validation_waves.readable) > 0
        # training itself does not use them: where nothing looks at an epoch, they are of no use
        if self.renews and (validates or self.plan.keep == "every" or self.epoch == self.plan.epochs):
            self._renew_statistics()
        if validates:
            row |= self._validate()
        state.history.append(row)
        gained = "valid_loss" in row and self._gained(row)
        state.since_gain = 0 if gained else state.since_gain + 1
        state.since_cut = 0 if gained else state.since_cut + 1
        if processes.rank() == 0:
            self._keep(row, gained)

    def _milder(self) -> str:
        """The way out where numbers have left their range."""
        return f"take a lower train.optimiser.lr (it is {self.state.lr:g}) or train.precision=float32"

    def _gained(self, row: dict[str, Any]) -> bool:
        told = row[f"valid_{self.plan.choose}"]
        if not math.isfinite(told):
            # any epoch would better one that is no number, and none after it
            raise EarmarkError(
                f"valid_{self.plan.choose} is {told} after epoch {row['epoch']}, so that it chooses no epoch: too little is "
                f"known of the {counted(len(self.validation_waves.readable), 'validation clip')}. Take another train.choose, "
                "other validation clips, or none (data.validation=[] and train.keep=last)"
            )
        figure = told * (-1 if self.plan.choose.endswith("loss") else 1)
        if self.state.best is not None and figure <= self.state.best:
            return False
        self.state.best, self.state.best_epoch = figure, row["epoch"]
        return True

    def _learn(self) -> None:
        """Training mode, but for what is frozen."""
        self.tagger.train()
        for part in self.frozen:
            part.eval()

    def _renew_statistics(self) -> None:
        """See `earmark.recipe.schema.Train`."""
        with measured_anew(self.tagger, self.frozen), torch.no_grad(), self.steps.autocast():
            for waves, _, _ in self.epoch_batches():
                self.tagger(waves.to(self.tagger.device))
        self._learn()

    def _validate(self) -> dict[str, float]:
        """Figures over whole clips, in the precision of training. Raises EarmarkError for scores that are no numbers."""
        self.tagger.eval()
        precision = self.steps.autocast()
        batch, of_segments = 2 * self.plan.batch, self.plan.choose == "segment_loss"
        readable, scores, segment_loss = clip_scores(
            self.tagger, self.validation_waves, batch, precision, self.truth if of_segments else None
        )
        self._learn()
        broken = int((~np.isfinite(scores)).any(1).sum())
        if broken:
            raise EarmarkError(
                f"the scores of {broken:,} of {counted(len(scores), 'validation clip')} are no numbers after epoch "
                f"{self.epoch}: {self._milder()}"
            )
        row = figures(scores, self.truth[readable], self.recipe.task)
        return row if segment_loss is None else row | {"valid_segment_loss": segment_loss}

    def _keep(self, row: dict[str, Any], gained: bool) -> None:
        """Write the tagger where this epoch is the one to keep, or every one is."""
        last = self.plan.keep == "last" or "valid_loss" not in row
        figures = {k.removeprefix("valid_"): v for k, v in row.items() if k.startswith("valid_")}

        def keep(why: str, path: Path) -> None:
            chosen = Epoch(row["epoch"], self.plan.epochs, why)
            self.tagger.facts = replace(self.tagger.facts, validation=figures, chosen=chosen)
            self.tagger.save(path)

        if self.plan.keep == "every":
            (self.folder / "epochs").mkdir(exist_ok=True)
            keep("one of every epoch", self.folder / "epochs" / f"{row['epoch']:03d}.safetensors")
        if gained or last:
            by = "the last epoch" if last else f"best validation {self.plan.choose.replace('_', ' ')}"
            if last:
                self.state.best_epoch = row["epoch"]
            keep(by, self.folder / TAGGER)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _share(whole: Tensor) -> Tensor:
    """This process's share of a whole batch."""
    return whole[processes.rank() :: processes.world()]


def part_of(tagger: taggers.Tagger, name: str, recipe: str, where: str = "freeze") -> nn.Module:
    """A part of a tagger that a recipe wants frozen. Raises RecipeError, of the key `where`, for none so called or without weights."""
    try:
        part = tagger.get_submodule(name)
    except AttributeError as error:
        known = ", ".join(f"net.{child}" for child, _ in tagger.net.named_children())
        raise RecipeError(recipe, [f"{where}: the tagger has no part {name!r}. It has net, {known}"]) from error
    if not norms_of(part) and next(part.parameters(), None) is None:
        raise RecipeError(
            recipe, [f"{where}: {name!r} has no weights, so that there is nothing to freeze: leave it out"]
        )
    return part


def fit(phase: PhaseModule, precision: str, device: str, name: str, on_progress: OnProgress | None) -> None:
    """Run the epochs that are left. precision: see `earmark.train.precision.NAMES`.

    on_progress: see `earmark.train.train`. A signal that ends programs, Ctrl-C or TERM, comes out as KeyboardInterrupt.
    """
    state, epochs = phase.state, phase.plan.epochs

    def tell(epoch: int, share: float) -> None:
        if on_progress:
            on_progress(name, epoch, epochs, share, state.history[-1] if state.history else {})

    phase.to(processes.own_device(device))
    if phase.average is not None:
        phase.average.to(phase.tagger.device)
    phase.steps = Steps(phase, phase.optimiser(), precision, phase.plan.accumulate, state.scaler)
    with interrupted_by_term():
        while not ended(state, phase.plan):
            phase.learn(lambda share: tell(phase.epoch, share))
            phase.end_epoch()
        tell(state.epochs, 1.0)
