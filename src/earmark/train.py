"""Training: a recipe and a manifest → a run folder with a tagger in it. The only file that imports Lightning.

The run folder:

    recipe.yaml            the recipe as it ran, settings included
    split.json             its clips: a resumed run must find the same
    run.json               what it ran on: data, split, precision, versions
    log.csv, curves.png    one row an epoch
    state.safetensors      all that is needed to go on: weights, optimiser, history (no pickle)
    tagger.safetensors     the epoch that was kept so far
    errors.csv             clips that could not be read, if any

Every random draw is seeded by (seed, epoch, …) and the state is replaced in one step at the end of each epoch, so a run
that is killed and resumed ends with the same bytes as one that is not.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import json
import logging
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark import augment, loader, metrics, pictures, splits
from earmark import tagger as taggers
from earmark.allocator import keep_freed_memory
from earmark.course import Course, ended, learning_rate, load_state, save_state, write_log
from earmark.errors import EarmarkError, ManifestError
from earmark.loader import Waves
from earmark.manifest import Manifest
from earmark.nets.blocks import loss, probabilities
from earmark.recipe import Recipe
from earmark.registry import AUGMENTATIONS
from earmark.windows import TINY, Pool, weights

STATE = "state.safetensors"
TAGGER = "tagger.safetensors"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Parts:
    """The clips that train, that choose the epoch, and that only the report sees."""

    train: Manifest
    validation: Manifest
    test: Manifest

    def facts(self) -> dict[str, Any]:
        """What a tagger file says of the split: folds and a digest of the clips of each part."""
        return {name: splits.facts(getattr(self, name)) for name in ("train", "validation", "test")}


def divide(recipe: Recipe, manifest: Manifest, say: Say = lambda line: None) -> Parts:
    """The recipe's parts of a manifest. ManifestError where a group would lie on two sides, or a part is empty."""
    data = recipe.data
    folds = manifest.folds
    test = np.isin(folds, data.test)
    missing = sorted(set(data.test) - set(folds.tolist()))
    if missing:
        raise ManifestError(
            f"the recipe tests on fold {missing[0]!r}; the manifest has {', '.join(manifest.fold_names()) or 'no folds'}"
        )
    rest = np.isin(folds, data.train) if data.train is not None else ~test
    if isinstance(data.validation, list):
        held = np.isin(folds, data.validation)
        parts = Parts(manifest.select(rest & ~held), manifest.select(held), manifest.select(test))
    else:
        train, validation = splits.split(manifest.select(rest), data.validation, recipe.seed)
        parts = Parts(train, validation, manifest.select(test))
    for name in ("train", "validation") if data.validation != [] else ("train",):
        if not len(getattr(parts, name)):
            raise ManifestError(
                f"no clip is left for {name}: the recipe takes test {data.test}, validation {data.validation}"
            )
    groups = {name: set(getattr(parts, name).groups.tolist()) for name in ("train", "validation", "test")}
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if both := groups[a] & groups[b]:
            told = f"{len(both)} groups (recordings, speakers, …) lie in both {a} and {b}, such as {min(both)!r}"
            if data.shared_groups == "refuse":
                raise ManifestError(
                    f"{told}: figures would be too good. Choose folds that keep groups together, or bear it with "
                    "--set data.shared_groups=report"
                )
            say(f"{told}: figures are better than on groups never heard")
    return parts


