"""earmark.audio against closed forms, against itself cut up in other ways, and with files broken on purpose."""

from __future__ import annotations

import builtins
import logging
import math
import os
import pickle
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark import audio
from earmark.audio import decoders
from earmark.errors import AudioError, EarmarkError

RATE = 16_000
NO_AV = pytest.mark.skipif(decoders.ffmpeg.library() is None, reason="needs the extra 'media' (PyAV)")


def tone(frequency: float, seconds: float, sample_rate: int) -> np.ndarray:
    """The formula: a sine of amplitude 0.5."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(frames: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    shape = (frames, channels) if channels > 1 else frames
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(np.float32)


def wav(body: bytes, stated: int, rate: int = RATE) -> bytes:
    """A 16-bit mono WAV, written by hand: its header states `stated` bytes of sound."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", min(2**32 - 1, 36 + stated))
        + b"WAVE"
        + form
        + b"data"
        + struct.pack("<I", stated)
        + body
    )


@pytest.fixture
def without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name == "av" or name.startswith("av."):
            raise ImportError("no module named av")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)


# ---------------------------------------------------------------------------------------------- samples are right


@pytest.mark.parametrize(
    ("container", "subtype", "step"),
    [
        ("WAV", "PCM_U8", 2**-7),
        ("AIFF", "PCM_S8", 2**-7),
        ("WAV", "PCM_16", 2**-15),
        ("WAV", "PCM_24", 2**-23),
        ("WAV", "PCM_32", 2**-31),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("FLAC", "PCM_16", 2**-15),
        ("FLAC", "PCM_24", 2**-23),
        ("CAF", "ALAC_16", 2**-15),
    ],
)
def test_a_sine_of_every_depth_comes_back_as_the_formula(tmp_path, container, subtype, step):
    path = tmp_path / "sine.bin"  # the name's ending must not matter
    soundfile.write(path, tone(1000, 1.0, 44_100), 44_100, subtype, format=container)
    found = audio.load(path, RATE)
    expected = tone(1000, 1.0, RATE)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    away = slice(500, -500)  # the resampler rings at both ends, where the sine is switched on and off
    # one step for the rounding of the writer, 1e-5 for HQ's pass band
    assert np.abs(found - expected)[away].max() < step + 1e-5


@pytest.mark.parametrize(("kind", "tolerance"), [("VORBIS", 0.02), ("OPUS", 0.02), ("MPEG_LAYER_III", 0.02)])
def test_a_sine_through_a_lossy_codec_is_the_same_sine_at_the_same_place(tmp_path, kind, tolerance):
    path = tmp_path / "sine"
    container = "MP3" if kind.startswith("MPEG") else "OGG"
    soundfile.write(path, tone(440, 2.0, 48_000), 48_000, kind, format=container)
    found, expected = audio.load(path, RATE), tone(440, 2.0, RATE)
    assert found.shape == expected.shape
    assert np.abs(found - expected)[2000:-2000].max() < tolerance


def test_a_constant_stays_that_constant(tmp_path):
    path = tmp_path / "dc.wav"
    soundfile.write(path, np.full(48_000, 0.25, np.float32), 48_000, "FLOAT")
    assert np.abs(audio.load(path, RATE)[500:-500] - 0.25).max() < 1e-6


@pytest.mark.parametrize("channels", [2, 3, 8, 40])
def test_many_channels_become_their_mean(tmp_path, channels):
    path = tmp_path / "many.wav"
    frames = noise(5000, channels)
    soundfile.write(path, frames, RATE, "FLOAT")
    said: list[str] = []
    found = audio.load(path, RATE, report=said.append)
    assert np.abs(found - frames.astype(np.float64).mean(1)).max() < 1e-6
    assert said == [f"{path}: {channels} channels mixed to one (mean)"]


@pytest.mark.parametrize(("native", "target"), [(1000, 384_000), (384_000, 1000), (192_000, RATE), (44_101, RATE)])
def test_extreme_rates(tmp_path, native, target):
    path = tmp_path / "x.wav"
    soundfile.write(path, tone(100, 1.5, native), native, "FLOAT")
    found, expected = audio.load(path, target), tone(100, 1.5, target)
    assert len(found) == audio.length_at(round(1.5 * native), native, target)
    edge = round(0.3 * target)
    assert np.abs(found[: len(expected)] - expected[: len(found)])[edge:-edge].max() < 1e-4


@given(
    frames=st.integers(1, 3000),
    rates=st.tuples(*[st.sampled_from([1000, 8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 384_000])] * 2),
)
@settings(max_examples=60, deadline=None)
def test_the_length_is_rounded_half_up(frames, rates):
    exact = frames * rates[1] / rates[0]
    assert audio.length_at(frames, *rates) == math.floor(exact + 0.5)
    assert len(audio.resample(np.zeros(frames, np.float32), *rates)) == math.floor(exact + 0.5)


