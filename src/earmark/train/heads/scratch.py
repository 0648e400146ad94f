"""The draws of a learning curve learnt from scratch, by a recipe, to stand beside the curve of heads.

    scratch/3f09c2a7d1e45b60.npy    the scores of the tested clips of one draw of one fold: (clips, tags), float32
    scratch/3f09c2a7d1e45b60/       its run folder, while it trains
    scratch/3f09c2a7d1e45b60.alike/ in which precision all draws of a recipe compute, where it is measured

Names are digests of the recipe, of which clips learn and are tested, and of their sounds. What is there is not trained again, so
that a curve which was stopped goes on. Nothing validates: one clip a tag leaves none for that. The last epoch counts, and
an epoch hears as many clips as one of all clips does, so that few clips are learnt from in as many steps as many.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from earmark import recipe as recipes
from earmark.data import sounds
from earmark.data.manifest import SCHEMA, Manifest
from earmark.errors import EarmarkError, RecipeError, agreed, counted
from earmark.evaluation.scoring import Settings, score_clips
from earmark.files import whole
from earmark.models import loading
from earmark.progress import QUIET, Progress
from earmark.recipe import Recipe
from earmark.train import run as runs
from earmark.train.folds import divide, rotations
from earmark.train.heads.curve import Curve, Plan, Scorer, Scores, fewer, measured, metric_of

FOLDER = "scratch"
LEARN, TEST = "learn", "test"  # folds of a draw


@dataclass(frozen=True)
class How:
    """How draws are learnt, without a difference to what comes out."""

    workers: int = 2
    device: str = "cpu"


def curve(
    recipe: Recipe, heads: Recipe, manifest: Manifest, folder: Path, plan: Plan | None = None, how: How | None = None,
    progress: Progress = QUIET,
) -> Curve:  # fmt: skip
    """The curve of a recipe on the folds and draws of the curve of heads. heads: the recipe of that one. folder: for `scratch/`.

    Raises RecipeError for a recipe that begins with weights, or has another task; what `earmark.train.train` raises.
    """
    plan, how = plan or Plan(), how or How()
    _check(recipe, heads)
    divided = [divide(turn, manifest)[1] for turn in rotations(heads, manifest).values()]
    turns = [(parts.train, parts.test) for parts in divided]
    digest = sounds.of_files(manifest, how.workers)
    full = {tuple(test.ids.tolist()): len(train) for train, test in turns}
    alike = folder / FOLDER / f"{_digest(recipe.as_dict())}.alike"

    def score(size: int | None) -> Scorer:
        def run(train: Manifest, test: Manifest) -> Scores:
            own = planned(recipe, full[tuple(test.ids.tolist())], heads.data.shared_groups)
            return _scores(own, train, test, folder / FOLDER, alike, digest, how, progress)

        return run

    points = measured(turns, manifest.vocabulary, recipe.task, plan, score, progress)
    facts = {
        "source": f"{recipe.name}, from scratch", "data": heads.data.dataset, "folds": len(turns),
        "tested clips": sum(len(test) for _, test in turns), "seed": plan.seed, "resamples": plan.resamples,
        "epochs": recipe.train.epochs,
    }  # fmt: skip
    return Curve(metric_of(recipe.task), tuple(points), facts, fewer(turns, manifest.vocabulary, plan.sizes))


def planned(recipe: Recipe, clips: int, shared: str = "refuse") -> Recipe:
    """The recipe of a draw. clips: that an epoch hears; shared: whether groups and sounds on both sides are borne, as `data` says it."""
    raw = recipe.as_dict()
    raw["data"] |= {"train": [LEARN], "test": [TEST], "validation": [], "folds": None, "shared_groups": shared}
    raw["train"] |= {"clips": max(2, clips), "keep": "last", "stop_after": None}
    return recipes.parse(raw, recipe.name)


def _check(recipe: Recipe, heads: Recipe) -> None:
    loads = [name for name, phase in recipe.phases.items() if phase.load]
    if recipe.load or any(set(recipe.phases[name].load.values()) - set(recipe.phases) for name in loads):
        raise RecipeError(recipe.name, ["load: begins with weights of another tagger, so that it is not from scratch"])
    if recipe.task != heads.task:
        raise RecipeError(
            recipe.name, [f"task: is {recipe.task}, and the heads learn {heads.task}: say --set task={heads.task}"]
        )


def _scores(
    recipe: Recipe, train: Manifest, test: Manifest, folder: Path, alike: Path, digest: Mapping[Path, str], how: How,
    progress: Progress,
) -> Scores:  # fmt: skip
    """What the recipe says of tested clips (clips, tags) after it learnt from a draw. alike: the folder of all draws' precision."""
    name = _key(recipe, train, test, digest)
    kept, run = folder / f"{name}.npy", folder / name
    if kept.is_file():
        known = np.load(kept, allow_pickle=False)
        if known.shape == (len(test), len(train.vocabulary)):
            return np.asarray(known, np.float32)
    if run.is_dir() and not (run / "recipe.yaml").is_file():
        shutil.rmtree(run)  # killed before it began
    made = runs.train(
        recipe,
        _joined(train, test),
        run,
        resume=True,
        workers=how.workers,
        strict=True,
        device=how.device,
        beside=alike,
    )
    tagger = loading.load(made, how.device)
    scored = score_clips(tagger, test, Settings(workers=how.workers, strict=True)).scores
    if scored.ids.tolist() != test.ids.tolist():
        raise EarmarkError(
            f"{run}: {len(scored.ids):,} of {counted(len(test), 'tested clip')} {agreed(len(scored.ids), 'was', 'were')} scored"
        )
    with whole(kept) as part, part.open("wb") as file:
        np.save(file, np.asarray(scored.values, np.float32), allow_pickle=False)
    shutil.rmtree(run)
    return np.asarray(scored.values, np.float32)


def _joined(train: Manifest, test: Manifest) -> Manifest:
    folds = pa.chunked_array([pa.array([LEARN] * len(train) + [TEST] * len(test))])
    table = pa.concat_tables([train.table, test.table])
    return replace(train, table=table.set_column(SCHEMA.get_field_index("fold"), SCHEMA.field("fold"), folds))


def _key(recipe: Recipe, train: Manifest, test: Manifest, digest: Mapping[Path, str]) -> str:
    told = [recipe.as_dict(), *(_clips(part, digest) for part in (train, test))]
    return _digest(told)


def _digest(told: object) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _clips(part: Manifest, digest: Mapping[Path, str]) -> list[Sequence[object]]:
    columns = part.ids.tolist(), sounds.keys(part, digest, heard=True), part.table["tags"].to_pylist()
    return [list(each) for each in zip(*columns, strict=True)]
