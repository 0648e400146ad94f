"""TensorFlow Lite files: what was written is read, and whatever is done to them ends in one message."""

from __future__ import annotations

import contextlib
import mmap
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tflites import Writer, tiny

from earmark.errors import TaggerError
from earmark.models.adopted import tflite, yamnet

SMALL = tiny().data


def adopted(data: bytes):
    """All that is done to a file before its weights are a net's."""
    return yamnet.recognise(tflite.read(data, "x.tflite"))


def test_tensors_and_operators_are_read(made):
    model = tflite.read(made.data, "x.tflite")
    assert [each.name for each in model.operators[:5]] == [
        "QUANTIZE",
        "RESHAPE",
        "SPLIT",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
    ]
    stem = model.operators[3]
    assert stem.options == {
        "padding": 0, "stride_w": 2, "stride_h": 2, "activation": 3, "dilation_w": 1, "dilation_h": 1
    }  # fmt: skip
    weights = model.tensors[stem.inputs[1]]
    assert (weights.name, weights.shape, weights.kind, weights.axis) == ("CONV_2D 1", (4, 3, 3, 1), "i1", 0)
    np.testing.assert_allclose(weights.values(), made.layers[0][2], rtol=1e-6)


def test_what_a_quantised_value_stands_for():
    """(q − zero point) · scale, by tensor and along an axis, by hand."""
    writer = Writer()
    one = writer.tensor("one", [2, 2], "int8", [[-128, 0], [1, 127]], [0.5], [-128])
    two = writer.tensor("two", [2, 2], "uint8", [[0, 1], [2, 255]], [1.0, 10.0], [0, 1], axis=1)
    plain = writer.tensor("plain", [2], "float32", [0.25, -4])
    model = tflite.read(writer.file(one, one), "x")
    assert model.tensors[one].values().tolist() == [[0, 64], [64.5, 127.5]]
    assert model.tensors[two].values().tolist() == [[0, 0], [2, 2540]]
    assert model.tensors[plain].values().tolist() == [0.25, -4]


@pytest.mark.parametrize(("data", "told"), [
    (b"", "is empty"),
    (b"RIFF....WAVE", "is no TensorFlow Lite file"),
    (SMALL[:3000], "cut, altered or no file of this kind"),
    (b"\xff\xff\xff\x7fTFL3" + SMALL[8:], "points to byte 2,147,483,647, and has"),
    (tiny(version=2).data, "is of version 2 of TensorFlow Lite's schema"),
])  # fmt: skip
def test_what_is_no_such_file(data, told):
    with pytest.raises(TaggerError, match=told):
        tflite.read(data, "x.tflite")


@pytest.mark.parametrize("scale", [np.nan, np.inf, 0.0, -1.0])
def test_scales_that_are_none_are_refused(scale):
    with pytest.raises(TaggerError, match="has scales or zero points that are none"):
        tflite.read(tiny(poison=scale).data, "x.tflite")


def test_a_file_beyond_the_bound_is_not_read(tmp_path):
    with (tmp_path / "x.tflite").open("wb") as file:
        file.truncate(tflite.LARGEST + 1)
    with pytest.raises(TaggerError, match=r"has 67,108,865 bytes, more than the 67,108,864 that"):
        tflite.load(tmp_path / "x.tflite")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_bytes_that_were_altered_give_a_net_or_one_message(data):
    """Weights may be any; whatever else is altered must not end in another error than a TaggerError."""
    altered = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(TaggerError):
        adopted(bytes(altered))


def refused(step: int) -> int:
    """Of files whose words are at their ends, one in turn, offsets, counts and sizes among them: how many are refused."""
    count = 0
    for place in range(0, len(SMALL), step):
        for word in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0"):
            altered = SMALL[:place] + word + SMALL[place + 4 :]
            try:
                adopted(altered[: len(SMALL)])
            except TaggerError:
                count += 1
    return count


def test_some_words_made_the_largest_and_the_most_negative():
    """Each 27th: no other error, and little memory."""
    tracemalloc.start()
    count = refused(108)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 2000 // 108  # most words are offsets and sizes
    assert peak < 20_000_000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no process is told its size here")
def test_every_word_made_the_largest_and_the_most_negative():
    """No other error, such as that of too little memory: to trace each piece of it takes five times as long."""
    resource = pytest.importorskip("resource")
    from tests.hostile.driver import here

    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (here() + 100_000_000, limits[1]))
    try:
        with pytest.raises(OSError):  # of addresses: memory that was freed before may be had again
            mmap.mmap(-1, 200_000_000)
        count = refused(4)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert count > 500


@pytest.mark.parametrize("length", range(0, len(SMALL), 97))
def test_a_file_that_is_cut(length):
    with pytest.raises(TaggerError):
        adopted(SMALL[:length])


def test_tables_that_point_at_themselves_end():
    """An offset back to the vector that it is in: the schema's depth bounds what is followed."""
    root = struct.unpack_from("<I", SMALL, 0)[0]
    altered = bytearray(SMALL)
    for place in range(root, root + 40, 4):
        struct.pack_into("<I", altered, place, 0)
    with pytest.raises(TaggerError):
        adopted(bytes(altered))


def test_more_tables_than_a_file_has_are_refused():
    """24,000 buffers: refused before one of them is made."""
    writer = Writer()
    one = writer.tensor("one", [1], "float32", [0])
    writer.buffers *= 12_000
    data = writer.file(one, one)
    with pytest.raises(TaggerError, match="entries, and 20,000 are the most"):
        tflite.read(data, "x.tflite")