def test_arrays_are_resampled_as_files_are(tmp_path):
    wave = noise(30_000)
    path = tmp_path / "x.wav"
    soundfile.write(path, wave, 44_100, "FLOAT")
    assert np.array_equal(audio.resample(wave, 44_100, RATE), audio.load(path, RATE))
    assert np.array_equal(audio.resample(wave, 44_100, RATE), soxr.resample(wave, 44_100, RATE))
    assert np.array_equal(audio.resample(wave, RATE, RATE), wave)


# ------------------------------------------------------------------------------------------- streams and slices


@pytest.fixture(scope="module")
def formats(tmp_path_factory) -> dict[str, Path]:
    """The same 7.4 s in every kind of container, longer than one native block at 44.1 kHz."""
    folder = tmp_path_factory.mktemp("formats")
    wave = np.stack([noise(326_341), tone(700, 7.4001, 44_100)[:326_341]], 1)
    kinds = {
        "wav": ("WAV", "PCM_16"),
        "float": ("WAV", "FLOAT"),
        "adpcm": ("WAV", "IMA_ADPCM"),
        "gsm": ("WAV", "GSM610"),
        "flac": ("FLAC", "PCM_16"),
        "ogg": ("OGG", "VORBIS"),
        "mp3": ("MP3", "MPEG_LAYER_III"),
        "aiff": ("AIFF", "PCM_24"),
        "w64": ("W64", "PCM_16"),
    }
    paths = {}
    for name, (container, subtype) in kinds.items():
        paths[name] = folder / f"x.{name}"
        shaped = wave[:, 0] if subtype == "GSM610" else wave
        soundfile.write(paths[name], shaped, 44_100, subtype, format=container)
    paths["opus"] = folder / "x.opus"
    soundfile.write(paths["opus"], noise(355_211, 2), 48_000, "OPUS", format="OGG")
    return paths


KINDS = ["wav", "float", "adpcm", "gsm", "flac", "ogg", "mp3", "aiff", "w64", "opus"]


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_join_to_the_whole_bit_for_bit(formats, kind):
    whole = audio.load(formats[kind], RATE, report=lambda _: None)
    read = soundfile.read(formats[kind], dtype="float32", always_2d=True)[0]
    rate = audio.info(formats[kind]).sample_rate
    # soundfile reads the whole of it in one go: in parts, it gives other samples of an MP3
    mean = (read[:, 0] + read[:, -1]) / 2
    assert np.array_equal(whole, soxr.resample(mean, rate, RATE))
    for seconds in (0.01, 0.77, 3.0, 7.4, 100.0):
        parts = list(audio.blocks(formats[kind], RATE, seconds, report=lambda _: None))
        assert np.array_equal(np.concatenate(parts), whole)
        assert {len(part) for part in parts[:-1]} <= {round(seconds * RATE)}
        assert 0 < len(parts[-1]) <= round(seconds * RATE)


@given(seconds=st.floats(1e-4, 9), native=st.sampled_from([1, 7, 4096, 10**6]))
@settings(max_examples=40, deadline=None)
def test_blocks_of_any_length_whatever_the_decoder_gives(formats, seconds, native):
    whole = audio.load(formats["wav"], 22_050, report=lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoders.source, "BLOCK", max(native, 4096))
        parts = list(audio.blocks(formats["wav"], 22_050, seconds, report=lambda _: None))
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [RATE, 44_100, 32_000])
def test_a_part_is_the_slice_of_the_whole(formats, kind, rate):
    quiet = {"report": lambda _: None}
    whole = audio.load(formats[kind], rate, **quiet)
    for start, seconds in ((0, 1), (0.5, 0.001), (1.2345, 2), (3.3, None), (6.2, 1.0), (None, 2), (7.39, None)):
        first = round((start or 0) * rate)
        last = len(whole) if seconds is None else first + round(seconds * rate)
        found = audio.load(formats[kind], rate, start, seconds, **quiet)
        expected = whole[first:last]
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 2e-6
        if kind in {"adpcm", "gsm", "ogg", "mp3", "opus"} or rate == audio.info(formats[kind]).sample_rate:
            assert np.array_equal(found, expected)


@given(
    start=st.floats(0, 7.3),
    seconds=st.floats(0.001, 0.09),
    rate=st.sampled_from([8000, 16_000, 22_050, 44_100, 48_000, 50_001]),
    kind=st.sampled_from(["float", "flac", "aiff"]),
)
@settings(max_examples=60, deadline=None)
def test_a_part_from_anywhere_at_any_rate(formats, start, seconds, rate, kind):
    found = audio.load(formats[kind], rate, start, seconds, report=lambda _: None)
    whole = audio.load(formats[kind], rate, report=lambda _: None)
    first = round(start * rate)
    expected = whole[first : first + max(1, round(seconds * rate))]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 2e-6


