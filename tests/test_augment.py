"""Augmentations against sums worked by hand, and against what holds for every input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from earmark import augment
from earmark.augment import Crop, Gain, Mixture, Mixup, Span, Trim
from earmark.registry import AUGMENTATIONS

RATE = 1000
FLOATS = st.floats(-1, 1, width=32)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def waves_of(length):
    return arrays.arrays(np.float32, length, elements=FLOATS)


@st.composite
def batches(draw):
    """(waves (n, samples), targets (n, tags))."""
    n, samples, tags = draw(st.integers(1, 6)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    targets = draw(arrays.arrays(np.float32, (n, tags), elements=st.floats(0, 1, width=32)))
    return draw(waves_of((n, samples))), targets


def names(stage):
    """The registered augmentations of a stage: a new one is tested because it exists."""
    return [name for name in AUGMENTATIONS.names() if AUGMENTATIONS[name].facts["stage"] == stage]


# Every augmentation


def test_each_is_of_one_stage():
    for name in AUGMENTATIONS.names():
        assert AUGMENTATIONS[name].facts["stage"] in ("clip", "batch"), name


@pytest.mark.parametrize("name", names("clip"))
@settings(max_examples=60, deadline=None)
@given(wave=st.integers(0, 60).flatmap(waves_of), length=st.integers(1, 50), seed=st.integers(0, 100))
def test_clips(name, wave, length, seed):
    facts, augmentation = AUGMENTATIONS[name].facts, augment.build(name, {}, RATE)
    before = wave.copy()
    plan = augmentation.draw(generator(seed), wave, length)
    got = augmentation.apply(plan, wave)
    assert got.ndim == 1
    assert got.dtype == np.float32
    assert np.array_equal(wave, before)  # nothing changes in place
    assert np.array_equal(got, augmentation.apply(plan, wave))  # all chance is in the plan
    again = augmentation.apply(augmentation.draw(generator(seed), wave, length), wave)
    assert np.array_equal(got, again)
    if facts.get("crops"):
        assert len(got) == length
    elif not facts.get("resizes"):
        assert len(got) == len(wave)


@pytest.mark.parametrize("name", names("clip"))
def test_a_wave_that_must_not_be_written_to(name):
    augmentation = augment.build(name, {}, RATE)
    wave = np.linspace(-1, 1, 30, dtype=np.float32)
    wave.flags.writeable = False
    augmentation.apply(augmentation.draw(generator(), wave, 20), wave)


@pytest.mark.parametrize("name", names("batch"))
@settings(max_examples=60, deadline=None)
@given(batch=batches(), seed=st.integers(0, 100))
def test_batches(name, batch, seed):
    augmentation = augment.build(name, {}, RATE)
    waves, targets = torch.from_numpy(batch[0]), torch.from_numpy(batch[1])
    waves_before, targets_before = waves.clone(), targets.clone()
    plan = augmentation.draw(generator(seed), batch[1])
    got, told = augmentation.apply(plan, waves, targets)
    assert got.shape == waves.shape
    assert told.shape == targets.shape
    assert got.dtype == told.dtype == torch.float32
    assert torch.equal(waves, waves_before)
    assert torch.equal(targets, targets_before)
    again, told_again = augmentation.apply(augmentation.draw(generator(seed), batch[1]), waves, targets)
    assert torch.equal(got, again)
    assert torch.equal(told, told_again)


def test_build_passes_the_sample_rate_to_those_that_ask():
    assert augment.build("trim", {"block": 0.02}, 44100).block_samples == 882
    assert augment.build("trim", {"block": 0.02}, 16000).block_samples == 320
    assert augment.build("crop", {"short": "repeat"}, 16000).short == "repeat"
    assert augment.build("mixup", {"alpha": 0.2}, 16000).alpha == 0.2


# Crop


def test_a_crop_falls_everywhere_alike():
    """Six offsets; chi-square of 6000 draws, five degrees of freedom: above 20.5 in one of a thousand."""
    wave, draws = np.arange(1, 10, dtype=np.float32), 6000
    chance, crop = generator(1), Crop()
    counts = np.zeros(6)
    for _ in range(draws):
        got = crop.apply(crop.draw(chance, wave, 4), wave)
        start = int(got[0]) - 1
        assert got.tolist() == wave[start : start + 4].tolist()
        counts[start] += 1
    assert counts.min() > 0
    assert ((counts - draws / 6) ** 2 / (draws / 6)).sum() < 20.5


def test_a_short_clip_lies_everywhere_alike():
    wave, draws = np.array([1, 2], np.float32), 4000
    chance, crop = generator(2), Crop()
    counts = np.zeros(4)
    for _ in range(draws):
        got = crop.apply(crop.draw(chance, wave, 5), wave).tolist()
        before = got.index(1)
        assert got == [0] * before + [1, 2] + [0] * (3 - before)
        counts[before] += 1
    assert ((counts - draws / 4) ** 2 / (draws / 4)).sum() < 16.3  # three degrees of freedom


def test_crop_by_hand():
    wave = np.arange(1, 6, dtype=np.float32)
    assert Crop().apply(Span(1, 4, 0, 3), wave).tolist() == [2, 3, 4]
    assert Crop().apply(Span(0, 5, 2, 8), wave).tolist() == [0, 0, 1, 2, 3, 4, 5, 0]
    assert Crop("repeat").apply(Span(0, 5, 0, 12), wave).tolist() == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]


@pytest.mark.parametrize("short", ["pad", "repeat"])
def test_crop_of_exactly_one_window_and_of_nothing(short):
    wave, crop = np.arange(1, 6, dtype=np.float32), Crop(short)
    assert crop.apply(crop.draw(generator(), wave, 5), wave).tolist() == wave.tolist()
    nothing = np.zeros(0, np.float32)
    assert crop.apply(crop.draw(generator(), nothing, 4), nothing).tolist() == [0, 0, 0, 0]


# Trim


def trimmed(wave, **arguments):
    trim = Trim(RATE, **arguments)
    return trim.apply(trim.draw(generator(), wave, 10), wave)


def test_trim_cuts_to_the_block():
    """Silence, tone, silence: what is left begins and ends within one block (20 samples) of the tone, and holds it."""
    tone = 0.5 * np.sin(np.arange(200) + 1).astype(np.float32)
    for front, behind in [(0, 0), (1, 19), (20, 20), (133, 250), (400, 7)]:
        wave = np.concatenate([np.zeros(front), tone, np.zeros(behind)]).astype(np.float32)
        trim = Trim(RATE, below=-60)
        plan = trim.draw(generator(), wave, 10)
        assert front - 20 < plan.start <= front
        assert front + 200 <= plan.end < front + 200 + 20
        assert plan.end <= len(wave)
        assert np.array_equal(trim.apply(plan, wave), wave[plan.start : plan.end])


def test_trim_leaves_the_quiet_in_the_middle():
    wave = np.zeros(100, np.float32)
    wave[[25, 75]] = 1
    assert len(trimmed(wave)) == 60  # blocks 1 to 3 of five


def test_trim_by_level():
    """A block is quiet if its peak lies below: -20 dB is 0.1."""
    wave = np.zeros(60, np.float32)
    wave[25] = 0.1
    wave[45] = 0.0999
    assert len(trimmed(wave, below=-20)) == 20
    assert len(trimmed(-wave, below=-20)) == 20
    assert len(trimmed(wave, below=-20.1)) == 40
    square = np.ones(40, np.float32)
    square[:20] = 0.99
    assert len(trimmed(square, below=0)) == 20  # full scale does not lie below full scale


def test_trim_keeps_a_clip_of_silence_whole():
    assert len(trimmed(np.zeros(95, np.float32))) == 95
    assert len(trimmed(np.zeros(0, np.float32))) == 0


# Gain


@settings(max_examples=60, deadline=None)
@given(db=st.floats(0, 40), seed=st.integers(0, 1000))
def test_gain_stays_within_its_decibels(db, seed):
    gain, wave = Gain(db), np.array([0.25, -0.5], np.float32)
    got = gain.apply(gain.draw(generator(seed), wave, 2), wave)
    assert np.all(np.abs(20 * np.log10(got / wave)) <= db + 1e-4)


def test_gain_by_hand_and_in_both_directions():
    wave = np.array([0.1, -0.2], np.float32)
    np.testing.assert_allclose(Gain().apply(20.0, wave), [1, -2], rtol=1e-6)
    drawn = [Gain(6).draw(generator(seed), wave, 2) for seed in range(200)]
    assert min(drawn) < -5
    assert max(drawn) > 5
    assert abs(np.mean(drawn)) < 0.75  # 3.46 / √200 = 0.25 is one standard error


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
        ({"share": 1.5}, "share is 1.5: it lies between 0 and 1"),
        ({"share": -0.1}, "share is -0.1: it lies between 0 and 1"),
        ({"alpha": 0}, "alpha is 0: it must be above 0"),
    ],
)
def test_mixup_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mixup(**arguments)


def test_speed_changes_pitch_and_length_by_its_factor():
    rate, factor = 16_000, 1.25
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    faster = augment.Speed(most=2.0).apply(factor, tone)
    assert len(faster) == round(rate / factor)
    spectrum = np.abs(np.fft.rfft(faster * np.hanning(len(faster))))
    assert spectrum.argmax() * rate / len(faster) == pytest.approx(1000 * factor, abs=2)
    generator = np.random.default_rng(0)
    drawn = [augment.Speed(most=1.2).draw(generator, tone, 1) for _ in range(500)]
    assert 1 / 1.2 <= min(drawn) < 0.86 < 1.17 < max(drawn) <= 1.2
    with pytest.raises(ValueError, match="most is 0.9: it lies between 1 and 4"):
        augment.Speed(most=0.9)
