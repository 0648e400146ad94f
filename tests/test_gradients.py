"""Gradients of convolutions whose weights' are taken in another layout, against sums in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from earmark.train.gradients import TurnedConv2d, turn_weights


@pytest.fixture(autouse=True)
def _as_without_avx512(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


HOW = [
    {"padding": 1},
    {"stride": 2, "padding": (1, 0), "bias": False},
    {"dilation": 2, "padding": 2},
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("deep", [True, False])
def test_they_are_those_of_the_plain_layer(how, deep):
    torch.manual_seed(0)
    turned = nn.Conv2d(64, 5, 3, **how).to(memory_format=torch.channels_last)
    exact = copy.deepcopy(turned).double()
    assert turn_weights(turned) == 1 and type(turned) is TurnedConv2d
    x = torch.randn(3, 64, 33, 65).to(memory_format=torch.channels_last).requires_grad_(deep)
    wide = x.detach().double().requires_grad_(deep)
    out, truth = turned(x), exact(wide)
    gradient = torch.randn_like(out)
    out.backward(gradient)
    truth.backward(gradient.double())
    torch.testing.assert_close(out.double(), truth, rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(turned.parameters(), exact.parameters(), strict=True):
        # 6,435 products of unit normals: their absolute values sum to 4,100, of which 2⁻²⁴ is 2.4e-4, once for each of some
        # roundings on the way; a gradient that misses a row or a tap is off by 8 or more
        torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=1e-5, atol=1e-3)
    if deep:
        torch.testing.assert_close(x.grad.double(), wide.grad, rtol=1e-5, atol=1e-5)
    else:
        assert x.grad is None


def test_only_wide_convolutions_are_turned_and_none_elsewhere(monkeypatch):
    def layers():
        return nn.Sequential(
            nn.Conv2d(63, 64, 3), nn.Conv2d(64, 64, 1), nn.Conv2d(64, 64, 3, groups=2), nn.Conv2d(64, 64, 3, padding="same"),
            nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular"), nn.Conv1d(64, 64, 3), nn.Conv2d(64, 8, (1, 3)),
        )  # fmt: skip

    net = layers()
    assert turn_weights(net) == 1 and type(net[-1]) is TurnedConv2d
    assert turn_weights(net) == 0  # they are already
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert turn_weights(layers()) == 0


def test_what_is_frozen_or_only_heard_or_small_is_as_before():
    net = nn.Conv2d(64, 4, 3)
    plain = copy.deepcopy(net)
    turn_weights(net)
    x = torch.randn(2, 64, 64, 32)
    assert net(x).grad_fn.name() == "_TurnedBackward"
    assert net(x[..., 1:]).grad_fn.name() == "ConvolutionBackward0"  # 64 · 31 positions are few
    with torch.no_grad():
        assert torch.equal(net(x), plain(x))
    net.requires_grad_(False)
    assert net(x.requires_grad_()).grad_fn.name() == "ConvolutionBackward0"
