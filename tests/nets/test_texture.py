"""Texture: its statistics against closed forms, what they do not hear, and its count."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from earmark.models.layers.texture import EDGES, TILTS, Texture, means, neighbours, waves
from earmark.models.nets.texture import texture
from earmark.registry import NETS

BANDS, GROUPS, FRAMES = 64, 16, 300
MARGINALS = ("mean", "spread", "skewness", "kurtosis", "steps", "steps' skewness", *TILTS)


def made(seed: int = 0, frames: int = FRAMES) -> torch.Tensor:
    """Levels of bands that are neither alike nor symmetric, at most some units high."""
    generator = np.random.default_rng(seed)
    levels = generator.gamma(2.0, 0.4, (1, 1, BANDS, frames)) - np.linspace(0, 2, BANDS)[:, None]
    return torch.from_numpy(levels.astype(np.float32))


def found(maps: torch.Tensor) -> dict[str, np.ndarray]:
    """The statistics of one map by name, of the groups as (groups, rates)."""
    with torch.no_grad():
        told = texture().eval().statistics(maps)[0].double().numpy()
    rates = len(EDGES) - 1
    sizes = [BANDS] * len(MARGINALS) + [GROUPS * rates] * 2 + [GROUPS * (GROUPS - 1) // 2]
    parts = np.split(told, np.cumsum(sizes)[:-1])
    names = (*MARGINALS, "levels", "envelopes", "correlations")
    return dict(zip(names, parts, strict=True))


def test_marginals_are_those_of_scipy():
    maps = made()
    levels = (maps - maps.mean())[0, 0].double().numpy()
    told, steps = found(maps), np.diff(levels, axis=-1)
    np.testing.assert_allclose(told["mean"], levels.mean(-1), atol=1e-5)
    np.testing.assert_allclose(told["spread"], np.log(levels.std(-1)), atol=1e-4)
    np.testing.assert_allclose(told["skewness"], scipy.stats.skew(levels, -1), atol=1e-3)
    np.testing.assert_allclose(told["kurtosis"], np.log(scipy.stats.kurtosis(levels, -1, fisher=False)), atol=2e-3)
    np.testing.assert_allclose(told["steps"], np.log(steps.std(-1)), atol=1e-4)
    np.testing.assert_allclose(told["steps' skewness"], scipy.stats.skew(steps, -1), atol=1e-3)


@pytest.mark.parametrize("tilt", TILTS)
def test_soft_extremes_are_means_of_powers(tilt):
    """log(mean(exp(t·x))) / t goes from the lowest value to the highest as t grows; here against NumPy."""
    maps = made(1)
    levels = (maps - maps.mean())[0, 0].double().numpy()
    centred = levels - levels.mean(-1, keepdims=True)
    np.testing.assert_allclose(found(maps)[tilt], np.log(np.exp(tilt * centred).mean(-1)) / tilt, atol=1e-4)


def test_correlations_are_those_of_numpy():
    maps = made(2)
    grouped = maps[0, 0].double().numpy().reshape(GROUPS, -1, FRAMES).mean(1)
    np.testing.assert_allclose(found(maps)["correlations"], np.corrcoef(grouped)[np.triu_indices(GROUPS, 1)], atol=1e-4)


@pytest.mark.parametrize("rate", [0.02, 0.04, 0.3])
def test_a_beat_is_heard_at_its_rate(rate):
    """A sine's power is half its amplitude squared, whatever its phase; it lies between the edges about its rate."""
    time = torch.arange(FRAMES)
    maps = (0.5 * torch.cos(2 * math.pi * rate * time + 1)).expand(1, 1, BANDS, FRAMES)
    heard = np.exp(found(maps)["levels"].reshape(GROUPS, -1)) - 1e-3
    at = np.searchsorted(EDGES, rate) - 1
    assert (heard.argmax(-1) == at).all()
    np.testing.assert_allclose(heard[:, at], 0.125, rtol=0.05)
    assert heard.sum(-1) == pytest.approx(0.125, rel=0.05)


