"""YAMNet: sizes and padding by hand, against the formula that TensorFlow documents, and its embedding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from earmark.models.layers.blocks import count
from earmark.models.nets.yamnet import Layer, same_padding, yamnet
from earmark.registry import NETS


@pytest.mark.parametrize("norm", [True, False])
def test_the_published_number_of_parameters(norm):
    """Biases are as many as shifts of the normalisation."""
    with torch.device("meta"):
        parameters, statistics = count(yamnet(norm=norm))
    assert parameters == 3_729_481
    assert bool(statistics) is norm


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 48, 96, 97])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_tensorflows(size, stride):
    """tf.nn: if size % stride is 0, max(kernel − stride, 0), else max(kernel − size % stride, 0); the odd zero is behind."""
    total = max(3 - (size % stride or stride), 0)
    assert same_padding(size, stride) == (total // 2, total - total // 2)


@pytest.mark.parametrize(
    ("size", "wanted"),
    # a kernel of ones over 1, 2, …: of four, windows begin at 0 and 2; of five, at −1, 1 and 3
    [(4, [1 + 2 + 3, 3 + 4 + 0]), (5, [0 + 1 + 2, 2 + 3 + 4, 4 + 5 + 0])],
)
def test_where_a_stride_of_two_looks(size, wanted):
    layer = Layer(1, 1, 3, 2, 1, norm=False, six=False, momentum=0.01)
    nn.init.zeros_(layer.conv.weight), nn.init.zeros_(layer.conv.bias)
    with torch.no_grad():
        layer.conv.weight[..., 1, :] = 1
        row = torch.arange(1.0, size + 1)
        across = layer(row.expand(1, 1, 1, size))[0, 0]  # one band: it is the kernel's middle row
        layer.conv.weight.copy_(layer.conv.weight.transpose(2, 3).clone())
        down = layer(row[:, None].expand(1, 1, size, 1))[0, 0]
    for looked in (across, down):
        assert looked.flatten().tolist() == pytest.approx(wanted, rel=1e-6)


def test_a_patch_becomes_three_times_two_places():
    """96 frames of 64 bands, by half five times; the embedding is their mean."""
    net, maps = yamnet(tags=4, norm=False).eval(), torch.randn(2, 1, 64, 96)
    seen = []
    net.pointwise[-1].register_forward_hook(lambda _, __, out: seen.append(out))
    with torch.no_grad():
        told = net(maps)
    assert seen[0].shape == (2, 1024, 2, 3)
    assert torch.equal(told.embedding, seen[0].mean((2, 3)))
    assert torch.allclose(told.levels[:, 0], net.head(told.embedding))


def test_peaks_stand_beside_the_mean():
    """By NumPy, from what the last layer says; and a file from before the option is the net as it was."""
    torch.manual_seed(0)
    net = yamnet(tags=4, widths=[8, 16], strides=[1, 2], norm=False, pool="mean-max").eval()
    seen, maps = [], torch.randn(2, 1, 64, 96)
    net.pointwise[-1].register_forward_hook(lambda _, __, out: seen.append(out.numpy()))
    with torch.no_grad():
        told = net(maps)
    over_bands = seen[0].mean(2)
    wanted = np.concatenate([seen[0].mean((2, 3)), over_bands.max(2)], 1)
    assert told.embedding.shape == (2, 32) and net.head.weight.shape == (4, 32)
    np.testing.assert_allclose(told.embedding.numpy(), wanted, atol=1e-6)
    assert (wanted[:, 16:] > wanted[:, :16]).any() and (wanted[:, 16:] >= wanted[:, :16] - 1e-6).all()
    plain = yamnet(tags=4, widths=[8, 16], strides=[1, 2], norm=False)
    assert {k: v.shape for k, v in net.state_dict().items() if "head" not in k} == {
        k: v.shape for k, v in plain.state_dict().items() if "head" not in k
    }
    assert plain.head.weight.shape == (4, 16)


@pytest.mark.parametrize(("arguments", "told"), [
    ({"pool": "max"}, "pool is 'max'"), ({"strides": [1]}, "13 widths and 1 strides"),
    ({"stem_width": 0}, "stem_width is 0"), ({"dropout": 1.0}, "dropout is 1.0"),
])  # fmt: skip
def test_what_it_refuses(arguments, told):
    with pytest.raises(ValueError, match=told):
        NETS["yamnet"].function(**arguments)
