"""Shared windows against windows one by one: every net with every feature, in streams cut anywhere; and the counts."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import small
from tests.conftest import ROOT
from tests.small import LOGMEL, SMALL, TAGS, tagger
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from earmark.inference import Live, score
from earmark.inference.sounds import Samples
from earmark.models import prediction as predictions
from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.registry import FEATURES
from earmark.windows.overlap import Trace, counting, overlapping, shapes
from earmark.windows.overlap.counting import Counting
from earmark.windows.overlap.plan import Plans, _work, plan


def wave(seconds, seed=0):
    quiet = np.random.default_rng(seed).normal(0, 0.1, round(seconds * 8000)).astype(np.float32)
    return quiet * np.linspace(0.01, 1, len(quiet), dtype=np.float32)


def check(tagger, hop_samples, count, seed=0):
    """The predictions of windows together are those one by one; what stopped the sharing."""
    length, _ = tagger.windows.samples(8000)
    whole = wave(((count - 1) * hop_samples + length) / 8000, seed)
    trace = Trace()
    shared = tagger.hear_overlapping(whole, hop_samples, count, trace)
    apart = tagger.hear(np.lib.stride_tricks.sliding_window_view(whole, length)[::hop_samples])
    for name in ("levels", "embedding", "frames"):
        one, other = getattr(apart, name), getattr(shared, name)
        if one is not None:
            scale = float(one.abs().max()) or 1.0
            torch.testing.assert_close(other / scale, one / scale, rtol=0, atol=1e-5)
    one, other = (predictions.probabilities(each, "many") for each in (apart, shared))
    torch.testing.assert_close(other, one, rtol=0, atol=1e-5)
    return trace.stopped


@pytest.mark.parametrize("net", small.apart())
@pytest.mark.parametrize(("length", "hop"), [(1.024, 0.128), (0.512, 0.064), (1.0, 0.05), (0.7, 0.0811)])
def test_every_net_gives_the_same_scores(net, length, hop):
    made = tagger(net, length, hop)
    check(made, made.windows.samples(8000)[1], 7)


FEATURE = {
    "logmel": {},
    "spectrogram": {},
    "mfcc": {"coefficients": 20, "mel_bands": 40},
    "multires": {"windows": [0.016, 0.064], "bands": 20},
}


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("name", sorted(FEATURE))
def test_every_feature_gives_the_same_frames(name, centre):
    more = FEATURE[name] | ({"window": 0.032, "centre": centre} if name != "multires" else {})
    made = tagger("resnet_b", 1.024, 0.128, features={"name": name, "hop": 0.008, **more})
    assert not any("frames" in why for why in check(made, 1024, 9))


@pytest.mark.parametrize("more", [
    {"name": "logmel", "centre": True, "edges": "reflect", "window": 0.032}, {"name": "spectrogram", "bins": 65, "window": 0.032},
    {"name": "multires", "windows": [0.016, 0.064], "bands": 20, "join": "bands"},
])  # fmt: skip
def test_options_of_features_give_the_same(more):
    """What mirrors the ends of a window cannot be shared, and is not."""
    check(tagger("resnet_b", 1.024, 0.128, features={"hop": 0.008, **more}), 1024, 9)


def test_features_are_all_here():
    assert set(FEATURE) == set(FEATURES.names())


def test_a_hop_beside_the_features_is_computed_one_by_one():
    (why, *_) = check(tagger("cnnspec", 1.024, 0.128), 1023, 9)
    assert why == "frames: a stride of 64 where windows are 1023 apart makes 64 phases"


def test_resized_maps_are_computed_one_by_one():
    told = {
        "task": "one",
        "sample_rate": 8000,
        "data": {"dataset": "folder", "test": ["1"]},
        "windows": {"length": 1.024, "hop": 0.128},
        "features": {**LOGMEL, "hop": 0.016},
        "resize": {"bands": 43, "frames": 43},
        "net": {"name": "convnet2d", **SMALL["convnet2d"]},
        "augment": ["crop"],
        "train": {"epochs": 1},
    }
    made = taggers.build(parse(told, "test"), TAGS).eval()
    assert check(made, 1024, 9)[0] == "interpolate takes the whole window"


@pytest.mark.parametrize("net", ["cnnaudio", "cnnspec", "cnncomb"])
def test_the_nets_of_paper_004_share_all_up_to_the_maximum_over_time(net):
    assert check(tagger(net, 1.024, 0.128), 1024, 20) == ["amax takes the whole window"]


@settings(max_examples=25, deadline=None)
@given(
    net=st.sampled_from(["cnnaudio", "cnncomb", "convnet1d", "resnet_b_att", "samplecnn"]),
    hop=st.sampled_from([0.064, 0.128, 0.05]),
    seconds=st.floats(0.3, 20),
    last=st.sampled_from(["align", "pad", "drop"]),
    short=st.sampled_from(["pad", "centre", "repeat", "slide"]),
    cuts=st.lists(st.floats(0, 1), max_size=9),
    batch=st.integers(1, 40),
)
def test_streams_give_the_scores_of_windows_one_by_one(net, hop, seconds, last, short, cuts, batch):
    made = tagger(net, 1.024, hop, last=last, short=short)
    whole = wave(seconds)

    def stream(edges):
        places = [0, *sorted(round(edge * len(whole)) for edge in edges), len(whole)]
        return Live("-", source=lambda rate: (whole[a:b] for a, b in pairwise(places)))

    class Apart:  # the same tagger without what makes it share
        sample_rate, vocabulary, windows, task, score = 8000, TAGS, made.windows, "many", made.score

    together, again = (next(score(made, [stream(edges)], batch=batch, keep_windows=True)) for edges in ([], cuts))
    apart = next(score(Apart(), [stream([])], keep_windows=True))
    np.testing.assert_allclose(again.windows.values, together.windows.values, rtol=0, atol=1e-5)  # however it came in
    np.testing.assert_array_equal(together.windows.start, apart.windows.start)
    np.testing.assert_allclose(together.windows.values, apart.windows.values, rtol=0, atol=1e-5)
    np.testing.assert_allclose(together.values, apart.values, rtol=0, atol=1e-5)


class Convolution(nn.Module):
    """One convolution of 10 samples by 10, then the mean."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 10, 10)

    def forward(self, waves):
        return self.conv(waves[:, None]).mean(-1)


