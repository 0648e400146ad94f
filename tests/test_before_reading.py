"""What needs no sound to be told is told before any is read, and leaves no folder behind."""

from __future__ import annotations

import pytest
from tests.test_train import recipe

from earmark.errors import EarmarkError

training = pytest.importorskip("earmark.train")
from earmark.train import run as runs  # noqa: E402 (after the skip)

pytestmark = pytest.mark.usefixtures("sketched")
HALF = {"precision": "fp16"}
FP16 = "train.precision: fp16 is for GPUs. Take bf16 or auto on the CPU"
# changes of a recipe → what is told of it
MISTAKES = {
    "half floats": ({"train__precision": "fp16"}, FP16),
    "half floats later": ({"phases": {"a": {}, "b": {"train": HALF}}}, f"phases.b.{FP16}"),
    "half floats first": ({"phases": {"a": {"train": HALF}, "b": {}}}, f"phases.a.{FP16}"),
    "half floats of all": ({"train__precision": "fp16", "phases": {"a": {}, "b": {}}}, f"1 mistake\n  {FP16}"),
    "a reserved tag": ({"data__reserved": ["hihg"]}, "data.reserved: no clip has 'hihg', did you mean 'high'"),
    "all reserved": ({"data__reserved": ["high", "low", "middle"]}, "all tags are reserved"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_it_is_told_before_a_clip_is_read(clips, tmp_path, monkeypatch, what):
    def opened(*_):
        raise AssertionError("clips are read")

    changes, told = MISTAKES[what]
    monkeypatch.setattr(runs, "_opened", opened)
    with pytest.raises(EarmarkError) as caught:
        training.train(recipe(**changes), clips, tmp_path / "run")
    assert told in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_phases_that_do_not_run_need_no_precision(clips, tmp_path):
    plan = recipe(train__epochs=1, phases={"a": {}, "b": {"train": HALF}}, run=["a"])
    assert training.train(plan, clips, tmp_path / "run").is_file()