def test_a_part_of_a_long_file_does_not_read_it_all(tmp_path, monkeypatch):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(44_100 * 60, np.int16), 44_100)
    read = 0
    original = decoders.sndfile.Straight.read

    def counted(self: Any, frames: int = -1, *rest: Any, **more: Any) -> Any:
        nonlocal read
        found = original(self, frames, *rest, **more)
        read += len(found)
        return found

    monkeypatch.setattr(decoders.sndfile.Straight, "read", counted)
    audio.load(path, RATE, start=50, seconds=1)
    assert 44_100 < read < 1.2 * 44_100


def test_a_part_of_a_long_file_takes_the_memory_of_the_part(tmp_path):
    """Ogg is decoded from its beginning, but what lies before the part is let go."""
    import tracemalloc

    peaks = []
    for seconds in (80, 400):
        path = tmp_path / f"{seconds}.ogg"
        with soundfile.SoundFile(path, "w", 8_000, 1) as file:
            for second in range(seconds):  # libsndfile's Vorbis crashes on minutes at once
                file.write(noise(8_000, seed=second))
        tracemalloc.start()
        assert len(audio.load(path, 8_000, start=seconds - 2.0, seconds=1.0)) == 8_000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize(("kind", "told"), [("ogg", True), ("flac", False)])
def test_parts_that_are_far_into_a_file_are_worth_a_word(formats, monkeypatch, kind, told):
    monkeypatch.setattr("earmark.audio.reading.FAR", 3)
    said: list[str] = []
    audio.load(formats[kind], RATE, start=2.0, seconds=1.0, report=said.append)
    assert not any("from its beginning" in line for line in said)
    audio.load(formats[kind], RATE, start=4.0, seconds=1.0, report=said.append)
    assert any("is decoded from its beginning for each part of it; as FLAC" in line for line in said) == told


def test_a_part_past_the_end(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, noise(RATE * 2), RATE)
    with pytest.raises(AudioError, match=r"x.wav: has no sound at 2.00 s: it is 2.00 s long. Correct the start"):
        audio.load(path, RATE, start=2.0)
    with pytest.raises(AudioError, match=r"ends at 2.00 s, before the 2.50 s that were asked for. Correct the end"):
        audio.load(path, RATE, start=1.5, seconds=1.0)
    said: list[str] = []
    assert len(audio.load(path, RATE, start=1.5, seconds=1.0, salvage=True, report=said.append)) == RATE // 2
    assert len(audio.load(path, RATE, start=1.5, seconds=0.54, report=said.append)) == RATE // 2
    assert said == [
        f"{path}: ends at 2.00 s, before the 2.50 s that were asked for",
        f"{path}: ends at 2.00 s, before the 2.04 s that were asked for",
    ]
    with pytest.raises(AudioError, match="no part of 1 s from -1 s on"):
        audio.load(path, RATE, start=-1, seconds=1)
    with pytest.raises(AudioError, match="no part of nan s from 0 s on"):
        audio.load(path, RATE, start=0, seconds=math.nan)


def test_streaming_needs_no_more_memory_for_a_longer_file(tmp_path):
    import tracemalloc

    peaks = []
    for minutes in (2, 8):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, np.zeros(60 * minutes * 32_000, np.int16), 32_000)
        tracemalloc.start()
        assert sum(map(len, audio.blocks(path, RATE, 10.0))) == 60 * minutes * RATE
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


# ---------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("rate", [0, -1, 999, 384_001, 16_000.5, math.nan])
def test_a_rate_to_work_at_is_refused_with_its_limits(tmp_path, rate):
    for call in (
        lambda: audio.load(tmp_path / "x.wav", rate),
        lambda: audio.blocks(tmp_path / "x.wav", rate, 1.0),
        lambda: audio.resample(np.zeros(9, np.float32), RATE, rate),
    ):
        with pytest.raises(EarmarkError, match=r"no sample rate to work at: give a whole number from 1000 to 384000"):
            call()


def test_a_rate_of_a_file_is_refused_with_its_limits(tmp_path):
    path = tmp_path / "slow.wav"
    soundfile.write(path, noise(999), 999)
    with pytest.raises(
        AudioError, match=r"slow.wav: has a sample rate of 999 Hz; earmark reads 1000 to 384000 Hz. Corr"
    ):
        audio.load(path, RATE)


def test_blocks_without_a_sample_are_refused(tmp_path):
    for seconds in (0, -1, 1e-9, math.inf, math.nan):
        with pytest.raises(EarmarkError, match=r"holds no sample at 16000 Hz. Ask for longer blocks"):
            audio.blocks(tmp_path / "x.wav", RATE, seconds)


def test_a_wave_of_another_shape_or_type_is_refused():
    for wave in (np.zeros(3), np.zeros((3, 2), np.float32)):
        with pytest.raises(EarmarkError, match=r"a wave is \(samples,\) float32, this one is"):
            audio.resample(wave, RATE, 8000)