class Lesson(pl.LightningModule):
    """One phase of training. Lightning runs the loops; what happens in them is here."""

    def __init__(self, tagger: taggers.Tagger, train: Waves, validation: Waves, folder: Path, course: Course):
        super().__init__()
        self.tagger, self.folder, self.course = tagger, folder, course
        self.recipe, self.plan = tagger.recipe, tagger.recipe.train
        self.train_waves, self.validation_waves = train, validation
        built = [
            (AUGMENTATIONS[part.name].facts["stage"], augment.build(part.name, part.arguments, self.recipe.sample_rate))
            for part in self.recipe.augment
        ]
        self.of_clips: list[augment.ClipAugmentation] = [a for stage, a in built if stage == "clip"]
        self.of_batches: list[augment.BatchAugmentation] = [a for stage, a in built if stage == "batch"]
        self.targets = train.manifest.truth(tagger.vocabulary).astype(np.float32)
        self.truth = validation.manifest.truth(tagger.vocabulary)
        self.optimiser_state: dict[str, Any] | None = None
        self.losses: list[Tensor] = []

    @property
    def epoch(self) -> int:
        """The epoch in work, counted from 1."""
        return self.course.epochs + 1

    def train_dataloader(self) -> Any:
        length = self.tagger.windows.samples(self.tagger.sample_rate)[0]
        return loader.training_batches(
            self.train_waves, self.targets, self.of_clips, length, self.plan.batch, self.recipe.seed, self.epoch
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        told = self.plan.optimiser
        parameters = [p for p in self.tagger.parameters() if p.requires_grad]
        optimiser: torch.optim.Optimizer
        if told.name == "sgd":
            nesterov = told.momentum > 0
            optimiser = torch.optim.SGD(
                parameters, told.lr, told.momentum, nesterov=nesterov, weight_decay=told.weight_decay
            )
        else:
            kind = torch.optim.AdamW if told.name == "adamw" else torch.optim.Adam
            optimiser = kind(parameters, told.lr, told.betas, weight_decay=told.weight_decay)
        if self.optimiser_state is not None:
            optimiser.load_state_dict(self.optimiser_state)
        return optimiser

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(int(np.random.default_rng([self.recipe.seed, self.epoch, loader.NET]).integers(2**62)))
        self.losses.clear()
        self.course.lr = learning_rate(self.plan, self.course)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.course.lr

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        waves, targets = batch
        if self.of_batches:
            generator = np.random.default_rng([self.recipe.seed, self.epoch, loader.BATCH, index])
            plain = targets.cpu().numpy()
            for augmentation in self.of_batches:
                waves, targets = augmentation.apply(augmentation.draw(generator, plain), waves, targets)
        value = loss(self.tagger(waves), targets, self.recipe.task)
        self.losses.append(value.detach())
        return value

    def on_train_epoch_end(self) -> None:
        """Validate, write the row of the log, keep the epoch if it is the best, save the state: a kill loses one epoch."""
        course = self.course
        row: dict[str, Any] = {"epoch": self.epoch, "lr": course.lr}
        row["train_loss"] = float(torch.stack(self.losses).mean())
        if not math.isfinite(row["train_loss"]):
            raise EarmarkError(
                f"the loss became {row['train_loss']} in epoch {self.epoch}: take a lower train.optimiser.lr "
                f"(it is {self.course.lr:g}) or train.precision=float32"
            )
        if self.plan.renew_statistics:
            self._renew_statistics()
        if len(self.validation_waves.readable):
            row |= self._validate()
        course.history.append(row)
        gained = "valid_loss" in row and self._gained(row)
        course.since_gain = 0 if gained else course.since_gain + 1
        course.since_cut = 0 if gained else course.since_cut + 1
        if gained or self.plan.keep == "last":
            self._keep()
        if self.plan.stop_after is not None and course.since_gain >= self.plan.stop_after:
            self.trainer.should_stop = True
        save_state(self.folder / STATE, self.tagger, self.trainer.optimizers[0], course)
        write_log(self.folder / "log.csv", course.history)

    def _gained(self, row: dict[str, Any]) -> bool:
        figure = -row["valid_loss"] if self.plan.choose == "loss" else row[f"valid_{self.plan.choose}"]
        if self.course.best is not None and figure <= self.course.best:
            return False
        self.course.best, self.course.best_epoch = figure, row["epoch"]
        return True

    def _renew_statistics(self) -> None:
        """See `earmark.recipe.Train`. The plain mean over the epoch's batches; everything else is in evaluation mode."""
        norms = [m for m in self.tagger.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        self.tagger.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch's word for the plain mean
            norm.train()
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            for waves, _ in self.train_dataloader():
                self.tagger(waves.to(self.device))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.tagger.train()

    def _validate(self) -> dict[str, float]:
        """Figures over whole clips, their windows combined as in tagging; in the precision of training."""
        tagger, task = self.tagger, self.recipe.task
        windows = tagger.windows
        pools: dict[int, Pool] = {}
        tagger.eval()
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            for waves, rows in loader.validation_batches(self.validation_waves, windows, 2 * self.plan.batch):
                counts = weights(waves, windows.weigh)
                values = probabilities(tagger(torch.from_numpy(waves).to(self.device)), task).cpu().numpy()
                for row, value, weight in zip(rows.tolist(), values, counts, strict=True):
                    pool = pools.setdefault(row, Pool(windows.combine, normalise=task == "one"))
                    pool.add(value[None], weight[None])
        tagger.train()
        readable = np.array(sorted(pools), np.int64)
        scores = np.stack([pools[row].result() for row in readable])
        truth = self.truth[readable]
        figures = {"valid_loss": clip_loss(scores, truth, task)}
        figures["valid_map"] = metrics.mean_average_precision(scores, truth)
        if task == "one":
            figures["valid_accuracy"] = metrics.accuracy(scores, truth)
        return figures

    def _keep(self) -> None:
        row = self.course.history[-1]
        by = f"best validation {self.plan.choose}" if self.plan.keep == "best" else "the last epoch"
        if self.plan.keep == "last":
            self.course.best_epoch = row["epoch"]
        self.tagger.facts["chosen"] = {"epoch": row["epoch"], "of": self.plan.epochs, "by": by}
        self.tagger.facts["validation"] = {
            k.removeprefix("valid_"): v for k, v in row.items() if k.startswith("valid_")
        }
        self.tagger.save(self.folder / TAGGER)


def clip_loss(values: NDArray[np.float32], truth: NDArray[np.bool_], task: str) -> float:
    """Cross-entropy of clip probabilities (clips, tags), as in training but after the windows are combined."""
    p = np.clip(values.astype(np.float64), TINY, 1 - TINY)
    if task == "one":
        return float(-np.log(p[truth]).mean())
    return float(-np.where(truth, np.log(p), np.log1p(-p)).mean())


def choose_precision(lesson: Lesson, asked: str) -> tuple[str, str]:
    """("32-true" or "bf16-mixed", why). `auto` times a step of this net both ways, on a copy, and takes the faster."""
    if asked != "auto":
        return ("32-true" if asked == "float32" else "bf16-mixed"), "asked for"
    waves, targets = next(iter(lesson.train_dataloader()))
    seconds = {bf16: _time_step(copy.deepcopy(lesson.tagger), waves, targets, bf16) for bf16 in (False, True)}
    ratio = seconds[False] / seconds[True]
    why = f"a training step takes {seconds[False]:.2f} s in float32, {seconds[True]:.2f} s in bf16 autocast ({ratio:.1f} times)"
    return ("bf16-mixed" if ratio > 1.1 else "32-true"), why


def _time_step(tagger: taggers.Tagger, waves: Tensor, targets: Tensor, bf16: bool) -> float:
    tagger.train()
    best = math.inf
    for _ in range(3):  # the first is warming up
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            prediction = tagger(waves)
        loss(prediction, targets, tagger.task).backward()  # type: ignore[no-untyped-call]
        best = min(best, time.perf_counter() - started)
    return best


class Progress(pl.Callback):
    """Tells a listener how far the run is: called with (epoch, epochs, done share of the epoch, last row)."""

    def __init__(self, listener: Callable[[int, int, float, dict[str, Any]], None]):
        self.listener = listener

    def _tell(self, lesson: pl.LightningModule, share: float) -> None:
        assert isinstance(lesson, Lesson)
        history = lesson.course.history
        done = share >= 1.0
        epoch = lesson.course.epochs if done else lesson.epoch
        self.listener(epoch, lesson.plan.epochs, share, history[-1] if history else {})

    def on_train_batch_end(self, trainer: pl.Trainer, lesson: pl.LightningModule, *rest: Any) -> None:
        batches = max(1, int(trainer.num_training_batches))
        self._tell(lesson, min(0.99, (int(rest[-1]) + 1) / batches))

    def on_train_end(self, trainer: pl.Trainer, lesson: pl.LightningModule) -> None:
        self._tell(lesson, 1.0)


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
    listener: Callable[[int, int, float, dict[str, Any]], None] | None = None,
) -> Path:
    """Train a tagger; the path of its file. `say` is given one line for each thing worth knowing.

    Raises RecipeError, ManifestError, AudioError (strict, or no clip can be read) and EarmarkError (the folder holds
    another run; the loss is no number). KeyboardInterrupt passes through, with the last whole epoch saved.
    """
    keep_freed_memory()
    parts = divide(recipe, manifest, say)
    vocabulary = manifest.vocabulary
    _check_vocabulary(parts, vocabulary, recipe, say)
    _prepare_folder(folder, recipe, parts, resume)
    torch.manual_seed(recipe.seed)
    tagger = taggers.build(recipe, vocabulary)
    waves = {}
    for name in ("train", "validation"):
        waves[name] = Waves(getattr(parts, name), recipe.sample_rate, workers=workers, strict=strict, salvage=salvage)
    _report_audio(waves, folder, say)
    tagger.facts = {
        "data": {"dataset": recipe.data.dataset, **manifest.facts},
        "split": parts.facts(),
        "versions": versions(),
    }
    course, optimiser_state = Course(), None
    state = folder / STATE
    if resume and state.is_file():
        optimiser_state, course = load_state(state, tagger)
        say(f"going on after epoch {course.epochs} of {recipe.train.epochs}")
    lesson = Lesson(tagger, waves["train"], waves["validation"], folder, course)
    lesson.optimiser_state = optimiser_state
    if ended(course, recipe.train):
        say(f"this run has ended, after epoch {course.epochs}")
        return _finish(folder, course, recipe.train.choose, say)
    if any(isinstance(layer, nn.Conv2d) for layer in tagger.modules()):
        # oneDNN and cuDNN both prefer channels last for 2D maps; the weights' layout decides for the whole net
        tagger.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not course.precision:
        course.precision, why = choose_precision(lesson, recipe.train.precision)
        say(f"precision {course.precision}: {why}")
    _write_json(folder / "run.json", {**tagger.facts, "precision": course.precision, "recipe": recipe.name})
    _fit(lesson, recipe.train.epochs - course.epochs, course.precision, device, listener)
    return _finish(folder, course, recipe.train.choose, say)


def _fit(lesson: Lesson, epochs: int, precision: str, device: str, listener: Any) -> None:
    """Lightning's part. Ctrl-C comes out as KeyboardInterrupt, not as Lightning's exit status."""
    with _quiet_lightning():
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="gpu" if device == "cuda" else device,
            devices=1,
            precision=precision,  # type: ignore[arg-type]
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
            limit_val_batches=0,
            callbacks=[Progress(listener)] if listener else [],
            default_root_dir=str(lesson.folder),
        )
        handler = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(lesson)
        except SystemExit as stop:
            raise KeyboardInterrupt from stop
        finally:
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's advice on loaders and devices is not for our users: the choices it questions are made here."""
    names = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "pytorch_lightning.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning.*")
        warnings.filterwarnings("ignore", module="lightning_fabric.*")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


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


