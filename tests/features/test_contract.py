"""What every registered feature must do. A new feature is tested because it exists."""

import re

import numpy as np
import pytest
import torch

from earmark.errors.refusals import Mistakes, every
from earmark.models.features import Resized
from earmark.registry import FEATURES

RATE = 16_000
SAMPLES = 8_000


@pytest.fixture(params=FEATURES.names())
def feature(request):
    return FEATURES[request.param].function(RATE)


NUMBERS = [
    (name, argument)
    for name in FEATURES.names()
    for argument, parameter in FEATURES[name].arguments().items()
    if argument != "sample_rate" and {"float", "int"} & set(str(parameter.annotation).replace("|", " ").split())
]


@pytest.mark.parametrize(("name", "argument"), NUMBERS)
def test_a_number_has_bounds_on_both_sides(name, argument):
    whole = "int" in str(FEATURES[name].arguments()[argument].annotation)
    for value in (-1, 10**9) if whole else (-1e300, -1e9, 1e9, 1e300):
        with pytest.raises((ValueError, ArithmeticError)):
            FEATURES[name].function(RATE, **{argument: value})


@pytest.mark.parametrize("name", FEATURES.names())
@pytest.mark.parametrize("log", ["db", "ln"])
def test_silence_has_a_number_at_every_floor_that_is_taken(name, log):
    """Below the smallest float32 a floor is none; of silence came minus infinity, and a loss that is no number."""
    more = {"log": log} if "log" in FEATURES[name].arguments() else {}
    for floor in (1e-60, 1e-38, 0.0, 1e7):
        with pytest.raises(ValueError, match="floor is"):
            FEATURES[name].function(RATE, floor=floor, **more)
    for floor in (1e-37, 1e-10, 1e6):
        assert torch.isfinite(FEATURES[name].function(RATE, floor=floor, **more)(torch.zeros(1, SAMPLES))).all()
    for name_of, value in (("deviation", 1e-9), ("deviation", 1e9), ("mean", 1e9), ("mean", -1e9)):
        with pytest.raises(ValueError, match=f"{name_of} is .*: it lies between"):
            FEATURES[name].function(RATE, **{name_of: value})


def noise(batch=3, samples=SAMPLES):
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(0))


def test_it_tells_the_shape_of_its_maps(feature):
    for samples in (feature.shortest, feature.shortest + 1, SAMPLES):
        maps = feature(noise(2, samples))
        assert maps.shape == (2, feature.channels, feature.bands, feature.frames(samples))
        assert maps.dtype == torch.float32
    assert feature.frames(feature.shortest) == 1


def test_frames_and_samples_belong_together(feature):
    for samples in (feature.shortest, *range(feature.shortest + 300, SAMPLES, 777)):
        frames = feature.frames(samples)
        assert feature.samples(frames) <= samples < feature.samples(frames + 1)
        assert feature.frames(feature.samples(frames)) == frames
        assert feature.frames(samples + feature.hop_samples) == frames + 1


def test_a_batch_is_its_members(feature):
    waves = noise()
    together = feature(waves)
    for i in range(3):
        torch.testing.assert_close(feature(waves[i : i + 1])[0], together[i], rtol=1e-6, atol=1e-5)


def test_gradients_flow_and_are_the_slope():
    """Along a random direction the gradient is the difference quotient, for every feature, channel and frame at once."""
    for name in FEATURES.names():
        feature = FEATURES[name].function(RATE)
        waves = noise().requires_grad_()
        maps = feature(waves)
        chance = torch.Generator().manual_seed(1)
        outer = torch.randn(maps.shape, generator=chance) / maps[0].numel()
        (maps * outer).sum().backward()
        assert torch.isfinite(waves.grad).all()
        assert waves.grad.abs().sum(1).min() > 0
        direction = torch.randn(waves.shape, generator=chance)
        step = 1e-4
        with torch.no_grad():
            after, before = feature(waves + step * direction), feature(waves - step * direction)
            slope = ((after.double() - before.double()) * outer).sum() / (2 * step)
        along = (waves.grad.double() * direction).sum()
        assert float(slope) == pytest.approx(float(along), rel=0.05, abs=1e-3), name