def missing(folder: Path) -> Path:
    return folder / "missing.wav"


def a_folder(folder: Path) -> Path:
    (folder / "f.wav").mkdir()
    return folder / "f.wav"


def made(content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "made.wav").write_bytes(content)
        return folder / "made.wav"

    return make


SOUND = noise(RATE).astype(np.float32)
PCM = (SOUND * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("make", "message", "readable"),
    [
        (missing, "missing.wav: does not exist. Check the path, and that its disk or card is connected", None),
        (a_folder, "f.wav: is a folder, not a recording. Name the recordings in it", None),
        (made(b""), "made.wav: is empty (0 bytes). Copy it again", 0.0),
        (made(wav(b"", 0)), "made.wav: holds no sound: a header, and not one sample behind it. Copy it again", 0.0),
        (made(wav(b"", 32_000)), "holds no sound: its header states 32,000 bytes of it, none is there. Copy it", 0.0),
        (made(wav(PCM[:9001], 32_000)), "cut off: its header states 1.00 s of sound, 0.28 s are there. Copy", 0.28125),
        (made(wav(PCM, 0)), "was never finished: its header states no sound, and 32,000 bytes follow. Copy", 0.0),
        (made(b"<html>please log in</html>" * 9), "made.wav: is no recording: it is text. Copy it again", None),
        (made(bytes(4096)), "is no recording: it begins with zeros only, as files do that a recorder or card", None),
        (made(b"\x07\xff\x01" * 999), "is no recording that can be decoded (libsndfile: Format not recognised;", None),
    ],
)
def test_messages(tmp_path, make, message, readable):
    path = make(tmp_path)
    with pytest.raises(AudioError) as caught:
        audio.load(path, RATE)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert caught.value.readable == readable
    assert pickle.loads(pickle.dumps(caught.value)).readable == readable  # on its way from a worker process
    with pytest.raises(AudioError):
        list(audio.blocks(path, RATE, 1.0))


@pytest.mark.skipif(os.name == "nt", reason="pipes have other names there")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match="is a device or a pipe, not a file"):
        audio.load(tmp_path / "pipe.wav", RATE)


def test_a_name_that_no_disk_takes(tmp_path):
    with pytest.raises(AudioError, match="cannot be opened"):
        audio.load(str(tmp_path / "a\0b.wav"), RATE)


def test_salvage_of_a_file_that_is_cut_off(tmp_path):
    path = made(wav(PCM[:9001], 32_000))(tmp_path)
    said: list[str] = []
    found = audio.load(path, RATE, salvage=True, report=said.append)
    assert np.array_equal(found, np.frombuffer(PCM[:9000], "<i2") / np.float32(32768))
    assert said == [
        f"{path}: is cut off: its header states 1.00 s of sound, 0.28 s are there; what could be read is used"
    ]
    assert np.array_equal(np.concatenate(list(audio.blocks(path, RATE, 0.1, salvage=True, report=said.append))), found)


@NO_AV
def test_salvage_of_a_recording_that_was_never_finished(tmp_path):
    path = made(wav(PCM, 0))(tmp_path)
    said: list[str] = []
    found = audio.load(path, RATE, salvage=True, report=said.append)
    assert np.array_equal(found, np.frombuffer(PCM, "<i2") / np.float32(32768))
    assert len(said) == 1
    assert "never finished" in said[0]


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFF000, 0x7FFFFFFF, 0x80000000])
def test_a_streamed_wav_of_unknown_length_is_whole(tmp_path, stated):
    path = made(wav(PCM, stated))(tmp_path)
    assert len(audio.load(path, RATE)) == RATE
    assert len(audio.load(path, RATE, start=0.5, seconds=0.25)) == RATE // 4


@pytest.mark.parametrize("container", ["AVR", "IRCAM", "MAT5", "PAF", "VOC"])
def test_where_a_cut_cannot_be_seen_that_is_told(tmp_path, container):
    path = tmp_path / "a.sound"
    soundfile.write(path, noise(2 * RATE), RATE, format=container, subtype="PCM_16")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    said: list[str] = []
    found = audio.load(path, RATE, report=said.append)
    assert len(found) < 1.1 * RATE
    assert (
        f"{len(found) / RATE:.2f} s were read; whether that is all of it cannot be told of the format {container}"
        in said[0]
    )


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_24"), ("RF64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("FLAC", "PCM_16"),
     ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("CAF", "ALAC_16"), ("W64", "PCM_16"),
     ("W64", "IMA_ADPCM"), ("NIST", "PCM_16"), ("NIST", "ULAW"), ("SVX", "PCM_16")],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_cut_is_noticed_in_every_container(tmp_path, container, subtype, share):
    path = tmp_path / "cut"
    soundfile.write(path, noise(48_000 * 4), 48_000, subtype, format=container)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(AudioError, match=r"cut: (is cut off|is damaged)") as caught:
        audio.load(path, RATE)
    said: list[str] = []
    found = audio.load(path, RATE, salvage=True, report=said.append)
    assert 0 < len(found) < RATE * 4
    assert any("what could be read is used" in sentence for sentence in said)
    if caught.value.readable is not None:
        assert len(found) == pytest.approx(caught.value.readable * RATE, abs=1)