def _prepare_folder(folder: Path, recipe: Recipe, parts: Parts, resume: bool) -> None:
    told = yaml.safe_dump(recipe.as_dict(), sort_keys=False, allow_unicode=True)
    kept = folder / "recipe.yaml"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise EarmarkError(f"{folder}: is not empty and holds no run of earmark: take another --out")
        kept.write_text(told, encoding="utf-8")
        _write_json(folder / "split.json", parts.facts())
        return
    if not resume:
        raise EarmarkError(f"{folder}: holds a run already: --resume goes on with it, another --out starts a new one")
    if kept.read_text(encoding="utf-8") != told:
        raise EarmarkError(
            f"{folder}: was started with another recipe or other settings (see {kept}): resume with the same, or take another --out"
        )
    if json.loads((folder / "split.json").read_text(encoding="utf-8")) != parts.facts():
        raise EarmarkError(f"{folder}: was started with other clips than --data gives now: take another --out")


def _report_audio(waves: dict[str, Waves], folder: Path, say: Say) -> None:
    rows = []
    for name, part in waves.items():
        if part.notes:
            say(f"{len(part.notes)} notes on the {name} clips' audio, the first: {part.notes[0]}")
        for row, error in part.failures:
            rows.append({"path": error.path, "reason": error.problem, "part": name, "id": str(part.manifest.ids[row])})
        if part.failures and not len(part.readable):
            raise part.failures[0][1]
        if name == "train" and len(part.readable) == 1:
            raise ManifestError("one clip is left for train: batch normalisation needs two at least")
    if rows:
        with (folder / "errors.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        say(f"{len(rows)} clips could not be read and are left out: {folder / 'errors.csv'}")


def _finish(folder: Path, course: Course, choose: str, say: Say) -> Path:
    monitor = f"valid_{choose}" if f"valid_{choose}" in course.history[-1] else None
    pictures.save(pictures.curves(course.history, monitor), folder / "curves.png")
    say(f"kept epoch {course.best_epoch} of {course.epochs}")
    return folder / TAGGER


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("earmark", "torch", "numpy", "soundfile", "soxr")}
