"""SampleCNN and ReSE-2-Multi: sizes of the three layouts, blocks by definition, refusals."""

import numpy as np
import pytest
import torch
from torch import nn

from earmark.models.layers.blocks import NORM_EPSILON, Excitation, count
from earmark.models.nets.samplecnn import ReseBlock, SameConv, SampleBlock, rese2multi, samplecnn

# tags, sizes of the blocks, then samples, steps after the stem and after each block
LAYOUTS = {
    "music": (50, [3] * 8 + [2], [39366, 13122, 4374, 1458, 486, 162, 54, 18, 6, 2, 1]),
    "speech": (31, [3] * 7 + [2], [16000, 5333, 1777, 592, 197, 65, 21, 7, 2, 1]),
    "scene": (17, [3] * 8, [19683, 6561, 2187, 729, 243, 81, 27, 9, 3, 1]),
}
SHORTEST = {"music": 39366, "speech": 13122, "scene": 19683}
PLAIN = {"music": 1_738_802, "speech": 1_531_679, "scene": 1_655_569}
AMPLIFIED = {"music": 26_586_930, "speech": 24_071_199, "scene": 24_450_065}
REDUCED = {"music": 4_702_290, "speech": 4_271_391, "scene": 4_650_257}


def randomised(module, seed=0):
    """In float64 and evaluation mode, with running statistics, scales and shifts that are not those of the start."""
    torch.manual_seed(seed)
    module.double().eval()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.normal_()
            layer.bias.data.normal_()
    return module


def array(tensor):
    return tensor.detach().numpy()