def test_a_damaged_flac_is_read_up_to_the_damage(tmp_path):
    path = tmp_path / "x.flac"
    wave = noise(RATE * 4)
    soundfile.write(path, wave, RATE)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    whole = np.round(wave * 32768) / 32768
    with pytest.raises(AudioError, match=r"is damaged: 1.79 s can be read, then libsndfile reports 'flac decoder lost"):
        audio.load(path, RATE)
    found = audio.load(path, RATE, salvage=True, report=lambda _: None)
    assert len(found) % 4096 == 0  # whole FLAC frames
    assert np.abs(found - whole[: len(found)]).max() < 1e-4
    # a part before the damage is not held up by it
    assert np.array_equal(audio.load(path, RATE, start=0.25, seconds=0.5), found[4000:12_000])


def test_numbers_that_are_none(tmp_path):
    path = tmp_path / "nan.wav"
    wave = noise(RATE * 20)
    wave[8000], wave[8001], wave[-1] = np.nan, np.inf, 2e30
    soundfile.write(path, wave, RATE, "FLOAT")
    with pytest.raises(AudioError, match=r"nan.wav: 3 samples are no usable numbers .*, the first at 0.500 s. Write"):
        audio.load(path, RATE)
    said: list[str] = []
    found = audio.load(path, RATE, salvage=True, report=said.append)
    wave[[8000, 8001, -1]] = 0
    assert np.array_equal(found, wave)
    assert said == [f"{path}: 3 samples are no usable numbers, the first at 0.500 s; 0 is used for them"]


def test_numbers_that_are_none_are_told_of_a_part_too(tmp_path):
    """At the file's own rate a part is whole before its stream ends."""
    path = tmp_path / "nan.wav"
    wave = noise(RATE * 4)
    wave[20_000], wave[30_000] = np.nan, 3
    soundfile.write(path, wave, RATE, "FLOAT")
    said: list[str] = []
    found = audio.load(path, RATE, start=1, seconds=1, salvage=True, report=said.append)
    assert found[4000] == 0
    assert said == [
        f"{path}: 1 sample is no usable number, the first at 1.250 s; 0 is used for it",
        f"{path}: reaches 3 times full scale; kept as it is",
    ]


def test_infinite_values_of_two_channels_do_not_warn(tmp_path):
    path = tmp_path / "inf.wav"
    frames = noise(RATE, 2)
    frames[5], frames[6] = (np.inf, -np.inf), (3e38, 3e38)
    soundfile.write(path, frames, RATE, "FLOAT")
    with pytest.raises(AudioError, match="2 samples are no usable numbers"):
        audio.load(path, RATE, report=lambda _: None)
    assert np.isfinite(audio.load(path, 8000, salvage=True, report=lambda _: None)).all()


def test_a_float_file_beyond_full_scale_is_kept_and_reported(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([0.5, -40, 3], np.float32), RATE, "FLOAT")
    said: list[str] = []
    assert audio.load(path, RATE, report=said.append).tolist() == [0.5, -40, 3]
    assert said == [f"{path}: reaches 40 times full scale; kept as it is"]


def test_one_frame_that_gives_no_sample(tmp_path):
    path = tmp_path / "one.wav"
    soundfile.write(path, noise(1), 48_000)
    with pytest.raises(AudioError, match=r"is too short: at 48000 Hz it does not last for one sample at 16000 Hz"):
        audio.load(path, RATE)
    with pytest.raises(AudioError, match="is too short"):
        list(audio.blocks(path, RATE, 1.0))
    assert len(audio.load(path, 48_000)) == 1


def test_without_a_collector_reports_go_to_the_log(tmp_path, caplog):
    path = tmp_path / "two.wav"
    soundfile.write(path, noise(100, 2), RATE)
    with caplog.at_level(logging.WARNING, "earmark"):
        audio.load(path, RATE)
    assert caplog.messages == [f"{path}: 2 channels mixed to one (mean)"]


# --------------------------------------------------------------------------------------- sound behind the end


def strip_length(mp3: bytes) -> bytes:
    """An MP3 without its first frame, the one that states the length."""
    second = mp3.index(mp3[:2], 4)
    return mp3[second:]


