"""A head on every net: the same net and embedding, other tags, one file that all engines read."""

from __future__ import annotations

import numpy as np
import pytest
from tests import small
from tests.tflites import tiny

from earmark.errors import TaggerError
from earmark.models import export, loading
from earmark.models.adopted.adopting import Asked, adopt
from earmark.models.predicted import probabilities
from earmark.models.transfer import with_head
from earmark.train.heads.fitting import logits_of

TAGS = ("dog", "rain", "sea", "wind")
OWN = {"convnet1d", "convnet2d", "cnnaudio", "cnnspec", "cnncomb", "samplecnn", "rese2multi", "yamnet", "resnet_b"}
AROUND = {
    "rawresnet",
    "bankresnet",
    "resnet_a",
    "resnet_b_att",
    "resnet_c_att",
    "resnet_d_att",
}  # attention, or several levels
PLAIN = {"name": "on it", "task": "one", "augment": ["crop"], "train": {"epochs": 1}}


def layers(width, hidden=0, tags=4):
    chance = np.random.default_rng(0)
    sizes = [width, *([hidden] if hidden else []), tags]
    shapes = list(zip(sizes[1:], sizes, strict=False))
    return [
        (chance.normal(0, 0.3, each).astype(np.float32), chance.normal(0, 0.3, each[0]).astype(np.float32))
        for each in shapes
    ]


def made(net):
    return small.tagger(net, 1.0, 0.5)


def told_frames(tagger):
    return tagger.hear(waves(tagger)).frames


def waves(tagger, count=3):
    length, _ = tagger.windows.samples(tagger.sample_rate)
    return np.random.default_rng(1).normal(0, 0.1, (count, length)).astype(np.float32)


@pytest.mark.parametrize("hidden", [0, 5])
@pytest.mark.parametrize("net", small.apart())
def test_scores_are_the_layers_on_the_embedding(net, hidden, tmp_path):
    base = made(net)
    heard = base.predicted(waves(base))
    head = layers(heard.embedding.shape[1], hidden)
    tagger = with_head(base, TAGS, head, PLAIN)
    if hidden or net in AROUND:
        assert tagger.recipe.head is not None and told_frames(tagger) is None
    elif net in OWN:
        assert tagger.recipe.head is None and (told_frames(tagger) is not None) == (net == "resnet_b")
    tagger.save(tmp_path / "t.safetensors")
    told = loading.load(tmp_path / "t.safetensors")
    assert told.vocabulary == TAGS and told.task == "one" and told.identity() == tagger.identity()
    said = told.predicted(waves(base))
    np.testing.assert_allclose(said.embedding, heard.embedding, atol=1e-6)
    np.testing.assert_allclose(said.scores, probabilities(logits_of(head, heard.embedding), "one"), atol=1e-5)


def test_the_file_is_the_same_whatever_chance_gave():
    base = made("resnet_b_att")
    head = layers(base.predicted(waves(base)).embedding.shape[1])
    assert with_head(base, TAGS, head, PLAIN).identity() == with_head(base, TAGS, head, PLAIN).identity()


def test_a_head_takes_the_place_of_a_head():
    base = made("rawresnet")
    width = base.predicted(waves(base)).embedding.shape[1]
    first = with_head(base, TAGS, layers(width, 5), PLAIN)
    second = with_head(first, TAGS[:2], layers(width, tags=2), PLAIN)
    assert second.recipe.head.hidden == 0
    np.testing.assert_allclose(
        second.predicted(waves(base)).embedding, base.predicted(waves(base)).embedding, atol=1e-6
    )
    assert not any("body.body" in name for name in second.state_dict())


@pytest.mark.parametrize("net", ["bankresnet", "yamnet"])
def test_overlapping_windows_share_under_a_head(net):
    base = made(net)
    tagger = with_head(base, TAGS, layers(base.predicted(waves(base)).embedding.shape[1], 5), PLAIN)
    length, hop = tagger.windows.samples(tagger.sample_rate)
    wave = np.random.default_rng(2).normal(0, 0.1, length + 4 * hop).astype(np.float32)
    apart = tagger.predicted(np.stack([wave[k * hop : k * hop + length] for k in range(5)]))
    np.testing.assert_allclose(tagger.predicted_overlapping(wave, hop, 5).scores, apart.scores, atol=1e-5)


@pytest.mark.parametrize("hidden", [0, 5])
def test_engines_without_torch_run_it(hidden, tmp_path):
    pytest.importorskip("onnxruntime")
    base = made("resnet_b_att")
    tagger = with_head(base, TAGS, layers(base.predicted(waves(base)).embedding.shape[1], hidden), PLAIN)
    tagger.graphs = (export.body(tagger),)
    tagger.save(tmp_path / "t.safetensors")
    told = loading.load(tmp_path / "t.safetensors", engine="onnxruntime")
    assert told.engine.startswith("onnxruntime")
    np.testing.assert_allclose(told.score_windows(waves(base)), tagger.score_windows(waves(base)), atol=1e-5)
    assert told.alone.recipe.head == tagger.recipe.head


def test_on_a_net_that_was_adopted(tmp_path):
    (tmp_path / "net.tflite").write_bytes(tiny().data)
    (tmp_path / "labels.csv").write_text("index,mid,display_name\n0,/m/1,Dog\n1,/m/2,Rain\n2,/m/3,Wind\n")
    base = adopt(Asked(tmp_path / "net.tflite", tmp_path / "labels.csv", "CC0-1.0", "made up"))
    heard = base.predicted(waves(base))
    head = layers(heard.embedding.shape[1])
    tagger = with_head(base, TAGS, head, PLAIN)
    assert tagger.recipe.head is None and tagger.recipe.net.name == "yamnet"
    np.testing.assert_allclose(
        tagger.score_windows(waves(base)), probabilities(logits_of(head, heard.embedding), "one"), atol=1e-5
    )


def test_a_width_that_is_not_the_nets_is_refused():
    base = made("rawresnet")
    tagger = with_head(base, TAGS, layers(7), PLAIN)
    with pytest.raises(TaggerError, match=r"head\.width is 7, and the net's embedding has \d+ numbers"):
        tagger.score_windows(waves(base))
