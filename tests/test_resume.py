"""A run that goes on learns from exactly what it began with, or is refused; one that has ended stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from earmark.data import packs
from earmark.errors import EarmarkError
from earmark.recipe import parse

training = pytest.importorskip("earmark.train")
from earmark.train.phase import PhaseModule  # noqa: E402 (after the skip)

pytestmark = pytest.mark.usefixtures("sketched")


def recipe(**changes):
    raw = {
        "task": "one",
        "sample_rate": 4000,
        "seed": 3,
        "data": {"dataset": "folder", "test": ["5"], "validation": ["4"]},
        "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8], "blocks": [1, 1], "momentum": 0.1},
        "augment": ["crop", {"name": "mixup", "share": 0.5}],
        "train": {"epochs": 2, "batch": 8, "precision": "float32"} | changes.pop("train", {}),
    }
    return parse(raw | changes)


PHASES = {name: {"train": {"epochs": 1}} for name in ("first", "second")}
PLANS = {"plain": recipe(), "phases": recipe(phases=PHASES)}


def stopped(plan, clips, folder, **how):
    """Train until an epoch was learnt."""
    end = PhaseModule.end_epoch

    def stop(self):
        end(self)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseModule, "end_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(plan, clips, folder, **how)


@pytest.fixture(scope="module")
def pack(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs") / "p"
    packs.pack(clips, folder, shard_size=1_000_000)
    return packs.read(folder)


def turned(clips, part):
    """The same clips, those of a part the other way round."""
    folds = {"train": ["1", "2", "3"], "validation": ["4"], "test": ["5"]}[part]
    rows = np.arange(len(clips))
    of_part = np.isin(clips.folds, folds)
    rows[of_part] = rows[of_part][::-1]
    return replace(clips, table=clips.table.take(rows))


@pytest.mark.parametrize("kind", ["plain", "phases", "pack"])
def test_clips_in_another_order_are_another_run(clips, pack, tmp_path, kind):
    own, plan = (pack, PLANS["plain"]) if kind == "pack" else (clips, PLANS[kind])
    stopped(plan, own, tmp_path / "run")
    for part in ("train", "validation"):
        with pytest.raises(
            EarmarkError,
            match=f"run: was started with the same {part} clips in another order, .*Give them in the order of then, or take",
        ):
            training.train(plan, turned(own, part), tmp_path / "run", resume=True)
    whole = training.train(plan, own, tmp_path / "whole")  # clips that are only tested are drawn from by nobody
    assert training.train(plan, turned(own, "test"), tmp_path / "run", resume=True).read_bytes() == whole.read_bytes()


def test_shards_that_are_read_in_order_are_part_of_the_order(clips, pack, tmp_path):
    """The same clips in the same order, which lie elsewhere in their shards: another run only where shard after shard is read."""
    packs.pack(turned(clips, "train"), tmp_path / "p", shard_size=1_000_000)
    other = packs.read(tmp_path / "p")
    places = {name: place for place, name in enumerate(other.ids.tolist())}
    other = replace(other, table=other.table.take([places[name] for name in pack.ids.tolist()]))
    assert other.ids.tolist() == pack.ids.tolist() and other.table["path"] != pack.table["path"]
    plan = recipe(train={"buffer": 10})
    stopped(plan, pack, tmp_path / "read")
    with pytest.raises(EarmarkError, match="the same train clips in another order"):
        training.train(plan, other, tmp_path / "read", resume=True)
    stopped(recipe(), pack, tmp_path / "asked")
    training.train(recipe(), other, tmp_path / "asked", resume=True)
