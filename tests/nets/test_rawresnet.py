"""The raw-waveform system of paper 000: sizes, levels and heads, worked out beside the net."""

import numpy as np
import pytest
import torch

from earmark.models.layers.blocks import count
from earmark.models.nets.rawresnet import LevelHead, rawresnet

SMALL = {"tags": 3, "widths": (2, 2, 4, 4), "map_widths": (2, 2, 4, 4), "map_blocks": (1, 1, 1, 1), "hidden": 5}


def small(**arguments):
    torch.manual_seed(0)
    return rawresnet(**{**SMALL, **arguments})


@pytest.mark.parametrize(
    ("arguments", "length", "levels"),
    [
        ({}, 2500, [(512, 16, 313), (1024, 8, 157), (2048, 4, 79)]),
        ({"stem_stride": 2, "strides": (2, 2, 2, 2)}, 2500, [(512, 16, 313), (1024, 8, 157), (2048, 4, 79)]),
        ({"pool": 4}, 1250, [(512, 16, 157), (1024, 8, 79), (2048, 4, 40)]),
        ({"strides": (2, 2, 2, 2)}, 1250, [(512, 16, 157), (1024, 8, 79), (2048, 4, 40)]),
    ],
)
def test_sizes_of_ten_seconds(arguments, length, levels):
    """Table 3: 128 × 1 × 2500 and 128 × 1 × 1250 of 160,000 samples."""
    with torch.device("meta"):
        net = rawresnet(**arguments)
        drawn = net.waves_trunk(torch.empty(1, 160_000))
        read = net.maps_trunk.levels(drawn[:, None])
        got = net(torch.empty(2, 160_000))
    assert drawn.shape == (1, 128, length)
    assert [tuple(level.shape[1:]) for level in read[1:]] == levels
    assert got.levels.shape == (2, 3, 527)
    assert got.embedding.shape == (2, 1800)
    assert got.frames.shape == (2, levels[0][2], 527)
    assert net.grid.step == 160_000 // length * 8


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({}, 34_326_903),
        ({"widths": (64, 64, 128, 128)}, 34_584_679),
        ({"fc_norm": True}, 34_326_903 + 7_200),
        ({"dropout": 0.4}, 34_326_903),
        ({"stem_kernel": 80}, 34_326_903 + 1_168),
    ],
)
def test_counts_of_the_options(arguments, wanted):
    with torch.device("meta"):
        assert count(rawresnet(**arguments))[0] == wanted


def test_heads_have_the_wanted_counts():
    """Of each level: two layers of attention, 600 and 600 units, two more layers of attention, 1054 → 527."""
    with torch.device("meta"):
        heads = rawresnet().heads
    assert [count(head)[0] for head in heads] == [2_398_541, 3_245_389, 4_939_085]


def dense(x, layer):
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("out_start", ["mean", "uniform"])
def test_a_level_by_definition(out_start):
    torch.manual_seed(4)
    head = LevelHead(6, 3, 5, "softmax_time", False, 0.0, out_start, 0.1).double().eval()
    head.out.weight.data += torch.randn_like(head.out.weight)
    vectors = torch.randn(2, 7, 6, dtype=torch.float64)
    got = head(vectors)

    def attended(h, layer):
        weights = np.exp(dense(h, layer.attention))
        classes = sigmoid(dense(h, layer.classes))
        return (weights / weights.sum(1, keepdims=True) * classes).sum(1), classes

    h = vectors.numpy()
    hidden = np.maximum(dense(np.maximum(dense(h, head.dense[0]), 0), head.dense[2]), 0)
    y1, first = attended(h, head.first)
    y2, second = attended(hidden, head.second)
    np.testing.assert_allclose(got.hidden.detach().numpy(), hidden, rtol=1e-9)
    np.testing.assert_allclose(got.logits.detach().numpy(), dense(np.concatenate([y1, y2], -1), head.out), rtol=1e-9)
    moments = dense(np.concatenate([first, second], -1), head.out)
    np.testing.assert_allclose(got.frames.detach().numpy(), moments, rtol=1e-9)


