"""What every registered augmentation must do. A new one is tested because it exists."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from earmark.errors.refusals import all_of
from earmark.registry import AUGMENTATIONS
from earmark.train import augment
from earmark.train.augment import ClipPool

RATE = 1000
FLOATS = st.floats(-1, 1, width=32)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def waves_of(length):
    return arrays.arrays(np.float32, length, elements=FLOATS)


@st.composite
def batches(draw, inner):
    """(values (n, *inner sizes), targets (n, tags)). inner: how many dimensions a clip has."""
    n, tags = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    sizes = [draw(st.integers(1, 12)) for _ in range(inner)]
    targets = draw(arrays.arrays(np.float32, (n, tags), elements=st.floats(0, 1, width=32)))
    return draw(waves_of((n, *sizes))), targets


def names(stage):
    return [name for name in AUGMENTATIONS.names() if AUGMENTATIONS[name].facts["stage"] == stage]


def share_of(name):
    """What the argument is called that says how often something happens."""
    return "p" if "p" in AUGMENTATIONS[name].arguments() else "share"


NUMBERS = [
    (name, argument)
    for name in AUGMENTATIONS.names()
    for argument, parameter in AUGMENTATIONS[name].arguments().items()
    if argument != "sample_rate" and {"float", "int"} & set(str(parameter.annotation).replace("|", " ").split())
]


@pytest.mark.parametrize(("name", "argument"), NUMBERS)
def test_a_number_has_bounds_on_both_sides(name, argument):
    """Beyond them a wave overflows, or a slip of a sign does nothing, which nobody is told."""
    for value in (-1e300, -1e9, 1e9, 1e300, float("nan")):
        with pytest.raises(ValueError, match=f"{argument}|areas|aspects|ratios"):
            augment.build(name, {argument: value}, RATE)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("gain", {"db": 1000}, "db is 1000: it lies between 0 and 60"),
        ("gain", {"db": -6}, "db is -6: it lies between 0 and 60"),
        ("trim", {"below": 60}, "below is 60 dB: it lies between -200 and 0 dB"),
        ("trim", {"block": 1000}, "block is 1000 s: it lies between 0.001 and 10 s"),
        ("trim", {"block": -1}, "block is -1 s: it lies between 0.001 and 10 s"),
        ("shift", {"most": 1e9}, "most is 1e+09 s: it lies between 0 and 600 s"),
        ("mixup", {"alpha": 1e9}, "alpha is 1e+09: it lies between 0.001 and 1000"),
    ],
)
def test_what_is_said_of_a_number(name, arguments, told):
    with pytest.raises(ValueError) as caught:
        augment.build(name, arguments, RATE)
    assert str(caught.value) == told


SLIPS = {"erase": {"fill": "snow"}, "crop": {"short": "loop", "loud": 500.0}, "shift": {"most": -1.0, "ends": "round"}}
ASKED_IN_PAIRS = {"low", "high", "narrow", "wide"}  # of which a sentence names two


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_what_is_wrong_with_its_arguments_is_told_at_once(name):
    """Not the first alone; and who makes it is told the first."""
    own = [argument for of, argument in NUMBERS if of == name and argument not in ASKED_IN_PAIRS]
    bad = dict.fromkeys(own, -1000000000.0) | SLIPS.get(name, {})
    if {"low", "high"} <= set(AUGMENTATIONS[name].arguments()):
        bad |= {"low": 0.9, "high": 0.1}
    with pytest.raises(ValueError) as first:
        augment.build(name, bad, RATE)
    given = {"sample_rate": RATE} if "sample_rate" in AUGMENTATIONS[name].arguments() else {}
    told = all_of(lambda: AUGMENTATIONS[name].function(**given, **bad), first.value)
    assert told[0] == str(first.value)
    missing = [
        key for key in bad if key not in ("low", "high") and not any(line.startswith(f"{key} is") for line in told)
    ]
    assert missing == [] and ("low" not in bad or any(re.match("areas|ratios", line) for line in told)), told


def test_each_is_of_one_stage():
    for name in AUGMENTATIONS.names():
        assert AUGMENTATIONS[name].facts["stage"] in ("clip", "pair", "batch", "maps"), name


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
def test_what_leaves_nothing_to_chance_says_so(name):
    """Of a wave that is a window already, as with `segments: every`: two views of it are alike only with such."""
    wave = generator().normal(0, 0.1, 400).astype(np.float32)
    augmentation = augment.build(name, {}, RATE)
    drawn = [augmentation.apply(augmentation.draw(generator(seed), wave, 400), wave).tobytes() for seed in range(8)]
    assert (len(set(drawn)) > 1) == AUGMENTATIONS[name].facts.get("chance", True)


@pytest.mark.parametrize("name", names("clip"))
def test_a_wave_that_must_not_be_written_to(name):
    augmentation = augment.build(name, {}, RATE)
    wave = np.linspace(-1, 1, 30, dtype=np.float32)
    wave.flags.writeable = False
    augmentation.apply(augmentation.draw(generator(), wave, 20), wave)


@pytest.mark.parametrize("name", names("pair"))
@settings(max_examples=60, deadline=None)
@given(
    labels=arrays.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 3)), elements=st.sampled_from([0, 1])),
    most=st.integers(2, 5),
    seed=st.integers(0, 100),
    data=st.data(),
)
def test_pairs(name, labels, most, seed, data):
    waves = data.draw(waves_of((len(labels), 7)))
    waves.flags.writeable = labels.flags.writeable = False
    row, pool = data.draw(st.integers(0, len(labels) - 1)), ClipPool(labels)
    augmentation = augment.build(name, {"most": most}, RATE)
    plan = augmentation.draw(generator(seed), row, pool)
    assert plan.rows[0] == row
    assert len(set(plan.rows.tolist())) == len(plan.rows) <= most
    assert len(plan.rows) == len(plan.weights) == len(plan.labels)
    assert plan.weights.min() >= 0
    assert plan.weights.sum() == pytest.approx(1, abs=1e-6)
    assert plan.labels.sum() == pytest.approx(1, abs=1e-6)
    chosen, told_of = [waves[i] for i in plan.rows], [labels[i] for i in plan.rows]
    wave, target = augmentation.apply(plan, chosen, told_of)
    assert wave.dtype == target.dtype == np.float32
    np.testing.assert_allclose(wave, plan.weights.astype(np.float64) @ waves[plan.rows], atol=1e-6)
    np.testing.assert_allclose(target, plan.labels.astype(np.float64) @ labels[plan.rows], atol=1e-6)
    assert np.abs(wave).max() <= np.abs(waves[plan.rows]).max() + 1e-6  # a sum stays within full scale
    again = augmentation.draw(generator(seed), row, pool)
    assert again.rows.tolist() == plan.rows.tolist()
    assert again.weights.tolist() == plan.weights.tolist()


@pytest.mark.parametrize("name", names("batch"))
@settings(max_examples=60, deadline=None)
@given(batch=batches(1), seed=st.integers(0, 100))
def test_batches(name, batch, seed):
    check_batch(augment.build(name, {}, RATE), batch, seed, ())


@pytest.mark.parametrize("name", names("maps"))
@settings(max_examples=60, deadline=None)
@given(batch=batches(3), seed=st.integers(0, 100))
def test_maps(name, batch, seed):
    check_batch(augment.build(name, {}, RATE), batch, seed, (batch[0].shape,))


def check_batch(augmentation, batch, seed, told_first):
    values, targets = torch.from_numpy(batch[0]), torch.from_numpy(batch[1])
    values_before, targets_before = values.clone(), targets.clone()
    plan = augmentation.draw(generator(seed), *told_first, batch[1])
    got, told = augmentation.apply(plan, values, targets)
    assert got.shape == values.shape
    assert told.shape == targets.shape
    assert got.dtype == told.dtype == torch.float32
    assert torch.isfinite(got).all()
    assert torch.equal(values, values_before)  # nothing changes in place
    assert torch.equal(targets, targets_before)
    again, told_again = augmentation.apply(augmentation.draw(generator(seed), *told_first, batch[1]), values, targets)
    assert torch.equal(got, again)  # all chance is in the generator
    assert torch.equal(told, told_again)


@pytest.mark.parametrize("name", names("batch") + names("maps"))
def test_nothing_happens_to_batches_at_a_share_of_nought(name):
    values, targets = torch.randn(6, 2, 8, 9), torch.rand(6, 3)
    told_first = (tuple(values.shape),) if name in names("maps") else ()
    augmentation = augment.build(name, {share_of(name): 0.0}, RATE)
    got, told = augmentation.apply(augmentation.draw(generator(), *told_first, targets.numpy()), values, targets)
    assert torch.equal(got, values)
    assert torch.equal(told, targets)


@pytest.mark.parametrize("name", names("pair"))
def test_nothing_is_added_at_a_share_of_nought(name):
    augmentation, targets = augment.build(name, {"share": 0.0}, RATE), np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    for row in range(4):
        plan = augmentation.draw(generator(row), row, ClipPool(targets))
        assert plan.rows.tolist() == [row]
        wave = np.array([0.1, 0.2], np.float32)
        got, told = augmentation.apply(plan, [wave], [targets[row]])
        assert got.tobytes() == wave.tobytes()
        assert told.tolist() == targets[row].tolist()


@pytest.mark.parametrize("name", names("pair") + names("batch") + names("maps"))
@pytest.mark.parametrize("share", [1.5, -0.1, float("nan")])
def test_a_share_lies_between_nought_and_one(name, share):
    with pytest.raises(ValueError, match=f"{share_of(name)} is {share:g}: it lies between 0 and 1"):
        augment.build(name, {share_of(name): share}, RATE)


def test_build_passes_the_sample_rate_to_those_that_ask():
    assert augment.build("trim", {"block": 0.02}, 44100).block_samples == 882
    assert augment.build("trim", {"block": 0.02}, 16000).block_samples == 320
    assert augment.build("shift", {"most": 0.5}, 16000).most_samples == 8000
    assert augment.build("crop", {"short": "repeat"}, 16000).short == "repeat"
    assert augment.build("mixup", {"alpha": 0.2}, 16000).alpha == 0.2