def test_the_bound_is_a_count_of_operations():
    made = plan(Convolution(), 1000, 100)
    assert made.together == 1 + 15 * 1000 // 100  # sixteen windows' length
    # each window: 100 outputs; together: 151 windows in 16,000 samples, 1,600 outputs; all of 4 channels of 10 products
    assert made.bound == pytest.approx(151 * 100 / 1600)
    assert made.why == ("mean takes the whole window",)


def test_windows_that_hardly_overlap_are_scored_one_by_one():
    assert plan(Convolution(), 1000, 1000).together == 0
    assert plan(Convolution(), 1000, 1000).why == ("windows do not overlap",)
    made = plan(Convolution(), 1000, 900)
    assert made.together == 0
    assert "less than 20% of the work" in made.why[-1]


def test_a_net_that_asks_for_values_is_left_alone():
    class Asks(nn.Module):
        def forward(self, waves):
            return waves * 2 if float(waves.max()) > 1 else waves

    made = plan(Asks(), 1000, 100)
    assert made.together == 0
    assert "cannot be counted on shapes" in made.why[0]


def test_a_stretch_stays_within_memory(monkeypatch):
    monkeypatch.setattr(
        "earmark.windows.overlap.plan.LARGEST", 4 * 31 * 4 * 100
    )  # bytes: 31 windows after the convolution
    assert plan(Convolution(), 1000, 100).together == 1 + 3 * 1000 // 100
    monkeypatch.setattr("earmark.windows.overlap.plan.LARGEST", 4)
    assert plan(Convolution(), 1000, 100).together == 0


def test_the_plan_is_made_once_and_leaves_the_tagger_as_it_was():
    made = tagger("cnnaudio", 1.024, 0.128).train()
    before = made.identity()
    assert made.sharing is made.sharing
    assert made.together > 0
    assert made.training and made.identity() == before
    assert next(made.parameters()).device.type == "cpu"


def test_segments_that_begin_together_are_shared():
    made = tagger("resnet_a", 1.636, 0.768)  # two segments of 96 frames and 9 frames more, a segment apart
    told = check(made, 6144, 5)
    assert told[0] == "a part of each window is taken"  # the last segment, which is filled up
    assert not any("phases" in why for why in told)


