"""A run: what it learns from and begins with, and its folder; and going on with one that was stopped. Then its phases are trained."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from earmark.data.manifest import Manifest
from earmark.data.named import TABLE, data_set
from earmark.data.splits import Parts
from earmark.errors import AudioError
from earmark.errors.kinds import checked
from earmark.inference import process
from earmark.models import devices, needs
from earmark.models.facts import DataSet, Facts, Split
from earmark.recipe import Recipe
from earmark.train import bases, precision, processes
from earmark.train.began import Began
from earmark.train.checkpoint import Every
from earmark.train.folder import (
    STATE,
    Say,
    prepared,
    versions,
)
from earmark.train.folds import divide
from earmark.train.loader import Waves
from earmark.train.packed import PackedWaves, is_packed
from earmark.train.phase import OnProgress
from earmark.train.phases import Run, Start
from earmark.train.plausible import check_heard, check_plans, check_vocabulary, reserved
from earmark.train.rehearsal import rehearse
from earmark.train.sources import WaveSource
from earmark.train.teaching import Teachers, check_teachers
from earmark.train.unread import add_error, left_out, report_audio


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
    beside = beside or folder
    precision.check(recipe, device, beside)
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
            recipe=recipe, vocabulary=vocabulary, waves=waves, folder=folder, facts=facts, own=own, weights=weights, workers=workers,
            device=device, say=say, on_progress=on_progress, teachers=teachers, every=every, start=start, beside=beside,
        )  # fmt: skip
        return run.train()


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