def test_the_last_layer_starts_as_the_mean_of_both_attentions():
    """The line 6 (y − ½) is the least-squares fit to the log-odds of y over 0 … 1, and a tag hears only itself."""
    head = LevelHead(6, 3, 5, "softmax_time", False, 0.0, "mean", 0.1)
    y = (np.arange(100_000) + 0.5) / 100_000
    slope, start = np.polyfit(y, np.log(y / (1 - y)), 1)
    assert (slope, start) == (pytest.approx(6, abs=1e-3), pytest.approx(-3, abs=1e-3))
    both = torch.tensor([[0.9, 0.5, 0.1, 0.7, 0.5, 0.3]])
    wanted = [[slope * mean + start for mean in (0.8, 0.5, 0.2)]]
    np.testing.assert_allclose(head.out(both).detach().numpy(), wanted, atol=1e-3)


def test_a_constant_level_says_at_each_time_what_it_says_of_the_clip():
    head = LevelHead(6, 3, 5, "sigmoid", False, 0.0, "uniform", 0.1)
    got = head(torch.randn(2, 1, 6).expand(-1, 4, -1))
    torch.testing.assert_close(got.frames, got.logits[:, None].expand(-1, 4, -1))


def test_frames_are_the_levels_on_the_first_ones_grid():
    net = small().eval()
    with torch.no_grad():
        waves = torch.randn(1, 2048 * 5 + 700)
        got, levels = net(waves), net.levels(waves)
    assert [level.frames.shape[1] for level in levels] == [22, 11, 6]
    assert net.grid.step == 512
    wanted = 0
    for step, level in zip((512, 1024, 2048), levels, strict=True):
        places, values = np.arange(level.frames.shape[1]) * step, level.frames[0].numpy()
        wanted = wanted + np.stack([np.interp(np.arange(22) * 512, places, values[:, k]) for k in range(3)], -1) / 3
    np.testing.assert_allclose(got.frames[0].numpy(), wanted, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(got.levels, torch.stack([level.logits for level in levels], 1))


def test_the_channels_of_the_wave_trunk_are_the_bands_of_the_map():
    """Figure 1: C × 1 × T becomes 1 × C × T; levels after the second, third and fourth stage."""
    net = small().eval()
    with torch.no_grad():
        waves = torch.randn(2, 6000)
        got, x = net(waves), net.waves_trunk(waves).reshape(2, 1, 4, -1)
        x = torch.relu(net.maps_trunk.pool(net.maps_trunk.norm(net.maps_trunk.stem(x))))
        for i, stage in enumerate(net.maps_trunk.stages):
            x = stage(x)
            if i > 0:
                vectors = x.mean(2).movedim(-1, 1)
                torch.testing.assert_close(got.levels[:, i - 1], net.heads[i - 1](vectors).logits)


def test_frames_follow_the_sound():
    """What comes one step of the last level, four frames, later is said four frames later, away from the ends."""
    net = small().eval()
    with torch.no_grad():
        waves = torch.randn(1, 2048 * 24)
        first, later = net(waves).frames, net(waves[:, 2048:]).frames
    torch.testing.assert_close(later[:, 36:48], first[:, 40:52], rtol=1e-3, atol=1e-5)
    assert not torch.allclose(later[:, 36:48], first[:, 39:51], rtol=1e-3, atol=1e-5)


def test_every_level_attends_by_the_activation_told():
    net = small(att_activation="softmax_class")
    assert {part.activation for head in net.heads for part in (head.first, head.second)} == {"softmax_class"}


def test_norm_dropout_and_momentum_reach_the_dense_layers():
    net = small(fc_norm=True, dropout=0.4, momentum=0.25)
    for head in net.heads:
        kinds = [type(layer).__name__ for layer in head.dense]
        assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Dropout"] * 2
        assert [layer.p for layer in head.dense if isinstance(layer, torch.nn.Dropout)] == [0.4, 0.4]
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)]
    assert {layer.momentum for layer in norms} == {0.25}
    with torch.no_grad():
        assert torch.isfinite(net(torch.randn(2, 5000)).levels).all()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"map_widths": (4,), "map_blocks": (1,)}, r"map_widths \[4\] should have at least 2 stages"),
        ({"map_widths": (4, 4)}, "2 map_widths and 4 map_blocks: each stage needs one of both"),
        ({"widths": (4, 4)}, "2 widths and 4 blocks"),
        ({"hidden": 0}, "hidden is 0"),
        ({"dropout": 1.0}, "dropout 1.0"),
        ({"att_activation": "max"}, "att_activation 'max' is not known"),
        ({"out_start": "max"}, "out_start 'max' is not known: take one of mean, uniform"),
        ({"stem_kernel": 0}, "stem_kernel is 0"),
    ],
)
def test_odd_arguments_are_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        small(**arguments)