@NO_AV
def test_an_mp3_that_does_not_state_its_length_is_read_in_whole(tmp_path):
    """libsndfile alone stops at a fifth of it: loud noise first, silence after, at a variable bit rate."""
    path = tmp_path / "loud_first.mp3"
    loud_first = np.concatenate([noise(44_100 * 5), np.zeros(44_100 * 15, np.float32)])
    with soundfile.SoundFile(
        path, "w", 44_100, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5
    ) as file:
        file.write(loud_first)
    whole = audio.load(path, RATE)
    path.write_bytes(strip_length(path.read_bytes()))
    assert soundfile.info(path).duration < 10  # the trap is there
    found = audio.load(path, RATE)
    assert audio.info(path).decoder == "ffmpeg"
    assert len(found) == pytest.approx(20 * RATE, abs=0.1 * RATE)
    # without its length an MP3 does not state its delay either: 1105 frames of LAME's
    lag = audio.length_at(1105, 44_100, RATE)
    assert np.corrcoef(found[lag : lag + 4 * RATE], whole[: 4 * RATE])[0, 1] > 0.9


def test_an_mp3_that_does_not_state_its_length_says_so_without_av(tmp_path, without_av):
    path = tmp_path / "loud_first.mp3"
    with soundfile.SoundFile(
        path, "w", 44_100, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5
    ) as file:
        file.write(np.concatenate([noise(44_100 * 5), np.zeros(44_100 * 15, np.float32)]))
    path.write_bytes(strip_length(path.read_bytes()))
    with pytest.raises(AudioError, match=r"does not state its length; .* pip install 'earmark\[media\]'"):
        audio.load(path, RATE)


@pytest.mark.parametrize("kind", [("x.ogg", "VORBIS"), ("x.flac", "PCM_16"), ("x.mp3", "MPEG_LAYER_III")])
def test_two_recordings_in_one_file_are_refused(tmp_path, kind):
    path = tmp_path / kind[0]
    soundfile.write(path, noise(44_100 * 2), 44_100, kind[1])
    once = path.read_bytes()
    soundfile.write(path, noise(44_100 * 2, seed=1), 44_100, kind[1])
    path.write_bytes(once + path.read_bytes())
    with pytest.raises(
        AudioError, match=r"(goes on behind|several recordings|is damaged).*ffmpeg -i IN OUT.flac|is damaged"
    ):
        audio.load(path, RATE)
    assert len(audio.load(path, RATE, salvage=True, report=lambda _: None)) == pytest.approx(2 * RATE, abs=RATE / 10)


@pytest.mark.parametrize("container", [
    pytest.param("WAV", marks=NO_AV), pytest.param("AIFF", marks=NO_AV), "W64", "CAF", "AU", "NIST",
])  # fmt: skip
def test_two_recordings_in_one_container_are_refused(tmp_path, container):
    path = tmp_path / "two"
    soundfile.write(path, noise(RATE * 2), RATE, "PCM_16", format=container)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(AudioError, match="two: holds several recordings one after another; only the first"):
        audio.load(path, RATE)
    assert len(audio.load(path, RATE, salvage=True, report=lambda _: None)) == 2 * RATE


def test_a_wav_that_states_less_than_it_holds_is_refused(tmp_path):
    """As a WAV of more than 4 GiB does, whose size has begun again from 0."""
    path = made(wav(PCM, 16_000))(tmp_path)
    with pytest.raises(AudioError, match=r"goes on behind the 0.50 s that its header states, with 16,000 bytes. Corr"):
        audio.load(path, RATE)
    said: list[str] = []
    assert len(audio.load(path, RATE, salvage=True, report=said.append)) == RATE // 2
    assert len(said) == 1


@pytest.mark.parametrize("behind", [
    b"LIST" + struct.pack("<I", 9000) + bytes(range(256)) * 36,
    b"\0LIST" + struct.pack("<I", 9000) + bytes(range(256)) * 36,
    b"ID3\x03" + bytes(range(256)) * 36,
    bytes(9000),
    b"\xff\xfe" * 2000,
])  # fmt: skip
def test_what_else_lies_behind_the_sound_of_a_wav_is_none(tmp_path, behind):
    odd = 1 if behind.startswith(b"\0L") else 0  # a chunk of an odd size is filled up with a zero
    path = made(wav(PCM[: 16_000 - odd], 16_000 - odd) + behind)(tmp_path)
    assert len(audio.load(path, RATE)) == 8000 - odd


def test_what_lies_behind_the_sound_of_a_wave64_is_not_heard(tmp_path):
    path = tmp_path / "x.w64"
    soundfile.write(path, noise(RATE), RATE, "PCM_16")
    whole = audio.load(path, RATE)
    chunk = b"list" + bytes(12) + struct.pack("<Q", 1024) + b"M" * 1000
    path.write_bytes(path.read_bytes() + chunk)
    assert soundfile.info(path).frames > RATE  # libsndfile takes it for sound
    assert np.array_equal(audio.load(path, RATE), whole)
    assert audio.info(path).frames == RATE


def test_a_flac_smaller_than_the_tags_that_may_end_one(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, np.zeros(10, np.float32), RATE)
    assert path.stat().st_size < 128
    assert audio.load(path, RATE).tolist() == [0.0] * 10


