"""What every container and codec must do that this machine can write: the same sound back, and no damage without a word."""

from __future__ import annotations

import functools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.audio import decoders
from earmark.errors import AudioError

SECONDS = 4.0
# what a codec may add or leave out at the ends, seconds; and the share by which the level may change
LOOSE = {
    "MP3": (0.12, 0.1), "OGG VORBIS": (0.01, 0.1), "OGG OPUS": (0.01, 0.1), "WAV MPEG": (0.12, 0.1), "ADPCM": (0.13, 0.1),
    "GSM": (0.05, 0.2), "G72": (0.06, 0.2), "DPCM": (0.01, 0.2), "ULAW": (0.0, 0.03), "ALAW": (0.0, 0.03), "S8": (0.0, 0.02),
    "U8": (0.0, 0.02), "SDS": (0.01, 0.01), "VOC PCM_U8": (0.04, 0.02), "VOC ULAW": (0.001, 0.03), "VOC ALAW": (0.001, 0.03),
    "aac": (0.1, 0.1), "libopus": (0.05, 0.1), "mp2": (0.1, 0.1), "mp3": (0.12, 0.1), "ac3": (0.1, 0.1), "adpcm": (0.2, 0.1),
}  # fmt: skip
HEADLESS = {"RAW", "SD2"}  # nothing in them says what they are
FIXED = {"WVE": 8_000, "XI": 44_100}  # Hz, whatever is written
# Without a size of the sound in its header, and without frames that check themselves: what is missing cannot be told,
# and it is said that it cannot
UNSURE = {
    "AVR", "HTK", "IRCAM", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "SDS", "VOC", "WVE", "XI", "ts", "aac", "ac3", "nut", "flv",
}  # fmt: skip


def sound(rate: int) -> np.ndarray:
    time = np.arange(int(SECONDS * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * 440 * time) * (0.6 + 0.4 * np.sin(2 * np.pi * time))).astype(np.float32)


def by_soundfile() -> list[tuple[str, str, int]]:
    made = []
    for form in soundfile.available_formats():
        if form in HEADLESS:
            continue
        for subtype in soundfile.available_subtypes(form):
            rates = [rate for rate in (16_000, 48_000, 8_000) if soundfile.check_format(form, subtype)]
            made += [(form, subtype, rates[0])] if rates else []
    return made


def write(path: Path, form: str, subtype: str) -> int:
    """Skips what the library says it can and does not."""
    for rate in (FIXED.get(form, 16_000), 8_000, 44_100):
        try:
            soundfile.write(path, sound(rate), rate, format=form, subtype=subtype)
            return rate
        except (soundfile.LibsndfileError, ValueError):
            continue
    pytest.skip(f"libsndfile writes no {form} {subtype}")


TRACKS = [
    ("m4a", "aac", 44_100), ("mp4", "alac", 44_100), ("mkv", "pcm_s16le", 16_000), ("mka", "flac", 16_000),
    ("webm", "libopus", 48_000), ("mov", "pcm_s24le", 44_100), ("ts", "aac", 44_100), ("avi", "pcm_s16le", 16_000),
    ("avi", "libmp3lame", 44_100), ("mp2", "mp2", 44_100), ("ac3", "ac3", 44_100), ("aac", "aac", 44_100),
    ("nut", "pcm_s16le", 16_000), ("tta", "tta", 16_000), ("wv", "wavpack", 16_000), ("wav", "libmp3lame", 44_100),
    ("wav", "adpcm_ms", 16_000), ("wav", "pcm_s32le", 16_000), ("caf", "alac", 44_100), ("flv", "aac", 44_100),
    ("mkv", "eac3", 48_000), ("aiff", "pcm_s16be", 16_000), ("au", "pcm_s16be", 16_000), ("w64", "pcm_s16le", 16_000),
    ("mxf", "pcm_s16le", 48_000), ("3gp", "aac", 44_100), ("mkv", "libmp3lame", 44_100), ("ogg", "libopus", 48_000),
]  # fmt: skip


def encode(path: Path, codec: str, rate: int) -> None:
    av = pytest.importorskip("av")
    try:
        with av.open(str(path), "w") as file:
            track = file.add_stream(codec, rate=rate)
            track.layout = "mono"
            wave = sound(rate)
            whole = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            whole.sample_rate, whole.pts, whole.time_base = rate, 0, Fraction(1, rate)
            fit = av.AudioResampler(
                format=track.format, layout="mono", rate=rate, frame_size=track.codec_context.frame_size or 1_024
            )
            for frame in [*fit.resample(whole), *fit.resample(None)]:
                file.mux(track.encode(frame))
            file.mux(track.encode(None))
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"FFmpeg writes no {codec} in {path.suffix}: {error}")


