"""How far a training has come: learning rates by hand, and a state that gives back what was put into it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark.recipe import Optimiser, Schedule, Train
from earmark.train.state import State, ended, learning_rate, load_state, save_state


def test_learning_rates_by_hand():
    def rates(schedule, gains, epochs=6, lr=0.1):
        plan = Train(epochs=epochs, optimiser=Optimiser(lr=lr), schedule=schedule)
        state = State()
        got = []
        for epoch, gained in enumerate(gains):
            state.lr = learning_rate(plan, state)
            got.append(state.lr)
            state.history.append({"epoch": epoch + 1})
            state.since_cut = 0 if gained else state.since_cut + 1
        return got

    assert rates(Schedule(name="constant"), [True] * 3) == [0.1] * 3
    plateau = Schedule(name="plateau", patience=2, factor=0.5, lowest=0.03)
    assert rates(plateau, [True, False, False, False, False, False, False]) == [0.1, 0.1, 0.1, 0.05, 0.05, 0.03, 0.03]
    # epochs in which the rate still grows are not waited on
    grown = Schedule(name="plateau", patience=2, warm_up=2, lowest=0.0)
    assert rates(grown, [True] + [False] * 5) == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.1, 0.05, 0.05])
    cosine = Schedule(name="cosine", lowest=0.0, warm_up=1)
    expected = [0.05, *[0.05 * (1 + np.cos(np.pi * k / 5)) for k in range(5)]]
    np.testing.assert_allclose(rates(cosine, [True] * 6), expected)
    told = Schedule(name="cosine", lowest=0.1)  # as the docstring of `Schedule` has it
    assert rates(told, [True] * 5, epochs=5, lr=1.0)[::4] == pytest.approx([1.0, 0.186], abs=5e-4)
    assert rates(told, [True] * 6, epochs=5, lr=1.0)[5] == pytest.approx(0.1)


def test_a_state_gives_back_what_was_put_into_it(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimiser = torch.optim.Adam(net.parameters(), 0.1)
    for _ in range(3):
        net(torch.randn(8, 3)).square().sum().backward()
        optimiser.step()
    state = State(history=[{"epoch": 1, "train_loss": 0.1 + 0.2}], best=-1 / 3, best_epoch=1, lr=0.1)
    save_state(tmp_path / "s", net, optimiser, state)
    other = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    of_optimiser, again = load_state(tmp_path / "s", other)
    assert again == state
    for name, value in net.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    resumed = torch.optim.Adam(other.parameters(), 0.7)
    resumed.load_state_dict(of_optimiser)
    waves = torch.randn(8, 3)
    for model, steps in ((net, optimiser), (other, resumed)):  # the next step is the same
        steps.zero_grad()
        model(waves).square().sum().backward()
        steps.step()
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_end_is_the_last_epoch_or_no_gain():
    plan = Train(epochs=5, stop_after=2)
    assert not ended(State(history=[{}] * 4, since_gain=1), plan)
    assert ended(State(history=[{}] * 5), plan)
    assert ended(State(history=[{}] * 3, since_gain=2), plan)