@pytest.mark.parametrize(
    "tag", [b"TAG" + bytes(125), b"x" * 9000 + struct.pack("<8sIIII8x", b"APETAGEX", 2000, 9032, 1, 0)]
)
def test_tags_behind_the_sound_are_no_sound(tmp_path, tag):
    path = tmp_path / "x.mp3"
    soundfile.write(path, noise(44_100), 44_100)
    path.write_bytes(path.read_bytes() + tag)
    assert len(audio.load(path, RATE)) == RATE


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize(("ending", "codec", "message"), [
    ("ogg", "VORBIS", "is damaged: its last page is not what was written"),
    ("flac", "PCM_16", "is damaged: 3.84 s can be read, then libsndfile reports 'unknown error in flac decoder'"),
])  # fmt: skip
def test_one_wrong_bit_near_the_end_is_noticed(tmp_path, ending, codec, message):
    path = tmp_path / f"x.{ending}"
    soundfile.write(path, noise(RATE * 4), RATE, codec)
    flip(path, path.stat().st_size - 500)
    with pytest.raises(AudioError, match=message):
        audio.load(path, RATE)


def test_a_flac_with_a_wrong_block_size_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "x.flac"
    wave = noise(RATE * 8)
    soundfile.write(path, wave, RATE)
    flip(path, 8)  # the least block size: libFLAC finds the wrong place by it, or none
    whole = audio.load(path, RATE)
    assert np.abs(whole - wave).max() < 2**-15
    assert np.array_equal(audio.load(path, RATE, start=5, seconds=1), whole[5 * RATE : 6 * RATE])


# ------------------------------------------------------------------------------------------------- decoders


@NO_AV
@pytest.mark.parametrize(
    ("container", "codec", "kind", "rate"),
    [("mp4", "aac", "fltp", 44_100), ("matroska", "pcm_s16le", "s16", 22_050), ("mov", "pcm_u8", "u8", 11_025),
     ("matroska", "pcm_f32le", "flt", 48_000), ("matroska", "pcm_s32le", "s32", 8000), ("matroska", "alac", "s16p", 44_100)],
)  # fmt: skip
def test_ffmpeg_reads_what_libsndfile_does_not(tmp_path, container, codec, kind, rate):
    path = tmp_path / "x.bin"
    encode(path, container, codec, kind, np.stack([tone(500, 3.0, rate)] * 2), rate)
    with pytest.raises(soundfile.SoundFileError):
        soundfile.info(path)
    said: list[str] = []
    found, expected = audio.load(path, RATE, report=said.append), tone(500, 3.0, RATE)
    length = min(len(found), len(expected))
    assert length == pytest.approx(len(expected), abs=0.03 * RATE)
    assert np.abs(found[:length] - expected[:length])[1000:-1000].max() < (0.02 if codec in {"aac", "pcm_u8"} else 1e-4)
    assert said == [f"{path}: 2 channels mixed to one (mean)"]
    header = audio.info(path)
    assert (header.decoder, header.sample_rate, header.channels, header.codec) == ("ffmpeg", rate, 2, codec)
    assert header.duration == pytest.approx(3.0, abs=0.1)
    assert np.array_equal(np.concatenate(list(audio.blocks(path, RATE, 0.3, report=said.append))), found)
    part = audio.load(path, RATE, start=1.1, seconds=0.7, report=said.append)
    assert np.array_equal(part, found[17_600:28_800])


def encode(path: Path, container: str, codec: str, kind: str, wave: np.ndarray, rate: int) -> None:
    """wave: (channels, samples) float32 → a file written by FFmpeg."""
    import av

    scales = {"u8": 127, "s16": 2**15 - 1, "s32": 2**31 - 1}
    name = kind.removesuffix("p")
    types = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32}
    scaled = (wave.astype(np.float64) * scales.get(name, 1) + (128 if name == "u8" else 0)).astype(types[name])
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo", format=kind)
        for begin in range(0, wave.shape[1], 1024):
            part = scaled[:, begin : begin + 1024]
            shaped = part if kind.endswith("p") else part.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(shaped), kind, "stereo")
            frame.sample_rate, frame.pts = rate, begin
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@NO_AV
def test_a_cut_m4a_is_noticed(tmp_path):
    path = tmp_path / "x.mkv"
    encode(path, "matroska", "pcm_s16le", "s16", np.stack([tone(500, 3.0, RATE)] * 2), RATE)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"is (cut off|damaged)") as caught:
        audio.load(path, RATE, report=lambda _: None)
    assert caught.value.readable == pytest.approx(1.5, abs=0.1)
    said: list[str] = []
    found = audio.load(path, RATE, salvage=True, report=said.append)
    assert len(found) == pytest.approx(1.5 * RATE, abs=0.1 * RATE)
    assert len(said) == 2