def conv(x, layer):
    """By the definition. x: (channels, time); zeros to keep the length, the odd one on the right."""
    weight, bias = array(layer.weight)[:, :, 0], array(layer.bias)
    size = weight.shape[2]
    padded = np.pad(x, ((0, 0), ((size - 1) // 2, size // 2)))
    steps = [(weight * padded[None, :, t : t + size]).sum((1, 2)) + bias for t in range(x.shape[1])]
    return np.stack(steps, 1)


def norm(x, layer):
    mean, variance, scale, shift = map(array, (layer.running_mean, layer.running_var, layer.weight, layer.bias))
    return ((x.T - mean) / np.sqrt(variance + NORM_EPSILON) * scale + shift).T


def pool(x, size):
    steps = x.shape[1] // size
    return np.stack([x[:, t * size : (t + 1) * size].max(1) for t in range(steps)], 1)


def excite(x, layer):
    hidden = np.maximum(array(layer.hidden.weight) @ x.mean(1) + array(layer.hidden.bias), 0)
    gates = 1 / (1 + np.exp(-(array(layer.out.weight) @ hidden + array(layer.out.bias))))
    return x * gates[:, None]


def dense(x, hidden):
    """Dense → BN → ReLU. x: (width,)."""
    return np.maximum(norm(array(hidden[0].weight) @ x + array(hidden[0].bias), hidden[1]), 0)


@pytest.mark.parametrize("function", [samplecnn, rese2multi])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_lengths_are_those_of_the_layout(function, layout):
    tags, sizes, wanted = LAYOUTS[layout]
    with torch.device("meta"):
        net = function(tags=tags, sizes=sizes)
        x = torch.empty(1, 1, 1, wanted[0])
        lengths, widths = [wanted[0]], []
        for layer in (net.stem, *net.blocks):
            x = layer(x)
            lengths.append(x.shape[3])
            widths.append(x.shape[1])
    assert lengths == wanted
    assert widths == [128, 128, 128, *[256] * (len(sizes) - 3), 512]
    assert net.shortest == SHORTEST[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counts_of_the_three_layouts(layout):
    tags, sizes, _ = LAYOUTS[layout]
    with torch.device("meta"):
        assert count(samplecnn(tags=tags, sizes=sizes))[0] == PLAIN[layout]
        assert count(rese2multi(tags=tags, sizes=sizes))[0] == AMPLIFIED[layout]
        assert count(rese2multi(tags=tags, sizes=sizes, se_ratio=0.125))[0] == REDUCED[layout]


def test_counts_of_the_layers():
    sizes = LAYOUTS["music"][1]
    with torch.device("meta"):
        plain, residual = samplecnn(sizes=sizes), rese2multi(sizes=sizes)
    assert count(plain.stem)[0] == 768
    assert [count(block)[0] for block in plain.blocks] == [49536, 49536, 99072, *[197376] * 5, 263680]
    expected = [625536, 625536, 2431488, *[2496256] * 5, 9319424]
    assert [count(block)[0] for block in residual.blocks] == expected
    assert count(residual.hidden)[0] == 1_051_648


def test_a_published_count():
    """Lee et al., SMC 2017: nine blocks of three for 59,049 samples, with the same formulas 1,869,874."""
    with torch.device("meta"):
        assert count(samplecnn(sizes=[3] * 9))[0] == 1_869_874


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_same_convolution_by_definition(size):
    layer = SameConv(2, 3, size).double()
    x = torch.randn(1, 2, 1, 7, dtype=torch.float64)
    np.testing.assert_allclose(array(layer(x))[0, :, 0], conv(array(x)[0, :, 0], layer), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [2, 3])
def test_sample_block_by_definition(size):
    block = randomised(SampleBlock(3, 5, size, 0.1))
    x = torch.randn(2, 3, 1, 11, dtype=torch.float64)
    expected = [pool(np.maximum(norm(conv(one, block[0]), block[1]), 0), size) for one in array(x)[:, :, 0]]
    np.testing.assert_allclose(array(block(x))[:, :, 0], expected, rtol=1e-9, atol=1e-12)


def test_excitation_by_definition():
    layer = randomised(Excitation(4, 2.5))
    x = torch.randn(2, 4, 1, 6, dtype=torch.float64)
    assert layer.hidden.out_features == 10
    np.testing.assert_allclose(array(layer(x))[:, :, 0], [excite(one, layer) for one in array(x)[:, :, 0]], rtol=1e-9)


@pytest.mark.parametrize(("before", "size"), [(4, 3), (2, 3), (2, 2)])
def test_residual_block_by_definition(before, size):
    block = randomised(ReseBlock(before, 4, size, 2, 0.2, 0.1))
    x = torch.randn(2, before, 1, 10, dtype=torch.float64)
    expected = []
    for one in array(x)[:, :, 0]:
        inner = np.maximum(norm(conv(one, block.conv1), block.norm1), 0)
        inner = excite(norm(conv(inner, block.conv2), block.norm2), block.excitation)
        shortcut = one if before == 4 else norm(conv(one, block.shortcut[0]), block.shortcut[1])
        expected.append(pool(np.maximum(inner + shortcut, 0), size))
    np.testing.assert_allclose(array(block(x))[:, :, 0], expected, rtol=1e-9, atol=1e-12)


def test_samplecnn_ends_in_the_maximum_over_time():
    net = randomised(samplecnn(tags=3, sizes=[3, 2], widths=[4, 5], hidden=6))
    waves = torch.randn(2, 3 * net.shortest + 2, dtype=torch.float64)
    x = net.blocks(net.stem(waves[:, None, None]))
    assert x.shape == (2, 5, 1, 3)
    got = net(waves)
    for i, one in enumerate(array(x)[:, :, 0]):
        embedding = dense(one.max(1), net.hidden)
        np.testing.assert_allclose(array(got.embedding)[i], embedding, rtol=1e-9, atol=1e-12)
        logits = array(net.out.weight) @ embedding + array(net.out.bias)
        np.testing.assert_allclose(array(got.levels)[i, 0], logits, rtol=1e-9, atol=1e-12)


def test_rese2multi_joins_the_last_three_blocks():
    net = randomised(rese2multi(tags=3, sizes=[2, 3, 2, 2], widths=[3, 4, 4, 5], se_ratio=0.5))
    waves = torch.randn(1, 2 * net.shortest, dtype=torch.float64)
    x, maxima = net.stem(waves[:, None, None]), []
    for block in net.blocks:
        x = block(x)
        maxima.append(array(x)[0, :, 0].max(1))
    embedding = dense(np.concatenate(maxima[1:]), net.hidden)
    assert embedding.shape == (13,)
    np.testing.assert_allclose(array(net(waves).embedding)[0], embedding, rtol=1e-9, atol=1e-12)


def test_dropout_where_the_arguments_say():
    waves = torch.randn(3, 24)
    for function, told in ((samplecnn, {"dropout": 0.5}), (rese2multi, {"block_dropout": 0.5, "dropout": 0.0})):
        net = function(tags=3, stem=3, sizes=[2, 2, 2], widths=[8, 8, 8], **told).train()
        assert not torch.equal(net(waves).levels, net(waves).levels)
    net = rese2multi(tags=3, stem=3, sizes=[2, 2, 2], widths=[8, 8, 8], dropout=0.0, block_dropout=0.0).train()
    assert torch.equal(net(waves).levels, net(waves).levels)


def test_start_is_he_uniform_for_convolutions_and_glorot_uniform_for_the_rest():
    torch.manual_seed(0)
    net = rese2multi(tags=5, sizes=[3] * 4, widths=[64, 64, 96, 96], se_ratio=2)

    def spread(weight, limit):
        assert 0.97 * limit < weight.abs().max().item() <= limit

    spread(net.stem[0].weight, np.sqrt(6 / 3))
    spread(net.blocks[2].conv1.weight, np.sqrt(6 / (64 * 3)))
    spread(net.blocks[2].shortcut[0].weight, np.sqrt(6 / (64 + 96)))
    spread(net.blocks[2].excitation.hidden.weight, np.sqrt(6 / (96 + 192)))
    assert not net.blocks[2].conv1.bias.any()


@pytest.mark.parametrize("function", [samplecnn, rese2multi])
@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"sizes": []}, "sizes is .*: give a list"),
        ({"sizes": 3}, "sizes is 3: give a list"),
        ({"sizes": [3, 0, 3]}, "sizes holds 0: each must be a whole number of at least 1"),
        ({"sizes": [3, 2.5, 3]}, "sizes holds 2.5"),
        ({"sizes": [3, 3, 3], "widths": [8, 8]}, "3 sizes and 2 widths: each stage needs one of each"),
        ({"sizes": [3], "widths": []}, "widths is .*: give a list"),
        ({"stem": 0}, "stem is 0: give a whole number"),
        ({"dropout": 1}, "dropout is 1: give the share to drop"),
        ({"momentum": 99}, "momentum is 99: give the share of a batch"),
    ],
)
def test_bad_arguments(function, told, message):
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        function(**told)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"se_ratio": 0}, "se_ratio is 0: give a number above 0"),
        ({"se_ratio": -1}, "se_ratio is -1"),
        ({"se_ratio": float("nan")}, "se_ratio is nan"),
        ({"se_ratio": "16"}, "se_ratio is '16'"),
        ({"se_ratio": 0.001}, "se_ratio 0.001 leaves none of 128 channels"),
        ({"sizes": [3, 3]}, "2 sizes are too few: the last 3 blocks are concatenated"),
        ({"block_dropout": -0.1}, "block_dropout is -0.1"),
    ],
)
def test_bad_arguments_of_rese2multi(told, message):
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        rese2multi(**told)
