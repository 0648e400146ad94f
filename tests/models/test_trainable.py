"""Whatever `load` gives can be trained on, in PyTorch, or says what to take: by any engine, alone or as a member, at any hop."""

from __future__ import annotations

import numpy as np
import pytest

import earmark
from earmark.errors import TaggerError
from earmark.models import loading
from earmark.models.ensemble import Ensemble
from earmark.models.wholegraph import WholeGraph

torch = pytest.importorskip("torch")


def _member(name: str, engine: str):
    both = Ensemble([loading.load(name, engine=engine)] * 2)
    with pytest.raises(TaggerError, match=r"no net of its own to train: .* tagger\.members\[0\]\.trainable\(\)"):
        both.trainable()
    return both.members[0]


@pytest.mark.parametrize("engine", ["auto", "torch", "onnxruntime"])
@pytest.mark.parametrize("name", loading.shipped())
@pytest.mark.parametrize("way", ["itself", "another hop", "a member"])
def test_it_trains_and_the_one_that_listens_stays(way, name, engine):
    loaded = _member(name, engine) if way == "a member" else loading.load(name, engine=engine)
    loaded = loaded.every(0.5) if way == "another hop" else loaded
    assert str(loaded.device) == "cpu"
    length, _ = loaded.windows.samples(loaded.sample_rate)
    waves = np.random.default_rng(0).normal(0, 0.1, (2, length)).astype(np.float32)
    before = loaded.score_windows(waves)
    copy = loaded.trainable()
    assert isinstance(copy, earmark.Tagger) and copy.training and copy.windows == loaded.windows
    assert copy.identity() == loaded.identity() and copy.facts == loaded.facts and copy.facts.of is not None
    assert np.allclose(copy.score_windows(waves), before, atol=1e-5)
    assert any(parameter.requires_grad for parameter in copy.parameters())
    copy(torch.from_numpy(waves)).levels.sum().backward()
    torch.optim.SGD(copy.parameters(), 0.1).step()
    assert copy.identity() != loaded.identity() and np.array_equal(loaded.score_windows(waves), before)


def test_one_without_a_net_says_so():
    loaded = loading.load("esc10-small", engine="onnxruntime")
    loaded.torched = None
    with pytest.raises(TaggerError, match=r"put together without its file: load that with engine='torch'"):
        loaded.trainable()


def test_every_kind_of_tagger_has_it():
    from earmark.models.anytagger import AnyTagger
    from earmark.models.graphtagger import GraphTagger

    for kind in (AnyTagger, earmark.Tagger, GraphTagger, Ensemble, WholeGraph):
        assert callable(kind.trainable)
