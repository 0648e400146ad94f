"""Clips mixed into stretches of one's own recordings."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from earmark.data import manifest
from earmark.data.soundscapes.within import Within, mixed_within
from earmark.errors import AudioError, EarmarkError

RATE = 8_000
TONE, HUM = 1_000.0, 100.0  # Hz of the clips, of the recordings


def sine(seconds: float, frequency: float, amplitude: float) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


@pytest.fixture
def clips(tmp_path):
    """Two clips with a second of tone between quiet ends, of which half a second each."""
    quiet = np.zeros(RATE // 2)
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.concatenate([quiet, sine(1, TONE, 0.5), quiet]), RATE)
    return manifest.build({"id": ["a", "b"], "path": ["a.wav", "b.wav"], "tags": ["owl", "fox"]}, tmp_path)


@pytest.fixture
def recordings(tmp_path):
    (tmp_path / "recordings").mkdir()
    soundfile.write(tmp_path / "recordings" / "night.wav", sine(20, HUM, 0.02), RATE, "FLOAT")
    return tmp_path / "recordings"


def part(wave: np.ndarray, frequency: float) -> float:
    """The RMS of what a wave has at a frequency."""
    turned = np.exp(-2j * np.pi * frequency * np.arange(len(wave)) / RATE)
    return float(np.sqrt(2) * np.abs(np.mean(wave * turned)))


def test_the_clip_is_as_loud_over_the_recording_as_is_told_and_the_recording_keeps_its_level(clips, recordings):
    made = list(mixed_within(clips, recordings, copies=3, length=4.0, sample_rate=RATE))
    assert [(each.clip, each.tag) for each in made] == [("a", "owl")] * 3 + [("b", "fox")] * 3
    for each in made:
        assert each.offset - each.onset == pytest.approx(1.0, abs=0.011)  # frames of 10 ms
        first, last = (round(at * RATE) for at in (each.onset, each.offset))
        inside = each.wave[first + 100 : first + 100 + RATE * 9 // 10]  # whole periods of both
        outside = np.delete(each.wave, slice(first, last))
        assert part(inside, HUM) == pytest.approx(0.02 / np.sqrt(2), rel=0.02)
        assert 20 * np.log10(part(inside, TONE) / (0.02 / np.sqrt(2))) == pytest.approx(each.snr, abs=0.1)
        assert 3.0 <= each.snr <= 20.0
        assert np.abs(outside).max() <= 0.0201
    assert len({each.onset for each in made}) == 6


def test_other_clips_change_nothing(clips, recordings):
    both = list(mixed_within(clips, recordings, copies=2, sample_rate=RATE))
    alone = list(mixed_within(clips.select([1]), recordings, copies=2, sample_rate=RATE))
    for one, other in zip(both[2:], alone, strict=True):
        assert one.wave.tobytes() == other.wave.tobytes() and one.onset == other.onset
    again = list(mixed_within(clips.select([1]), recordings, copies=2, sample_rate=RATE, seed=1))
    assert alone[0].wave.tobytes() != again[0].wave.tobytes()


def test_a_silent_stretch_is_passed_over_for_another(clips, recordings):
    soundfile.write(recordings / "night.wav", np.concatenate([np.zeros(40 * RATE), sine(40, HUM, 0.02)]), RATE, "FLOAT")
    made = list(mixed_within(clips, recordings, copies=4, length=2.0, sample_rate=RATE))
    assert all(isinstance(each, Within) and each.wave.any() for each in made) and len(made) == 8


def test_recordings_of_nothing_are_told_for_each_copy(clips, recordings):
    soundfile.write(recordings / "night.wav", np.zeros(40 * RATE), RATE)
    made = list(mixed_within(clips, recordings, copies=1, sample_rate=RATE))
    assert [type(each) for each in made] == [AudioError] * 2 and "is silent for" in str(made[0])


def test_a_loud_sum_is_scaled_down_in_whole(clips, recordings):
    soundfile.write(recordings / "night.wav", sine(20, HUM, 0.9), RATE, "FLOAT")
    for each in mixed_within(clips, recordings, copies=2, snr=(20.0, 20.0), sample_rate=RATE):
        assert np.abs(each.wave).max() == pytest.approx(0.95, abs=1e-6)


def test_what_cannot_be_met_is_told(clips, recordings, tmp_path):
    with pytest.raises(EarmarkError, match="is no folder"):
        next(mixed_within(clips, tmp_path / "nowhere", sample_rate=RATE))
    with pytest.raises(EarmarkError, match="shorter than a scene of 60 s"):
        list(mixed_within(clips, recordings, length=60.0, sample_rate=RATE))
    with pytest.raises(EarmarkError, match="0 copies"):
        next(mixed_within(clips, recordings, copies=0, sample_rate=RATE))
