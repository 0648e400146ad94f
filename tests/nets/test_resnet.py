"""The ResNets of paper 003: its sizes, its pooling and its averages, worked out beside the nets."""

import numpy as np
import pytest
import torch

from earmark.models.nets.resnet import filled, resnet_a, resnet_b, resnet_b_att, resnet_c_att, resnet_d_att
from earmark.models.prediction import Grid, loss, probabilities

SMALL = {"tags": 3, "widths": (4, 4, 8, 8), "blocks": (1, 1, 1, 1)}
WHOLE = [resnet_b, resnet_b_att, resnet_c_att, resnet_d_att]


def small(function, **arguments):
    torch.manual_seed(0)
    return function(**SMALL, **arguments).eval()


@pytest.mark.parametrize(
    ("stem_stride", "bands", "frames", "step"), [((1, 1), 4, 63, 16), ((2, 1), 4, 32, 32), ((2, 2), 2, 32, 32)]
)
def test_trunks_of_ten_seconds_end_as_the_papers(stem_stride, bands, frames, step):
    """998 frames are 10 s; one element is 160 ms or, nearer to the paper's 300 ms, 320 ms."""
    with torch.device("meta"):
        for function in WHOLE:
            net = function(stem_stride=stem_stride)
            assert net.trunk.step == net.shortest == step
            assert net.trunk(torch.empty(1, 1, 64, 998)).shape[2:] == (bands, frames)


def test_trunk_of_a_patch_ends_as_6_by_4():
    """Hershey et al.: the average pool after 96 frames × 64 bands is 6 × 4."""
    with torch.device("meta"):
        net = resnet_a()
        assert net.trunk(torch.empty(1, 1, 64, 96)).shape == (1, 2048, 4, 6)
        prediction = net(torch.empty(2, 1, 64, 998))
    assert prediction.levels.shape == (2, 11, 527)
    assert prediction.embedding.shape == (2, 2048)
    assert (prediction.frames.shape, net.grid) == ((2, 11, 527), Grid(96, 47.5))


@pytest.mark.parametrize(("function", "width"), [*zip(WHOLE, (2048, 2048, 512, 2048), strict=True)])
def test_ten_seconds_give_32_frames(function, width):
    with torch.device("meta"):
        net = function()
        prediction = net(torch.empty(2, 1, 64, 998))
    assert prediction.levels.shape == (2, 1, 527)
    assert prediction.embedding.shape == (2, width)
    assert (prediction.frames.shape, net.grid) == ((2, 32, 527), Grid(32))


@pytest.mark.parametrize(("pad", "last"), [(None, [6, 6, 6]), (-4.5, [6, -4.5, -4.5])])
def test_the_last_segment_is_filled(pad, last):
    maps = torch.arange(14.0).reshape(1, 1, 2, 7)
    got = filled(maps[..., 6:], 3, pad)
    assert got.shape == (1, 1, 2, 3)
    assert got[0, 0, 0].tolist() == last
    torch.manual_seed(0)
    net = resnet_a(tags=3, bands=16, widths=[4], blocks=[1], segment=24, pad=pad).eval()
    maps = torch.randn(2, 1, 16, 60)
    segments = [maps[..., :24], maps[..., 24:48], filled(maps[..., 48:], 24, pad)]
    with torch.no_grad():
        torch.testing.assert_close(net(maps).levels, torch.cat([net(segment).levels for segment in segments], 1))
        torch.testing.assert_close(net(maps[..., :48]).levels, net(maps).levels[:, :2])


