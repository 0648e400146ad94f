"""Windows: hand-worked cases, and the stream against cutting the whole."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.windows import Cutter, Pool, Stretch, Windows, fit, starts, weights


@pytest.mark.parametrize(
    ("total", "last", "expected"),
    [
        (10, "align", [0, 3, 6]),  # 6 + 4 ends with the recording
        (12, "align", [0, 3, 6, 8]),
        (12, "pad", [0, 3, 6, 9]),
        (12, "drop", [0, 3, 6]),
        (4, "align", [0]),
        (2, "drop", [0]),  # shorter than a window: one, filled up
    ],
)
def test_starts_by_hand(total, last, expected):
    assert starts(total, 4, 3, last).tolist() == expected


def test_pad_adds_no_window_beyond_the_end():
    assert starts(9, 4, 6, "pad").tolist() == [0, 6]
    assert starts(6, 4, 6, "pad").tolist() == [0]  # the next would start where nothing is left


def test_fit():
    wave = np.array([1, 2], np.float32)
    assert fit(wave, 5).tolist() == [1, 2, 0, 0, 0]
    assert fit(wave, 5, "centre").tolist() == [0, 1, 2, 0, 0]
    assert fit(wave, 5, "repeat").tolist() == [1, 2, 1, 2, 1]
    assert fit(np.zeros(0, np.float32), 3, "repeat").tolist() == [0, 0, 0]


@settings(max_examples=300, deadline=None)
@given(
    total=st.integers(1, 200),
    length=st.integers(1, 30),
    hop=st.integers(1, 40),
    last=st.sampled_from(["align", "pad", "drop"]),
    short=st.sampled_from(["pad", "centre", "repeat"]),
    together=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 200), max_size=12),
)
def test_a_stream_gives_the_windows_of_the_whole(total, length, hop, last, short, together, cuts):
    wave = np.arange(1, total + 1, dtype=np.float32)
    cutter = Cutter(length, hop, last, short, together)
    edges = [0, *sorted(min(c, total) for c in cuts), total]
    parts = [stretch for a, b in pairwise(edges) for stretch in cutter.push(wave[a:b])]
    assert all(len(stretch) == together for stretch in parts)  # wherever the stream was cut
    parts += cutter.finish()
    got = np.concatenate([stretch.windows() for stretch in parts])
    first = np.concatenate([stretch.starts for stretch in parts])
    expected = starts(total, length, hop, last)
    assert first.tolist() == expected.tolist()
    for window, start in zip(got, expected, strict=True):
        whole = total < length
        assert window.tolist() == fit(wave[start : start + length], length, short if whole else "pad").tolist()


def test_a_stream_holds_little():
    cutter = Cutter(100, 10, "align", "pad", together=5)
    for _ in range(1000):
        cutter.push(np.zeros(50, np.float32))
    assert len(cutter._held) < 250


def test_pools_by_hand():
    values = np.array([[0.5, 0.5], [0.9, 0.1]], np.float32)
    expected = {
        "mean": [0.7, 0.3],
        "max": [0.9, 0.5],
        "geometric": [np.sqrt(0.45), np.sqrt(0.05)],
    }
    for combine, numbers in expected.items():
        pool = Pool(combine)
        pool.add(values)
        np.testing.assert_allclose(pool.result(), numbers, rtol=1e-6)
        pool = Pool(combine, normalise=True)
        pool.add(values[:1])
        pool.add(values[1:])
        np.testing.assert_allclose(pool.result(), np.array(numbers) / sum(numbers), rtol=1e-6)


def test_geometric_mean_survives_a_nought():
    pool = Pool("geometric")
    pool.add(np.array([[0.0, 1.0], [1.0, 1.0]], np.float32))
    assert 0 < pool.result()[0] < 1e-5


def test_weights_by_hand():
    values = np.array([[0.2, 0.8], [0.6, 0.4]], np.float32)
    pool = Pool("mean")
    pool.add(values, np.array([1.0, 3.0]))
    np.testing.assert_allclose(pool.result(), [0.5, 0.5], rtol=1e-6)
    pool = Pool("geometric")
    pool.add(values, np.array([0.0, 3.0]))
    np.testing.assert_allclose(pool.result(), [0.6, 0.4], rtol=1e-6)
    pool = Pool("mean")
    pool.add(values, np.array([0.0, 0.0]))  # nothing but silence: all count the same
    np.testing.assert_allclose(pool.result(), [0.4, 0.6], rtol=1e-6)
    pool = Pool("max")
    pool.add(values, np.array([1.0, 0.0]))
    np.testing.assert_allclose(pool.result(), [0.6, 0.8], rtol=1e-6)


def test_levels_of_known_signals():
    t = np.arange(1000) / 1000
    waves = np.stack([np.full(1000, -0.5), 0.1 * np.sin(2 * np.pi * 10 * t), np.zeros(1000)]).astype(np.float32)
    np.testing.assert_allclose(weights(waves, "level"), [0.5, 0.1 / np.sqrt(2), 0], rtol=1e-6)
    np.testing.assert_allclose(weights(waves, "energy"), [0.25, 0.005, 0], rtol=1e-6)
    assert weights(waves, "equal").tolist() == [1, 1, 1]


def test_seconds_become_samples_once():
    assert Windows(2.0, 5120 / 44100).samples(44100) == (88200, 5120)
    assert Windows(2048 / 44100, 256 / 44100).samples(44100) == (2048, 256)


def test_a_short_recording_slides_through_its_window():
    """Paper 004: among zeros, in every place that is a hop from the last."""
    cutter = Cutter(8, 2, "align", "slide")
    cutter.push(np.array([1, 2, 3], np.float32))
    made = cutter.finish()
    assert [stretch.windows()[0].tolist() for stretch in made] == [
        [1, 2, 3, 0, 0, 0, 0, 0],
        [0, 0, 1, 2, 3, 0, 0, 0],
        [0, 0, 0, 0, 1, 2, 3, 0],
    ]
    assert [stretch.starts.tolist() for stretch in made] == [[0], [0], [0]]


def test_a_part_of_a_stretch_has_its_windows():
    stretch = Stretch(np.arange(14, dtype=np.float32), np.arange(0, 12, 3), 5, 3)
    assert stretch.windows().tolist() == [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7], [6, 7, 8, 9, 10], [9, 10, 11, 12, 13]]
    part = stretch.part(1, 3)
    assert part.windows().tolist() == stretch.windows()[1:3].tolist()
    assert part.starts.tolist() == [3, 6]
    assert stretch.part(3, 9).windows().tolist() == [[9, 10, 11, 12, 13]]
