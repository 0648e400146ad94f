"""Moving averages of weights and consistency of two views: closed forms, and runs that go on to the bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import yaml
from tests.test_train import recipe, rows
from torch import nn

from earmark.errors import EarmarkError
from earmark.models import loading
from earmark.recipe import load, parse
from earmark.recipe.schema import Component
from earmark.train.augment import staged
from earmark.train.consistency import consistency
from earmark.train.ema import MovingAverage
from earmark.train.loader import Batches, Waves
from earmark.train.run import train


class One(nn.Module):
    """A weight and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("seen", torch.tensor(0))


# The moving average


def test_the_average_of_a_known_sequence():
    """Weights k after step k: a(k) = d(k) a(k−1) + (1 − d(k)) k, with d(k) = min(0.6, (1 + k) / (10 + k))."""
    net = One()
    average = MovingAverage(net, 0.6)
    expected = 0.0
    for step in range(1, 31):
        with torch.no_grad():
            net.weight.fill_(step)
            net.seen.fill_(step)
        average.update(step)
        decay = min(0.6, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.values["weight"].tolist() == pytest.approx([expected] * 2, rel=1e-6)
    # far from the start a line is followed at a distance of d / (1 − d) steps
    assert 30 - expected == pytest.approx(0.6 / 0.4, abs=0.01)
    assert average.values["seen"].item() == 30
    assert net.weight.tolist() == [30, 30]  # the weights themselves are not touched


def test_weights_that_stay_are_their_own_average():
    net = One()
    with torch.no_grad():
        net.weight.copy_(torch.tensor([0.1, -3.7]))
    average = MovingAverage(net, 0.99)
    for step in range(1, 50):
        average.update(step)
    assert torch.equal(average.values["weight"], net.weight)


def test_the_average_is_in_place_for_a_while_only():
    net = One()
    average = MovingAverage(net, 0.5)
    with torch.no_grad():
        net.weight.fill_(1 / 3)
    with average.in_place():
        assert net.weight.tolist() == [0, 0]
    assert torch.equal(net.weight, torch.full((2,), 1 / 3))
    with pytest.raises(ZeroDivisionError), average.in_place():
        1 / 0  # noqa: B018
    assert torch.equal(net.weight, torch.full((2,), 1 / 3))


# The divergence of two views


def test_equal_views_are_consistent():
    logits = torch.randn(5, 2, 4)
    for task in ("one", "many"):
        assert consistency(logits, logits.clone(), task).item() == 0


def test_the_divergence_by_hand():
    """p = (1/2, 1/2), q = (3/4, 1/4): half of KL(p‖q) + KL(q‖p) is half of Σ (p − q) (ln p − ln q) = ln 3 / 8."""
    p, q = torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[math.log(3), 0.0]]])
    assert consistency(p, q, "one").item() == pytest.approx(math.log(3) / 8, rel=1e-6)
    # the same two outcomes as a tag that is there or not
    assert consistency(p[..., :1], q[..., :1], "many").item() == pytest.approx(math.log(3) / 8, rel=1e-6)


def test_it_pulls_each_view_to_the_other():
    """Targets have no gradient: that of ½ KL(q ‖ p) to the first view's logits is half of its softmax less the target."""
    p, q = torch.randn(1, 1, 3, requires_grad=True), torch.randn(1, 1, 3, requires_grad=True)
    consistency(p, q, "one").backward()
    assert torch.allclose(p.grad, (p.softmax(-1) - q.softmax(-1)).detach() / 2, atol=1e-6)
    assert torch.allclose(q.grad, -p.grad, atol=1e-6)


# Two views of each clip


def test_the_first_view_is_the_one_without_a_second(clips):
    waves = Waves(clips, 4000)
    targets = clips.truth().astype(np.float32)
    told = {
        "seed": 2,
        "epoch": 3,
        "clips": staged([Component(name="gain", db=6), Component(name="crop")], 4000)["clip"],
        "pairs": staged([Component(name="other_class")], 4000)["pair"],
    }
    one = list(Batches(waves, targets, waves.readable, 7, 1000, **told))
    two = list(Batches(waves, targets, waves.readable, 7, 1000, views=2, **told))
    for (alone, tags, _), (both, same, _) in zip(one, two, strict=True):
        assert both.shape == (len(alone), 2, 1000)
        assert torch.equal(both[:, 0], alone) and torch.equal(tags, same)
        assert (both[:, 0] != both[:, 1]).any(1).all()


# Training with them

BOTH = {"train__ema": 0.9, "train__consistency": 2.0}


def test_a_run_that_is_stopped_ends_with_the_same_bytes(clips, tmp_path):
    plan = recipe(**BOTH, train__epochs=4, train__renew_statistics=True)
    whole = train(plan, clips, tmp_path / "whole")

    def stop(phase, epoch, epochs, share, row):
        if epoch == 3 and share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(plan, clips, tmp_path / "stopped", on_progress=stop)
    assert len(rows(tmp_path / "stopped")) == 2
    resumed = train(plan, clips, tmp_path / "stopped", resume=True)
    assert resumed.read_bytes() == whole.read_bytes()
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")


def test_a_run_with_an_average_learns_alike_and_keeps_another_tagger(clips, tmp_path):
    plain, averaged = (
        train(recipe(train__keep="last", **more), clips, tmp_path / name)
        for name, more in (("a", {}), ("b", {"train__ema": 0.9}))
    )
    told = [[row["train_loss"] for row in rows(path.parent)] for path in (plain, averaged)]
    assert told[0] == told[1]  # the average looks on
    first, second = (loading.load(path, engine="torch").alone.state_dict() for path in (plain, averaged))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_an_average_of_no_memory_is_the_weights(clips, tmp_path):
    plain, averaged = (
        train(recipe(train__keep="last", **more), clips, tmp_path / name)
        for name, more in (("a", {}), ("b", {"train__ema": 1e-12}))
    )
    first, second = (loading.load(path, engine="torch").alone.state_dict() for path in (plain, averaged))
    assert all(torch.allclose(first[name], second[name], rtol=1e-6) for name in first)


def test_two_views_change_what_is_learnt(clips, tmp_path):
    losses = [
        float(rows(train(recipe(train__epochs=1, **more), clips, tmp_path / name).parent)[0]["train_loss"])
        for name, more in (("a", {}), ("b", {"train__consistency": 1e-9}), ("c", {"train__consistency": 50.0}))
    ]
    assert losses[0] != losses[1] and losses[2] > losses[1]


def test_recipes_without_them_say_nothing_of_them(tmp_path):
    assert not {"ema", "consistency"} & set(recipe().as_dict()["train"])
    plan = recipe(**BOTH)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    assert load(tmp_path / "plan.yaml").train == plan.train


@pytest.mark.parametrize(("key", "value"), [("ema", 1.0), ("ema", 0.0), ("consistency", 0.0), ("consistency", 101.0)])
def test_bounds(key, value):
    raw = recipe().as_dict()
    raw["train"][key] = value
    with pytest.raises(EarmarkError, match=f"train.{key}"):
        parse(raw)
