"""Blocks against a direct statement of what they are."""

import numpy as np
import pytest
import torch

from earmark.models.layers.blocks import NORM_EPSILON, Residual1d
from earmark.models.nets.cnncomb import SpecBranch
from earmark.models.prediction import Prediction, loss, probabilities
from earmark.registry import NETS


def conv1d(x, weight, bias):
    """Kernel 3, one zero on both sides, by the definition. x: (channels, time)."""
    padded = np.pad(x, ((0, 0), (1, 1)))
    return np.stack([
        [bias[o] + (weight[o] * padded[:, t : t + 3]).sum() for t in range(x.shape[1])] for o in range(len(weight))
    ])  # fmt: skip


def norm(x, layer):
    mean, variance = layer.running_mean.numpy()[:, None], layer.running_var.numpy()[:, None]
    scale, shift = layer.weight.detach().numpy()[:, None], layer.bias.detach().numpy()[:, None]
    return scale * (x - mean) / np.sqrt(variance + NORM_EPSILON) + shift


def test_residual_block_by_definition():
    torch.manual_seed(1)
    block = Residual1d(2, 4).double().eval()
    for layer in (block.norm1, block.norm2, block.norm3):
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
        layer.weight.data.normal_()
        layer.bias.data.normal_()
    x = torch.randn(1, 2, 7, dtype=torch.float64)
    wave = x[0].numpy()
    get = lambda layer: (layer.weight.detach().numpy(), layer.bias.detach().numpy())  # noqa: E731
    inner = np.maximum(norm(conv1d(wave, *get(block.conv1)), block.norm1), 0)
    inner = norm(conv1d(inner, *get(block.conv2)), block.norm2)
    shortcut = np.stack([wave[0], wave[0], wave[1], wave[1]])  # each channel repeated in place
    expected = np.maximum(norm(inner + shortcut, block.norm3), 0)
    np.testing.assert_allclose(block(x)[0].detach().numpy(), expected, rtol=1e-9)


def test_residual_block_refuses_what_cannot_be_repeated():
    with pytest.raises(ValueError, match="4 channels cannot be repeated to make 6"):
        Residual1d(4, 6)


@pytest.mark.parametrize(("seconds", "expected"), [(2, 86), (3, 129), (4, 172), (5, 215)])
def test_convnet1d_lengths_are_the_papers(seconds, expected):
    """Table 1 of paper 002: frames before the global average for 2, 3, 4 and 5 s."""
    with torch.device("meta"):
        net = NETS["convnet1d"].function()
        x = torch.empty(1, 1, seconds * 44100)
        x = net.stem(x)
        for stage in net.stages:
            x = stage(net.pool(x))
    assert x.shape == (1, 384, expected)


def test_cnnspec_stages_have_the_stated_sizes():
    """337 frames are 2 s at 44.1 kHz; the counts are those of the reconstruction's table, running statistics included."""
    with torch.device("meta"):
        net = NETS["cnnspec"].function()
        shape = net.branch.stages(torch.empty(1, 1, 128, 337)).shape
    sizes = [
        sum(p.numel() for p in stage.parameters()) + 2 * stage[3].num_features for stage in net.branch.stages
    ]  # fmt: skip
    assert sizes == [1920, 74368, 148096, 148096, 296192, 1182208]
    assert shape[1:3] == (512, 2)
    assert net.branch.width == 1024


def test_bands_pooled_to_nothing_are_refused():
    with pytest.raises(ValueError, match="32 bands are pooled to nothing"):
        SpecBranch(1, 32, [4] * 6, [3] * 6, [2] * 6, [1] * 6)


def test_probabilities_and_losses_by_hand():
    levels = torch.tensor([[[0.0, np.log(3.0)], [0.0, 0.0]]])  # one clip, two levels, two tags
    prediction = Prediction(levels, torch.zeros(1, 1))
    torch.testing.assert_close(probabilities(prediction, "one"), torch.tensor([[0.375, 0.625]]))
    torch.testing.assert_close(probabilities(prediction, "many"), torch.tensor([[0.5, 0.625]]))
    hard, soft = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]])
    expected = -(np.log(0.75) + np.log(0.5)) / 2
    assert loss(prediction, hard, "one").item() == pytest.approx(expected)
    expected = -(0.5 * np.log(0.25) + 0.5 * np.log(0.75) + np.log(0.5)) / 2
    assert loss(prediction, soft, "one").item() == pytest.approx(expected)
    expected = -((np.log(0.5) + np.log(0.75)) / 2 + np.log(0.5)) / 2
    assert loss(prediction, hard, "many").item() == pytest.approx(expected)
