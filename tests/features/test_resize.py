"""Resizing against bilinear sums written out in NumPy."""

import numpy as np
import pytest
import torch

from earmark.models.features import LogMel, Resize, Resized
from earmark.models.features.multires import MultiRes


def weights(inside, outside):
    """(outside, inside): how much of each cell a resized one takes; centres are at (i + 0.5) · inside / outside."""
    table = np.zeros((outside, inside))
    for i in range(outside):
        place = min(max((i + 0.5) * inside / outside - 0.5, 0.0), inside - 1.0)
        lower = int(place)
        upper = min(lower + 1, inside - 1)
        table[i, lower] += 1 - (place - lower)
        table[i, upper] += place - lower
    return table


@pytest.mark.parametrize("size", [(40, 130), (128, 299), (7, 11), (1, 1), (300, 5), (13, 17)])
def test_bilinear_by_the_definition(size):
    maps = np.random.default_rng(0).standard_normal((2, 3, 13, 17)).astype(np.float32)
    got = Resize(*size, 3)(torch.from_numpy(maps)).numpy()
    expected = np.einsum("pb,ncbf,qf->ncpq", weights(13, size[0]), maps.astype(np.float64), weights(17, size[1]))
    assert got.shape == (2, 3, *size)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_the_same_size_is_the_same_map():
    maps = torch.randn(2, 3, 13, 17)
    assert torch.equal(Resize(13, 17, 3)(maps), maps)


def test_one_channel_is_repeated():
    maps = torch.randn(2, 1, 13, 17)
    got = Resize(20, 30, 3)(maps)
    assert got.shape == (2, 3, 20, 30)
    for channel in range(3):
        assert torch.equal(got[:, channel], Resize(20, 30)(maps)[:, 0])


@pytest.mark.parametrize(("channels", "wanted"), [(3, 1), (2, 3), (3, 2)])
def test_other_channels_are_refused(channels, wanted):
    message = f"maps of {channels} channels cannot become {wanted}: one can be repeated"
    with pytest.raises(ValueError, match=message):
        Resize(5, 5, wanted)(torch.zeros(1, channels, 4, 4))
    with pytest.raises(ValueError, match=message):
        Resized(MultiRes(16000, [0.1] * channels, bands=20), 5, 5, wanted)


@pytest.mark.parametrize("arguments", [{"bands": 0}, {"frames": 0}, {"channels": 0}])
def test_sizes_of_nothing_are_refused(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name} is 0: there must be at least one"):
        Resize(**{"bands": 5, "frames": 5, **arguments})


def test_low_precision_maps_are_resized_in_float32():
    maps = torch.randn(1, 1, 5, 5).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        got = Resize(9, 9)(maps)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, Resize(9, 9)(maps.float()))


def test_a_resized_feature_tells_its_shape():
    """Paper 002: 128 mel bands and T = 299 frames become 299 × 299 × 3, and so does any other length."""
    feature = Resized(LogMel(44100, centre=True), 299, 299, 3)
    assert (feature.channels, feature.bands, feature.shortest) == (3, 299, 1)
    for samples in (44_100, 152_576):
        assert feature.frames(samples) == 299
        assert feature(torch.zeros(2, samples)).shape == (2, 3, 299, 299)
    short = Resized(LogMel(16000, 0.025, 0.01, 40), 20, 30)
    assert short.shortest == 400
    assert (short.frames(399), short.frames(400)) == (0, 30)
    assert short.state_dict() == {}


def test_gradients_flow_through():
    waves = torch.randn(1, 4000, requires_grad=True)
    Resized(LogMel(16000, 0.025, 0.01, 40), 20, 30, 3)(waves).square().sum().backward()
    assert torch.isfinite(waves.grad).all()
    assert waves.grad.abs().sum() > 0
