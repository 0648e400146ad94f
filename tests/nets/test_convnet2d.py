"""2D-ConvNet: the sizes of Inception v3's lower half, its blocks by direct evaluation, refusals."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from earmark.models.layers.blocks import NORM_EPSILON, count
from earmark.models.nets.convnet2d import ShiftNorm, block_a, block_b, block_c, convnet2d


@pytest.fixture(scope="module")
def net():
    with torch.device("meta"):
        return convnet2d().eval()


def randomised(module):
    torch.manual_seed(0)
    module.double().eval()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.bias.data.normal_()
    return module


def conv(x, layer, padding=0, stride=1):
    """Conv → BN without scale → ReLU from the weights of a `Conv`."""
    x = F.conv2d(x, layer[0].weight, None, stride, padding)
    mean, variance, shift = (v[:, None, None] for v in (layer[1].running_mean, layer[1].running_var, layer[1].bias))
    return ((x - mean) / torch.sqrt(variance + NORM_EPSILON) + shift).clamp(min=0)


def neighbours(x):
    """The mean of those of the 3 by 3 neighbours that are inside the map."""
    out = torch.empty_like(x)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            out[:, :, i, j] = x[:, :, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean((2, 3))
    return out


def same(got, expected):
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


def test_sides_and_channels(net):
    x = torch.empty(1, 3, 299, 299, device="meta")
    shapes = []
    for layer in (*net.stem, *net.blocks):
        x = layer(x)
        assert x.shape[2] == x.shape[3]
        shapes.append((x.shape[2], x.shape[1]))
    stem = [(149, 32), (147, 32), (147, 64), (73, 64), (73, 80), (71, 192), (35, 192)]
    assert shapes == [*stem, (35, 256), (35, 288), (35, 288), (17, 768), (17, 768), (17, 768), (17, 768)]


def test_counts_of_the_blocks(net):
    """Those of Keras' Inception v3: running statistics included, three numbers a channel for normalisation."""
    assert sum(count(net.stem)) == 173_072
    expected = [256_368, 277_968, 285_648, 1_153_920, 1_298_944, 1_692_736, 1_692_736]
    assert [sum(count(block)) for block in net.blocks] == expected
    assert sum(count(net.hidden)) == 787_456 + 4_096
    assert count(net) == (7_647_945, 17_024)


def test_the_stem_has_one_map_left_of_the_shortest(net):
    assert net.shortest == 43
    middle = net.blocks(net.stem(torch.empty(1, 3, 43, 43, device="meta")))
    assert middle.shape == (1, 768, 1, 1)
    for bands, frames in ((42, 43), (43, 42)):
        with pytest.raises(RuntimeError):
            net.blocks(net.stem(torch.empty(1, 3, bands, frames, device="meta")))


def test_block_a_by_direct_evaluation():
    block = randomised(block_a(5, 7, 0.1))
    one, five, three, mean = block.branches
    x = torch.randn(2, 5, 6, 4, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.cat(
            [
                conv(x, one),
                conv(conv(x, five[0]), five[1], 2),
                conv(conv(conv(x, three[0]), three[1], 1), three[2], 1),
                conv(neighbours(x), mean[1]),
            ],
            1,
        )
        same(block(x), expected)
    assert expected.shape == (2, 64 + 64 + 96 + 7, 6, 4)


def test_block_b_by_direct_evaluation():
    block = randomised(block_b(5, 0.1))
    three, twice, _ = block.branches
    x = torch.randn(2, 5, 7, 9, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.cat(
            [
                conv(x, three, stride=2),
                conv(conv(conv(x, twice[0]), twice[1], 1), twice[2], stride=2),
                x.unfold(2, 3, 2).unfold(3, 3, 2).amax((4, 5)),
            ],
            1,
        )
        same(block(x), expected)
    assert expected.shape == (2, 384 + 96 + 5, 3, 4)


def test_block_c_by_direct_evaluation():
    block = randomised(block_c(5, 6, 0.1))
    one, once, twice, mean = block.branches
    x = torch.randn(2, 5, 4, 9, dtype=torch.float64)
    row, column = (0, 3), (3, 0)
    with torch.no_grad():
        a = conv(conv(conv(x, once[0]), once[1], row), once[2], column)
        b = conv(x, twice[0])
        for layer, padding in zip(twice[1:], (column, row, column, row), strict=True):
            b = conv(b, layer, padding)
        same(block(x), torch.cat([conv(x, one), a, b, conv(neighbours(x), mean[1])], 1))


def test_the_head_is_mean_dense_norm_relu_dense():
    net = randomised(convnet2d(tags=3, channels=1, bands=43, pooled=[2], middles=[4], hidden=8))
    maps = torch.randn(2, 1, 60, 75, dtype=torch.float64)
    with torch.no_grad():
        mean = net.blocks(net.stem(maps)).numpy().mean((2, 3))
        dense, norm = net.hidden[0], net.hidden[1]
        inner = mean @ dense.weight.numpy().T + dense.bias.numpy()
        inner = (inner - norm.running_mean.numpy()) / np.sqrt(norm.running_var.numpy() + NORM_EPSILON)
        inner = np.maximum(inner * norm.weight.numpy() + norm.bias.numpy(), 0)
        got = net(maps)
    np.testing.assert_allclose(got.embedding, inner, rtol=1e-9, atol=1e-12)
    logits = inner @ net.out.weight.detach().numpy().T + net.out.bias.detach().numpy()
    np.testing.assert_allclose(got.levels[:, 0], logits, rtol=1e-9, atol=1e-12)


def test_norm_without_scale_in_training():
    torch.manual_seed(0)
    layer = ShiftNorm(3, 0.1).double()
    layer.bias.data.normal_()
    x = 5 + 3 * torch.randn(4, 3, 6, 7, dtype=torch.float64)
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    expected = (x - mean[:, None, None]) / (variance[:, None, None] + NORM_EPSILON).sqrt() + layer.bias[:, None, None]
    same(layer(x), expected)
    same(layer.running_mean.double(), 0.1 * mean)
    assert [name for name, p in layer.named_parameters() if p.requires_grad] == ["bias"]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"bands": 42}, "42 bands are too few: this net needs at least 43"),
        ({"bands": 0}, "bands is 0"),
        ({"channels": 0}, "channels is 0"),
        ({"hidden": 0}, "hidden is 0"),
        ({"pooled": []}, "pooled is .*: give a list"),
        ({"middles": [128, -1]}, "middles holds -1"),
        ({"dropout": 1.5}, "dropout is 1.5"),
        ({"momentum": 0}, "momentum is 0"),
    ],
)
def test_bad_arguments(told, message):
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        convnet2d(**told)
