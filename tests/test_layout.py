"""Uncompressed files whose headers say something else than what is there: sizes, widths, bits, channels."""

from __future__ import annotations

import math
import os
import struct

import numpy as np
import pytest

from earmark import audio
from earmark.errors import AudioError

RATE = 16_000
SECONDS = 2.0
WAVE = (0.5 * np.sin(2 * np.pi * 500 * np.arange(int(SECONDS * RATE)) / RATE)).astype(np.float32)
WAVE_ID = b"wave\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


def fmt(order="<", code=1, channels=1, bits=16, align=None, rate=RATE) -> bytes:
    align = channels * ((bits + 7) // 8) if align is None else align
    return b"fmt " + struct.pack(f"{order}IHHIIHH", 16, code, channels, rate, rate * align, align, bits)


def wav(body: bytes, size: int, order="<", **form) -> bytes:
    name = b"RIFF" if order == "<" else b"RIFX"
    whole = min(2**32 - 1, size + 36)
    return (
        name
        + struct.pack(f"{order}I", whole)
        + b"WAVE"
        + fmt(order, **form)
        + b"data"
        + struct.pack(f"{order}I", size)
        + body
    )


def wide(name: bytes, body: bytes, size: int, **form) -> bytes:
    """RF64 and BW64: sizes are in a chunk of their own."""
    ds64 = b"ds64" + struct.pack("<IqqqI", 28, size + 72 if size > 0 else size, size, 0, 0)
    return name + b"\xff\xff\xff\xffWAVE" + ds64 + fmt(**form) + b"data\xff\xff\xff\xff" + body


def wave64(body: bytes, size: int) -> bytes:
    tail = WAVE_ID[4:]
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    head = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00" + struct.pack("<q", size + 128) + WAVE_ID
    return (
        head
        + b"fmt "
        + tail
        + struct.pack("<q", 40)
        + form
        + b"data"
        + tail
        + struct.pack("<q", size + 24 if size > 0 else size)
        + body
    )


def aiff(body: bytes, size: int) -> bytes:
    power = math.frexp(RATE)[1]
    rate = struct.pack(">HQ", 16_382 + power, int(RATE / 2**power * 2**64))
    common = b"COMM" + struct.pack(">IhIh", 18, 1, len(body) // 2, 16) + rate
    stated = min(2**32 - 1, size + 8 if size else 0)
    return (
        b"FORM"
        + struct.pack(">I", min(2**32 - 1, size + 46))
        + b"AIFF"
        + common
        + b"SSND"
        + struct.pack(">III", stated, 0, 0)
        + body
    )


def caf(body: bytes, size: int) -> bytes:
    form = b"desc" + struct.pack(">qdIIIIII", 32, RATE, 0x6C70636D, 0, 2, 1, 1, 16)
    return b"caff\0\1\0\0" + form + b"data" + struct.pack(">qI", size + 4 if size > 0 else size, 0) + body


def au(body: bytes, size: int) -> bytes:
    return b".snd" + struct.pack(">IIIII", 24, size, 3, RATE, 1) + body


LITTLE, BIG = (np.round(WAVE * 32_768).astype(kind).tobytes() for kind in ("<i2", ">i2"))
KINDS = {
    "wav": (wav, LITTLE, (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFF000)),
    "rifx": (lambda body, size: wav(body, size, ">"), BIG, (0xFFFFFFFF, 0x7FFFFFFF)),
    "rf64": (lambda body, size: wide(b"RF64", body, size), LITTLE, (-1,)),
    "bw64": (lambda body, size: wide(b"BW64", body, size), LITTLE, (-1,)),
    "w64": (wave64, LITTLE, ()),
    "aiff": (aiff, BIG, (0xFFFFFFFF,)),
    "caf": (caf, BIG, (-1,)),
    "au": (au, BIG, (0xFFFFFFFF, 0x7FFFFFFF)),
}


def load(path, **more):
    told: list[str] = []
    return audio.load(path, RATE, report=told.append, **more), told


def same(wave) -> bool:
    return len(wave) == len(WAVE) and float(np.abs(wave - WAVE).max()) <= 1 / 32_768


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_is_right(tmp_path, kind):
    make, body, _ = KINDS[kind]
    (tmp_path / "a").write_bytes(make(body, len(body)))
    wave, told = load(tmp_path / "a")
    assert same(wave) and told == []
    part = audio.load(tmp_path / "a", RATE, 0.5, 0.25)
    np.testing.assert_array_equal(part, wave[RATE // 2 : RATE // 2 + RATE // 4])


@pytest.mark.parametrize(("kind", "size"), [(kind, size) for kind, (_, _, sizes) in KINDS.items() for size in sizes])
def test_a_size_that_stands_for_until_the_end(tmp_path, kind, size):
    make, body, _ = KINDS[kind]
    (tmp_path / "a").write_bytes(make(body, size))
    assert same(load(tmp_path / "a")[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_that_was_never_written(tmp_path, kind):
    make, body, _ = KINDS[kind]
    (tmp_path / "a").write_bytes(make(body, 0))
    with pytest.raises(AudioError, match="was never finished: its header states no sound, and 64,00. bytes follow"):
        audio.load(tmp_path / "a", RATE)
    wave, told = load(tmp_path / "a", salvage=True)
    assert same(wave) and "was never finished" in told[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_beyond_the_end(tmp_path, kind):
    make, body, _ = KINDS[kind]
    (tmp_path / "a").write_bytes(make(body, 2 * len(body)))
    with pytest.raises(AudioError, match="is cut off: its header states"):
        audio.load(tmp_path / "a", RATE)
    wave, told = load(tmp_path / "a", salvage=True)
    assert same(wave) and "is cut off" in told[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_before_the_end(tmp_path, kind):
    make, body, _ = KINDS[kind]
    (tmp_path / "a").write_bytes(make(body, len(body) // 2))
    with pytest.raises(AudioError, match=r"goes on behind the 1\.00 s that its header states, with 32,000 bytes"):
        audio.load(tmp_path / "a", RATE)
    wave, told = load(tmp_path / "a", salvage=True)
    assert len(wave) == RATE and "goes on behind" in told[0]


@pytest.mark.parametrize("kind", ["riff", "rifx", "rf64", "bw64", "au"])
def test_sound_behind_four_gib_is_read(tmp_path, kind):
    channels, frames, rate = 8, 200_000_000, 48_000  # 4.8 GB, most of them a hole
    form = {"channels": channels, "bits": 24, "rate": rate}
    heads = {
        "riff": wav(b"", 0xFFFFFFFF, **form),
        "rifx": wav(b"", 0xFFFFFFFF, ">", **form),
        "rf64": wide(b"RF64", b"", -1, **form),
        "bw64": wide(b"BW64", b"", 3 * channels * frames, **form),
        "au": b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 4, rate, channels),
    }
    value = (b"\1\2\3", 0x030201) if kind in ("riff", "rf64", "bw64") else (b"\3\2\1", 0x030201)
    try:
        with open(tmp_path / "a", "wb") as file:
            file.write(heads[kind])
            file.seek(3 * channels * (frames - rate), os.SEEK_CUR)
            file.write(value[0] * channels * rate)
        wave, _ = load(tmp_path / "a", start=frames / rate - 0.5, seconds=0.25)
        assert audio.info(tmp_path / "a").frames == frames
    finally:
        (tmp_path / "a").unlink(missing_ok=True)
    np.testing.assert_allclose(wave, value[1] / 2**23, rtol=1e-6)


def test_an_aiff_of_more_than_four_gib_is_refused(tmp_path):
    with open(tmp_path / "a", "wb") as file:
        file.write(aiff(b"", 0xFFFFFFFF))
        file.truncate(2**32 + 10**6)
    try:
        with pytest.raises(AudioError, match="is larger than its format can be"):
            audio.load(tmp_path / "a", RATE, 1.0, 1.0)
    finally:
        (tmp_path / "a").unlink()


def stored(bits: int, width: int, where: str) -> bytes:
    """WAVE as integers of `bits` in `width` bytes, little-endian."""
    values = np.round(WAVE.astype(np.float64) * (2 ** (bits - 1) - 1)).astype(np.int64) | 1  # the lowest bit is in use
    values = (
        values << (8 * width - bits) if where == "left" else values & (2**bits - 1) if where == "filled" else values
    )
    return values.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()


@pytest.mark.parametrize("where", ["left", "right", "filled"])
@pytest.mark.parametrize(
    ("bits", "width"), [(24, 4), (20, 4), (16, 4), (20, 3), (18, 3), (12, 2), (10, 2), (16, 3), (24, 3), (16, 2)]
)
@pytest.mark.parametrize("kind", ["wav", "rf64"])
def test_bits_that_do_not_fill_their_bytes(tmp_path, bits, width, where, kind):
    if 8 * width == bits and where != "left":
        pytest.skip("they do fill them")
    body = stored(bits, width, where)
    form = {"bits": bits, "align": width}
    data = wav(body, len(body), **form) if kind == "wav" else wide(b"RF64", body, len(body), **form)
    (tmp_path / "a").write_bytes(data)
    wave, told = load(tmp_path / "a")
    assert len(wave) == len(WAVE) and np.abs(wave - WAVE).max() <= 2.0 ** (2 - bits)
    assert len(told) == (where != "left")
    if told:
        assert f"{bits} bits in the lower part of {width} bytes" in told[0]


def test_channels_are_justified_before_they_are_mixed(tmp_path):
    values = np.array([[-4, 4], [-8, 8], [-3, 5]] * 3_000) * 2**12 + 1
    body = (values & 0xFFFFFF).astype("<u4").tobytes()
    (tmp_path / "a").write_bytes(wav(body, len(body), bits=24, align=8, channels=2))
    np.testing.assert_allclose(load(tmp_path / "a")[0], values.mean(1) / 2**23, atol=1e-7)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"bits": 16, "align": 1}, "1 channel of 16 bits, but 1 byte"),
        ({"bits": 16, "align": 3, "channels": 2}, "2 channels of 16 bits, but 3 bytes"),
        ({"bits": 16, "align": 2, "channels": 2}, "2 channels of 16 bits, but 2 bytes"),
        ({"bits": 16, "align": 0}, "1 channel of 16 bits, but 0 bytes"),
        ({"bits": 24, "align": 5}, "1 channel of 24 bits, but 5 bytes"),
        ({"bits": 0, "align": 2}, "1 channel of 0 bits"),
        ({"code": 3, "bits": 16, "align": 4}, "1 channel of 16 bits, but 4 bytes"),
        ({"code": 3, "bits": 32, "align": 8}, "1 channel of 32 bits, but 8 bytes"),
        ({"code": 6, "bits": 8, "align": 2}, "1 channel of 8 bits, but 2 bytes"),
        ({"bits": 16, "align": 4}, "16 bits in 4 bytes, but all of these are in use"),
    ],
)
def test_widths_that_contradict_each_other_are_refused(tmp_path, form, told):
    body = np.random.default_rng(0).integers(0, 256, 64_000).astype(np.uint8).tobytes()
    (tmp_path / "a").write_bytes(wav(body, len(body), **form))
    with pytest.raises(AudioError) as caught:
        audio.load(tmp_path / "a", RATE)
    assert told in str(caught.value) and "import it as raw sound" in str(caught.value).lower()


def test_bits_whose_place_cannot_be_told(tmp_path):
    body = (
        np.round(WAVE * 2**15).astype("<i4") << 8
    ).tobytes()  # 16 bits of right-justified 24, or 24 of a very quiet sound
    (tmp_path / "a").write_bytes(wav(body, len(body), bits=24, align=4))
    with pytest.raises(AudioError, match="where they lie in them cannot be told"):
        audio.load(tmp_path / "a", RATE)
    assert "is read by its bits" in " ".join(load(tmp_path / "a", salvage=True)[1]).replace("it is", "is")
    (tmp_path / "b").write_bytes(wav(bytes(4 * RATE), 4 * RATE, bits=24, align=4))
    assert not load(tmp_path / "b")[0].any()
