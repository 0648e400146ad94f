"""MP3 among what lies before and behind it, and within other containers; sound tracks that begin late."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.audio import decoders, mpeg
from earmark.errors import AudioError

RATE, SECONDS = 16_000, 5.0
NO_AV = pytest.mark.skipif(decoders.ffmpeg.library() is None, reason="needs the extra 'media' (PyAV)")
TIME = np.arange(int(SECONDS * RATE)) / RATE
WAVE = (0.4 * np.sin(2 * np.pi * 500 * TIME) + 0.01 * np.random.default_rng(0).standard_normal(len(TIME))).astype(
    np.float32
)
JUNK = np.random.default_rng(2).integers(0, 250, 60_000).astype(np.uint8).tobytes()


def written(form: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, WAVE, RATE, format=form)
    return file.getvalue()


MP3 = written("MP3")
BARE = MP3[mpeg.frame_length(MP3[:4]) :]  # without the frame that states the length


def ape(values: bytes, header: bool) -> bytes:
    item = struct.pack("<II", len(values), 0) + b"Title\0" + values
    size = len(item) + 32
    fields = [
        b"APETAGEX" + struct.pack("<IIII", 2000, size, 1, flags | (header << 31)) + bytes(8) for flags in (1 << 29, 0)
    ]
    return (fields[0] if header else b"") + item + fields[1]


ID3V1 = b"TAG" + b"x" * 125
LYRICS = b"LYRICSBEGININD0000200EAL00005Album"
LYRICS2 = LYRICS + b"%06d" % len(LYRICS) + b"LYRICS200"
BEHIND = {
    "nothing": b"",
    "ID3v1": ID3V1,
    "ID3v1 and TAG+": b"TAG+" + b"x" * 223 + ID3V1,
    "APEv2": ape(b"words", True),
    "APEv2 without header": ape(b"words", False),
    "APEv2 with picture": ape(JUNK, True),
    "APEv2 with picture, without header": ape(JUNK, False),
    "Lyrics3 v1": b"LYRICSBEGIN" + b"some words " * 460 + b"LYRICSEND" + ID3V1,
    "Lyrics3 v2": LYRICS2 + ID3V1,
    "all": ape(JUNK, False) + LYRICS2 + ID3V1,
    "ID3v2.4 behind": b"ID3\4\0\x10\0\0\x4e\x10" + JUNK[:10_000] + b"3DI\4\0\x10\0\0\x4e\x10",
    "zeros": bytes(10_000),
    "ID3v1 and zeros": ID3V1[:100] + bytes(28) + bytes(5_000),
    "APEv2 and zeros": ape(b"words", True) + bytes(5_000),
}
BEFORE = {
    "731 zeros": (bytes(731), "begins with 731 zero bytes"),
    "1 zero": (b"\0", "begins with 1 zero byte"),
    "as many zeros as may be": (bytes(mpeg.SOUGHT), f"begins with {mpeg.SOUGHT:,} zero bytes"),
    "junk": (JUNK, "begins with 60,000 bytes that are no sound"),
    "text": (b"HTTP/1.1 200 OK\r\n\r\n", "begins with 19 bytes that are no sound"),
    "APEv2": (ape(JUNK[:9_000], True), "bytes that are no sound"),
    "two ID3v2": ((b"ID3\3\0\0\0\0\x4e\x10" + bytes(10_000)) * 2, ""),
}


def read(path, data: bytes, **more):
    path.write_bytes(data)
    told: list[str] = []
    return audio.load(path, RATE, report=told.append, **more), told


@NO_AV
@pytest.mark.parametrize("which", ["stated", "bare"])
@pytest.mark.parametrize("what", BEHIND)
def test_tags_behind_an_mp3_are_no_sound(tmp_path, what, which):
    data = MP3 if which == "stated" else BARE
    plain, _ = read(tmp_path / "plain", data)
    wave, told = read(tmp_path / "a", data + BEHIND[what])
    np.testing.assert_array_equal(wave, plain)
    assert told == [] and abs(len(wave) / RATE - SECONDS) < 0.1


@NO_AV
@pytest.mark.parametrize("which", ["stated", "bare"])
def test_other_sound_behind_an_mp3_is_none_of_its_tags(tmp_path, which):
    data = MP3 if which == "stated" else BARE
    with pytest.raises(AudioError, match="goes on behind|is damaged"):
        read(tmp_path / "a", data + JUNK)


@NO_AV
@pytest.mark.parametrize("which", ["stated", "bare"])
@pytest.mark.parametrize("what", BEFORE)
def test_an_mp3_behind_something(tmp_path, what, which):
    data = MP3 if which == "stated" else BARE
    before, word = BEFORE[what]
    plain, _ = read(tmp_path / "plain", data)
    wave, told = read(tmp_path / "a", before + data)
    np.testing.assert_array_equal(wave, plain)
    assert len(told) == bool(word) and word in "".join(told)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "W64", "RF64", "AIFF", "CAF", "AU", "MP3"])
def test_any_recording_behind_zeros(tmp_path, form):
    plain, _ = read(tmp_path / "plain", written(form))
    wave, told = read(tmp_path / "a", bytes(731) + written(form))
    np.testing.assert_array_equal(wave, plain)
    assert len(told) == 1 and "begins with 731 zero bytes, which are left out" in told[0]
    part = audio.load(tmp_path / "a", RATE, 1.0, 0.5)
    np.testing.assert_allclose(part, wave[RATE : RATE + RATE // 2], atol=2e-6)


@NO_AV
@pytest.mark.parametrize("share", [0.3, 0.71])
def test_a_bare_mp3_that_is_cut_is_refused(tmp_path, share):
    with pytest.raises(AudioError, match="is cut off: its last frame is incomplete|is damaged"):
        read(tmp_path / "a", BARE[: int(share * len(BARE))])
    wave, told = read(tmp_path / "a", BARE[: int(share * len(BARE))], salvage=True)
    assert len(wave) / RATE == pytest.approx(share * SECONDS, abs=0.2) and told


def test_zeros_only_is_said_of_nothing_else(tmp_path):
    with pytest.raises(AudioError, match="begins with zeros only"):
        read(tmp_path / "a", bytes(100_000))
    with pytest.raises(AudioError, match="begins with zeros only"):
        read(tmp_path / "b", bytes(mpeg.SOUGHT + 1) + written("WAV"))


def test_frames_of_every_rate():
    # 1,152 samples of MPEG 1 layer III, 576 of 2 and 2.5: bits a second / 8 * samples / Hz, and a byte of padding
    assert mpeg.frame_length(b"\xff\xfb\xe0\x00") == 320_000 // 8 * 1_152 // 44_100
    assert mpeg.frame_length(b"\xff\xfb\x92\x00") == 128_000 // 8 * 1_152 // 44_100 + 1
    assert mpeg.frame_length(b"\xff\xf3\x88\xc4") == 64_000 // 8 * 576 // 16_000
    assert mpeg.frame_length(b"\xff\xff\x1c\x00") == 0 and mpeg.frame_length(b"\xff\xf1\x50\x80") == 0  # no rate; AAC


def encoded(path, codec: str, rate: int = RATE, late: float = 0.0) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as file:
        track = file.add_stream(codec, rate=rate)
        track.layout = "mono"
        name, size = track.format.name, track.codec_context.frame_size or 1_024
        for at in range(0, len(WAVE) - len(WAVE) % size, size):
            part = WAVE[at : at + size]
            if name.startswith("s"):
                part = (part * 32_767).astype("<i2") if name.startswith("s16") else (part * 2**30).astype("<i4")
            frame = av.AudioFrame.from_ndarray(part[None], format=name, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at + round(late * rate), Fraction(1, rate)
            file.mux(track.encode(frame))
        file.mux(track.encode(None))


@NO_AV
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_mp3_in_wav(tmp_path, rate):
    encoded(tmp_path / "a.wav", "libmp3lame", rate)
    told: list[str] = []
    wave = audio.load(tmp_path / "a.wav", rate, report=told.append)
    assert told == [] and abs(len(wave) - len(WAVE)) <= 2 * 1_152 + 528
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(AudioError, match="is cut off"):
        audio.load(tmp_path / "b.wav", rate)


@NO_AV
@pytest.mark.parametrize(
    ("ending", "codec", "rate"),
    [
        ("mkv", "pcm_s16le", RATE), ("mkv", "aac", RATE), ("mov", "pcm_s16le", RATE), ("mp4", "aac", RATE), ("m4a", "aac", RATE),
        ("ts", "aac", RATE), ("ts", "mp2", RATE), ("webm", "libopus", 48_000), ("3gp", "aac", RATE), ("mka", "flac", RATE),
        ("flv", "aac", 44_100),
    ],
)  # fmt: skip
def test_a_track_that_begins_late_is_told(tmp_path, ending, codec, rate):
    for late in (0.0, 1.5):
        encoded(tmp_path / f"a.{ending}", codec, rate, late)
        told: list[str] = []
        audio.load(tmp_path / f"a.{ending}", rate, report=told.append)
        told = [word for word in told if "cannot be told of the format" not in word]
        if late:
            (word,) = told
            assert (
                "its sound begins 1.5" in word or "its sound begins 1.4" in word
            )  # less what the codec needs to begin
        else:
            assert told == []
