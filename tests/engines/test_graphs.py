"""Every net of the house as a graph: exported, saved, loaded without torch, equal in every engine that is here."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from tests.small import SAME, apart, tagger
from torch import nn

from earmark.engines import sessions
from earmark.models import export
from earmark.models.loading import load

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")
QUICK = ("resnet_b_att",)  # maps, frames; all nets take a minute and are slow
COUNT = 4


def exported(made, folder, stretches=(COUNT,)):
    """The tagger's file with its graphs."""
    held = [export.body(made), *(export.stretch(made, count) for count in stretches)]
    made.graphs = tuple(graph for graph in held if graph is not None)
    made.save(folder / "t.safetensors")
    return folder / "t.safetensors"


def wave(made, windows, seed=0):
    length, hop = made.windows.samples(made.sample_rate)
    quiet = np.random.default_rng(seed).normal(0, 0.1, (windows - 1) * hop + length).astype(np.float32)
    return quiet * np.linspace(0.01, 1, len(quiet), dtype=np.float32)


def one_by_one(made, whole):
    length, hop = made.windows.samples(made.sample_rate)
    return np.lib.stride_tricks.sliding_window_view(whole, length)[::hop]


def check(made, file, engine):
    """In batches, one by one and as they overlap; scores, embeddings and frames."""
    other = load(file, engine=engine)
    assert other.identity() == made.identity() and other.vocabulary == made.vocabulary
    whole = wave(made, 2 * COUNT + 1)
    windows = one_by_one(made, whole)
    _, hop = made.windows.samples(made.sample_rate)
    wanted = made.predicted(windows)
    alone = [other.predicted(windows[k : k + 1]) for k in range(len(windows))]
    ways = [other.predicted(windows), other.predicted_overlapping(whole, hop, len(windows))]
    for name in ("scores", "embedding", "frames"):
        true = getattr(wanted, name)
        got = [getattr(way, name) for way in ways]
        if true is None:
            assert got == [None, None]
            continue
        scale = max(1.0, float(np.abs(true).max()))
        for each in (*got, np.concatenate([getattr(one, name) for one in alone])):
            np.testing.assert_allclose(each / scale, true / scale, rtol=0, atol=1e-5)
    if made.grid is not None:
        np.testing.assert_array_equal(other.frame_edges, made.frame_edges)


def names():
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in apart()]


def built_of(module: nn.Module):
    """All that a net computes with, but for its weights' values: of each part its class and what it holds that is no part."""
    return [
        (type(part), {key: told for key, told in vars(part).items() if not key.startswith("_")})
        for part in module.modules()
    ]


@pytest.mark.parametrize(("name", "other"), SAME.items())
def test_what_is_not_traced_is_a_net_that_is(name, other):
    one, two = (tagger(each, 1.024, 0.128).net for each in (name, other))
    assert other in apart() and str(one) == str(two) and built_of(one) == built_of(two)
    ours, theirs = one.state_dict(), two.state_dict()
    assert list(ours) == list(theirs) and all(ours[key].shape == theirs[key].shape for key in ours)


@pytest.mark.parametrize("name", names())
def test_a_net_answers_alike_in_every_engine(name, tmp_path):
    made = tagger(name, 1.024, 0.128)
    file = exported(made, tmp_path)
    for engine in sessions.installed():
        check(made, file, engine)


def test_graphs_hold_no_weights_and_no_places(tmp_path):
    made = tagger("cnnspec", 1.024, 0.128)
    graph = export.body(made)
    held = onnx.load_from_string(graph.model).graph.initializer
    assert all(math.prod(tensor.dims) <= 16 for tensor in held) and set(graph.weights) <= set(made.state_dict())
    assert os.sep.encode() + b"earmark" + os.sep.encode() not in graph.model  # no path of the code that was traced


def test_stretches_only_where_windows_share_frames():
    assert export.stretch(tagger("resnet_b_att", 1.024, 0.128), COUNT) is not None  # traced above, too
    beside = tagger("resnet_b_att", 1.024, 0.1281)  # 1,025 samples, and frames are 64 apart
    assert export.stretch(beside, COUNT) is None
