"""Mixtures within a batch against sums worked by hand and the distributions that their ratios claim."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from earmark.train.augment import draw_for
from earmark.train.augment.batches import BetweenClass, MixTrain, Mixture, Mixup, a_weighting, draw_partners


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@st.composite
def batches(draw):
    """(waves (n, samples), targets (n, tags))."""
    n, samples, tags = draw(st.integers(1, 6)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    targets = draw(arrays.arrays(np.float32, (n, tags), elements=st.floats(0, 1, width=32)))
    return draw(arrays.arrays(np.float32, (n, samples), elements=st.floats(-1, 1, width=32))), targets


# Partners


@settings(max_examples=200, deadline=None)
@given(clips=st.lists(st.integers(0, 6), min_size=1, max_size=20), seed=st.integers(0, 1000))
def test_a_clip_meets_another_clip_never_itself_nor_its_copy(clips, seed):
    """Of n places, as many copies of a clip as lie beyond n / 2 must meet each other: 2m - n of m."""
    rows = np.array(clips)
    partners = draw_partners(generator(seed), rows)
    assert sorted(partners.tolist()) == list(range(len(rows)))
    alone = max(0, 2 * int(np.bincount(rows).max()) - len(rows))
    assert (rows[partners] == rows).sum() == alone


def test_a_batch_without_copies_has_no_clip_that_meets_itself():
    for n in (2, 3, 8, 64):
        for seed in range(200):
            assert (draw_partners(generator(seed), np.arange(n)) != np.arange(n)).all(), n


def test_every_other_clip_is_met_about_as_often():
    """Four clips have nine derangements, and by symmetry each of three others is met a third of the time."""
    drawn = np.array([draw_partners(generator(seed), np.arange(4)) for seed in range(6000)])
    assert len({tuple(row) for row in drawn.tolist()}) == 9
    for clip in range(4):
        share = np.bincount(drawn[:, clip], minlength=4) / len(drawn)
        assert share[clip] == 0
        np.testing.assert_allclose(np.delete(share, clip), 1 / 3, atol=0.03)  # 5 standard errors of 0.006


@pytest.mark.parametrize("made", [Mixup(), MixTrain(), BetweenClass(16000)])
def test_every_way_of_mixing_asks_which_clips_there_are(made):
    clips = np.array([3, 3, 5, 7])
    for seed in range(50):
        plan = draw_for(made, clips, generator(seed), np.zeros((4, 2), np.float32))
        assert (clips[plan.partners] != clips).all()
    assert made.draw(generator(), np.zeros((1, 2), np.float32)).partners.tolist() == [0]  # a batch of one


def test_an_augmentation_that_does_not_ask_is_not_told():
    class Plain:
        def draw(self, generator, targets):
            return "plan"

    assert draw_for(Plain(), np.arange(2), generator(), np.zeros((2, 1), np.float32)) == "plan"


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


# Between-class learning

RATE = 16000


def tone(amplitude, hertz=1000.0, seconds=1.0):
    return amplitude * torch.sin(2 * np.pi * hertz * torch.arange(round(seconds * RATE)) / RATE)


def test_a_weighting_is_that_of_the_standard():
    """IEC 61672-1, table 3, to a tenth of a decibel; its 31.5 Hz is 10^1.5, its 63 Hz 10^1.8 and so on."""
    told = {1.5: -39.4, 1.8: -26.2, 2.1: -16.1, 2.4: -8.6, 2.7: -3.2, 3: 0.0, 3.3: 1.2, 3.6: 1.0, 3.9: -1.1}
    got = 10 * a_weighting(10 ** torch.tensor(list(told))).log10()
    np.testing.assert_allclose(got, list(told.values()), atol=0.06)
    assert a_weighting(torch.zeros(1)).item() == 0


def test_levels_of_tones():
    """A sine has 3.01 dB less than its peak; at 125 Hz people hear 16.1 dB less; a burst is as loud as a lasting tone."""
    burst = torch.cat([torch.zeros(RATE // 2), tone(0.1, seconds=0.5)])
    waves = torch.stack([tone(1.0), tone(0.1), tone(1.0, 125.0), burst, torch.zeros(RATE)])
    np.testing.assert_allclose(BetweenClass(RATE).levels(waves), [-3.0, -23.0, -19.1, -23.0, -80], atol=0.15)


def test_a_wave_that_is_shorter_than_a_block_has_a_level():
    got = BetweenClass(RATE).levels(tone(1.0, seconds=0.06)[None])
    assert -12 < got.item() < -3


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_half_and_half_are_as_loud_whatever_their_levels_were(gain):
    waves, targets = torch.stack([tone(0.5), gain * tone(0.5, 2000.0)]), torch.eye(2)
    plan = Mixture(np.array([1, 0]), np.array([0.5, 1.0], np.float32))
    got, told = BetweenClass(RATE).apply(plan, waves, targets)
    assert told.tolist() == [[0.5, 0.5], [0, 1]]
    assert torch.equal(got[1], waves[1])
    lines = torch.fft.rfft(got[0]).abs()[[1000, 2000]]  # a bin is one hertz
    loud = lines * a_weighting(torch.tensor([1000.0, 2000.0])).sqrt()
    assert loud[0].item() == pytest.approx(loud[1].item(), rel=0.01)


def test_clips_as_loud_are_mixed_as_by_mixup():
    waves, targets = torch.stack([tone(0.5), tone(0.5).flip(0)]), torch.eye(2)
    plan = Mixture(np.array([1, 0]), np.array([0.3, 0.6], np.float32))
    got, told = BetweenClass(RATE).apply(plan, waves, targets)
    plain, plainly_told = Mixup().apply(plan, waves, targets)
    np.testing.assert_allclose(got, plain, atol=2e-3)
    assert torch.equal(told, plainly_told)


@settings(max_examples=60, deadline=None)
@given(batch=batches(), seed=st.integers(0, 1000))
def test_between_class_stays_within_the_two_clips(batch, seed):
    waves, targets = torch.from_numpy(batch[0]), batch[1]
    between = BetweenClass(RATE)
    plan = between.draw(generator(seed), targets)
    got, _ = between.apply(plan, waves, torch.from_numpy(targets))
    partners = waves[plan.partners]
    assert (got >= torch.minimum(waves, partners) - 1e-6).all()
    assert (got <= torch.maximum(waves, partners) + 1e-6).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"block": 1e-5}, "block is 1e-05 s: it holds at least two samples, 0.000125 s"),
        ({"block": float("nan")}, "block is nan s: it holds at least two samples"),
        ({"floor": 3}, "floor is 3 dB: it lies between -200 and 0 dB re full scale"),
        ({"floor": float("nan")}, "floor is nan dB"),
    ],
)
def test_between_class_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        BetweenClass(RATE, **arguments)


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
