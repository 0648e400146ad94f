"""Excerpts: the loudest part, as browsers can play it, and a picture with the sound where it is."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.errors import AudioError, ScoresError
from earmark.report import pictures
from earmark.report.excerpt import BANDS, Excerpt, Excerpts, Place, excerpt, spectrogram


def decoded(uri: str) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])), dtype="float32")


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """100 s of faint noise with a tone of 1 kHz from 71 to 73 s, at 22.05 kHz in two channels."""
    rng = np.random.default_rng(0)
    wave = 0.001 * rng.normal(size=100 * 22050)
    t = np.arange(2 * 22050) / 22050
    wave[71 * 22050 : 73 * 22050] += 0.4 * np.sin(2 * np.pi * 1000 * t)
    soundfile.write(tmp_path / "long.wav", np.stack([wave, wave], 1), 22050, subtype="FLOAT")
    return tmp_path / "long.wav"


@pytest.mark.parametrize(("start", "end"), [(None, None), (10.0, 99.0), (3.0, None), (50.0, 500.0)])
def test_the_loudest_part_is_found_however_far_away(long: Path, start: float | None, end: float | None) -> None:
    if start == 3.0:
        end = 90.0
    made = excerpt(Place(long, start, end))
    begin = (start or 0) + made.start
    assert begin <= 71 and begin + 5 >= 73
    assert made.seconds == 5
    wave, rate = decoded(made.sound)
    assert rate == 16000 and wave.ndim == 1
    assert len(wave) == pytest.approx(80000, abs=3000)  # MP3 comes in frames
    bins = np.abs(np.fft.rfft(wave))
    assert np.argmax(bins) * rate / len(wave) == pytest.approx(1000, abs=5)
    assert any("2 channels mixed to one" in sentence for sentence in made.told)
    assert made == excerpt(Place(long, start, end))


def test_an_excerpt_is_not_the_whole_budget(tmp_path: Path) -> None:
    for i in range(4):
        soundfile.write(tmp_path / f"{i}.wav", 0.3 * np.random.default_rng(i).normal(size=16000).clip(-1, 1), 16000)
    find = {str(i): Place(tmp_path / f"{i}.wav") for i in range(4)} | {"gone": Place(tmp_path / "gone.wav")}
    one = Excerpts(find.get).of("0")
    assert isinstance(one, Excerpt)
    size = len(one.sound) + len(one.picture)
    few = Excerpts(find.get, int(2.5 * size))
    assert few.of("gone").startswith("Cannot be heard: ")
    assert "does not exist" in few.of("gone")
    assert few.of("stranger") == "No recording is known for this clip."
    assert [isinstance(few.of(str(i)), Excerpt) for i in range(4)] == [True, True, False, False]
    assert few.full
    assert few.of("3") == "Not in this page, which holds as much sound as it may."


def test_quiet_sound_is_raised_and_loud_sound_lowered_and_it_is_said(tmp_path: Path) -> None:
    t = np.arange(16000) / 16000
    for name, peak in (("quiet", 0.005), ("loud", 2.0), ("plain", 0.3), ("silent", 0.0)):
        soundfile.write(tmp_path / f"{name}.wav", peak * np.sin(2 * np.pi * 440 * t), 16000, subtype="FLOAT")
    told = {path.stem: excerpt(Place(path)) for path in tmp_path.glob("*.wav")}
    assert told["quiet"].told == ["raised by 40.0 dB"]  # 0.5 / 0.005
    assert told["loud"].told[-1] == "lowered by 6.9 dB"  # 0.9 / 2
    assert told["plain"].told == []
    assert told["silent"].told == ["silent"]
    assert np.abs(decoded(told["quiet"].sound)[0]).max() == pytest.approx(0.5, abs=0.05)
    assert np.abs(decoded(told["loud"].sound)[0]).max() <= 1


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError):
        excerpt(Place(tmp_path / "text.wav"))
    soundfile.write(tmp_path / "short.wav", np.zeros(8000), 8000)
    with pytest.raises(AudioError, match="no sound at 5"):
        excerpt(Place(tmp_path / "short.wav", 5.0, 6.0))


def test_a_tone_is_in_the_band_of_its_pitch_and_a_click_in_its_frame() -> None:
    t = np.arange(32000) / 16000
    tone = spectrogram((0.1 * np.sin(2 * np.pi * 2000 * t)).astype(np.float32))
    assert tone.shape == (BANDS, 101)
    top = 2595 * np.log10(1 + 8000 / 700)
    band = int(2595 * np.log10(1 + 2000 / 700) / top * BANDS)
    assert abs(int(tone[:, 50].argmax()) - band) <= 1
    click = np.zeros(32000, np.float32)
    click[16000] = 1
    assert abs(int(spectrogram(click).mean(0).argmax()) - 50) <= 1
    assert np.isfinite(spectrogram(np.zeros(10, np.float32))).all()


def test_the_picture_is_what_pillow_reads() -> None:
    from PIL import Image

    levels = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    image = np.asarray(Image.open(io.BytesIO(pictures.shaded(levels))).convert("RGB")).astype(int)
    assert image.shape == (3, 4, 3)
    light = image.sum(2)[::-1].ravel()  # the lowest band is the lowest row
    assert (np.diff(light) > 0).all()
    assert image[0, -1].tolist() == [252, 253, 191]  # the lightest of magma
    with pytest.raises(ScoresError, match=r"\(0, 4\) has nothing to draw"):
        pictures.shaded(np.zeros((0, 4), np.float32))
