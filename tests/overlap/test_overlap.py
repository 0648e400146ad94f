"""What stands for overlapping windows against the windows themselves, cut out and computed one by one, in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from earmark.windows.overlap import Overlap, Trace, overlapping


def both(function, wave, length, hop, count):
    """(of the windows one by one, of what stands for them, as tensors; the trace)."""
    cut = wave.unfold(-1, length, hop)[..., :count, :].movedim(-2, 1).flatten(0, 1)  # (rows · count, …, length)
    trace = Trace()
    with torch.inference_mode():
        apart = function(cut)
        shared = function(overlapping(wave, length, hop, count, trace))
    told = list(trace.stopped)
    if isinstance(shared, Overlap):
        assert shared.shape == apart.shape
        assert shared.ndim == apart.ndim
        shared = shared.windows("the test")
    return apart, shared, told


def waves(rows, channels, samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, channels, samples, generator=generator, dtype=torch.float64)


LAYERS = {
    "conv": st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(1, 2)),
    "max": st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2)),
    "mean": st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.booleans()),
    "pad": st.tuples(st.integers(0, 3), st.integers(0, 3)),
    "residual": st.tuples(st.integers(1, 3), st.sampled_from([1, 1, 2])),
    "branches": st.tuples(st.integers(0, 2), st.integers(1, 2)),
    "norm": st.just(()),
}
layers = st.lists(
    st.sampled_from(sorted(LAYERS)).flatmap(lambda kind: st.tuples(st.just(kind), LAYERS[kind])), min_size=1, max_size=6
)


class Residual(nn.Module):
    """A padded convolution with a stride beside one of a single sample, added in place, as ResNets have it."""

    def __init__(self, half, stride):
        super().__init__()
        self.inner = nn.Conv1d(2, 2, 2 * half + 1, stride, padding=half)
        self.shortcut = nn.Conv1d(2, 2, 1, stride)

    def forward(self, x):
        return torch.relu_(self.inner(x).add_(self.shortcut(x)))


class Branches(nn.Module):
    """Two convolutions of different length side by side."""

    def __init__(self, half, channels):
        super().__init__()
        self.long = nn.Conv1d(2, channels, 2 * half + 1, padding=half)
        self.short = nn.Conv1d(2, 2 - channels, 1) if channels < 2 else None

    def forward(self, x):
        return torch.cat([self.long(x), self.short(x)], 1) if self.short else self.long(x)


class Pad(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.ends = (left, right)

    def forward(self, x):
        return F.pad(x, self.ends)


def build(kinds):
    torch.manual_seed(1)
    made = []
    for kind, told in kinds:
        if kind == "conv":
            kernel, stride, padding, dilation = told
            made += [nn.Conv1d(2, 2, kernel, stride, padding, dilation), nn.ReLU(inplace=True)]
        elif kind == "max":
            made.append(nn.MaxPool1d(told[0], told[1], min(told[2], told[0] // 2)))
        elif kind == "mean":
            made.append(nn.AvgPool1d(told[0], told[1], min(told[2], told[0] // 2), count_include_pad=told[3]))
        elif kind == "norm":
            norm = nn.BatchNorm1d(2)
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            made.append(norm)
        else:
            made.append({"pad": Pad, "residual": Residual, "branches": Branches}[kind](*told))
    return nn.Sequential(*made).double().eval()


@settings(max_examples=300, deadline=None)
@given(
    kinds=layers,
    length=st.integers(20, 120),
    hop=st.integers(1, 40),
    count=st.integers(1, 12),
    rows=st.integers(1, 3),
    extra=st.integers(0, 9),
)
def test_any_layers_give_the_same(kinds, length, hop, count, rows, extra):
    net = build(kinds)
    wave = waves(rows, 2, (count - 1) * hop + length + extra)
    try:
        net(wave[..., :length])
    except RuntimeError:  # the layers leave nothing of a window
        return
    apart, shared, _ = both(net, wave, length, hop, count)
    torch.testing.assert_close(shared, apart, rtol=1e-9, atol=1e-9)


def test_padded_layers_are_shared_to_the_end():
    net = build([("conv", (3, 1, 1, 1)), ("max", (2, 2, 0)), ("residual", (1, 1)), ("conv", (3, 2, 1, 1))])
    _, shared, told = both(net, waves(1, 2, 2000), 400, 16, 50)
    assert told == []  # never on windows
    assert shared.shape == (50, 2, 100)


def test_a_stride_beside_the_hop_makes_phases():
    net = build([("max", (3, 3, 0)), ("conv", (3, 1, 0, 1))])
    assert both(net, waves(1, 2, 3000), 300, 10, 100)[2] == []  # three phases of thirty-fold overlap
    told = both(net, waves(1, 2, 3000), 300, 100, 20)[2]  # as many phases as overlap: nothing is saved
    assert len(told) == 1 and "makes 3 phases" in told[0]


def test_short_windows_are_computed_one_by_one():
    net = build([("conv", (5, 1, 2, 1))] * 5)
    told = both(net, waves(1, 2, 200), 20, 2, 50)[2]
    assert len(told) == 1 and "edge" in told[0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mean(1, keepdim=True) - x.amax(1, keepdim=True),
        lambda x: x[:, None].sum(2)[:, 0],
        lambda x: torch.cat([x, x * 2, 1 + x / 3], 1)[:, 1:4],
        lambda x: x.repeat_interleave(2, dim=1).clamp(min=0).sqrt(),
        lambda x: torch.eye(3, 2, dtype=torch.float64) @ x,
        lambda x: F.dropout(x, training=False) * torch.tensor([[2.0], [3.0]], dtype=torch.float64),
        lambda x: x.float().double(),
        lambda x: x - 1,
    ],
)
def test_what_does_not_mix_times_stays_shared(function):
    net = build([("conv", (3, 1, 1, 1))])  # so that there are heads and tails
    apart, shared, told = both(lambda x: function(net(x)), waves(2, 2, 400), 100, 7, 30)
    torch.testing.assert_close(shared, apart, rtol=1e-6, atol=1e-6)
    assert told == []


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: x.mean(-1), "mean takes the whole window"),
        (lambda x: x.amax((1, 2)), "amax"),
        (lambda x: x.transpose(1, 2) @ torch.ones(2, 3, dtype=torch.float64), "transpose"),
        (lambda x: x[..., -3:], "a part of each window"),
        (lambda x: x * x.mean(-1, keepdim=True), "mean"),  # squeeze and excitation
        (lambda x: (x - x.mean((1, 2), keepdim=True)) / x.std((1, 2), keepdim=True), "mean"),  # standardised by window
        (lambda x: torch.fft.rfft(x).abs(), "fft_rfft"),
        (lambda x: torch.cat([x, x], -1), "cat"),
        (lambda x: x.flatten(1), "flatten"),
        (lambda x: F.interpolate(x, 13, mode="linear"), "interpolate"),
        (lambda x: F.conv1d(x, torch.ones(1, 2, 3, dtype=torch.float64), padding="same"), "conv1d"),
        (lambda x: F.pad(x, (2, 2), mode="reflect"), "pad"),
        (lambda x: F.max_pool1d(x, 3, ceil_mode=True), "max_pool"),
    ],
)
def test_what_takes_the_whole_window_gets_it(function, why):
    net = build([("conv", (3, 1, 1, 1))])
    apart, shared, told = both(lambda x: function(net(x)), waves(2, 2, 400), 100, 7, 30)
    torch.testing.assert_close(shared, apart, rtol=1e-9, atol=1e-9)
    assert why in told[0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 2 * (x == 0),  # by the equality of objects, False, nothing would be added
        lambda x: x + (x != 0),
        lambda x: x * (x > 0) + x * (x <= -1),
        lambda x: 1 - x,
        lambda x: 2 / (3 + abs(x)),
        lambda x: (-x) ** 2 + 2**x,
        lambda x: x // 0.1 + x % 0.1,
        lambda x: torch.where((x >= 0) & ~(x > 1) | (x < -1), x, 0),
    ],
)
def test_operators_of_python(function):
    net = build([("conv", (3, 1, 1, 1))])
    apart, shared, _ = both(lambda x: function(F.relu(net(x))), waves(2, 2, 400), 100, 7, 30)
    torch.testing.assert_close(shared, apart, rtol=1e-9, atol=1e-9)


def test_what_is_changed_in_place_is_changed():
    def function(x):
        y = F.conv1d(x, torch.ones(2, 2, 3, dtype=torch.float64), padding=1)
        y.add_(1)  # the result is not taken
        return y.mul_(y)

    apart, shared, told = both(function, waves(1, 2, 200), 50, 5, 20)
    torch.testing.assert_close(shared, apart, rtol=1e-9, atol=1e-9)
    assert told == []


def test_a_sum_with_a_view_is_made_once():
    """A head that is a view of the shared part must not get what is added to that a second time."""

    def function(x):
        y = x * 1  # no head
        return y.add_(F.conv1d(x, torch.ones(2, 2, 5, dtype=torch.float64), padding=2))

    apart, shared, _ = both(function, waves(1, 2, 200), 50, 5, 20)
    torch.testing.assert_close(shared, apart, rtol=1e-9, atol=1e-9)


def test_a_gate_of_each_window_is_its_own():
    gate = torch.arange(20, dtype=torch.float64)[:, None, None]
    apart, shared, told = both(lambda x: gate * x, waves(1, 2, 200), 50, 5, 20)
    torch.testing.assert_close(shared, apart)
    assert told == ["mul takes the whole window"]


def test_what_all_windows_have_needs_none_of_them():
    trace = Trace()
    stands = overlapping(waves(1, 2, 200), 50, 5, 20, trace)
    assert (stands.dtype, stands.device.type, stands.is_cuda, stands.requires_grad) == (
        torch.float64,
        "cpu",
        False,
        False,
    )
    assert (stands.dim(), len(stands), stands.size(-1), stands.size()) == (3, 20, 50, torch.Size([20, 2, 50]))
    assert trace.stopped == []
    assert not hasattr(stands, "no such thing")


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="4 windows of 50 samples every 10 need 80 samples, not 79"):
        overlapping(torch.zeros(1, 79), 50, 10, 4)
