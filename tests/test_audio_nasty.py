"""Every odd or broken file there is: samples of the right length, or one error that names the file; soon, either way."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.errors import AudioError

RATE = 16_000
SOON = 20.0  # seconds; the largest file has 0.5 MB

# Sound is there, but not all of it, or more than the header says. What the decoders alone make of it is in brackets.
REFUSED = {
    "flac-test-files__05 - wrong total number of samples.flac": "goes on behind",  # libsndfile: the first third
    "made__truncated_mid_data.wav": "is cut off",  # both: 0.28 s, silently
    "made__nan_and_inf_float32.wav": "no usable numbers",  # both: NaN
    "made__truncated.flac": "is damaged",
    "scipy__test-44100Hz-le-1ch-4bytes-early-eof.wav": "is cut off",  # both: 236 of 4410 frames, silently
    "tinytag__mp3_audio.asf": "is cut off",  # FFmpeg: 1.04 of 2.15 s, silently
    "hound__nonstandard-01.wav": "is too short",  # one frame at 48 kHz
}
# FFmpeg leaves out the first 128 frames of some Vorbis files. (libsndfile leaves out the last quarter of
# tinytag__id3_frames.mp3, which does not state its length.)
DISAGREE = 128
PADDED = {"tinytag__mpeg2_id3v1.mp3"}  # FFmpeg keeps the silence that the encoder added and its header tells to drop


def tone(frequency: float, seconds: float, sample_rate: int) -> np.ndarray:
    """The formula: a sine of amplitude 0.5."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


def rows(data: Path) -> list[dict[str, str]]:
    with (data / "nasty" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def frames_by_ffmpeg(row: dict[str, str]) -> tuple[int, int]:
    """(frames, rate) in the manifest's column, codec/rate/channels/frames/container."""
    parts = row["ffmpeg_detail"].strip('"').split("/")
    return (int(parts[3]), int(parts[1])) if len(parts) >= 4 else (0, 0)


def attempt(path: Path, *, salvage: bool = False) -> tuple[np.ndarray | None, AudioError | None]:
    begin = time.monotonic()
    try:
        return audio.load(path, RATE, salvage=salvage, report=lambda _: None), None
    except AudioError as error:
        return None, error
    finally:
        assert time.monotonic() - begin < SOON, path


def test_every_nasty_file_gives_sound_or_one_error(data):
    for row in rows(data):
        name = row["file"]
        path = data / "nasty" / "files" / name
        wave, error = attempt(path)
        decodes = row["libsndfile"] == "ok" and int(row["frames_read"]) > 0
        if error is not None:
            assert str(error).startswith(f"{path}: ")
            assert error.problem, name
            assert REFUSED.get(name, "") in str(error)
            assert name in REFUSED or not decodes, f"refused, though libsndfile reads it: {error}"
            continue
        assert name not in REFUSED
        assert wave is not None
        assert wave.dtype == np.float32
        assert wave.ndim == 1
        assert len(wave), name
        assert np.isfinite(wave).all(), name
        if decodes:
            native, rate = int(row["frames_read"]), int(row["samplerate"])
            other, other_rate = frames_by_ffmpeg(row)
            # where the decoders disagree, the longer one left nothing out
            longest = max(native, other) if rate == other_rate and name not in PADDED else native
            assert abs(len(wave) - audio.length_at(longest, rate, RATE)) <= DISAGREE, name


def test_every_nasty_file_streams_as_it_loads(data):
    for row in rows(data):
        path = data / "nasty" / "files" / row["file"]
        try:
            whole = audio.load(path, RATE, salvage=True, report=lambda _: None)
        except AudioError:
            with pytest.raises(AudioError):
                list(audio.blocks(path, RATE, 0.5, salvage=True, report=lambda _: None))
            continue
        parts = list(audio.blocks(path, RATE, 0.5, salvage=True, report=lambda _: None))
        assert np.array_equal(np.concatenate(parts), whole), row["file"]
        assert audio.info(path).sample_rate > 0


def test_no_ordinary_recording_is_refused(data):
    """The checks for cut files must not refuse sound ones: a sample of every pack."""
    for pack in ("esc10", "fsdd", "fsdkaggle2018_mini", "medley_solos_db_mini", "sonic_pi_cc0", "birdsong_strong"):
        paths = audio.find([data / pack])
        assert paths, pack
        for path in paths[:: max(1, len(paths) // 25)]:
            wave = audio.load(path, RATE, report=lambda _: None)
            header = soundfile.info(path)
            assert len(wave) == audio.length_at(header.frames, header.samplerate, RATE), path


@pytest.mark.parametrize(
    "kind", ["WAV/PCM_16", "WAV/FLOAT", "AIFF/PCM_24", "FLAC/PCM_16", "OGG/VORBIS", "OGG/OPUS", "MP3/MPEG_LAYER_III"]
)
def test_random_damage_gives_finite_samples_or_an_error(tmp_path, kind):
    container, subtype = kind.split("/")
    path = tmp_path / "x.bin"
    soundfile.write(path, tone(500, 0.6, 48_000), 48_000, subtype, format=container)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    draw = np.random.default_rng(7)
    for trial in range(60):
        broken = content.copy()
        reach = 64 if trial % 2 else len(broken)  # headers are where the harm is
        at = draw.integers(0, reach, draw.integers(1, 6))
        broken[at] = draw.integers(0, 256, len(at))
        if trial % 3 == 0:
            broken = broken[: draw.integers(1, len(broken))]
        path.write_bytes(broken.tobytes())
        for salvage in (False, True):
            wave, error = attempt(path, salvage=salvage)
            assert error is None or error.path == str(path)
            assert wave is None or np.isfinite(wave).all()
