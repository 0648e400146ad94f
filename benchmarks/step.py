"""How long a training step takes: earmark's own against plain eager PyTorch in float32, with the same net and batch.

A step is what `earmark.train.Lesson` does with a batch (mixing, log-mel, net, loss), then backward and Adam. earmark
lays 2D nets out channels last and takes bf16 autocast where its probe finds it faster on this machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.timing import compare, interleave

RECIPES = "esc10-cnnspec", "esc10-convnet1d"
GOAL = 2.0  # for a 2D net
PLAIN, LAST, BF16, BOTH = "plain float32", "channels last", "bf16 autocast", "channels last, bf16 autocast"
TAGS = 10


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Figures of a 2D and a 1D net."""
    tables, goals, notes = [], [], []
    with tempfile.TemporaryDirectory() as place:
        for recipe in RECIPES:
            say(f"training step of {recipe}")
            table, default, note = _net(recipe, Path(place), 2 if quick else 7)
            tables.append(table)
            notes.append(note)
            if default["flat"]:
                goals.append({"what": table["title"], "value": default["ratio"], "at_least": GOAL})
    return {"tables": tables, "goals": goals, "missing": [], "notes": notes}


def _net(name: str, place: Path, rounds: int) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The table of one net, the figures of what earmark does by default, and what else there is to say."""
    from earmark import train

    plain, ours = _lesson(name, place), _lesson(name, place)
    flat = any(isinstance(layer, nn.Conv2d) for layer in ours.tagger.modules())
    if flat:
        ours.tagger.net.to(memory_format=torch.channels_last)
    precision, why = train.choose_precision(ours, "auto")
    steps = {PLAIN: _step(plain, False)}
    steps |= {LAST: _step(ours, False), BOTH: _step(ours, True)} if flat else {BF16: _step(ours, True)}
    autocast = precision != "32-true"
    default = (BOTH if autocast else LAST) if flat else (BF16 if autocast else PLAIN)
    rows = compare(interleave(steps, rounds), PLAIN)
    batch, seconds = plain.plan.batch, plain.recipe.windows.length
    columns = ["", "ratio", "best", "median, ms", "min, ms", "spread", "clips/s"]
    cells: list[list[Any]] = [
        [
            f"{way} (earmark's choice)" if way == default else way,
            row["ratio"],
            row["best"],
            1e3 * row["median"],
            1e3 * row["min"],
            row["spread"],
            batch / row["median"],
        ]
        for way, row in rows.items()
    ]
    title = f"training step of {name}, batch {batch}, {seconds:g} s"
    note = f"{name}: the probe says: {why}{_features_note(plain)}"
    return {"title": title, "columns": columns, "rows": cells}, {**rows[default], "flat": flat}, note


def _lesson(name: str, place: Path) -> Any:
    """The lesson of a recipe on a batch's worth of noise."""
    from earmark import recipe, tagger, train
    from earmark.loader import Waves

    plan = recipe.load(name)
    manifest = _clips(place, plan.train.batch, plan.sample_rate, plan.windows.length + 1)
    torch.manual_seed(0)
    waves = Waves(manifest, plan.sample_rate)
    return train.Lesson(tagger.build(plan, manifest.vocabulary), waves, waves, place, train.Course())


def _clips(place: Path, count: int, sample_rate: int, seconds: float) -> Any:
    """Noise, a tag after the other, as a manifest."""
    import soundfile

    from earmark.manifest import build

    chance = np.random.default_rng(0)
    names = [f"{sample_rate}-{seconds:g}-{i}.wav" for i in range(count)]
    for name in names:
        if not (place / name).is_file():
            soundfile.write(place / name, 0.1 * chance.standard_normal(round(seconds * sample_rate)), sample_rate)
    return build({"id": names, "path": names, "tags": [f"tag {i % TAGS}" for i in range(count)]}, place)


def _step(lesson: Any, bf16: bool) -> Callable[[], None]:
    """One step on one batch, in the order and under the autocast in which Lightning runs it."""
    batch = next(iter(lesson.train_dataloader()))
    optimiser = lesson.configure_optimizers()
    lesson.train()

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            value = lesson.training_step(batch, 0)
        value.backward()
        optimiser.step()
        lesson.losses.clear()

    return step


def _features_note(lesson: Any) -> str:
    """How much of a step the log-mel is, which no layout and no autocast makes faster."""
    if isinstance(lesson.tagger.features, nn.Identity):
        return ""
    waves, _ = next(iter(lesson.train_dataloader()))
    with torch.no_grad():
        taken = interleave({"features": lambda: lesson.tagger.features(waves)}, 5)["features"]
    return f"; the features of a batch take {1e3 * float(np.median(taken)):.0f} ms of every step"