def test_segments_are_heard_by_themselves_and_averaged():
    """Table 1: 11 × 960 ms, then the mean over time; the loss is the segments' mean too."""
    net = small(resnet_a)
    maps = torch.randn(2, 1, 64, 250)
    filled = torch.cat([maps, maps[..., -1:].expand(-1, -1, -1, 288 - 250)], -1)
    targets = torch.tensor([[1.0, 0, 1], [0, 1, 0]])
    with torch.no_grad():
        got = net(maps)
        alone = [net(part.contiguous()) for part in filled.split(96, -1)]
    assert all(part.levels.shape == (2, 1, 3) for part in alone)
    torch.testing.assert_close(got.levels, torch.cat([part.levels for part in alone], 1))
    mean = torch.stack([part.levels[:, 0].sigmoid() for part in alone]).mean(0)
    torch.testing.assert_close(probabilities(got, "many"), mean)
    losses = [loss(part, targets, "many").item() for part in alone]
    assert loss(got, targets, "many").item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_all_segments_count_the_same_for_running_statistics():
    """Ten seconds are 998 frames: ten segments and one that is filled up, which weighs an eleventh."""
    net, by_hand = (small(resnet_a).train() for _ in range(2))
    by_hand.load_state_dict(net.state_dict())
    maps = torch.randn(4, 1, 64, 998)
    with torch.no_grad():
        net(maps)
        by_hand.trunk(torch.cat([*filled(maps, 11 * 96, None).split(96, -1)]))
    for (name, got), wanted in zip(net.named_buffers(), by_hand.buffers(), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6, msg=name)


def test_resnet_b_is_a_global_average():
    """Over time and frequency at once; the clip's logits are the mean of the frames'."""
    net = small(resnet_b)
    maps = torch.randn(2, 1, 64, 200)
    with torch.no_grad():
        got, features = net(maps), net.trunk(maps)
    torch.testing.assert_close(got.embedding, features.mean((2, 3)))
    torch.testing.assert_close(got.levels[:, 0], net.head(features.mean((2, 3))))
    torch.testing.assert_close(got.levels[:, 0], got.frames.mean(1))


@pytest.mark.parametrize("activation", ["softmax_time", "sigmoid", "softmax_class"])
def test_attention_follows_the_mean_over_frequency(activation):
    net = small(resnet_b_att, att_activation=activation)
    maps = torch.randn(2, 1, 64, 200)
    with torch.no_grad():
        got, features = net(maps), net.trunk(maps).numpy()
    vectors = features.mean(2).transpose(0, 2, 1)
    dense = net.head.classes
    classes = vectors @ dense.weight.detach().numpy().T + dense.bias.detach().numpy()
    np.testing.assert_allclose(got.frames.numpy(), classes, rtol=1e-3, atol=1e-4)
    y = (got.focus[0].weights.numpy() / (1 + np.exp(-classes))).sum(1)
    np.testing.assert_allclose(probabilities(got, "many").numpy(), y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("function", WHOLE)
def test_frames_follow_the_sound(function):
    """What comes a step of the grid later is said one frame later, away from the ends."""
    net = small(function)
    maps = torch.randn(1, 1, 64, 32 * 24)
    with torch.no_grad():
        first = net(maps)
        later = net(maps[..., net.grid.step :])
    inner = slice(8, 15)
    torch.testing.assert_close(later.frames[:, inner], first.frames[:, 9:16], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(first.frames[:, inner], first.frames[:, 9:16], rtol=1e-3, atol=1e-4)


def test_more_channels_and_other_bands():
    for function in (resnet_a, *WHOLE):
        with torch.no_grad():
            got = small(function, channels=3, bands=40)(torch.randn(1, 3, 40, 100))
        assert torch.isfinite(got.levels).all()


def test_momentum_reaches_every_norm():
    for function in (resnet_a, *WHOLE):
        norms = [m for m in small(function, momentum=0.25).modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert norms and {layer.momentum for layer in norms} == {0.25}


@pytest.mark.parametrize(
    ("function", "arguments", "told"),
    [
        (resnet_a, {"segment": 8}, "segment is 8 frames, less than one step of the trunk: it must be at least 16"),
        (resnet_a, {"bands": 0}, "0 bands"),
        (resnet_b, {"widths": ()}, "widths"),
        (resnet_b, {"blocks": (1, 2)}, "4 widths and 2 blocks"),
        (resnet_c_att, {"stem_stride": (1, 1, 1)}, r"stem_stride \[1, 1, 1\] has 3 numbers: it needs 2"),
        (resnet_d_att, {"att_activation": "max"}, "att_activation 'max' is not known"),
    ],
)
def test_odd_arguments_are_refused(function, arguments, told):
    with pytest.raises(ValueError, match=told), torch.device("meta"):
        function(**arguments)
