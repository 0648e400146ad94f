"""AudioSet's recipe from shards: the loader against the step, the draws of an epoch, and a training to its end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shardpacks import RATE, of_ten_seconds, synthetic

CLIPS = 20_000
RECIPE = "audioset-balanced-rawresnet"
Result = dict[str, Any]


def audioset(data: Path, place: Path, quick: bool) -> Result:
    """20,000 clips with AudioSet's own sets of tags through a recipe for them: loader, step, draws, and a run to its end."""
    import torch

    from earmark.data import packs
    from earmark.models import tagger
    from earmark.recipe import during, load
    from earmark.train.packed import PackedWaves
    from earmark.train.phase import PhaseModule
    from earmark.train.state import State
    from earmark.train.steps import Steps

    members = of_ten_seconds(place / "pack", data, 20 if quick else 100)
    whole = packs.read(synthetic(place / "pack", 2_000 if quick else CLIPS, data, members))
    clips = whole.in_folds(["train"])
    plan = load(
        RECIPE,
        ["data.validation=[valid]", "data.test=[]", "train.precision=float32", "train.batch=4", "run=[mixtrain]"],
    )
    part = during(plan, "mixtrain")
    waves = PackedWaves(clips, RATE)
    module = PhaseModule(tagger.build(part, clips.vocabulary), waves, waves, place, State(), workers=1, plan=part)
    module.steps = Steps(module, module.optimiser(), "32-true")
    loaded, stepped = _loader_and_step(module, 32 if quick else 128, 1 if quick else 2)
    least, most, plain = _draws(clips, module.targets)
    done, seconds = _to_the_end(plan, whole, place)
    epoch = (loaded + stepped) * len(clips) / 3600
    rows = [
        ["loader alone", 1 / loaded, loaded * len(clips) / 3600],
        ["a step", 1 / stepped, stepped * len(clips) / 3600],
    ]
    title = f"{len(clips):,} clips of 10 s, {len(clips.vocabulary)} tags, {RECIPE}, torch {torch.__version__}, float32, one core"
    notes = [
        f"An epoch of {len(clips):,} clips takes {epoch:.3g} h on this core, from the step of a clip and its loading.",
        f"Of {len(clips):,} balanced draws the commonest tag is in {most:.1%} and the rarest in {least} clips (without balance "
        f"{plain} clips): tags take turns, and a clip brings its other tags along, so that they cannot come alike (paper 000).",
        f"A run of one epoch of 4 clips went to its end in {seconds:.0f} s, validation and all: a tagger of {done} tags.",
    ]
    goals = [
        {"what": f"loader alone over the step of {RECIPE}, one core each", "value": stepped / loaded, "at_least": 2.0},
        {
            "what": "clips with the rarest tag in an epoch of balanced draws, over the tag's turns",
            "value": least / (len(clips) // len(clips.vocabulary)),
            "at_least": 1.0,
        },
    ]
    return {
        "tables": [{"title": title, "columns": ["", "clips/s", "h an epoch"], "rows": rows}],
        "goals": goals,
        "notes": notes,
    }


def _loader_and_step(module: Any, loaded: int, steps: int) -> tuple[float, float]:
    """Processor seconds a clip of the loader alone, and of a step once its clips are there."""
    begin, count, batches = time.process_time(), 0, []
    for batch in module.epoch_batches():
        count += len(batch[0])
        batches.append(batch)
        if count >= loaded:
            break
    loader = (time.process_time() - begin) / count
    module._learn()
    module.steps.take(batches[0], 0, 1e-4, count=1)  # pays for what is made but once
    begin = time.process_time()
    for index in range(steps):
        module.steps.take(batches[index + 1], index + 1, 1e-4, count=index + 2)
    return loader, (time.process_time() - begin) / sum(len(batch[0]) for batch in batches[1 : steps + 1])


def _draws(clips: Any, targets: Any) -> tuple[int, float, int]:
    """Of an epoch of balanced draws: clips with the rarest tag, and the share of those with the commonest; without balance, the rarest."""
    from earmark.train.order import draw_order

    rows = np.arange(len(clips))
    counts = []
    for balance in (True, False):
        drawn = draw_order(rows, targets, balance, None, 0, 1)
        counts.append(np.sum([targets[drawn[at : at + 1000]].sum(0) for at in range(0, len(drawn), 1000)], 0))
    there = counts[1] > 0  # tags that some clip has
    return int(counts[0][there].min()), float(counts[0].max() / len(rows)), int(counts[1][there].min())


def _to_the_end(plan: Any, whole: Any, place: Path) -> tuple[int, float]:
    """How many tags the tagger has of a training of four clips that four validate, and how long it took."""
    from earmark import load as load_tagger
    from earmark import train
    from earmark.recipe import parse

    raw = plan.as_dict()
    raw["train"] |= {"epochs": 1, "clips": 4, "accumulate": 1}
    few = np.concatenate([np.flatnonzero(whole.folds == "valid")[:4], np.flatnonzero(whole.folds == "train")])
    begin = time.perf_counter()
    file = train.train(parse(raw, plan.name), whole.select(few), place / "run", workers=1)
    return len(load_tagger(file).vocabulary), time.perf_counter() - begin
