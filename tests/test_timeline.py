"""A recording's picture: its spectrogram shows what is known to be there, however the file was read."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.engines.features.mel import hz_to_mel
from earmark.inference import Recording, Scored
from earmark.report import pictures
from earmark.report.pictures import recording as timeline
from earmark.scores import Event, Scores

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
    return Scored(Recording(path), 40.0, values.mean(0), (), windows)


def spectrum_of(heard, columns=timeline.COLUMNS):
    place, end = heard.recording.path, heard.windows.end.max()
    return pictures.spectrum(place, RATE, 0.0, end, columns=columns, shortest_hop=timeline.SHORTEST_HOP)


def test_the_spectrogram_follows_the_tones(heard):
    spectrum, edges = spectrum_of(heard)
    bands, columns = spectrum.shape
    assert (bands, columns) == (pictures.BANDS, timeline.COLUMNS)
    assert len(edges) == bands + 1 and edges[0] == 0 and edges[-1] == pytest.approx(RATE / 2)
    top = hz_to_mel(np.array([RATE / 2]))[0]
    for pitch, part in ((300, spectrum[:, 100 : columns // 2 - 100]), (2000, spectrum[:, columns // 2 + 100 :])):
        expected = hz_to_mel(np.array([pitch]))[0] / top * bands
        assert np.abs(part.argmax(0) + 0.5 - expected).max() <= 1


@pytest.mark.parametrize("columns", [timeline.COLUMNS, 100, 3])
def test_blocks_do_not_show(heard, monkeypatch, columns):
    """Also where hops are longer than a frame (100 columns: 0.4 s) and longer than a block (3: 13.3 s)."""
    whole, _ = spectrum_of(heard, columns)
    assert whole.shape[1] == columns
    original = audio.blocks
    monkeypatch.setattr(audio, "blocks", lambda path, rate, seconds, **more: original(path, rate, 0.37, **more))
    np.testing.assert_allclose(spectrum_of(heard, columns)[0], whole, atol=1e-4)


def test_the_spectrogram_ends_where_the_scores_do(heard, tmp_path, monkeypatch):
    """Windows that leave out the last 20 s: the picture is of the first 20, in which 2,000 Hz is not heard."""
    drawn = []
    original = timeline.timeline
    monkeypatch.setattr(timeline, "timeline", lambda *told, **more: drawn.append(told) or original(*told, **more))
    rows = heard.windows
    first = Scores(rows.values[:10], rows.ids[:10], rows.start[:10], rows.end[:10], rows.tags)
    timeline.draw(Scored(heard.recording, 40.0, heard.values, (), first), RATE, tmp_path / "half.png")
    ((spectrum, *_),) = drawn
    assert spectrum.shape == (pictures.BANDS, timeline.COLUMNS)
    assert len(set(spectrum[:, 10:-10].argmax(0).tolist())) == 1


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
    short = Scored(Recording(path), 0.005, np.array([1.0, 0.0], np.float32), (), windows)
    assert spectrum_of(short)[0].shape == (pictures.BANDS, 1)
    timeline.draw(short, RATE, tmp_path / "short.png")


def test_without_windows_there_is_nothing_to_draw(heard, tmp_path):
    with pytest.raises(ValueError, match="ask for them with keep_windows"):
        timeline.draw(Scored(heard.recording, 1.0, heard.values), RATE, tmp_path / "c.png")
