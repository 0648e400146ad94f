"""The net itself, trained on after its head: a lower rate, batch statistics as they are, and no worse than the head alone.

head/                 the run of the head on the base's embeddings (`earmark.train.heads.run`)
net/                  the run of the whole net, which goes on from there (`earmark.train.run`); its one phase is called `all`
unfrozen.json         the figures of both on the validation clips, and which of them is kept
tagger.safetensors    that one

Validation clips taught neither. They choose the epoch, among them epoch 0: the head alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.nn.modules.batchnorm import _BatchNorm

from earmark import recipe as recipes
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError
from earmark.files import whole
from earmark.models import devices, loading
from earmark.models.facts import Base, Epoch
from earmark.models.tagger import Tagger
from earmark.progress import QUIET, Progress
from earmark.recipe import Recipe
from earmark.train import folder as folders
from earmark.train import precision
from earmark.train import run as runs
from earmark.train.folder import TAGGER, Say, write_json
from earmark.train.folds import divide
from earmark.train.heads.run import PARTS_TAKEN, Asked, How
from earmark.train.heads.run import train as learn_head
from earmark.train.loader import Waves
from earmark.train.phase import OnProgress
from earmark.train.phases import Start
from earmark.train.validation import clip_scores, figures

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

HEAD, NET, TOLD, PHASE = "head", "net", "unfrozen.json", "all"
SMALL = 5_000  # clips, below which batch normalisation keeps the base's statistics: see `plan`
VALIDATION = 0.15  # of the clips: they choose the epoch, and whether the head alone is better
AUGMENT: list[dict[str, Any]] = [{"name": "trim", "below": -60}, {"name": "crop"}]
TRAIN: dict[str, Any] = {
    "epochs": 20, "batch": 16, "choose": "loss", "keep": "best", "stop_after": 5,
    "optimiser": {"name": "adam", "lr": 3e-5}, "schedule": {"name": "cosine", "lowest": 1e-6, "warm_up": 1},
}  # fmt: skip


def plan(
    headed: Tagger, head: Recipe, clips: int, settings: Sequence[str] = (), say: Say = lambda line: None
) -> Recipe:
    """The recipe that trains a headed tagger on: its own, with the clips of the head's recipe.

    The rate is far below that from scratch, and clips are not mixed, since the weights are good already. With fewer than SMALL
    training clips batch normalisation stays as the base has it, statistics, scale and shift: batches of few clips would tell
    it worse than the many that the base learnt from. settings: key.path=value, put over all this. say: told what does nothing of it.
    Raises RecipeError.
    """
    kept = [name for name, layer in headed.named_modules() if isinstance(layer, _BatchNorm)] if clips < SMALL else []
    raw = headed.recipe.as_dict() | {
        "data": head.as_dict()["data"], "augment": AUGMENT, "train": TRAIN, "phases": {PHASE: {"freeze": kept}}, "seed": head.seed,
    }  # fmt: skip
    return recipes.settled(raw, settings, f"on {head.name}", say)


def train(
    base: AnyTagger, source: str, recipe: Recipe, manifest: Manifest, folder: Path, asked: Asked | None = None, how: How | None = None,
    progress: Progress = QUIET, settings: Sequence[str] = (), device: str = "cpu", on_progress: OnProgress | None = None,
    beside: Path | None = None,
) -> Path:  # fmt: skip
    """The path of the tagger's file. As `earmark.train.heads.run.train`; recipe: of the head, with validation clips.

    settings: of the net's training, see `plan`. beside: the folder of the runs that are compared with this one. Raises what that and
    `earmark.train.train` raise, and EarmarkError where the folder holds something else, or unlabelled recordings are given, which a
    net's training has no use for.
    """
    asked, how = asked or Asked(), how or How()
    if asked.background is not None:
        raise EarmarkError(
            "--unfreeze trains the net on the clips alone, not on windows of unlabelled --recordings: leave one of them out"
        )
    check_place(folder, recipe, how.resume)
    _, parts = divide(recipe, manifest)
    # what is wrong with it is told before the head is learnt, not after
    beside = beside or folder / NET
    precision.check(plan(base.alone, recipe, len(parts.train), settings), devices.taken(device), beside)
    learn_head(base, source, recipe, manifest, folder / HEAD, asked, how, progress)
    headed = loading.load(folder / HEAD / TAGGER, engine="torch").alone
    whole_plan = plan(headed, recipe, len(parts.train), settings, progress.say)
    net = base.alone
    start = Start(headed, Base.of(net.facts, net.identity(), source, PARTS_TAKEN))
    made = runs.train(
        whole_plan, manifest, folder / NET, resume=how.resume, workers=how.workers, strict=how.strict, salvage=how.salvage,
        device=device, say=progress.say, on_progress=on_progress, start=start,
        beside=beside,
    )  # fmt: skip
    return _kept(folder, headed, made, whole_plan, parts.validation, how, progress)


def _kept(
    folder: Path, headed: Tagger, made: Path, plan: Recipe, validation: Manifest, how: How, progress: Progress
) -> Path:
    """The better of head and net on the validation clips becomes the run's tagger; without such clips the net."""
    place = folder / TAGGER
    if place.is_file():
        progress.say(f"{place}: is there already, of this very run")
        return place
    net = loading.load(made, engine="torch").alone
    told: dict[str, Any] = {"head": _validated(headed, validation, how), "net": dict(net.facts.validation or {})}
    if not len(validation):
        progress.say("no clips validate: the net of the last epoch is kept, whether or not it is better than the head")
        told["kept"] = NET
    else:
        told["kept"] = NET if told["net"]["loss"] < told["head"]["loss"] else HEAD
        progress.say(
            f"validation loss of the head alone {told['head']['loss']:.4f}, of the net trained on {told['net']['loss']:.4f}: "
            f"the {'net' if told['kept'] == NET else 'head alone'} is kept"
        )
    write_json(folder / TOLD, told)
    if told["kept"] == NET:
        with whole(place) as part:
            shutil.copyfile(made, part)
    else:
        chosen = Epoch(0, plan.train.epochs, "best validation loss: training the net did not better its head")
        headed.facts = replace(headed.facts, validation=told["head"], chosen=chosen)
        headed.save(place)
    return place


def _validated(headed: Tagger, validation: Manifest, how: How) -> dict[str, float]:
    """The figures of the head alone, as an epoch's are measured."""
    if not len(validation):
        return {}
    waves = Waves(validation, headed.sample_rate, workers=how.workers, salvage=how.salvage)
    readable, scores, _ = clip_scores(headed, waves, 32, nullcontext())
    task = headed.recipe.task
    truth = validation.judged_as(task, headed.vocabulary)
    found = figures(scores, truth[readable], task)
    return {name.removeprefix("valid_"): value for name, value in found.items()}


def check_place(folder: Path, recipe: Recipe, resume: bool) -> None:
    """Raises EarmarkError for a folder with something else than what goes there, and for another run. recipe: of the head."""
    begun = (folder / HEAD / folders.RECIPE).is_file()  # what comes after the head is of no such training without it
    ours = {HEAD, NET, TOLD, TAGGER} if begun else {HEAD}
    others = sorted({each.name for each in folder.iterdir()} - ours) if folder.is_dir() else []
    if others:
        raise EarmarkError(
            f"{folder}: is not empty and holds {others[0]}, which no training with --unfreeze made: take another --out"
        )
    folders.check_place(folder / HEAD, recipe, resume)
