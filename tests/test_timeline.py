"""A recording's picture: its spectrogram shows what is known to be there, however the file was read."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from earmark import timeline
from earmark.features.mel import hz_to_mel
from earmark.scores import Event, Scores
from earmark.tag import Heard, Recording

RATE = 8000


@pytest.fixture
def heard(tmp_path):
    """40 s: 300 Hz, then 2,000 Hz."""
    t = np.arange(20 * RATE) / RATE
    wave = np.concatenate([np.sin(2 * np.pi * 300 * t), np.sin(2 * np.pi * 2000 * t)])
    path = tmp_path / "two tones $x$.wav"
    soundfile.write(path, 0.5 * wave, RATE)
    start = np.arange(0, 40, 2.0)
    values = np.stack([start < 20, start >= 20], 1).astype(np.float32)
    windows = Scores(values, np.full(20, str(path)), start, start + 2, ("low", "high"))
    return Heard(Recording(path), 40.0, values.mean(0), (), windows)


def test_the_spectrogram_follows_the_tones(heard):
    spectrum = timeline.spectrogram(heard, RATE)
    bands, columns = spectrum.shape
    hop = 40 / timeline.COLUMNS
    assert bands == timeline.BANDS
    assert abs(columns - 40 / hop) <= 0.046 / hop + 2
    top = hz_to_mel(np.array([RATE / 2]))[0]
    for pitch, part in ((300, spectrum[:, 100 : columns // 2 - 100]), (2000, spectrum[:, columns // 2 + 100 :])):
        expected = hz_to_mel(np.array([pitch]))[0] / top * bands
        assert np.abs(part.argmax(0) + 0.5 - expected).max() <= 1


def test_blocks_do_not_show(heard, monkeypatch):
    whole = timeline.spectrogram(heard, RATE)
    original = timeline.audio.blocks
    monkeypatch.setattr(
        timeline.audio, "blocks", lambda path, rate, seconds, **more: original(path, rate, 0.37, **more)
    )
    np.testing.assert_allclose(timeline.spectrogram(heard, RATE), whole, atol=1e-4)


def test_the_picture_is_drawn_with_and_without_reference(heard, tmp_path):
    for name, reference in (("a.png", ()), ("b.png", (Event(0, 20, "low"), Event(20, 40, "unheard of")))):
        timeline.draw(heard, RATE, tmp_path / name, reference=reference)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_recording_shorter_than_a_column(heard, tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.full(40, 0.1), RATE)
    windows = Scores(
        np.array([[1.0, 0.0]], np.float32), np.array(["x"]), np.zeros(1), np.full(1, 0.005), ("low", "high")
    )
    short = Heard(Recording(path), 0.005, np.array([1.0, 0.0], np.float32), (), windows)
    assert timeline.spectrogram(short, RATE).shape == (timeline.BANDS, 1)
    timeline.draw(short, RATE, tmp_path / "short.png")


def test_without_windows_there_is_nothing_to_draw(heard, tmp_path):
    with pytest.raises(ValueError, match="ask for them with keep_windows"):
        timeline.draw(Heard(heard.recording, 1.0, heard.values), RATE, tmp_path / "c.png")
