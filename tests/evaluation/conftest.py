"""Clips with a loud burst each, small untrained taggers, and a progress that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from earmark.data.manifest import Manifest, build
from earmark.models.facts import Facts
from earmark.models.tagger import Tagger
from earmark.models.tagger import build as build_tagger
from earmark.recipe import parse

RATE = 8000
TAGS = ("burst", "hiss")
Make = Callable[..., Tagger]


class Heard:
    """A progress: pieces of work with their steps, and sentences."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, int, int]] = []
        self.said: list[str] = []
        self.open = False

    def begin(self, what: str, total: int) -> None:
        assert not self.open
        self.open = True
        self.pieces.append((what, total, 0))

    def advance(self) -> None:
        what, total, steps = self.pieces[-1]
        self.pieces[-1] = what, total, steps + 1

    def end(self) -> None:
        self.open = False

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def make() -> Make:
    """make(seed, facts, **changes to the recipe): a small net with chance weights."""

    def tagger(seed: int = 0, facts: dict[str, Any] | None = None, **changes: Any) -> Tagger:
        torch.manual_seed(seed)
        recipe = {
            "name": "small",
            "summary": "A small net",
            "task": "many",
            "sample_rate": RATE,
            "data": {"dataset": "soundscapes"},
            "windows": {"length": 0.5, "hop": 0.25},
            "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]},
            "augment": ["crop"],
            "train": {"epochs": 1},
        }
        made = build_tagger(parse(recipe | changes), TAGS).eval()
        made.facts = Facts.read(facts or {})
        return made

    return tagger


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Nine clips of 2 s in the folds 1 to 3, a burst in each; the file of the manifest is m.parquet in its root."""
    folder = tmp_path_factory.mktemp("scenes")
    generator = np.random.default_rng(0)
    rows: dict[str, list[Any]] = {"id": [], "path": [], "tags": [], "events": [], "fold": []}
    for number in range(9):
        wave = generator.normal(0, 0.01, 2 * RATE)
        first = 0.2 + 0.2 * int(generator.integers(0, 3))
        wave[int(first * RATE) : int((first + 0.8) * RATE)] *= 30
        name = f"{number}.wav"
        soundfile.write(folder / name, wave.astype(np.float32), RATE)
        told = (name, name, ["burst"], [("burst", first, first + 0.8)], str(number % 3 + 1))
        for column, value in zip(rows, told, strict=True):
            rows[column].append(value)
    return build(rows, folder)


@pytest.fixture(scope="session")
def single(scenes: Manifest) -> Manifest:
    """The same clips with one of two tags each, and without events."""
    columns = {name: scenes.table[name] for name in ("id", "path", "fold")}
    return build(columns | {"tags": [[TAGS[i // 3 % 2]] for i in range(9)]}, scenes.root)


@pytest.fixture
def run(tmp_path: Path, make: Make, single: Manifest) -> Path:
    """A run over three folds: each of its taggers is tested on its own."""
    from earmark.data import splits

    for fold in "123":
        rest = single.in_folds([each for each in "123" if each != fold])
        parts = splits.Parts(rest, single.select([]), single.in_folds(fold))
        facts = {"data": {"dataset": "soundscapes"}, "split": parts.as_dict()}
        (tmp_path / "run" / f"fold-{fold}").mkdir(parents=True)
        make(int(fold), facts, task="one").save(tmp_path / "run" / f"fold-{fold}" / "tagger.safetensors")
    return tmp_path / "run"
