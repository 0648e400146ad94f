"""Augmentations of single clips against cases worked by hand and against the chances that they claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.train.augment.clips import Crop, Equalise, Gain, Shift, Span, Speed, Trim

RATE = 1000


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def evenly(counts, limit):
    """Chi-square below a limit that one of a thousand fair draws passes."""
    counts = np.asarray(counts, float)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < limit, counts


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


def test_crop_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="short is 'loop': it is pad, repeat or replicate"):
        Crop(short="loop")


def test_crop_by_hand():
    wave = np.arange(1, 6, dtype=np.float32)
    assert Crop().apply(Span(1, 4, 0, 3), wave).tolist() == [2, 3, 4]
    assert Crop().apply(Span(0, 5, 2, 8), wave).tolist() == [0, 0, 1, 2, 3, 4, 5, 0]
    assert Crop("repeat").apply(Span(0, 5, 0, 12), wave).tolist() == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]
    replicated = Crop("replicate").apply(Span(0, 5, 1, 13, 2), wave)
    assert replicated.tolist() == [0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 0, 0]


@pytest.mark.parametrize("short", ["pad", "repeat", "replicate"])
def test_crop_of_exactly_one_window_and_of_nothing(short):
    wave, crop = np.arange(1, 6, dtype=np.float32), Crop(short)
    assert crop.apply(crop.draw(generator(), wave, 5), wave).tolist() == wave.tolist()
    nothing = np.zeros(0, np.float32)
    assert crop.apply(crop.draw(generator(), nothing, 4), nothing).tolist() == [0, 0, 0, 0]


def test_a_replicated_clip_comes_once_to_n_times_alike_and_lies_everywhere_alike():
    """Two samples fit three times into seven; k copies have 8 − 2k places."""
    wave, draws = np.array([1, 2], np.float32), 6000
    chance, crop = generator(5), Crop("replicate")
    counts = {copies: np.zeros(8 - 2 * copies) for copies in (1, 2, 3)}
    for _ in range(draws):
        got = crop.apply(crop.draw(chance, wave, 7), wave).tolist()
        before, copies = got.index(1), got.count(1)
        assert got == [0] * before + [1, 2] * copies + [0] * (7 - before - 2 * copies)
        counts[copies][before] += 1
    evenly([counts[copies].sum() for copies in counts], 13.8)  # two degrees of freedom
    evenly(counts[1], 20.5)  # five
    evenly(counts[2], 16.3)  # three
    evenly(counts[3], 10.8)  # one


@given(own=st.integers(1, 9), length=st.integers(1, 60), seed=st.integers(0, 1000))
def test_replicated_clips_are_whole(own, length, seed):
    wave, crop = np.arange(1, own + 1, dtype=np.float32), Crop("replicate")
    got = crop.apply(crop.draw(generator(seed), wave, length), wave)
    assert len(got) == length
    if own <= length:
        assert 1 <= np.count_nonzero(got) / own <= length // own
        assert np.count_nonzero(got) % own == 0


def test_long_clips_are_cropped_whatever_happens_to_short_ones():
    wave = np.arange(100, dtype=np.float32)
    got = [
        Crop(short).apply(Crop(short).draw(generator(7), wave, 10), wave) for short in ("pad", "repeat", "replicate")
    ]
    assert got[0].tolist() == got[1].tolist() == got[2].tolist() == np.arange(got[0][0], got[0][0] + 10).tolist()


# Shift


def test_shift_by_hand():
    wave = np.array([1, 2, 3, 4, 5], np.float32)
    assert Shift(RATE).apply(2, wave).tolist() == [4, 5, 1, 2, 3]
    assert Shift(RATE).apply(-1, wave).tolist() == [2, 3, 4, 5, 1]
    zeros = Shift(RATE, 1.0, "zeros")
    assert zeros.apply(2, wave).tolist() == [0, 0, 1, 2, 3]
    assert zeros.apply(-1, wave).tolist() == [2, 3, 4, 5, 0]
    assert zeros.apply(0, wave).tolist() == [1, 2, 3, 4, 5]
    assert zeros.apply(5, wave).tolist() == zeros.apply(-5, wave).tolist() == [0, 0, 0, 0, 0]


def test_a_circular_shift_keeps_every_sample_and_falls_everywhere_alike():
    wave, draws = np.arange(6, dtype=np.float32), 6000
    chance, shift = generator(8), Shift(RATE)
    counts = np.zeros(6)
    for _ in range(draws):
        got = shift.apply(shift.draw(chance, wave, 6), wave)
        assert sorted(got) == sorted(wave)
        counts[int(np.flatnonzero(got == 0)[0])] += 1
    evenly(counts, 20.5)


@pytest.mark.parametrize("ends", ["circular", "zeros"])
def test_a_shift_stays_within_its_seconds(ends):
    shift, wave = Shift(RATE, 0.003, ends), np.zeros(100, np.float32)
    drawn = [shift.draw(generator(seed), wave, 100) for seed in range(3500)]
    evenly([drawn.count(k) for k in range(-3, 4)], 22.5)  # six degrees of freedom
    assert set(drawn) == set(range(-3, 4))
    longer = [Shift(RATE, 9.0, ends).draw(generator(seed), wave[:5], 5) for seed in range(200)]
    assert set(longer) == set(range(-5, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"most": 0.0}, "most is 0 s: it must be above 0; leave it out to shift by any time"),
        ({"most": -1.0, "ends": "zeros"}, "most is -1 s: it must be above 0"),
        ({"ends": "zero", "most": 1.0}, "ends is 'zero': it is circular or zeros"),
        ({"ends": "zeros"}, "a shift anywhere that fills with zeros can leave silence: give `most`, in seconds"),
    ],
)
def test_shift_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Shift(RATE, **arguments)


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


# Speed


def test_speed_changes_pitch_and_length_by_its_factor():
    rate, factor = 16_000, 1.25
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    faster = Speed(most=2.0).apply(factor, tone)
    assert len(faster) == round(rate / factor)
    spectrum = np.abs(np.fft.rfft(faster * np.hanning(len(faster))))
    assert spectrum.argmax() * rate / len(faster) == pytest.approx(1000 * factor, abs=2)
    generator = np.random.default_rng(0)
    drawn = [Speed(most=1.2).draw(generator, tone, 1) for _ in range(500)]
    assert 1 / 1.2 <= min(drawn) < 0.86 < 1.17 < max(drawn) <= 1.2
    with pytest.raises(ValueError, match="most is 0.9: it lies between 1 and 4"):
        Speed(most=0.9)


# Equalise


def louder(knot_gains, frequency, rate=16_000):
    """By how many decibels `Equalise` with these gains makes a tone louder, in the middle of a second."""
    tone = np.sin(2 * np.pi * frequency * np.arange(rate) / rate).astype(np.float32)
    got = Equalise(rate, octaves=2.0).apply(np.array(knot_gains, float), tone)
    middle = slice(rate // 4, 3 * rate // 4)
    error = got[middle] - tone[middle] * (got[middle] @ tone[middle]) / (tone[middle] @ tone[middle])
    assert np.abs(error).max() < 0.01 * np.abs(got[middle]).max()  # the tone stays in phase, and a tone
    return 20 * np.log10(np.sqrt(np.mean(got[middle] ** 2) / np.mean(tone[middle] ** 2)))


def test_tones_get_the_gains_of_their_places():
    """Knots at 31.25, 125, 500, 2000 and 8000 Hz; an octave above a knot lies half-way to the next."""
    np.testing.assert_allclose(Equalise(16_000, octaves=2.0).knots, [31.25, 125, 500, 2000, 8000])
    gains = [2.0, 3.0, -6.0, 4.0, 12.0]
    for frequency, expected in ((125, 3), (500, -6), (2000, 4), (1000, -1), (4000, 8), (250, -1.5)):
        assert louder(gains, frequency) == pytest.approx(expected, abs=0.1), frequency
    assert louder(gains, 20) == pytest.approx(2, abs=0.1)  # below the lowest knot as at it


def test_equal_gains_are_a_gain():
    wave = generator(3).standard_normal(5000).astype(np.float32)
    got = Equalise(16_000).apply(np.full(5, 20.0), wave)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, 10 * wave, atol=1e-4)


def test_equalising_moves_nothing_and_rings_into_no_other_end():
    wave = np.zeros(8000, np.float32)
    wave[10] = 1.0
    got = Equalise(16_000).apply(np.array([6.0, -6.0, 6.0, -6.0, 6.0]), wave)
    assert np.abs(got).argmax() == 10
    assert np.abs(got[4000:]).max() < 1e-4


def test_equalise_draws_evenly_within_its_decibels():
    drawn = np.stack([Equalise(16_000, db=9).draw(generator(seed), np.zeros(1, np.float32), 1) for seed in range(400)])
    assert drawn.shape == (400, 5)
    assert -9 <= drawn.min() < -8.5
    assert 8.5 < drawn.max() <= 9
    assert np.abs(drawn.mean(0)).max() < 1.1  # 5.2 / √400 = 0.26 is one standard error
    assert np.abs(np.corrcoef(drawn.T) - np.eye(5)).max() < 0.25  # each knot by itself


def test_equalise_at_low_rates_and_what_it_refuses():
    assert Equalise(30).knots.tolist() == [15]  # all of it below 20 Hz: one gain
    with pytest.raises(ValueError, match="db is -1: it lies between 0 and 60"):
        Equalise(16_000, db=-1)
    with pytest.raises(ValueError, match="octaves is 0: it lies between 0.25 and 10"):
        Equalise(16_000, octaves=0)


def test_a_crop_falls_where_something_is_heard():
    rate = 1_000
    wave = np.zeros(10 * rate, np.float32)  # two calls of half a second, and digital silence around and between
    for second in (2, 7):
        wave[second * rate : second * rate + 500] = 0.5 * np.random.default_rng(second).uniform(-1, 1, 500)
    crop = Crop(loud=30.0)
    plans = [crop.draw(np.random.default_rng(seed), wave, rate) for seed in range(300)]
    held = np.array([np.count_nonzero(crop.apply(plan, wave)) for plan in plans])
    assert (
        held.min() >= 245
    )  # half of the 500 samples of a call, but for those that are softer than 30 dB below the loudest
    starts = np.array([plan.start for plan in plans])
    assert (starts < 4_000).any() and (starts > 4_000).any()  # either call
    blind = Crop()
    empty = [not blind.apply(blind.draw(np.random.default_rng(seed), wave, rate), wave).any() for seed in range(300)]
    assert np.mean(empty) > 0.5  # of a window anywhere, most hold nothing


def test_a_loud_crop_of_what_is_loud_throughout_is_from_anywhere():
    wave = np.full(3_000, 0.1, np.float32)
    starts = [Crop(loud=30.0).draw(np.random.default_rng(seed), wave, 1_000).start for seed in range(300)]
    assert min(starts) < 100 and max(starts) > 1_900
    silent = Crop(loud=30.0).draw(np.random.default_rng(0), np.zeros(3_000, np.float32), 1_000)
    assert 0 <= silent.start <= 2_000


@pytest.mark.parametrize("loud", [0.0, -3.0, 121.0])
def test_a_crop_is_not_told_nonsense(loud):
    with pytest.raises(ValueError, match=rf"loud is {loud:g} dB: it lies between 0 and 120"):
        Crop(loud=loud)
