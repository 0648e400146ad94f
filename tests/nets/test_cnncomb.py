"""CNN_AUDIO, CNN_SPEC and CNN_COMB: sizes, branches by definition, weights that fit by name, refusals."""

import numpy as np
import pytest
import torch

from earmark.models.layers.blocks import NORM_EPSILON, count
from earmark.models.nets.cnncomb import UNPOOLED, AudioBranch, AudioStage, SpecBranch, cnnaudio, cnncomb, cnnspec

RATE, WINDOW, HOP = 44100, 2048, 256
SMALL = {
    "audio_widths": [4, 6], "audio_kernels": [4, 3], "audio_pools": [4, 5],
    "widths": [4, 6], "kernels": [3, 3], "band_pools": [2, 2], "frame_pools": [2, 2],
}  # fmt: skip


def randomised(module):
    """In evaluation mode with running statistics that are not those of the start."""
    module.eval()
    for layer in module.modules():
        if hasattr(layer, "running_mean"):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return module


def test_audio_stages_have_the_stated_sizes():
    with torch.device("meta"):
        net = cnnaudio()
        x = torch.empty(1, 1, 1, 2 * RATE)
        lengths = []
        for stage in net.branch.stages:
            x = stage(x)
            lengths.append(x.shape[3])
    assert [sum(count(stage)) for stage in net.branch.stages] == [672, 18_752, 74_368, 296_192]
    # valid convolutions and floors: (88200 − 15) // 8, (11023 − 8) // 8, …
    assert lengths == [11023, 1376, 171, 16]


