"""Windows of one loudness: a key of the recipe that training and tagging share, and that taggers of before do not have."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from earmark import recipe as recipes
from earmark.errors import RecipeError, TaggerError
from earmark.models import loading
from earmark.models.averaging import average
from earmark.models.loudness import normalised
from earmark.models.tagger import build
from earmark.registry import NETS
from earmark.train.phase import PhaseModule

RATE = 4000
NET = {
    "waves": {"name": "convnet1d", "widths": [2, 2], "blocks": [1, 1]},
    "maps": {"name": "resnet_b", "widths": [4, 4, 4, 4], "blocks": [1, 1, 1, 1]},
    "both": {
        "name": "cnncomb",
        "audio": {"widths": [4, 4, 4, 4]},
        "spec": {"widths": [4, 4, 4, 4, 4, 4]},
        "hidden": [4],
    },
}


def plan(hears, **changes):
    features = {} if hears == "waves" else {"features": {"name": "logmel", "window": 0.032, "hop": 0.008, "bands": 64}}
    net = {"name": "cnncomb"} if hears == "both" else NET[hears]
    told = {
        "task": "one", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 4.0, "hop": 0.5},
        "net": net, "augment": ["crop"], "train": {"epochs": 1}, **features, **changes,
    }  # fmt: skip
    return recipes.parse(told)


def tagger(hears, how):
    torch.manual_seed(0)
    return build(plan(hears, **({} if how is None else {"normalise": how})), ["a", "b", "c"]).eval()


def levels(made, waves):
    return made.hear(waves).levels.numpy()


def noise(count=3, seconds=4.0):
    return np.random.default_rng(0).uniform(-0.3, 0.3, (count, int(RATE * seconds))).astype(np.float32)


def test_by_hand():
    waves = torch.tensor([[3.0, -4.0, 0.0, 0.0]])
    assert normalised(waves, "peak").tolist() == [[0.75, -1.0, 0.0, 0.0]]
    # the root of 25 / 4 is 2.5
    torch.testing.assert_close(normalised(waves, "rms"), torch.tensor([[1.2, -1.6, 0.0, 0.0]]))
    assert normalised(waves, "none") is waves


@pytest.mark.parametrize("how", ["peak", "rms"])
def test_silence_stays_silent_and_lets_gradients_through(how):
    waves = torch.zeros(2, 8, requires_grad=True)
    out = normalised(waves, how)
    assert not out.any()
    out.sum().backward()
    assert torch.isfinite(waves.grad).all()


@pytest.mark.parametrize("how", ["peak", "rms"])
@pytest.mark.parametrize("hears", ["waves", "maps", "both"])
def test_loudness_does_not_matter_to_the_scores(hears, how):
    """A factor of two is exact in floating point; without the key it matters."""
    waves, made = noise(), tagger(hears, how)
    told, plain = levels(made, waves), tagger(hears, None)
    assert np.array_equal(told, levels(made, waves / 4))
    assert np.abs(levels(plain, waves) - levels(plain, waves / 4)).max() > 1e-3 * np.abs(told).max()
    np.testing.assert_allclose(told, levels(plain, normalised(torch.from_numpy(waves), how).numpy()), rtol=1e-5)


@pytest.mark.parametrize("how", ["peak", "rms"])
@pytest.mark.parametrize("hears", ["waves", "maps", "both"])
def test_overlapping_windows_are_each_as_loud(hears, how):
    made = tagger(hears, how)
    wave = noise(1, 8.0)[0] * np.linspace(0.05, 1.0, 8 * RATE, dtype=np.float32)
    hop, count = RATE // 2, 9
    one_by_one = made.score(np.stack([wave[i * hop : i * hop + 4 * RATE] for i in range(count)]))
    np.testing.assert_allclose(made.score_overlapping(wave, hop, count), one_by_one, atol=1e-5)
    assert made.together == 0  # nothing is shared, and it is known before


def test_training_hears_what_tagging_hears(monkeypatch):
    """The step of a training: after the augmentation, before feature and net."""
    heard = []
    made = tagger("maps", "peak")
    made.features.register_forward_pre_hook(lambda part, inputs: heard.append(inputs[0].detach().clone()))
    step = PhaseModule.__new__(PhaseModule)
    torch.nn.Module.__init__(step)
    step.tagger, step.of_batches, step.of_maps, step.losses = made, [], [], []
    step.teaching, step.plan = None, made.recipe.train
    step.recipe, step.batches = made.recipe, SimpleNamespace(rows=lambda index: np.arange(3))
    waves = torch.from_numpy(noise())
    step(waves, torch.eye(3), 3, 0)
    made.score(waves.numpy())
    assert torch.equal(heard[0], heard[1])
    assert heard[0].abs().amax(1).tolist() == [1.0, 1.0, 1.0]


def test_the_file_tells(tmp_path):
    made, plain = tagger("waves", "rms"), tagger("waves", None)
    for name, each in (("rms", made), ("plain", plain)):
        each.save(tmp_path / f"{name}.safetensors")
    again = loading.load(tmp_path / "rms.safetensors")
    assert again.recipe.normalise == "rms" and again.identity() == made.identity() != plain.identity()
    assert np.array_equal(again.score(noise()), made.score(noise()))
    assert b"normalise" not in (tmp_path / "plain.safetensors").read_bytes()
    assert loading.load(tmp_path / "plain.safetensors").recipe.normalise == "none"
    assert "normalise" not in plain.recipe.as_dict()


def test_weights_that_heard_other_loudness_have_no_mean():
    with pytest.raises(TaggerError, match=r"differ in normalise \(peak; none\)"):
        average([tagger("waves", "peak"), tagger("waves", None)])


def test_another_word_is_refused():
    with pytest.raises(RecipeError, match=r"normalise: should be 'none', 'peak' or 'rms'"):
        plan("waves", normalise="loud")
    assert {NETS[net["name"]].facts["input"] for net in NET.values()} == {"waves", "maps", "both"}
