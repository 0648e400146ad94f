"""A head is found without being named, in every net, and a new one leaves all else as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark.models.tagger import build
from earmark.models.transfer import head, new_head
from earmark.recipe import parse
from earmark.registry import NETS

TAGS = ("dog", "rain", "sea")
SMALL = {
    "convnet1d": {"widths": [4, 8, 8], "blocks": [1, 1, 1]},
    "resnet_b_att": {"widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1]},
    "rawresnet": {
        "widths": [2, 2, 4, 8], "blocks": [1] * 4, "map_widths": [4, 4, 8, 8], "map_blocks": [1] * 4, "hidden": 6,
    },
}  # fmt: skip


def tagger(net: str, rate: int = 16_000, seconds: float = 4.0, **arguments):
    hears = NETS[net].facts["input"]
    plain = {
        "task": "many", "sample_rate": rate, "data": {"dataset": "folder"}, "windows": {"length": seconds, "hop": 1.0},
        "net": {"name": net, **arguments}, "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    if hears != "waves":
        plain["features"] = {"name": "logmel", "hop": 0.01}
    torch.manual_seed(0)
    return build(parse(plain, "test"), TAGS).eval()


@pytest.mark.parametrize("net", NETS.names())
def test_every_net_has_a_head(net):
    with torch.device("meta"):
        made = tagger(net)
        found = head(made)
        state = {name: value.shape for name, value in made.state_dict().items()}
    assert found
    # nothing else holds the number of tags, and only layers at the end of the net do
    assert all(len(TAGS) in state[name] or 2 * len(TAGS) in state[name] for name in found)
    assert sum(state[name].numel() for name in found) < 0.2 * sum(shape.numel() for shape in state.values())


@pytest.mark.parametrize("net", SMALL)
def test_a_new_head_leaves_all_else(net):
    old = tagger(net, 8000, 1.0, **SMALL[net])
    torch.manual_seed(1)
    new = new_head(old, ("a", "b", "c", "d", "e"))
    waves = np.random.default_rng(0).normal(0, 0.1, (2, 8000)).astype(np.float32)
    before, after = old.hear(waves), new.hear(waves)
    assert after.levels.shape[-1] == 5 and new.vocabulary == ("a", "b", "c", "d", "e")
    torch.testing.assert_close(after.embedding, before.embedding)
    assert new.score(waves).shape == (2, 5)


def test_as_many_other_tags_get_another_head_too():
    old = tagger("resnet_b_att", **SMALL["resnet_b_att"])
    torch.manual_seed(1)
    new = new_head(old, ("x", "y", "z"))
    changed = [name for name, value in new.state_dict().items() if not torch.equal(value, old.state_dict()[name])]
    assert changed == list(head(old))
