"""Windows that are left over of a long stretch: which graphs take them, and that they answer as windows one by one."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from earmark.models.covering import covered


def width(sizes, step, one):
    return sum((size - 1) * step + one for size in sizes)


@pytest.mark.parametrize(("step", "one"), [(20, 337), (160, 337), (300, 337)])
@pytest.mark.parametrize("count", range(1, 9))
def test_no_other_stretches_are_less_work(count, step, one):
    """Against all that there are, of up to so many stretches."""
    sizes = (8, 4, 2)
    found = covered(count, sizes, step, one)
    assert sum(found) >= count and found == sorted(found, reverse=True) and set(found) <= {*sizes, 1}
    others = (
        each for many in range(1, count + 1) for each in combinations_with_replacement((*sizes, 1), many)
        if sum(each) >= count
    )  # fmt: skip
    assert width(found, step, one) == min(width(each, step, one) for each in others)


def test_without_stretches_each_goes_by_itself():
    assert covered(3, (), 20, 337) == [1, 1, 1]


@pytest.fixture(scope="module")
def made_and_file(tmp_path_factory):
    """A tagger with a graph for stretches of eight windows, and its file."""
    pytest.importorskip("onnx", reason="needs the extra export")
    pytest.importorskip("onnxscript", reason="needs the extra export")
    from tests.engines.test_graphs import exported
    from tests.small import tagger

    made = tagger("resnet_b_att", 1.024, 0.128)
    return made, exported(made, tmp_path_factory.mktemp("covering"), (8,))


@pytest.mark.parametrize(("count", "taken"), [(2, []), (5, [8]), (7, [8]), (8, [8]), (9, [8]), (15, [8, 8])])
def test_a_stretch_that_is_longer_than_its_windows_answers_as_they_do(count, taken, made_and_file):
    """A window is 1.024 s and a hop an eighth of it: a stretch of eight is as long as 1 + 7/8 windows."""
    from tests.engines.test_graphs import one_by_one, wave

    from earmark.models.loading import load

    made, file = made_and_file
    other = load(file, engine="onnxruntime")
    assert other._covered(count) == (taken if count > 2 else other._covered(2))
    whole, (_, hop) = wave(made, count), made.windows.samples(made.sample_rate)
    got, wanted = other.predicted_overlapping(whole, hop, count), made.predicted(one_by_one(made, whole))
    for name in ("scores", "embedding", "frames"):
        ours, true = getattr(got, name), getattr(wanted, name)
        assert len(ours) == count
        scale = max(1.0, float(np.abs(true).max()))
        np.testing.assert_allclose(ours / scale, true / scale, rtol=0, atol=1e-5)
