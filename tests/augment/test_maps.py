"""Random erasing and mixup of maps: where, how much, with what, and what it costs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.train.augment import maps as maps_module
from earmark.train.augment.batches import Mixup
from earmark.train.augment.maps import Erase, MixupMaps, Rectangles


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def erased(erase, maps, seed=0):
    targets = torch.zeros(len(maps), 2)
    return erase.apply(erase.draw(generator(seed), tuple(maps.shape), targets.numpy()), maps, targets)[0]


def test_erase_by_hand():
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    plan = Rectangles(np.array([[1], [1], [2], [2]]), 0)  # bands 1 and 2, frames 1 and 2
    got, told = Erase(fill=-1.0).apply(plan, maps, torch.ones(1, 2))
    assert got[0, 0].tolist() == [[0, 1, 2, 3], [4, -1, -1, 7], [8, -1, -1, 11]]
    assert got[0, 1].tolist() == [[12, 13, 14, 15], [16, -1, -1, 19], [20, -1, -1, 23]]
    assert told.tolist() == [[1, 1]]
    means = Erase(fill="mean").apply(plan, maps, torch.ones(1, 2))[0]
    assert means[0, 0].tolist() == [[0, 1, 2, 3], [4, 5.5, 5.5, 7], [8, 5.5, 5.5, 11]]
    assert means[0, 1, 1].tolist() == [16, 17.5, 17.5, 19]


@settings(max_examples=100, deadline=None)
@given(
    bands=st.integers(8, 64),
    frames=st.integers(8, 64),
    low=st.floats(0.02, 0.3),
    spread=st.floats(0.05, 0.3),
    seed=st.integers(0, 10_000),
)
def test_rectangles_keep_their_bounds(bands, frames, low, spread, seed):
    """One whole rectangle in each map that was drawn, its area within the bounds and its sides as the aspect allows."""
    erase = Erase(p=1.0, low=low, high=low + spread, fill=7.0)
    maps = torch.zeros(5, 2, bands, frames)
    got = erased(erase, maps, seed)
    for one in got:
        assert torch.equal(one[0], one[1])  # all channels lose the same
        bands_hit, frames_hit = (one[0] == 7).any(1).sum().item(), (one[0] == 7).any(0).sum().item()
        area = (one[0] == 7).sum().item()
        if area:
            assert area == bands_hit * frames_hit
            assert low * bands * frames - 1e-9 <= area <= (low + spread) * bands * frames + 1e-9
            # each side is within half a cell of what the aspect gave
            assert (bands_hit + 0.5) / bands >= 0.3 * (frames_hit - 0.5) / frames
            assert (bands_hit - 0.5) / bands <= 1 / 0.3 * (frames_hit + 0.5) / frames


def test_the_papers_values():
    """Zhong et al.: half the maps, areas evenly drawn before those that reach over an edge are drawn again."""
    got = erased(Erase(fill=1.0), torch.zeros(4000, 1, 60, 60))
    areas = got.sum((1, 2, 3)).numpy() / 3600
    assert (areas > 0).mean() == pytest.approx(0.5, abs=0.03)
    areas = areas[areas > 0]
    assert areas.min() < 0.025 and 0.33 < areas.max() <= 0.4
    again, chance = [], generator(9)  # the algorithm as it is printed, one map at a time
    while len(again) < 2000:
        area, aspect = chance.uniform(0.02, 0.4), chance.uniform(0.3, 1 / 0.3)
        height, width = 60 * np.sqrt(area * aspect), 60 * np.sqrt(area / aspect)
        if chance.uniform(0, 60) + height <= 60 and chance.uniform(0, 60) + width <= 60:
            again.append(area)
    np.testing.assert_allclose(np.quantile(areas, [0.1, 0.5, 0.9]), np.quantile(again, [0.1, 0.5, 0.9]), atol=0.02)


@pytest.mark.parametrize("shape", [(128, 345), (40, 299), (64, 998), (299, 299), (513, 299), (299, 40), (1, 500)])
def test_maps_of_real_shapes_are_erased(shape):
    plan = Erase(p=1.0).draw(generator(), (2000, 1, *shape), np.zeros((2000, 1), np.float32))
    assert (plan.edges[2] > 0).mean() > 0.999


RARE = [
    {"low": 0.1, "high": 0.1},
    {"low": 0.3, "high": 0.3},
    {"low": 0.5, "high": 0.6},
    {"low": 0.6, "high": 0.8},
    {"low": 0.95, "high": 1.0},
    {"low": 1.0, "high": 1.0},
    {"low": 0.1, "high": 0.1001},
    {"low": 0.02, "high": 0.3, "narrow": 9.0, "wide": 10.0},
    {"low": 0.15, "high": 0.3, "narrow": 6.6, "wide": 10.0},
]


@pytest.mark.parametrize("arguments", RARE)
@pytest.mark.parametrize("shape", [(64, 93), (128, 128), (40, 299)])
def test_every_map_that_is_to_be_erased_is(arguments, shape):
    """However seldom a rectangle that is drawn fits, and where whole cells cannot have the very area."""
    edges = Erase(p=1.0, **arguments).draw(generator(), (512, 1, *shape), np.zeros((512, 1), np.float32)).edges
    top, left, height, width = edges
    assert (height > 0).all() and (width > 0).all()
    assert (
        (top >= 0).all() and (left >= 0).all() and (top + height <= shape[0]).all() and (left + width <= shape[1]).all()
    )
    areas = height * width / (shape[0] * shape[1])
    assert areas.min() >= arguments["low"] * 0.95 and areas.max() <= arguments["high"] * 1.05
    aspects = (height / shape[0]) / (width / shape[1])
    cell = 1.5 / min(height.min(), width.min())
    assert aspects.min() >= arguments.get("narrow", 0.3) / (1 + cell)
    assert aspects.max() <= arguments.get("wide", 1 / 0.3) * (1 + cell)


def test_rectangles_drawn_at_once_are_as_further_tries_would_be(monkeypatch):
    """Of one setting with which some tries fit: the same law whichever way they are drawn."""
    drawn = {}
    for tries in (100, 0):
        monkeypatch.setattr(maps_module, "TRIES", tries)
        erase = Erase(p=1.0, low=0.2, high=0.5)
        drawn[tries] = erase.draw(generator(3), (6000, 1, 60, 80), np.zeros((6000, 1), np.float32)).edges
    for one, other in zip(drawn[100], drawn[0], strict=True):
        np.testing.assert_allclose(np.quantile(one, [0.1, 0.5, 0.9]), np.quantile(other, [0.1, 0.5, 0.9]), atol=2.01)
    areas = [edges[2] * edges[3] / 4800 for edges in drawn.values()]
    np.testing.assert_allclose(*(np.quantile(each, [0.1, 0.5, 0.9]) for each in areas), atol=0.012)


def test_a_map_too_small_for_any_rectangle_stays_whole():
    maps = torch.randn(4, 1, 1, 2)
    assert torch.equal(erased(Erase(p=1.0), maps), maps)


def test_noise_has_the_level_of_its_map():
    maps = torch.randn(3, 2, 100, 100, generator=torch.Generator().manual_seed(0)) * 5
    maps[:, 1] += 40
    maps[2] *= 0  # a map of one value is filled with it
    plan = Rectangles(np.array([[10] * 3, [10] * 3, [60] * 3, [60] * 3]), 3)
    got = Erase().apply(plan, maps, torch.zeros(3, 1))[0]
    inside = got[:, :, 10:70, 10:70]
    np.testing.assert_allclose(inside[:2].mean((2, 3)), [[0, 40], [0, 40]], atol=0.5)
    np.testing.assert_allclose(inside[:2].std((2, 3)), 5, rtol=0.05)
    assert torch.equal(got[2], maps[2])
    assert not torch.isclose(got, maps)[:2, :, 10:70, 10:70].any(0).all()
    kept = torch.ones_like(maps, dtype=torch.bool)
    kept[:, :, 10:70, 10:70] = False
    assert torch.equal(got[kept], maps[kept])
    other = Erase().apply(Rectangles(plan.edges, 4), maps, torch.zeros(3, 1))[0]
    assert not torch.equal(other, got)


@pytest.mark.parametrize("fill", ["noise", "mean", 0.5])
def test_no_gradient_comes_from_what_was_erased(fill):
    maps = torch.randn(1, 1, 10, 10, requires_grad=True)
    plan = Rectangles(np.array([[2], [3], [4], [5]]), 0)
    Erase(fill=fill).apply(plan, maps, torch.zeros(1, 1))[0].sum().backward()
    expected = torch.ones(1, 1, 10, 10)
    expected[:, :, 2:6, 3:8] = 0
    assert torch.equal(maps.grad, expected)


def test_repeated_channels_and_low_precision_are_served():
    maps = torch.randn(4, 1, 20, 20).bfloat16().expand(-1, 3, -1, -1)
    for fill in ("noise", "mean", 0.0):
        got = erased(Erase(p=1.0, fill=fill), maps)
        assert got.dtype == torch.bfloat16
        assert got.shape == (4, 3, 20, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": 2.0}, "p is 2: it lies between 0 and 1"),
        ({"low": 0.0}, "areas from 0 to 0.4: low lies above 0"),
        ({"low": 0.5}, "areas from 0.5 to 0.4: low lies above 0, high at most at 1, the lower first"),
        ({"high": 1.5}, "areas from 0.02 to 1.5"),
        ({"narrow": 0.0}, "aspects from 0 to 3.33333: both lie above 0"),
        ({"narrow": 4.0}, "aspects from 4 to 3.33333"),
        (
            {"low": 0.2, "high": 0.3, "narrow": 9.0, "wide": 10.0},
            "areas from 0.2 with aspects from 9 to 10: no such rectangle fits",
        ),
        ({"low": 0.2, "narrow": 0.1, "wide": 0.19}, "no such rectangle fits on a map.* aspects go from 0.2 to 5"),
        ({"fill": "zeros"}, "fill is 'zeros': it is noise, mean or a number"),
    ],
)
def test_erase_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Erase(**arguments)


def test_mixup_of_maps_is_mixup():
    maps, targets = torch.randn(6, 2, 5, 7), torch.eye(6)
    plan = MixupMaps(0.5, 0.3).draw(generator(4), tuple(maps.shape), targets.numpy())
    flat = Mixup(0.5, 0.3).draw(generator(4), targets.numpy())
    assert plan.weights.tolist() == flat.weights.tolist()
    got, told = MixupMaps().apply(plan, maps, targets)
    expected, told_too = Mixup().apply(flat, maps.flatten(1), targets)
    assert torch.equal(got, expected.view_as(maps))
    assert torch.equal(told, told_too)
    for i, partner in enumerate(plan.partners.tolist()):
        weight = float(plan.weights[i])
        torch.testing.assert_close(got[i], weight * maps[i] + (1 - weight) * maps[partner])