def test_without_av_the_extra_is_named(tmp_path, without_av):
    path = tmp_path / "x.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + bytes(999))
    with pytest.raises(AudioError, match=r"no format that libsndfile reads \(Format not recognised\)") as caught:
        audio.load(path, RATE)
    assert "pip install 'earmark[media]'" in str(caught.value)


@NO_AV
def test_a_playlist_leads_nowhere(tmp_path, monkeypatch):
    """FFmpeg would open what a playlist names, files and addresses alike."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("secret.ogg", noise(RATE), RATE)
    Path("list.wav").write_text("ffconcat version 1.0\nfile secret.ogg\n")
    with pytest.raises(AudioError, match="is no recording"):
        audio.load("list.wav", RATE)


@pytest.mark.parametrize("ending", ["raw", "vox", "gsm", "au", "mp3", "txt", "wav.ogg", ""])
def test_the_ending_of_the_name_does_not_matter(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    soundfile.write(path, noise(RATE), RATE, "VORBIS", format="OGG")
    assert len(audio.load(path, RATE)) == RATE
    path.write_bytes(b"\x07\xff\x01" * 999)
    with pytest.raises(AudioError, match="is no recording"):
        audio.load(path, RATE)


def test_reading_through_python_gives_the_same(formats, monkeypatch):
    """As on Windows, where libsndfile cannot take the descriptor."""
    direct = {kind: audio.load(path, RATE, report=lambda _: None) for kind, path in formats.items()}
    monkeypatch.setattr(decoders.sndfile.sys, "platform", "win32")
    for kind, path in formats.items():
        assert np.array_equal(audio.load(path, RATE, report=lambda _: None), direct[kind])


def test_info(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, noise(8000, 3), 32_000, "PCM_24")
    assert audio.info(path) == audio.Info(path, 32_000, 3, 8000, 0.25, "FLAC", "PCM_24", "libsndfile")
    cut = made(wav(PCM[:9000], 32_000))(tmp_path)
    assert audio.info(cut).frames == 4500
    with pytest.raises(AudioError, match="does not exist"):
        audio.info(tmp_path / "no.wav")


def test_no_descriptor_is_left_open(tmp_path):
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc here to count descriptors in")
    good, bad = tmp_path / "x.wav", tmp_path / "y.wav"
    soundfile.write(good, noise(RATE), RATE)
    bad.write_bytes(b"\x07\xff\x01" * 999)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        audio.load(good, RATE)
        next(audio.blocks(good, RATE, 0.1))
        for path in (bad, made(wav(PCM[:900], 32_000))(tmp_path)):
            with pytest.raises(AudioError):
                audio.load(path, RATE)
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads_get_the_same_samples(formats):
    alone = {kind: audio.load(path, RATE, report=lambda _: None) for kind, path in formats.items()}
    wrong: list[str] = []

    def work() -> None:
        for kind, path in formats.items():
            if not np.array_equal(audio.load(path, RATE, report=lambda _: None), alone[kind]):
                wrong.append(kind)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --------------------------------------------------------------------------------------------------- folders


def test_find_walks_folders_and_keeps_files(tmp_path):
    for name in ("b/2.WAV", "b/1.ogg", "a.flac", "notes.txt", ".hidden.wav", ".trash/x.wav", "b/c/3.m4a", "odd.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = ["a.flac", "b/1.ogg", "b/2.WAV", "b/c/3.m4a"]
    assert audio.find([tmp_path]) == [tmp_path / name for name in names]
    odd = [tmp_path / "odd.bin", tmp_path / "gone.wav", tmp_path / ".hidden.wav", tmp_path / "a.flac"]
    assert audio.find([*map(str, odd), tmp_path]) == odd + [tmp_path / name for name in names[1:]]
    assert audio.find([]) == []
    said = []
    audio.find([tmp_path], said.append)
    assert said == [f"{tmp_path}: passed over: 2 files with no ending of sound (1 .bin, 1 .txt); 2 hidden"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(EarmarkError, match=r"closed: this folder cannot be listed \(Permission denied\)"):
        audio.find([tmp_path])


def test_extensions_are_lower_case_with_their_dot():
    assert all(ending == ending.lower() and ending.startswith(".") for ending in audio.EXTENSIONS)
    assert {".wav", ".flac", ".ogg", ".mp3", ".m4a", ".wma", ".webm", ".3gp", ".aiff"} <= audio.EXTENSIONS


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]])
@pytest.mark.parametrize("at", [0, 1, 4095, 9_998])
def test_values_that_are_no_numbers_show_in_the_sum_of_a_block(bad, at):
    from earmark.audio import reading

    block = np.random.default_rng(0).uniform(-1, 1, 10_000).astype(np.float32)
    assert reading._finite(block) and reading._finite(np.zeros(0, np.float32))
    block[at : at + len(bad)] = bad
    assert not reading._finite(block)