@pytest.mark.parametrize("net", small.apart())
def test_work_is_counted_as_pytorch_counts_it(net):
    """Of windows as they are and of windows together; transforms by our own formula, which PyTorch has none for."""
    made = copy.deepcopy(tagger(net, 1.024, 0.128)).to("meta")
    formulas = {torch.ops.aten._fft_r2c: lambda shape, *_, **__: round(2.5 * math.prod(shape) * math.log2(shape[-1]))}
    for several in (False, True):
        waves = torch.empty(1, 8192 + several * 4 * 1024, device="meta")
        heard = overlapping(waves, 8192, 1024, 5) if several else waves
        with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=formulas) as expected:
            made(heard)
        with torch.inference_mode(), Counting() as counted:
            made(heard)
        assert counted.operations == expected.get_total_flops() > 0


@pytest.mark.parametrize("net", small.apart())
def test_shapes_are_those_that_pytorch_tells(net, monkeypatch):
    """Work and the largest tensor, which hangs on what is copied, as PyTorch's own answers make them: no plan is another."""
    made = copy.deepcopy(tagger(net, 1.024, 0.128)).to("meta")
    waves = torch.empty(1, 8192 + 9 * 1024, device="meta")

    def work():
        return [_work(made, each) for each in (waves[:, :8192], overlapping(waves, 8192, 1024, 10))]

    own = work()
    monkeypatch.setattr(shapes, "ANSWERS", {})
    monkeypatch.setattr(counting, "ANSWERS", {})
    assert own == work()


ALONE = """
import sys
import tests
tests.__path__ = ["tests"]  # whatever else is called so where packages are
from tests.small import apart, tagger
from earmark.windows.overlap.plan import plan
for net in apart():
    made = tagger(net, 1.024, 0.128)
    assert "cannot be counted" not in str(plan(made, *made.windows.samples(8000))), net
    assert not {"torch._dynamo", "sympy"} & set(sys.modules), net
"""


def test_neither_a_net_nor_its_plan_imports_a_compiler():
    """PyTorch's compiler and what it computes with take over a second of each program."""
    told = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, cwd=ROOT, check=False)
    assert told.returncode == 0, told.stderr


def test_taggers_that_differ_in_weights_only_share_a_plan():
    one, other = tagger("cnnaudio", 1.024, 0.128), tagger("cnnaudio", 1.024, 0.128)
    with torch.no_grad():
        next(other.parameters()).add_(1)
    assert one.identity() != other.identity()
    assert one.sharing is other.sharing
    for different in (
        tagger("cnnaudio", 1.024, 0.064),
        tagger("cnnaudio", 0.512, 0.128),
        tagger("convnet1d", 1.024, 0.128),
    ):
        assert different.sharing is not one.sharing
        assert different.sharing == plan(different, *different.windows.samples(8000))


def test_plans_that_were_asked_for_last_are_kept():
    made, plans = [], Plans(most=2)

    def asked(key):
        plans.of(key, lambda: made.append(key) or plan(Convolution(), 1000, 1000))

    for key in "abacab":  # b goes when c comes, c when b comes back
        asked(key)
    assert made == ["a", "b", "c", "b"]


@pytest.mark.parametrize("planned", [False, True])
def test_short_recordings_share_where_that_takes_no_plan(planned):
    """Five windows that overlap by half: a plan would take longer than they do."""
    told = tagger("cnnspec", 1.024, 0.512)
    asked = []

    class Counts:
        sample_rate, vocabulary, windows, task, together = 8000, told.vocabulary, told.windows, told.task, 4

        def score(self, waves):
            asked.append(("apart", len(waves)))
            return told.score_windows(waves)

        def score_overlapping(self, wave, hop, count):
            asked.append(("together", count))
            return told.score_overlapping(wave, hop, count)

    scorer = Counts()
    if planned:
        scorer.planned = True
    whole = wave(1.024 + 4 * 0.512)
    (heard,) = score(scorer, [Samples(Path("s"), wave=whole, rate=8000)], keep_windows=True)
    assert [kind for kind, _ in asked] == (["together", "apart"] if planned else ["apart"])
    assert sum(count for _, count in asked) == len(heard.windows) == 5
