"""Autocast on processors: convolutions that PyTorch answers wrongly in bf16 stay in float32, the others do not."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch
from benchmarks.convolutions import Shape, count, far, shapes, wrong
from torch import nn
from torch.nn import functional as F

from earmark.models.autocast import Autocast, full_precision, right_in_bf16

EXACT, SHORT = torch.float32, torch.bfloat16
# (input, weight, settings): of each why, and of all but the first three torch 2.13 has been seen to answer nonsense somewhere
PLAIN = {
    "maps": ((2, 3, 9, 20), (8, 3, 3, 3), {"padding": 1}),
    "one channel": ((2, 1, 3, 80), (8, 1, 1, 16), {}),
    "many channels": ((2, 32, 40), (8, 32, 9), {"padding": "same"}),
}
HELD = {
    "a strided output one step wide": ((6, 1, 65, 3), (4, 1, 3, 3), {"stride": 2}),
    "its own step": ((2, 16, 10, 68), (8, 16, 1, 4), {"stride": (1, 4)}),
    "few channels and a wide kernel": ((2, 8, 3, 48), (16, 8, 1, 16), {}),
    "the same of waves": ((2, 12, 1000), (16, 12, 8), {}),
    "a kernel as wide as its input": ((4, 64, 5, 16), (16, 64, 3, 16), {}),
    "a kernel beyond its input": ((3, 96, 5, 1), (32, 96, 3, 5), {"padding": (0, 2)}),
    "far apart": ((2, 32, 9, 40), (4, 32, 3, 3), {"dilation": 2}),
    "single channels and a kernel as wide as many": ((2, 4, 18, 65), (4, 1, 3, 16), {"groups": 4}),
    "steps beyond the kernel": ((1, 64, 2, 15), (16, 64, 1, 7), {"stride": (3, 8), "padding": (0, 3)}),
}


def convolved(input, weight):
    return (F.conv2d if len(weight) == 4 else F.conv1d), torch.randn(input), torch.randn(weight) / 10


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("why", [*PLAIN, *HELD])
def test_what_is_computed_in_bf16_and_what_is_right(why, learning):
    input, weight, settings = (PLAIN | HELD)[why]
    call, *parts = convolved(input, weight)
    x, kernel = (part.to(SHORT).float().requires_grad_(learning) for part in parts)
    true = call(x, kernel, **settings)
    with torch.set_grad_enabled(learning), Autocast("cpu", SHORT):
        told = call(x, kernel, **settings)
    assert told.dtype == (SHORT if why in PLAIN else EXACT)
    assert not far(told, true)
    if learning:
        back = torch.randn_like(true)
        wanted = torch.autograd.grad(true, (x, kernel), back)
        got = torch.autograd.grad(told, (x, kernel), back.to(told.dtype))
        assert all(mine.dtype == EXACT and not far(mine, other) for mine, other in zip(got, wanted, strict=True))


def test_steps_are_short_where_nothing_is_learnt():
    call, x, kernel = convolved((2, 4, 9, 40), (8, 4, 3, 3))
    with Autocast("cpu", SHORT):
        assert call(x, kernel, stride=2).dtype == EXACT
        with torch.no_grad():
            assert call(x, kernel, stride=2).dtype == SHORT


def test_what_was_short_before_is_taken_as_it_is():
    call, x, kernel = convolved((2, 8, 3, 48), (16, 8, 1, 16))
    with Autocast("cpu", SHORT):
        assert call(x.to(SHORT), weight=kernel.to(SHORT), bias=torch.zeros(16)).dtype == EXACT


def test_what_has_no_batch_is_one_too():
    x, kernel = torch.randn(3, 9, 20), torch.randn(8, 3, 3, 3)
    with Autocast("cpu", SHORT):
        assert F.conv2d(x, kernel).dtype == SHORT and F.conv2d(x, kernel, stride=2).dtype == EXACT


def test_parts_in_full_precision_and_no_kind_are_as_they_are():
    call, x, kernel = convolved((2, 8, 3, 48), (16, 8, 1, 16))
    true = call(x, kernel)
    with Autocast("cpu", SHORT), full_precision(x.device):
        assert torch.equal(call(x, kernel), true)
    with torch.autocast("cpu", SHORT), Autocast("cpu", None):
        assert torch.equal(call(x, kernel), true) and nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == EXACT


def test_it_is_entered_again_and_left_by_errors():
    held, layer = Autocast("cpu", SHORT), nn.Conv1d(8, 4, 16)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), held, held:  # noqa: PT012, as what is within is asked too
            assert layer(torch.zeros(1, 8, 40)).dtype == EXACT and nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == SHORT
            raise ZeroDivisionError
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == EXACT


def test_shapes_are_convolutions_and_of_both_kinds():
    taken, drawn = set(), shapes(0)
    for shape, _ in zip(drawn, range(60), strict=False):
        x, kernel = shape.tensors()
        assert F.conv2d(x.to("meta"), kernel.to("meta"), None, *shape.told).numel()
        taken.add(right_in_bf16(x, kernel, None, *shape.told, learning=True))
    assert taken == {True, False}


def test_those_that_are_taken_are_right():
    tried = 0
    for shape, learning in zip(shapes(1), itertools.cycle([False, True])):
        x, kernel = shape.tensors()
        if right_in_bf16(x, kernel, None, *shape.told, learning=learning):
            assert wrong(shape, learning) == [], shape
            tried += 1
        if tried == 20:
            break


def test_they_are_counted():
    counts, told = Counter(), []
    held = Shape((6, 1, 65, 3), 4, 1, (3, 3), (2, 2), (0, 0), False)
    count(counts, told, held, False, ["wrong answers"])
    count(counts, told, Shape((1, 1, 9, 9), 4, 1, (3, 3), (1, 1), (0, 0), False), True, [])
    assert counts == {
        "left in float32, hearing": 1,
        "left in float32, hearing: wrong answers": 1,
        "in bf16, learning": 1,
    }
    assert [(each["kernel"], each["taken"]) for each in told] == [((3, 3), False)]


def test_what_differs_is_found():
    true = torch.tensor([1.0, -4.0])
    assert not far(true + 0.1, true) and far(true + 0.2, true) and far(true * torch.nan, true)
    assert Shape((1, 2, 3, 4), 4, 2, (1, 1), (1, 1), (0, 0), False).tensors()[1].shape == (4, 1, 1, 1)
