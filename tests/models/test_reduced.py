"""Nets in PyTorch that compute in bf16 or float16: where they may, that their answers are looked at, and what stays in float32.

No GPU is here: what a GPU does is done on the processor, whose autocast is the same program; that a GPU is there is made up.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.small import apart, tagger
from torch import nn

from earmark.cli.terminal.jobs import engine_of
from earmark.engines import processor
from earmark.errors import TaggerError
from earmark.files import remembered
from earmark.models import loading, reduced, trust


@pytest.fixture(autouse=True)
def _able(monkeypatch, tmp_path):
    """A processor that multiplies bf16, and nothing that was remembered."""
    monkeypatch.setattr(processor, "here", lambda: processor.Processor("made up", frozenset({"avx512_bf16"})))
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))


def windows(count=6, samples=8192):
    return np.asarray(np.random.default_rng(0).normal(0, 0.1, (count, samples)), np.float32)


def reduced_tagger(net="cnnspec", precision="bf16", hop=1.024):
    made = tagger(net, 1.024, hop)
    made.precision = precision
    return made


@pytest.mark.parametrize("net", apart())
def test_every_net_answers_in_bf16_nearly_as_in_float32_and_shares_as_much(net):
    exact, short = tagger(net, 1.024, 0.256), reduced_tagger(net, hop=0.256)
    wave = np.concatenate(list(windows()))
    wanted, got = exact.predicted(windows()), short.predicted(windows())
    few = [each.predicted_overlapping(wave, 2048, 6) for each in (exact, short)]
    assert got.scores.dtype == got.embedding.dtype == np.float32
    far = np.abs(got.scores - wanted.scores).max()
    # a bf16 has eight bits: each rounding is up to 2⁻⁹; scores are logits of a few layers, so a few of these
    assert 0 < far < 0.02
    assert short.together == exact.together
    assert np.abs(few[0].scores - few[1].scores).max() < 0.02
    assert short._trusted == {"one by one", "shared"}


def test_features_are_computed_in_float32():
    made = reduced_tagger()
    heard = []
    made.net.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    made.predicted(windows())
    reference = tagger("cnnspec", 1.024, 1.024)
    wave = torch.from_numpy(windows())
    assert heard[0].dtype == torch.float32
    assert torch.equal(heard[0][:3], reference.features(wave)[:3])


def test_its_convolutions_compute_in_bf16():
    made, kinds = reduced_tagger(), set()
    for layer in made.net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, given, out: kinds.add(out.dtype))
    made.predicted(windows())
    assert torch.bfloat16 in kinds  # and float32, of the look at it
    kinds.clear()
    made.predicted(windows())
    assert kinds == {torch.bfloat16}


def wrong(made):
    """Answers nonsense, but only under autocast: as a kernel for short numbers that is broken would."""
    plain = made.net.forward

    def forward(*given):
        told = plain(*given)
        return (
            told if not torch.is_autocast_enabled("cpu") else type(told)(-30 * told.levels.abs() - 30, told.embedding)
        )

    made.net.forward = forward
    return made


def test_answers_that_are_wrong_are_refused_and_not_remembered():
    made = wrong(reduced_tagger("convnet1d"))
    for _ in range(2):
        with pytest.raises(TaggerError) as told:
            made.predicted(windows())
        assert "torch" in str(told.value) and ", bf16, cpu answers wrongly for this tagger: in window " in str(
            told.value
        )
        assert "in float32, more than 0.3 apart. Nothing was scored with it. Take another --precision" in str(
            told.value
        )
        assert "--engine" not in str(told.value)
    with pytest.raises(TaggerError, match="answers wrongly"):
        made.predicted_overlapping(np.concatenate(list(windows())), 8192, 4)
    made.precision = "float32"
    assert made.predicted(windows()).scores.shape == (6, 3)


def test_rows_of_a_batch_that_are_none_are_found():
    """Zeros for all rows but the first, as an engine has answered."""
    made = reduced_tagger("convnet1d")
    nn.init.constant_(made.net.head.bias, 3.0)  # so that all tags are sure
    plain = made.net.forward

    def forward(*given):
        told = plain(*given)
        if torch.is_autocast_enabled("cpu"):
            levels = told.levels.clone()
            levels[1:] = -100
            return type(told)(levels, told.embedding)
        return told

    made.net.forward = forward
    with pytest.raises(TaggerError, match=r"in window [23] the scores of '.' are 0 by torch"):
        made.predicted(windows())


def test_what_passed_is_remembered_by_tagger_and_precision(monkeypatch):
    looked = []
    plain = trust._compare
    monkeypatch.setattr(trust, "_compare", lambda *told: looked.append(told) or plain(*told))
    for _ in range(2):
        reduced_tagger("convnet1d").predicted(windows())
    assert len(looked) == 1
    other = reduced_tagger("convnet1d")
    nn.init.normal_(other.net.head.weight)
    other.predicted(windows())
    assert len(looked) == 2
    assert remembered.recall("nothing of the kind") is None


def test_other_hops_and_copies_for_training():
    made = reduced_tagger("convnet1d")
    assert made.every(0.512).precision == "bf16" and made.exact().precision == "float32"
    assert made.trainable().precision == "float32"
    assert ", bf16, cpu" in made.engine and "bf16" in made.pace and "bf16" not in made.exact().pace
    assert engine_of(made) == {"engine": "torch, bf16, cpu"} and engine_of(made.exact()) == {}


def test_loaded_by_name():
    made = loading.load("digits", engine="torch", precision="bf16")
    exact = loading.load("digits", engine="torch")
    wave = windows(2, 8000)
    far = np.abs(made.score_windows(wave) - exact.score_windows(wave)).max()
    assert made.precision == "bf16" and 0 < far < 0.1 and made.identity() == exact.identity()


@pytest.mark.parametrize(
    ("device", "precision", "able", "told"),
    [
        (
            "cpu",
            "float16",
            True,
            "precision float16: torch has it on a GPU alone. Take float32 or bf16, or --device cuda",
        ),
        (
            "cpu",
            "bf16",
            False,
            r"precision bf16: this processor \(old\) has no instructions for it, so it would be slower",
        ),
        ("cpu", "int8", True, "precision int8: with torch a tagger answers in float32, bf16 or, on a GPU, float16"),
        ("cuda", "bf16", False, r"precision bf16: the GPU \(a card\) computes in none. Take float16 or float32"),
    ],
)
def test_what_is_not_there_is_told(monkeypatch, device, precision, able, told):
    if not able:
        monkeypatch.setattr(processor, "here", lambda: processor.Processor("old", frozenset()))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    with pytest.raises(TaggerError, match=told):
        reduced.check(device, precision)
    if device == "cpu":
        with pytest.raises(TaggerError, match=told):
            loading.load("digits", "cpu", engine="torch", precision=precision)


def test_a_gpu_takes_both(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    head = {"format": 1, "graphs": [{}]}
    for precision in ("bf16", "float16"):
        taken = loading.choose(head, loading.find("digits"), "cuda", "auto", precision)
        assert (taken.engine, taken.precision, taken.device) == ("torch", precision, "cuda")
    # of engines none has float16, so that torch is asked
    taken = loading.choose(head, loading.find("digits"), "auto", "auto", "float16")
    assert (taken.engine, taken.device) == ("torch", "cuda")
    with pytest.raises(TaggerError, match="precision float16: onnxruntime has float32 and int8"):
        loading.choose(head, loading.find("digits"), "cpu", "onnxruntime", "float16")


def test_maps_lie_with_their_channels_last_on_a_gpu():
    made = tagger("resnet_b", 1.024, 1.024)
    before = made.predicted(windows()).scores
    reduced.laid_out(made.net, "cpu")
    four = [value for value in made.net.parameters() if value.ndim == 4 and value.shape[1] > 1 and value.shape[2] > 1]
    assert four and not any(value.is_contiguous(memory_format=torch.channels_last) for value in four)
    known = made.identity()
    reduced.laid_out(made.net, "cuda")  # the weights' layout alone: no GPU is asked for
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in four)
    np.testing.assert_allclose(made.predicted(windows()).scores, before, rtol=0, atol=1e-5)
    assert made.identity() == known  # the same weights
    raw = SimpleNamespace(modules=lambda: [nn.Conv1d(1, 1, 1)])
    assert reduced.laid_out(raw, "cuda") is raw  # which has no `to`: nothing is to be done