CASES = [(form, subtype) for form, subtype, _ in by_soundfile()] + [(ending, codec) for ending, codec, _ in TRACKS]
RATES = {(ending, codec): rate for ending, codec, rate in TRACKS}


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """(form, codec) → (what the sound is in it, rate): encoded once, and every test has a copy."""
    folder = tmp_path_factory.mktemp("encoded")

    @functools.cache
    def encoded(form: str, codec: str) -> tuple[bytes, int]:
        if (form, codec) in RATES:
            path, rate = folder / f"{codec}.{form}", RATES[form, codec]
            encode(path, codec, rate)
        else:
            path = folder / f"{form}-{codec}"
            rate = write(path, form, codec)
        return path.read_bytes(), rate

    return encoded


@pytest.fixture
def made(tmp_path, encoded, form, codec):
    """(file, rate) of the sound in a container and a codec."""
    data, rate = encoded(form, codec)
    path = tmp_path / (f"a.{form}" if (form, codec) in RATES else "a")
    path.write_bytes(data)
    return path, rate


def loose(form: str, codec: str) -> tuple[float, float]:
    name = f"{form} {codec}"
    return max((LOOSE[part] for part in LOOSE if part in name), default=(0.0, 0.002))


def attempt(path, rate, **more):
    """(wave or None, what was said or raised)."""
    told: list[str] = []
    try:
        return audio.load(path, rate, report=told.append, **more), " ".join(told)
    except AudioError as error:
        return None, str(error)


@pytest.fixture(scope="module")
def lengths() -> dict[tuple[str, str], int | None]:
    """(form, codec) → samples of the sound in it as it is, None where it is refused: read once."""
    return {}


@pytest.fixture
def whole(made, form, codec, lengths):
    """Samples of the file before anything is done to it."""
    if (form, codec) not in lengths:
        wave, _ = attempt(*made)
        lengths[form, codec] = None if wave is None else len(wave)
    return lengths[form, codec]


each = pytest.mark.parametrize(("form", "codec"), CASES)


@each
def test_the_same_sound_comes_back(made, form, codec):
    path, rate = made
    wave, told = attempt(path, rate)
    assert wave is not None, told
    seconds, level = loose(form, codec)
    assert abs(len(wave) / rate - SECONDS) <= seconds + 1 / rate, len(wave) / rate
    rms, wanted = (float(np.sqrt(np.mean(np.square(each, dtype=np.float64)))) for each in (wave, sound(rate)))
    assert rms == pytest.approx(wanted, rel=level + 0.001)
    assert told == "" or form in UNSURE, told


@each
@pytest.mark.parametrize("share", [0.493, 0.9])  # not between two frames of MP2, which nobody could tell
def test_what_is_cut_is_refused_or_told(made, form, codec, share):
    path, rate = made
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    wave, told = attempt(path, rate)
    assert wave is None or told, f"{len(wave) / rate} s without a word"
    salvaged, said = attempt(path, rate, salvage=True)
    if salvaged is not None and form not in UNSURE:  # SDS fills up what is missing, and says that it is not sure
        assert said and len(salvaged) / rate < SECONDS


@each
@pytest.mark.parametrize(
    "before", [b"\0" * 1_000, b"HTTP/1.1 200 OK\r\n\r\n", bytes(range(1, 250)) * 12], ids=["zeros", "text", "bytes"]
)
def test_what_lies_before_is_told(made, whole, form, codec, before):
    path, rate = made
    path.write_bytes(before + path.read_bytes())
    wave, told = attempt(path, rate)
    assert wave is None or told, "read without a word"
    if wave is not None and whole is not None:
        assert len(wave) == whole


@each
def test_what_lies_behind_is_told_or_left_out(made, whole, form, codec):
    path, rate = made
    path.write_bytes(path.read_bytes() + np.random.default_rng(0).integers(1, 256, 20_000).astype(np.uint8).tobytes())
    wave, told = attempt(path, rate)
    assert wave is None or told or len(wave) == whole, "more sound without a word"


def test_pyav_is_here_where_it_should_be():
    assert decoders.ffmpeg.library() is not None or pytest.skip("needs the extra 'media' (PyAV)")