@pytest.mark.parametrize("name", FEATURES.names())
@pytest.mark.parametrize("log", ["db", "ln"])
@pytest.mark.parametrize("magnitude", [False, True])
def test_silence_has_a_finite_level_and_a_finite_gradient(name, log, magnitude):
    takes = FEATURES[name].arguments()
    arguments = {key: value for key, value in (("log", log), ("magnitude", magnitude)) if key in takes}
    waves = torch.zeros(1, SAMPLES, requires_grad=True)
    maps = FEATURES[name].function(RATE, **arguments)(waves)
    assert torch.isfinite(maps).all()
    maps.sum().backward()
    assert torch.isfinite(waves.grad).all()


def test_a_frame_does_not_depend_on_what_else_is_heard(feature):
    """No level is taken from the loudest frame: a shot behind leaves the frames before it alone."""
    waves = noise(1)
    with_shot = waves.clone()
    with_shot[0, 7000] = 100.0
    before, after = feature(waves), feature(with_shot)
    untouched = feature.frames(4000)  # the longest window has 5944 samples and reaches half of them back
    assert torch.equal(before[..., :untouched], after[..., :untouched])
    assert not torch.equal(before, after)


def test_autocast_does_not_touch_it(feature):
    waves, resized = noise(2), Resized(feature, 20, 30, feature.channels)
    plain, plain_resized = feature(waves), resized(waves)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(feature(waves), plain)
        assert torch.equal(resized(waves), plain_resized)


def test_nothing_is_stored_and_nothing_changes_in_place(feature):
    assert feature.state_dict() == {}
    assert not list(feature.parameters())
    waves = noise()
    before = waves.clone()
    feature(waves)
    assert torch.equal(waves, before)


def test_levels_are_centred_and_scaled(feature, request):
    name = request.node.callspec.params["feature"]
    scaled = FEATURES[name].function(RATE, mean=-30.0, deviation=20.0)
    waves = noise(1)
    np.testing.assert_allclose(scaled(waves), (feature(waves) + 30) / 20, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="deviation is 0: it must be above 0"):
        FEATURES[name].function(RATE, deviation=0.0)


def test_too_short_a_wave_is_refused(feature):
    if feature.shortest == 1:
        assert feature(torch.zeros(1, 1)).shape[-1] == 1
        with pytest.raises(ValueError, match="0 samples are fewer than one frame"):
            feature(torch.zeros(1, 0))
    else:
        with pytest.raises(
            ValueError, match=f"10 samples are fewer than one frame of {feature.shortest}: pad the wave"
        ):
            feature(torch.zeros(1, 10))


WRONG = {
    "mean": 1e9,
    "deviation": -1,
    "floor": -1,
    "window": -1.0,
    "hop": -1.0,
    "bands": 0,
    "low": -7.0,
    "preemphasis": 3.0,
    "log": "log",
}


def refusals(name, arguments):
    """What is said of them, numbers left out."""
    try:
        every(lambda: FEATURES[name].function(RATE, **arguments))
    except Mistakes as mistakes:
        return {re.sub(r"-?[\d,.]+(e[+-]?\d+)?", "#", sentence) for sentence in mistakes.sentences}
    return set()


@pytest.mark.parametrize("name", FEATURES.names())
def test_what_is_wrong_with_its_arguments_is_told_at_once(name):
    """Not the first alone; and who makes it is told the first."""
    own = FEATURES[name].arguments()
    bad = {key: value for key, value in WRONG.items() if key in own}
    bad |= {"edges": "round"} if "edges" in own else {"join": "frames"}
    alone = {key: refusals(name, {key: value}) for key, value in bad.items()}
    assert all(alone.values()), alone
    assert set().union(*alone.values()) <= refusals(name, bad)
    with pytest.raises(ValueError) as first:
        FEATURES[name].function(RATE, **bad)
    assert "; " not in str(first.value)


@pytest.mark.parametrize("name", FEATURES.names())
def test_what_would_eat_the_machine_is_not_made_to_find_what_else_is_wrong(name):
    """It ends the search, and is told with what was found before."""
    long = {"windows": [1e9]} if name == "multires" else {"window": 1e9, "fft": 512}
    alone, before = refusals(name, long), {"join": "frames"} if name == "multires" else {"deviation": -1.0}
    assert len(alone) == 1 and refusals(name, before | long) == alone | refusals(name, before)
