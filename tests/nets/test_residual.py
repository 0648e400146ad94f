"""Residual blocks and trunks against a direct statement of what they are, and the published counts."""

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn

from earmark.models.layers.blocks import count
from earmark.models.layers.residual import (
    Trunk1d,
    Trunk2d,
    basic1d,
    basic2d,
    bottleneck2d,
    initialise_he,
    over_time,
    stretch,
)

NORMS = nn.BatchNorm1d | nn.BatchNorm2d


def conv(x, layer):
    """By the definition, zeros of half the kernel on every side. x: (channels, *places)."""
    weight = layer.weight.detach().numpy()
    places = tuple(range(1, x.ndim))
    sides = [(0, 0)] + [(kernel // 2, kernel // 2) for kernel in weight.shape[2:]]
    seen = sliding_window_view(np.pad(x, sides), weight.shape[2:], axis=places)
    seen = seen[(slice(None), *(slice(None, None, stride) for stride in layer.stride))]
    inner = (0, *range(x.ndim, 2 * x.ndim - 1))
    return np.tensordot(weight, seen, (tuple(range(1, weight.ndim)), inner))


def norm(x, layer):
    across = (slice(None), *[None] * (x.ndim - 1))
    told = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
    scale, shift, mean, variance = (part.detach().numpy()[across] for part in told)
    return scale * (x - mean) / np.sqrt(variance + 1e-5) + shift


def shuffled(block):
    """In float64, with statistics, scales and shifts at random."""
    block = block.double().eval()
    for layer in block.modules():
        if isinstance(layer, NORMS):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.normal_()
            layer.bias.data.normal_()
    return block


def by_definition(block, x, strides):
    """strides: those that the inner convolutions should have, in order."""
    convs = [layer for layer in block.inner.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d)]
    norms = [layer for layer in block.inner.modules() if isinstance(layer, NORMS)]
    assert [layer.stride[0] for layer in convs] == strides
    inner = x
    for i, (layer, after) in enumerate(zip(convs, norms, strict=True)):
        inner = norm(conv(inner, layer), after)
        inner = np.maximum(inner, 0) if i < len(convs) - 1 else inner
    shortcut = x
    if not isinstance(block.shortcut, nn.Identity):
        shortcut = norm(conv(x, block.shortcut[0]), block.shortcut[1])
    return np.maximum(inner + shortcut, 0)


@pytest.mark.parametrize(
    ("make", "channels", "width", "stride", "strides", "places"),
    [
        (basic1d, 3, 3, 1, [1, 1], (7,)),
        (basic1d, 3, 4, 2, [2, 1], (7,)),
        (basic2d, 3, 3, 1, [1, 1], (5, 6)),
        (basic2d, 2, 4, 2, [2, 1], (5, 6)),
        (bottleneck2d, 8, 2, 1, [1, 1, 1], (5, 6)),
        (bottleneck2d, 3, 2, 1, [1, 1, 1], (5, 6)),
        (bottleneck2d, 3, 2, 2, [1, 2, 1], (5, 6)),  # the stride is in the 3×3
    ],
)
def test_blocks_by_definition(make, channels, width, stride, strides, places):
    torch.manual_seed(1)
    block = shuffled(make(channels, width, stride))
    x = torch.randn(1, channels, *places, dtype=torch.float64)
    expected = by_definition(block, x[0].numpy(), strides)
    kept = x.clone()
    np.testing.assert_allclose(block(x)[0].detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    assert torch.equal(x, kept)
    assert isinstance(block.shortcut, nn.Identity) == (stride == 1 and len(expected) == channels)


def test_a_stage_by_definition_in_training():
    """What is done in place must not spoil the gradient: it is compared with differences of the loss."""
    torch.manual_seed(2)
    stage = nn.Sequential(bottleneck2d(3, 2, 2), bottleneck2d(8, 2, 1)).double()
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(stage, x)


@pytest.mark.parametrize(
    ("bottleneck", "blocks", "published"),
    [
        (False, (3, 4, 6, 3), 21_797_672),
        (True, (3, 4, 6, 3), 25_557_032),
        (True, (3, 4, 23, 3), 44_549_160),
    ],
)
def test_trunks_have_the_published_counts(bottleneck, blocks, published):
    """torchvision's documentation counts ResNet-34, 50 and 101 with 3 input channels and a dense layer for 1000 classes."""
    with torch.device("meta"):
        trunk = Trunk2d(3, (64, 128, 256, 512), blocks, bottleneck=bottleneck, stem_stride=(2, 2))
    parameters, statistics = count(trunk)
    assert parameters + 1000 * trunk.width + 1000 == published
    norms = [layer for layer in trunk.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert statistics == sum(2 * layer.num_features for layer in norms)
    assert {(layer.eps, layer.momentum) for layer in norms} == {(1e-5, 0.1)}


@pytest.mark.parametrize(
    ("widths", "wanted"),
    [
        ((16, 32, 64, 128), 242_128),
        ((32, 64, 128, 128), 454_304),
        ((64, 64, 128, 128), 499_904),
        ((64, 128, 128, 128), 660_288),
        ((128, 128, 128, 128), 841_600),
    ],
)
def test_wave_trunks_have_the_wanted_counts(widths, wanted):
    """Sums over the layers, made by hand for stages of two blocks and strides 1, 2, 2, 2."""
    with torch.device("meta"):
        trunk = Trunk1d(widths, (2, 2, 2, 2), stem_kernel=7, stem_stride=4, pool=2, strides=(1, 2, 2, 2))
    assert count(trunk)[0] == wanted


@pytest.mark.parametrize(
    ("stem", "pool", "strides", "length"),
    [(4, 2, (1, 2, 2, 2), 2500), (2, 2, (2, 2, 2, 2), 2500), (4, 4, (1, 2, 2, 2), 1250), (4, 2, (2, 2, 2, 2), 1250)],
)
@pytest.mark.parametrize("kernel", [7, 80])
def test_wave_trunks_divide_the_length(kernel, stem, pool, strides, length):
    """The two sizes of paper 000, Table 3, by each of the ways to reach them."""
    with torch.device("meta"):
        trunk = Trunk1d(
            (16, 32, 64, 128), (1, 1, 1, 1), stem_kernel=kernel, stem_stride=stem, pool=pool, strides=strides
        )
        assert trunk(torch.empty(1, 160_000)).shape == (1, 128, length)
        assert trunk.step == 160_000 // length


def test_lengths_are_rounded_up():
    trunk = Trunk1d((2, 2), (1, 1), stem_kernel=7, stem_stride=4, pool=4, strides=(1, 2))
    assert [trunk(torch.zeros(2, samples)).shape[2] for samples in (1, 32, 33, 64, 65)] == [1, 1, 2, 2, 3]


def test_elements_are_centred_on_multiples_of_the_step():
    """A sound around sample k · step moves element k most, and its neighbours alike where all weights are even."""
    trunk = Trunk1d((2, 2), (1, 1), stem_kernel=7, stem_stride=4, pool=4, strides=(1, 2)).double().eval()
    for layer in trunk.modules():
        if isinstance(layer, nn.Conv1d):
            layer.weight.data.fill_(0.1)
    waves = torch.zeros(1, 32 * 21, dtype=torch.float64)
    waves[0, 32 * 10 - 40 : 32 * 10 + 41] = 1.0
    with torch.no_grad():
        out = trunk(waves)[0, 0]
    assert out.argmax() == 10
    torch.testing.assert_close(out[:10], out[11:].flip(0))


def test_initialisation_keeps_the_variance_of_gradients():
    torch.manual_seed(0)
    layer = nn.Conv2d(32, 64, 3, 2)
    initialise_he(layer)
    assert layer.weight.std().item() == pytest.approx(np.sqrt(2 / (64 * 9)), rel=0.02)


def test_over_time_by_hand():
    maps = torch.arange(12.0).reshape(1, 2, 3, 2)  # (batch, channels, bands, frames)
    assert over_time(maps).tolist() == [[[2, 8], [3, 9]]]


@pytest.mark.parametrize("length", [7, 8, 9, 10])
def test_stretch_is_numpys_interpolation(length):
    values = np.random.default_rng(0).normal(size=(2, -(-length // 4), 3))
    got = stretch(torch.from_numpy(values), 4, length)
    places = np.arange(values.shape[1]) * 4
    for clip in range(2):
        for tag in range(3):
            wanted = np.interp(np.arange(length), places, values[clip, :, tag])
            np.testing.assert_allclose(got[clip, :, tag], wanted, rtol=1e-9)


def test_stretch_of_a_single_value_repeats_it():
    assert stretch(torch.tensor([[[1.0, 2.0]]]), 4, 3).tolist() == [[[1, 2]] * 3]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"widths": ()}, r"map_widths \[\] should be a list of whole numbers from 1, and not empty"),
        ({"blocks": (1, 0)}, r"map_blocks \[1, 0\] should be"),
        ({"widths": (4,)}, "1 map_widths and 2 map_blocks: each stage needs one of both"),
        ({"stem_stride": (2,)}, r"map_stem_stride \[2\] has 1 number: it needs 2"),
        ({"stem_stride": (2, 0)}, r"map_stem_stride \[2, 0\] should be"),
    ],
)
def test_odd_trunks_are_refused(changes, told):
    arguments = {"widths": (4, 8), "blocks": (1, 1), "stem_stride": (1, 1), **changes}
    with pytest.raises(ValueError, match=told):
        Trunk2d(1, bottleneck=True, what="map_", **arguments)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stem_kernel": 0}, "stem_kernel is 0: it must be at least 1"),
        ({"stem_stride": 0}, "stem_stride is 0: it must be at least 1"),
        ({"pool": -1}, "pool is -1: it must be at least 1"),
        ({"stem_kernel": 3}, "stem_kernel 3 is below stem_stride 4: samples would go unheard"),
        ({"strides": (1,)}, r"strides \[1\] has 1 number: it needs 2"),
        ({"strides": (1, 0)}, r"strides \[1, 0\] should be"),
        ({"widths": []}, r"widths \[\] should be"),
    ],
)
def test_odd_wave_trunks_are_refused(changes, told):
    arguments = {"widths": (4, 8), "blocks": (1, 1), "stem_kernel": 7, "stem_stride": 4, "pool": 2, "strides": (1, 2)}
    with pytest.raises(ValueError, match=told):
        Trunk1d(**{**arguments, **changes})
