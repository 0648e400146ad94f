"""Frame scores: where frames lie, and that a burst is found where it is however the recording is cut into windows."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from earmark import inference as tagging
from earmark.errors import TaggerError
from earmark.events import EventRules, hear, track
from earmark.inference import Recording
from earmark.models import frames
from earmark.models import tagger as taggers
from earmark.models.prediction import Grid, Prediction
from earmark.recipe import parse

RATE, STEP = 1000, 50  # Hz; samples in a frame of the stub

PLAIN = {
    "task": "many",
    "sample_rate": RATE,
    "data": {"dataset": "folder"},
    "windows": {"length": 1.0, "hop": 0.4},
    "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]},
    "augment": ["crop"],
    "train": {"epochs": 1},
}
ATTENTION = {
    "sample_rate": 8000,
    "windows": {"length": 1.0, "hop": 0.5},
    "features": {"name": "logmel", "window": 0.032, "hop": 0.01, "bands": 32},
    "net": {"name": "resnet_b_att", "widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1]},
}


def build(tags=("dog", "rain"), **changes) -> taggers.Tagger:
    torch.manual_seed(0)
    return taggers.build(parse({**PLAIN, **changes}), tags).eval()


class Loudness(nn.Module):
    """Frames of 50 samples, which say tag 0 where one is loud and tag 1 where none is."""

    grid = Grid(STEP, STEP / 2)

    def forward(self, waves):
        loud = waves.unfold(1, STEP, STEP).abs().amax(2) - 0.25  # (batch, frames)
        logits = torch.stack([20 * loud, -20 * loud], 2)
        return Prediction(logits.mean(1)[:, None], loud, logits)


def stub(**windows) -> taggers.Tagger:
    tagger = build(windows={**PLAIN["windows"], **windows})
    tagger.net = Loudness()
    # `device` asks the net's parameters
    tagger.net.register_parameter("none", nn.Parameter(torch.zeros(1)))
    return tagger


def listen(tagger, path, **where):
    scorer = frames.Framewise(tagger)
    (heard,) = tagging.score(scorer, [Recording(path, **where)], keep_windows=True)
    return scorer.scores(heard)


@pytest.mark.parametrize("short", ["pad", "centre", "repeat", "slide"])
@pytest.mark.parametrize("last", ["align", "pad"])
@pytest.mark.parametrize("seconds", [0.5, 0.95, 1.0, 3.0, 3.35])
def test_a_burst_is_found_where_it_is(tmp_path, seconds, short, last):
    wave = np.zeros(round(seconds * RATE), np.float32)
    wave[200:400] = 0.5
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    scores = listen(stub(short=short, last=last, hop=0.4 if seconds > 1 else 0.05), tmp_path / "a.wav")
    assert scores.start.min() == 0 and scores.end.max() == pytest.approx(seconds)
    (dog,) = (event for event in hear(track(scores), EventRules.alike(scores.tags)) if event.tag == "dog")
    # a frame that holds a part of the burst is loud: where frames begin between, it has half of one each side
    near = STEP / RATE / 2 + 1e-6
    assert abs(dog.onset - 0.2) <= near and abs(dog.offset - 0.4) <= near


def test_times_of_a_part_count_from_the_start_of_the_recording(tmp_path):
    wave = np.zeros(5 * RATE, np.float32)
    wave[3200:3400] = 0.5
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    for end in (4.0, 3.5):  # longer and shorter than a window
        scores = listen(stub(short="centre"), tmp_path / "a.wav", start=3.0, end=end)
        (dog,) = (event for event in hear(track(scores), EventRules.alike(scores.tags)) if event.tag == "dog")
        assert (dog.onset, dog.offset) == (3.2, 3.4)
        assert (scores.start.min(), scores.end.max()) == (3.0, end)


def test_edges_by_hand():
    # a centred feature of hop 0.01 s, a frame every 32: middles at 0, 0.32, 0.64 and 0.96 s
    centred = {**ATTENTION["features"], "centre": True}
    tagger = build(**{**ATTENTION, "features": centred})
    np.testing.assert_allclose(tagger.frame_edges, [0, 0.16, 0.48, 0.8, 1.0], atol=1e-9)
    # not centred, the first frame's middle is that of samples 0 to 255
    tagger = build(**ATTENTION)
    first = 127.5 / 8000
    np.testing.assert_allclose(tagger.frame_edges[1:-1], first + np.array([0.16, 0.48, 0.8]), atol=1e-9)


def test_edges_of_a_resized_map():
    # 101 frames of 0.01 s become 202: each is half as long, a step of 32 is 0.16 s; the first middle is at −0.0025 s
    tagger = build(
        **{**ATTENTION, "features": {**ATTENTION["features"], "centre": True}}, resize={"bands": 32, "frames": 202}
    )
    np.testing.assert_allclose(tagger.frame_edges[1:-1], 0.0775 + 0.16 * np.arange(6), atol=1e-9)


def test_edges_of_segments():
    """Segments of 25 frames, 0.01 s apart and centred: they meet halfway between frames 24 and 25, not upon the latter."""
    net = {"name": "resnet_a", "widths": [4, 4], "blocks": [1, 1], "segment": 25}
    tagger = build(**{**ATTENTION, "net": net, "features": {**ATTENTION["features"], "centre": True}})
    np.testing.assert_allclose(tagger.frame_edges, [0, 0.245, 0.495, 0.745, 0.995, 1.0], atol=1e-9)


@pytest.mark.parametrize("task", ["one", "many"])
def test_scores_are_probabilities_of_the_frames(task):
    tagger = build(**ATTENTION, task=task)
    waves = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 8000)).astype(np.float32)
    with torch.inference_mode():
        logits = tagger(torch.from_numpy(waves)).frames.numpy().astype(float)
    odds = np.exp(logits)
    expected = odds / odds.sum(-1, keepdims=True) if task == "one" else odds / (1 + odds)
    np.testing.assert_allclose(frames.Framewise(tagger).score(waves).reshape(logits.shape), expected, atol=1e-5)


def test_a_net_without_frames_says_so():
    assert build().framewise() is None
    assert build(**ATTENTION).framewise() is not None
    with pytest.raises(TaggerError, match=r"convnet1d says nothing of moments, only of whole windows of 1 s"):
        frames.Framewise(build())
