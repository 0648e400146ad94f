"""Sound without silence is passed over after a few looks: never sound with it, wherever it lies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.inference import silence
from earmark.windows import Stretch

RATE, LENGTH, HOP = 1000, 2000, 500


def stretch(wave):
    count = (len(wave) - LENGTH) // HOP + 1
    return Stretch(wave[: (count - 1) * HOP + LENGTH], HOP * np.arange(count), LENGTH, HOP)


def all_samples(wave):
    """`runs` with no look spared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(silence, "_perhaps", lambda wave, least: True)
        return silence.runs(stretch(wave), RATE)


@given(
    begin=st.integers(0, 4000),
    lasting=st.integers(1, 3000),
    level=st.sampled_from([0.0, 1e-5, 0.25]),
    bits=st.sampled_from([4, 8, 16]),
)
@settings(max_examples=300, deadline=None)
def test_it_is_the_same_as_to_look_at_all_samples(begin, lasting, level, bits):
    """Coarse samples have many equal neighbours, which must neither be taken for silence nor hide it."""
    noise = np.random.default_rng(begin).uniform(-0.5, 0.5, 4000)
    wave = (np.round(noise * 2**bits) / 2**bits).astype(np.float32)
    wave[begin : begin + lasting] = level
    assert silence.runs(stretch(wave), RATE) == all_samples(wave)


@pytest.mark.parametrize("least", [1, 2, 3, 63, 64, 65, 66, 128, 129, 1000])
def test_no_run_that_is_long_enough_is_overlooked(least):
    alternating = np.tile(np.float32([0.5, -0.5]), 1000)
    for begin in range(0, 2000 - least + 1, 7):
        wave = alternating.copy()
        wave[begin : begin + least] = 0.25
        assert silence._perhaps(wave, least), begin


def test_ordinary_sound_is_passed_over():
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4000).astype(np.float32)
    assert not silence._perhaps(noise, 1000)
    assert silence.runs(stretch(noise), RATE) == []