def test_power_of_noise_is_its_variance():
    """Parseval: what lies between all edges sums to the variance under the window, but for the slowest."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, FRAMES, generator=generator)
    basis, within = waves(FRAMES, torch.tensor([0.5 / FRAMES, *EDGES[1:]]))
    parts = (noise @ basis).square()
    power = (parts[:, : len(within)] + parts[:, len(within) :]) @ within
    assert power.sum(-1).mean().item() == pytest.approx(1.0, rel=0.03)


def test_how_loud_and_when_counts_for_nothing():
    """A louder recording is the same map and a constant. What comes first does not matter to what is told of one moment."""
    maps = made(3)
    for name, values in found(maps).items():
        np.testing.assert_allclose(found(maps + 3)[name], values, atol=2e-3, err_msg=str(name))
    turned = found(maps.flip(-1))
    for name in (*MARGINALS[:5], *TILTS, "correlations", "levels", "envelopes"):
        np.testing.assert_allclose(turned[name], found(maps)[name], atol=2e-3, err_msg=str(name))


def test_groups_are_of_neighbours():
    """Each band is in one group; groups that do not divide the bands differ by one."""
    grouping = neighbours(10, 4)
    assert (grouping > 0).sum(1).tolist() == [2, 3, 2, 3]
    assert ((grouping > 0).sum(0) == 1).all()
    torch.testing.assert_close(grouping @ torch.arange(10.0), torch.tensor([0.5, 3.0, 5.5, 8.0]))


def test_silence_has_numbers_and_gradients():
    maps = torch.zeros(3, 1, BANDS, 40, requires_grad=True)
    net = texture(tags=4).train()
    net(maps).levels.sum().backward()
    assert torch.isfinite(maps.grad).all()
    assert all(torch.isfinite(each.grad).all() for each in net.parameters())


def test_the_count_is_that_of_its_layers():
    each = 10 * 64 + 2 * 7 * 16 + 16 * 15 // 2
    assert NETS["texture"].facts["parameters"] == each * 256 + 2 * 256 + 256 * 256 + 2 * 256 + 256 * 10 + 10
    assert isinstance(texture(), Texture)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"groups": 65}, "groups is 65: there are no more than 64 bands"),
        ({"groups": 1}, "groups is 1: there must be two at least"),
        ({"edges": [0.1]}, "edges is"),
        ({"edges": [0.2, 0.1]}, "edges is"),
        ({"edges": [0.1, 0.7]}, "edges is"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"hidden_dropout": -0.1}, "hidden_dropout is -0.1"),
        ({"widths": []}, "widths is"),
        ({"filters": [0]}, "filters holds 0"),
    ],
)
def test_arguments_that_make_no_net_are_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        texture(**arguments)


def test_filters_hear_what_the_count_says():
    net = texture(filters=[4, 6])
    rows = 6 * 16  # 64 bands, halved twice
    learnt = 4 * 9 + 2 * 4 + 6 * 4 * 9 + 2 * 6
    before = 984 + 3 * rows
    dense = before * 256 + 2 * 256 + 256 * 256 + 2 * 256 + 256 * 10 + 10
    assert sum(each.numel() for each in net.parameters()) == learnt + dense
    assert net.trunk is not None
    assert net.trunk(torch.randn(2, 1, 64, 100)).shape == (2, rows, 25)


def test_what_filters_say_is_told_by_mean_spread_and_highest():
    series = torch.rand(2, 5, 40)
    mean, wide, highest = means(series)
    torch.testing.assert_close(mean, (series.mean(-1) + 0.01).log())
    torch.testing.assert_close(wide, (series.std(-1, correction=0) + 0.01).log(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(highest, series.max(-1).values)


def test_a_net_with_filters_learns():
    """Two textures of one spectrum, a beat of 4 and of 16 cycles in 100 frames, are told apart on maps never heard."""
    generator = torch.Generator().manual_seed(0)

    def heard(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        targets = torch.arange(count) % 2
        rates = torch.where(targets == 0, 0.04, 0.16)[:, None]
        phases = 6.28 * torch.rand(count, 1, generator=generator)
        beats = torch.sin(2 * math.pi * rates * torch.arange(100) + phases)
        return beats[:, None, None] + 0.5 * torch.randn(count, 1, 64, 100, generator=generator), targets

    torch.manual_seed(0)
    net = texture(tags=2, filters=[4, 4], widths=[16])
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    maps, targets = heard(64)
    for _ in range(20):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(maps).levels[:, 0], targets).backward()
        optimiser.step()
    maps, targets = heard(40)
    with torch.no_grad():
        assert (net.eval()(maps).levels[:, 0].argmax(-1) == targets).all()