def test_audio_stage_by_definition():
    torch.manual_seed(0)
    stage = randomised(AudioStage(2, 3, 4, 3, 0.1).double())
    x = torch.randn(1, 2, 1, 15, dtype=torch.float64)
    weight, bias = (p.detach().numpy() for p in (stage[0].weight, stage[0].bias))
    wave = x[0, :, 0].numpy()
    inner = np.stack([(weight[:, :, 0] * wave[:, t : t + 4]).sum((1, 2)) + bias for t in range(12)], 1)
    inner = np.maximum(inner, 0).reshape(3, 4, 3).max(2)
    mean, variance = stage[3].running_mean.numpy()[:, None], stage[3].running_var.numpy()[:, None]
    expected = (inner - mean) / np.sqrt(variance + NORM_EPSILON)
    np.testing.assert_allclose(stage(x)[0, :, 0].detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_the_shortest_inputs_leave_one_step():
    with torch.device("meta"):
        net = cnncomb().eval()
        assert (net.shortest, net.shortest_frames) == (9807, 156)
        assert net.audio.stages(torch.empty(1, 1, 1, 9807)).shape[3] == 1
        assert net.spec.stages(torch.empty(1, 1, 128, 156)).shape[3] == 1
        with pytest.raises(RuntimeError):
            net.audio.stages(torch.empty(1, 1, 1, 9806))
        with pytest.raises(RuntimeError):
            net.spec.stages(torch.empty(1, 1, 128, 155))


@pytest.mark.parametrize("seconds", [1, 2, 3])
def test_comb_joins_1280_features_of_the_papers_inputs(seconds):
    frames = (seconds * RATE - WINDOW) // HOP + 1
    with torch.device("meta"):
        net = cnncomb()
        waves, maps = torch.empty(2, seconds * RATE), torch.empty(2, 1, 128, frames)
        assert net.audio(waves).shape == (2, 256)
        assert net.spec(maps).shape == (2, 1024)
        prediction = net(waves, maps)
    assert prediction.levels.shape == (2, 1, 41)
    assert prediction.embedding.shape == (2, 128)
    widths = [layer.out_features for layer in net.head.hidden if hasattr(layer, "out_features")]
    assert [net.head.hidden[0].in_features, *widths] == [1280, 512, 256, 256, 128]


def test_head_counts_as_the_poster_says():
    """Dense layers of 512, 256, 256 and 128 with normalisation, on the 1,280 features: 512 · 1,280 + 240,425."""
    with torch.device("meta"):
        assert sum(count(cnncomb().head)) == 512 * 1280 + 240_425


def test_comb_takes_the_weights_of_the_single_nets():
    torch.manual_seed(0)
    audio = randomised(cnnaudio(tags=3, widths=[4, 6], kernels=[4, 3], pools=[4, 5], hidden=8))
    spec = randomised(
        cnnspec(tags=3, bands=9, widths=[4, 6], kernels=[3, 3], band_pools=[2, 2], frame_pools=[2, 2], hidden=8)
    )
    comb = cnncomb(tags=3, bands=9, hidden=[8, 7], **SMALL).eval()
    comb.audio.load_state_dict(audio.branch.state_dict())
    comb.spec.load_state_dict(spec.branch.state_dict())
    waves, maps = torch.randn(2, 100), torch.randn(2, 1, 9, 30)
    with torch.no_grad():
        features = torch.cat([audio.branch(waves), spec.branch(maps)], 1)
        x = features.numpy()
        for i in (0, 3):  # dense → ReLU → BN, which a fresh net only divides by
            layer = comb.head.hidden[i]
            x = np.maximum(x @ layer.weight.numpy().T + layer.bias.numpy(), 0) / np.sqrt(1 + NORM_EPSILON)
        got = comb(waves, maps)
    np.testing.assert_allclose(got.embedding, x, rtol=1e-4, atol=1e-6)
    expected = x @ comb.head.out.weight.detach().numpy().T + comb.head.out.bias.detach().numpy()
    np.testing.assert_allclose(got.levels[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_windows_5120_samples_apart_see_the_same_steps():
    """What a long window hears from its second step on is what a window one hop later hears from its first."""
    torch.manual_seed(0)
    audio, spec = (
        randomised(AudioBranch([4] * 4, [16, 9, 9, 9], [8, 8, 8, 10])),
        randomised(SpecBranch(1, 64, [4] * 6, [5, 3, 3, 3, 3, 3], [2] * 6, [2, 2, 5, 1, 1, 1])),
    )
    waves, maps = torch.randn(1, 1, 1, 3 * 5120 + 9807), torch.randn(1, 1, 64, 60 + 156)
    with torch.no_grad():
        long, late = audio.stages(waves), audio.stages(waves[..., 5120:])
        assert long.shape[3] == 4
        torch.testing.assert_close(long[..., 1:], late)
        long, late = spec.stages(maps), spec.stages(maps[..., 20:])
        assert long.shape[3] == 4
        torch.testing.assert_close(long[..., 1:], late)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_any_kernel_gives_the_stated_width(kernel):
    branch = SpecBranch(1, 11, [3, 5], [kernel] * 2, [2, 3], [1, 1])
    with torch.no_grad():
        assert branch(torch.randn(2, 1, 11, branch.shortest)).shape == (2, branch.width)


def test_names_of_the_weights_stay():
    """Taggers that were saved are read by these names."""
    names = {key.rsplit(".", 1)[0] for key in cnnspec(widths=[2] * 6, hidden=2).state_dict()}
    stages = {f"branch.stages.{i}.{j}" for i in range(6) for j in (0, 3)}
    assert names == {*stages, "head.hidden.0", "head.hidden.2", "head.out"}


UNEQUAL = {"widths": [8, 8], "kernels": [3, 3, 3]}


@pytest.mark.parametrize(
    ("function", "told", "message"),
    [
        (cnnaudio, {"widths": []}, "widths is .*: give a list with a number for each stage"),
        (cnnaudio, {**UNEQUAL, "pools": [2, 2]}, "2 widths and 3 kernels and 2 pools: each stage needs one of each"),
        (cnnaudio, {"kernels": [16, 9, 9, 0]}, "kernels holds 0"),
        (cnnaudio, {"hidden": 0}, "hidden is 0"),
        (cnnaudio, {"dropout": 1}, "dropout is 1"),
        (cnnspec, {"widths": [], "kernels": [], "band_pools": [], "frame_pools": []}, "widths is .*: give a list"),
        (cnnspec, UNEQUAL, "2 widths and 3 kernels and 6 band_pools and 6 frame_pools"),
        (cnnspec, {"frame_pools": [2, 2, 5, 1, 1, True]}, "frame_pools holds True"),
        (cnnspec, {"bands": 0}, "bands is 0"),
        (cnnspec, {"bands": 63}, "63 bands are pooled to nothing"),
        (cnnspec, {"momentum": -1}, "momentum is -1"),
        (cnncomb, {"audio_widths": [8]}, "1 audio_widths and 4 audio_kernels"),
        (cnncomb, {"frame_pools": "221"}, "frame_pools is '221'"),
        (cnncomb, {"hidden": []}, "hidden is .*: give a list"),
        (cnncomb, {"hidden": 512}, "hidden is 512: give a list"),
        (cnncomb, {"channels": 0}, "channels is 0"),
    ],
)
def test_bad_arguments(function, told, message):
    with pytest.raises(ValueError, match=message), torch.device("meta"):
        function(**told)


def test_a_layout_with_a_convolution_without_a_pool():
    """Figure 2's caption, and the published count: 3,136,649 = 3,130,953 + 5,696, by hand and as built."""
    channels, kernels, weights = [1, *UNPOOLED["widths"]], UNPOOLED["kernels"], 0
    for before, after, kernel in zip(channels, channels[1:], kernels, strict=False):
        weights += kernel * kernel * before * after + after + 2 * after  # weights, biases; scale and shift of the BN
    assert weights == 1_850_880 - 2 * sum(UNPOOLED["widths"])  # the six stages' 1,850,880 have running statistics too
    with torch.device("meta"):
        net, single = cnncomb(**UNPOOLED), cnnspec(**UNPOOLED)
    parameters, statistics = count(net)
    assert (parameters, statistics) == (3_130_953, 5_696) == count(cnncomb())
    assert parameters + statistics == 3_136_649
    assert sum(count(single)) == 2_398_761
    assert net.spec.width == cnncomb().spec.width == 1024


def test_batch_normalisation_follows_it():
    """Conv → ReLU → BN where there is no pool, with as many bands behind it as before; five pools of two leave 4 of 128."""
    torch.manual_seed(0)
    branch = cnnspec(**UNPOOLED).branch.eval()
    sizes, x = [], torch.randn(1, 1, 128, 220)
    for number, stage in enumerate(branch.stages):
        before = x
        x = stage(x)
        sizes.append(tuple(x.shape[2:]))
        if number == 4:
            expected = stage[-1](torch.relu(stage[0](before)))
            torch.testing.assert_close(x, expected)
    assert sizes == [(64, 108), (32, 53), (16, 10), (8, 8), (8, 6), (4, 4), (4, 2)]
