"""ONNX files of windows of any length: what they tell is what they take, run beside PyTorch at lengths that nothing was traced with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests import small
from tests.program import earmark
from tests.small import LOGMEL, apart, tagger

from earmark.engines import sessions
from earmark.errors import TaggerError
from earmark.models import export, lengths
from earmark.models.loading import load
from earmark.registry import FEATURES

onnx = pytest.importorskip("onnx", reason="needs the extra export")
OWN = 8192  # samples: 1.024 s
OTHERS = (8193, 20_011, 50_000)  # none of those that exporting itself compares


def waves(samples, seed=0, count=2):
    return np.asarray(np.random.default_rng(seed).normal(0, 0.1, (count, samples)), np.float32)


def check_whole(made, model, others=OTHERS):
    """Windows of its own length, one of them and several, and others of other lengths."""
    session = sessions.open_session("onnxruntime", model, "float32", 1)
    for count, samples in ((1, OWN), (5, OWN), *((2, other) for other in others)):
        given = waves(samples, samples, count)
        np.testing.assert_allclose(session([given])[0], made.score_windows(given), rtol=0, atol=1e-4)
    return session


FIXED = {"resnet_a"}  # which does something else with less than a segment, and with whole segments


@pytest.mark.slow
@pytest.mark.parametrize("net", apart())
def test_every_net_takes_any_length_or_says_that_it_does_not(net):
    made = tagger(net, 1.024, 1.024)
    model, takes = lengths.whole(made)
    if net in FIXED:
        assert takes.text().startswith("takes windows of 8,192 samples alone: of windows of ")
        assert "samples scores differ from PyTorch's by" in takes.why
        session = check_whole(made, model, ())
        with pytest.raises(Exception, match="20011"):  # not a wrong answer
            session([waves(20_011)])
        return
    assert takes.dynamic, takes.text()
    assert takes.own == OWN and min(takes.tried) == takes.shortest and max(takes.tried) > 2 * OWN
    check_whole(made, model, (takes.shortest, *OTHERS))
    with pytest.raises(Exception, match=r"at least"):  # the shortest is that: a sample less is refused by the tagger
        made.score_windows(waves(takes.shortest - 1))


@pytest.mark.slow
def test_padding_that_hangs_on_odd_and_even_is_that_of_the_length_that_is_given(monkeypatch):
    """TensorFlow's SAME, as YAMNet has it: traced at 96 frames, which are even at each of five strides."""
    monkeypatch.setitem(small.SMALL, "yamnet", {"stem_width": 4, "widths": [4] * 6, "strides": [1, 2, 2, 2, 2, 1]})
    made = tagger("yamnet", 0.792, 0.792)
    model, takes = lengths.whole(made)
    assert takes.dynamic, takes.text()
    session = sessions.open_session("onnxruntime", model, "float32", 1)
    for samples in range(4000, 8000, 333):  # frames of all remainders by eight
        given = waves(samples, samples)
        np.testing.assert_allclose(session([given])[0], made.score_windows(given), rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES.names())
def test_every_feature_takes_any_length(feature):
    told = {"name": feature} | (LOGMEL if feature == "logmel" else {})
    made = tagger("cnn6", 1.024, 1.024, told)  # a net that is traced soon
    model, takes = lengths.whole(made)
    if takes.dynamic:
        check_whole(made, model, (takes.shortest, *OTHERS))
    else:
        pytest.fail(takes.text())


@pytest.mark.slow
def test_files_tell_what_they_take(tmp_path):
    tagger("cnncomb", 1.024, 1.024).save(tmp_path / "t.safetensors")  # hears both, waves and maps
    made = load(tmp_path / "t.safetensors", engine="torch")
    for part, more in (
        ("whole", ()),
        ("body", ()),
        ("body", ("--precision", "int8", "--calibrate", tmp_path / "s.wav")),
    ):
        import soundfile

        soundfile.write(tmp_path / "s.wav", waves(40_000)[0], 8000)
        out = tmp_path / "x.onnx"
        done = earmark("export", tmp_path / "t.safetensors", "-o", out, "--part", part, "--windows", 4, "--json", *more)
        assert done.returncode == 0, done.stderr
        said = ["exporting from waves to scores" if part == "whole" else "exporting the net", "comparing with torch"]
        assert [line for line in done.stderr.splitlines() if line in said] == said
        takes = json.loads(done.stdout)["lengths"]
        assert takes["dynamic"] and takes["shortest"] == lengths.shortest(made) and len(takes["compared"]) > 2
        model = onnx.load(out)
        facts = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(facts["earmark.lengths"]) == takes
        for place in model.graph.input:
            assert place.type.tensor_type.shape.dim[-1].dim_param  # a name, no number
        if part == "body":
            run = lengths.of_body(made, out.read_bytes())
            far = max(np.abs(run(waves(n)) - made.score_windows(waves(n))).max() for n in OTHERS)
            assert far < 1e-4 or (more and far < 0.2)
    assert (
        "takes windows of any length from"
        in earmark("export", tmp_path / "t.safetensors", "-o", out, "--windows", 4).stdout
    )


@pytest.mark.slow
def test_what_cannot_be_open_is_of_one_length_and_says_why(tmp_path, monkeypatch):
    made = tagger("convnet1d", 1.024, 1.024)

    def wrong(tagger, *, lengths=False, whole=export.whole):
        if lengths:
            raise RuntimeError("Constraints violated (samples)!\nFor more information …")
        return whole(tagger)

    monkeypatch.setattr(export, "whole", wrong)
    model, takes = lengths.whole(made)
    assert not takes.dynamic and takes.own == takes.shortest == OWN
    assert (
        takes.text() == "takes windows of 8,192 samples alone: Constraints violated (samples)! For more information …"
    )
    assert takes.as_dict() == {"dynamic": False, "own": OWN, "shortest": OWN, "why": takes.why}
    session = sessions.open_session("onnxruntime", model, "float32", 1)
    np.testing.assert_allclose(session([waves(OWN)])[0], made.score_windows(waves(OWN)), rtol=0, atol=1e-4)
    with pytest.raises(Exception, match="8193"):
        session([waves(OWN + 1)])


def test_maps_of_one_size_have_bodies_of_one_length():
    made = tagger("resnet_b", 1.024, 1.024)
    told = made.recipe.as_dict() | {"resize": {"bands": 64, "frames": 60}}
    from earmark.models.tagger import build
    from earmark.recipe import parse

    graph, takes = lengths.body(build(parse(told), made.vocabulary).eval())
    assert takes.why == "the net hears maps that are made 60 frames long" and graph.length == OWN


def test_an_answer_that_differs_is_found():
    made = tagger("convnet1d", 1.024, 1.024)
    assert lengths.compare(made, made.score_windows).max_abs_difference == 0
    with pytest.raises(TaggerError, match=r"of windows of 20,481 samples scores differ from PyTorch's by 0\.01"):
        lengths.compare(made, lambda given: made.score_windows(given) + (0.01 if given.shape[1] > 20_000 else 0))
    with pytest.raises(TaggerError, match="differ from PyTorch's by nan"):
        lengths.compare(made, lambda given: made.score_windows(given) * np.nan)
