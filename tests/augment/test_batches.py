"""Mixtures within a batch against sums worked by hand and the distributions that their ratios claim."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from earmark.augment.batches import MixTrain, Mixture, Mixup


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@st.composite
def batches(draw):
    """(waves (n, samples), targets (n, tags))."""
    n, samples, tags = draw(st.integers(1, 6)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    targets = draw(arrays.arrays(np.float32, (n, tags), elements=st.floats(0, 1, width=32)))
    return draw(arrays.arrays(np.float32, (n, samples), elements=st.floats(-1, 1, width=32))), targets


# Mixup


def test_mixup_by_hand():
    waves, targets = torch.tensor([[1.0, 1], [0, 2]]), torch.eye(2)
    plan = Mixture(np.array([1, 0]), np.array([0.75, 1.0], np.float32))
    got, told = Mixup().apply(plan, waves, targets)
    assert got.tolist() == [[0.75, 1.25], [0, 2]]
    assert told.tolist() == [[0.75, 0.25], [0, 1]]


@settings(max_examples=80, deadline=None)
@given(batch=batches(), seed=st.integers(0, 1000), alpha=st.sampled_from([0.1, 1.0, 5.0]))
def test_mixup_does_to_targets_what_it_does_to_waves(batch, seed, alpha):
    """It is linear, so it commutes with any linear map: here, the targets are written into the wave."""
    waves, targets = batch
    both = np.concatenate([waves, targets], 1)
    mixup = Mixup(alpha=alpha)
    got, told = mixup.apply(mixup.draw(generator(seed), targets), torch.from_numpy(both), torch.from_numpy(targets))
    np.testing.assert_allclose(got[:, waves.shape[1] :], told, atol=1e-6)


@settings(max_examples=80, deadline=None)
@given(n=st.integers(1, 8), tags=st.integers(2, 5), seed=st.integers(0, 1000), share=st.floats(0, 1))
def test_mixup_keeps_what_is_shared_out(n, tags, seed, share):
    labels = generator(seed).integers(tags, size=n)
    targets = np.eye(tags, dtype=np.float32)[labels]
    mixup = Mixup(share)
    plan = mixup.draw(generator(seed), targets)
    equal = torch.full((n, 3), 0.3)
    got, told = mixup.apply(plan, equal, torch.from_numpy(targets))
    np.testing.assert_allclose(told.sum(1), 1, atol=1e-6)  # one tag's worth a clip
    np.testing.assert_allclose(got, equal, atol=1e-6)  # equal clips give the clip
    assert sorted(plan.partners.tolist()) == list(range(n))
    assert ((plan.weights >= 0) & (plan.weights <= 1)).all()
    for i, partner in enumerate(plan.partners):
        if labels[i] != labels[partner]:  # the target is the mixing ratio
            assert told[i, labels[i]] == pytest.approx(plan.weights[i], abs=1e-6)
            assert told[i, labels[partner]] == pytest.approx(1 - plan.weights[i], abs=1e-6)


def test_the_share_that_is_mixed():
    targets = np.zeros((4000, 2), np.float32)
    for share, low, high in [(0, 0, 0), (0.3, 0.26, 0.34), (1, 1, 1)]:
        weights = Mixup(share).draw(generator(3), targets).weights
        assert low <= (weights < 1).mean() <= high


def test_the_ratio_follows_alpha():
    """The variance of Beta(a, a) is 1 / (8a + 4)."""
    targets = np.zeros((8000, 2), np.float32)
    for alpha in (0.2, 1.0, 4.0):
        weights = Mixup(alpha=alpha).draw(generator(4), targets).weights
        assert weights.mean() == pytest.approx(0.5, abs=0.02)
        assert weights.var() == pytest.approx(1 / (8 * alpha + 4), rel=0.08)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, "alpha is 0: it must be above 0"),
        ({"alpha": float("nan")}, "alpha is nan: it must be above 0"),
    ],
)
def test_mixup_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mixup(**arguments)


# Mix-training


def test_mixtrain_by_hand():
    waves = torch.tensor([[1.0, 1], [0, 2], [4, 4]])
    targets = torch.tensor([[1.0, 0, 0], [1, 0, 1], [0, 1, 0]])
    plan = Mixture(np.array([1, 2, 0]), np.array([0.75, 0.5, 1.0], np.float32))
    got, told = MixTrain().apply(plan, waves, targets)
    assert got.tolist() == [[0.75, 1.25], [2, 3], [4, 4]]
    assert told.tolist() == [[1, 0, 1], [1, 1, 1], [0, 1, 0]]  # the last is not mixed


@settings(max_examples=80, deadline=None)
@given(
    targets=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.sampled_from([0, 1])
    ),
    seed=st.integers(0, 1000),
    share=st.floats(0, 1),
)
def test_mixtrain_unites_tags_and_sums_waves(targets, seed, share):
    """The paper's label is the sign of the sum; the waves are written so that each tells its own weight."""
    mixtrain, n = MixTrain(share), len(targets)
    plan = mixtrain.draw(generator(seed), targets)
    assert sorted(plan.partners.tolist()) == list(range(n))
    got, told = mixtrain.apply(plan, torch.eye(n), torch.from_numpy(targets))
    for i, partner in enumerate(plan.partners.tolist()):
        if plan.weights[i] == 1:
            assert told[i].tolist() == targets[i].tolist()
            assert got[i, i] == 1
            continue
        assert told[i].tolist() == np.sign(targets[i] + targets[partner]).tolist()
        assert 0.4 <= plan.weights[i] <= 0.6
        if partner != i:
            assert float(got[i, i]) == pytest.approx(float(plan.weights[i]))
            assert float(got[i, partner]) == pytest.approx(1 - float(plan.weights[i]))
    np.testing.assert_allclose(got.sum(1), 1, atol=1e-6)


def test_the_ratio_of_mixtrain_is_even_between_its_bounds():
    """The variance of an even draw is the square of its width / 12."""
    targets = np.zeros((8000, 2), np.float32)
    for low, high in [(0.4, 0.6), (0.0, 1.0), (0.5, 0.5)]:
        weights = MixTrain(low=low, high=high).draw(generator(4), targets).weights.astype(np.float64)
        assert weights.min() >= low - 1e-7
        assert weights.max() <= high + 1e-7
        assert weights.mean() == pytest.approx((low + high) / 2, abs=0.02)
        assert weights.var() == pytest.approx((high - low) ** 2 / 12, rel=0.05, abs=1e-12)
    mixed = MixTrain(0.3).draw(generator(3), targets).weights < 1
    assert mixed.mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(("low", "high"), [(0.6, 0.4), (-0.1, 0.5), (0.5, 1.1)])
def test_mixtrain_refuses(low, high):
    with pytest.raises(ValueError, match=f"ratios from {low:g} to {high:g}: low and high lie between 0 and 1"):
        MixTrain(low=low, high=high)
