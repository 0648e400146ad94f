"""What is refused: an engine that answers wrongly, graphs that are broken, of another tagger or more than graphs, what is not there."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from tests.engines.graphs import made_up, saved
from tests.program import earmark
from tests.small import tagger

from earmark.engines import graph as onnx
from earmark.engines import processor, sessions
from earmark.engines.sessions import on_onnxruntime
from earmark.errors import TaggerError
from earmark.files import remembered
from earmark.inference import Live, score
from earmark.models import file as taggerfile
from earmark.models import loading
from earmark.models.ensemble import Ensemble
from earmark.models.loading import load


@pytest.fixture
def file(tmp_path):
    return saved(tmp_path / "t.safetensors")


@pytest.fixture
def forgetful(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))


def windows(made, count=5):
    return np.random.default_rng(0).normal(0, 0.1, (count, made.length)).astype(np.float32)


class Zeros:
    """All rows but the first come back as nought, as OpenVINO's of a quantised softmax did; a window at a time is right."""

    def __init__(self, session):
        self.session = session

    def __call__(self, inputs):
        outputs = self.session(inputs)
        for output in outputs:
            output[1:] = 0
        return outputs


class Off:
    """All is a little off, in batches and alone."""

    def __init__(self, session):
        self.session = session

    def __call__(self, inputs):
        return [output * 1.01 for output in self.session(inputs)]


class Forgets(Zeros):
    """Scores are right, embeddings are not: what else comes out of a net counts too."""

    def __call__(self, inputs):
        levels, embedding = self.session(inputs)
        embedding[1:] = 0
        return [levels, embedding]


FAULTS = [
    (Zeros, "scores", "in a batch"),
    (Off, "scores", "by the graph as it is written"),
    (Forgets, "embedding", "in a batch"),
]


@pytest.mark.parametrize(("fault", "what", "told"), FAULTS)
def test_an_engine_that_answers_wrongly_is_never_believed(file, forgetful, monkeypatch, fault, what, told):
    right = on_onnxruntime.open

    def wrong(model, precision, threads, exact):
        session = right(model, precision, threads, exact)
        return session if exact else fault(session)

    monkeypatch.setattr(on_onnxruntime, "open", wrong)
    made = load(file, engine="onnxruntime")
    for _ in range(2):  # what failed is not remembered as right
        with pytest.raises(
            TaggerError, match=f"answers wrongly for this tagger: in window . the {what}.* are .* {told}"
        ):
            made.score_windows(windows(made))


def test_what_passed_is_looked_at_once(file, forgetful, monkeypatch):
    made = load(file, engine="onnxruntime")
    scores = made.score_windows(windows(made))
    kept = json.loads((remembered.folder() / "engines.json").read_text())
    (key,) = [key for key in kept if not key.startswith("recipe ")]  # which loading it has left
    assert made.identity() in key and sessions.version("onnxruntime") in key and processor.here().name in key
    opened = []
    right = on_onnxruntime.open
    monkeypatch.setattr(on_onnxruntime, "open", lambda *given: opened.append(given[3]) or right(*given))
    again = load(file, engine="onnxruntime")
    np.testing.assert_array_equal(again.score_windows(windows(made)), scores)
    assert opened == [False]  # the truth was not asked again


def test_a_cache_that_cannot_be_kept_costs_a_look(file, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "taken" / "below"))
    made = load(file, engine="onnxruntime")
    assert made.score_windows(windows(made)).shape == (5, 3)
    assert remembered.recall("anything") is None


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": '])
def test_a_spoilt_cache_is_none(tmp_path, monkeypatch, text):
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path))
    (tmp_path / "engines.json").write_text(text)
    assert remembered.recall("a") is None
    remembered.remember("a", True)
    assert remembered.recall("a") is True


def test_a_graph_of_another_tagger(tmp_path):
    with pytest.raises(
        TaggerError, match="a graph in it is of the tagger 0123456789ab, and this is .*: it would answer for another"
    ):
        load(saved(tmp_path / "t.safetensors", of="0123456789ab"), engine="onnxruntime")


def test_a_graph_whose_weights_are_not_there(tmp_path):
    with pytest.raises(TaggerError, match="wants the weights 'net.no.such', which the file has not"):
        load(saved(tmp_path / "t.safetensors", weights=("net.no.such",)), engine="onnxruntime")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (made_up(domain="my.ops"), "is no operator of the standard set but of 'my.ops'"),
        (made_up(loop=True), r"has graphs within it \(loops or branches\)"),
        (made_up(external=True), "has another file with its weights"),
        (made_up(function=True), "has functions of its own"),
        (made_up()[:-3], "a field beyond the end"),
        (b"", "its graph is empty"),
        (b"\xff" * 40, "a number without an end"),
        (b"not a graph at all, but words", "a field"),
    ],
)
def test_graphs_that_are_more_than_graphs_or_less(tmp_path, model, told):
    with pytest.raises(TaggerError, match=told):
        load(saved(tmp_path / "t.safetensors", model=model), engine="onnxruntime")


def test_a_graph_that_an_engine_cannot_take(tmp_path, forgetful):
    """It is made of standard operators, but they do not fit together."""
    for engine in sessions.installed():
        made = load(saved(tmp_path / "t.safetensors", model=made_up(operator="Conv")), engine=engine)
        with pytest.raises(TaggerError, match=r"onnxruntime .* cannot take the graph: .* Take another --engine"):
            made.score_windows(windows(made))


def test_any_byte_of_a_graph_flipped_is_an_error_of_ours_or_a_graph():
    model = made_up()
    for place in range(len(model)):
        for bit in (1, 16, 128):
            spoilt = bytearray(model)
            spoilt[place] ^= bit
            try:
                onnx.check(bytes(spoilt), "x")
            except TaggerError:
                continue


def test_what_is_not_there_is_told(file, monkeypatch):
    for given, told in [
        ({"engine": "tensorrt"}, r"engine 'tensorrt': is not known\. Take auto, torch, onnxruntime, openvino"),
        ({"engine": "onnxruntime", "precision": "float8"}, "precision 'float8': is not known"),
        ({"engine": "onnxruntime", "precision": "float16"}, "precision float16: onnxruntime has float32 and int8"),
        ({"engine": "onnxruntime", "precision": "bf16"}, "precision bf16: onnxruntime has float32 and int8"),
        (
            {"engine": "onnxruntime", "precision": "int8"},
            r"precision int8: the file has graphs of float32\. Write one with",
        ),
        ({"engine": "onnxruntime", "device": "cuda"}, "onnxruntime runs on the processor here"),
        ({"engine": "torch", "precision": "int8"}, "with torch a tagger answers in float32"),
    ]:
        with pytest.raises(TaggerError, match=told):
            load(file, **given)
    monkeypatch.setattr(sessions, "find_spec", lambda name: None)
    with pytest.raises(TaggerError, match=r"engine 'onnxruntime': is not installed\. `pip install onnxruntime`"):
        load(file, engine="onnxruntime")
    assert load(file).members[0].__class__.__name__ == "Tagger"  # auto goes on with torch


@pytest.mark.parametrize("torch", [True, False], ids=["torch", "no torch"])
@pytest.mark.parametrize("there", [("onnxruntime", "openvino"), ("onnxruntime",), ("openvino",), ()], ids=" ".join)
def test_auto_takes_the_first_that_is_here_and_can(there, torch, file, monkeypatch):
    """Whatever is installed: it runs, or says what does; an engine that is asked for never sends to auto where that cannot either."""
    here = {*there, *(["torch"] if torch else [])}

    def found(name):
        return find_spec(name) if name in here or name not in (*sessions.ENGINES, "torch") else None

    for module in (sessions, loading):
        monkeypatch.setattr(module, "find_spec", found)
    if set(there) - {each for each in there if find_spec(each)}:
        pytest.skip("not installed")
    head, _ = taggerfile.read(file)
    runs = "onnxruntime" in here
    if runs or torch:
        taken = loading.choose(head, file, "cpu", "auto", "auto").engine
        assert taken == ("onnxruntime" if runs else "torch")
        assert load(file).members[0].__class__.__name__ == ("GraphTagger" if runs else "Tagger")
    else:
        with pytest.raises(TaggerError, match=r"needs torch, which is not installed: .*, or `pip install onnxruntime`"):
            load(file)
    for engine in sessions.ENGINES:
        if engine in here and runs:
            assert loading.choose(head, file, "cpu", engine, "auto").engine == engine
            continue
        lacks = sessions.PACKAGES[sessions.REFERENCE if engine in here else engine]
        with pytest.raises(TaggerError, match="is not installed") as told:
            load(file, engine=engine)
        assert f"`pip install {lacks}`" in str(told.value)
        assert ("--engine auto" in str(told.value)) == (runs or torch)
        if engine not in here:
            with pytest.raises(TaggerError, match="is not installed"):
                sessions.open_session(engine, b"", "float32", 1)


def test_bf16_only_where_the_processor_has_it(file, monkeypatch):
    if "openvino" not in sessions.installed():
        pytest.skip("openvino is not installed")
    monkeypatch.setattr(sessions, "here", lambda: processor.Processor("an old one", frozenset({"avx2"})))
    with pytest.raises(TaggerError, match=r"precision bf16: this processor \(an old one\) has no instructions for it"):
        load(file, engine="openvino", precision="bf16")


def test_a_tagger_without_graphs(tmp_path):
    made = tagger("cnnspec", 1.024, 0.128)
    made.save(tmp_path / "t.safetensors")
    assert load(tmp_path / "t.safetensors").members[0].__class__.__name__ == "Tagger"
    with pytest.raises(TaggerError, match=r"carries no graph for onnxruntime\. Write one with `earmark export"):
        load(tmp_path / "t.safetensors", engine="onnxruntime")


def test_graphs_are_kept_when_figures_are_written_and_left_out_where_weights_changed(file, tmp_path):
    for engine in ("torch", "onnxruntime"):
        again = tmp_path / f"{engine}.safetensors"
        load(file, engine=engine).save(again)
        assert again.read_bytes() == file.read_bytes()
    made = load(file, engine="torch").trainable()
    with_other = next(made.net.parameters())
    with_other.data += 1
    made.save(tmp_path / "other.safetensors")
    with pytest.raises(TaggerError, match="carries no graph"):
        load(tmp_path / "other.safetensors", engine="onnxruntime")


def test_an_ensemble_of_graphs(file, tmp_path):
    both = Ensemble([load(file, engine="torch"), load(file, engine="torch").every(0.256)])
    both.members[1].graphs = tuple(replace(graph, of=both.members[1].identity()) for graph in both.members[0].graphs)
    both.save(tmp_path / "both.safetensors")
    loaded = load(tmp_path / "both.safetensors", engine="onnxruntime")
    assert [type(member).__name__ for member in loaded.members] == ["GraphTagger", "GraphTagger"]
    sound = np.random.default_rng(1).normal(0, 0.1, 24_000).astype(np.float32)
    want, got = (each.tag(sound, top=None, sample_rate=8000) for each in (both, loaded))
    assert [tag.label for tag in got] == [tag.label for tag in want]
    np.testing.assert_allclose([tag.score for tag in got], [tag.score for tag in want], atol=1e-5)


def test_alone_is_the_same_in_torch(file):
    made = load(file, engine="onnxruntime")
    given = windows(made)
    np.testing.assert_allclose(made.alone.score_windows(given), made.score_windows(given), atol=1e-5)
    assert made.every(0.256).windows.hop == made.every(0.256).alone.windows.hop == 0.256


def test_the_processor_is_read_from_what_linux_tells(tmp_path, monkeypatch):
    for text, bf16, int8 in [
        ("model name : A\nflags : fpu avx2 avx512_bf16 avx512_vnni\n", True, "vnni"),
        ("model name : A\nflags : fpu amx_int8 amx_bf16 avx512_vnni\n", True, "amx"),
        ("model name : A\nflags : fpu avx2\n", False, "none"),
        ("processor : 0\nFeatures : fp asimd asimddp bf16\n", True, "dot"),
    ]:
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(processor, "INFO", tmp_path / "cpuinfo")
        found = processor.here.__wrapped__()
        assert (found.bf16, found.int8) == (bf16, int8)
    monkeypatch.setattr(processor, "INFO", tmp_path / "none")
    assert processor.here.__wrapped__().flags is None and not processor.here.__wrapped__().bf16


def test_the_command_line_takes_an_engine(file, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "s.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 8000)
    told = {}
    for engine in ("torch", "onnxruntime"):
        done = earmark("tag", tmp_path / "s.wav", "--tagger", file, "--engine", engine, "--json", "--top", "3")
        assert done.returncode == 0, done.stderr
        told[engine] = json.loads(done.stdout)
    (first,), (second,) = told.values()
    assert [tag["label"] for tag in first["tags"]] == [tag["label"] for tag in second["tags"]]
    for one, other in zip(first["tags"], second["tags"], strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
    done = earmark("tag", tmp_path / "s.wav", "--tagger", file, "--precision", "int8")
    assert done.returncode == 2 and "earmark export" in done.stderr


@pytest.mark.skipif("openvino" not in sessions.installed(), reason="openvino is not installed")
def test_openvino_tells_nobody_that_it_is_used():
    told = (
        "import sys; from earmark.engines.sessions import on_openvino; from openvino.tools.ovc import telemetry_utils;"
        "print(telemetry_utils.tm.__name__, 'openvino_telemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "False"]


def test_a_recording_is_heard_alike_whole_in_pieces_and_in_torch(file):
    """Windows as they overlap in a file, in a stream that comes in pieces, and in the tagger's own torch."""
    made, true = load(file, engine="onnxruntime"), load(file, engine="torch")
    sound = (np.random.default_rng(2).normal(0, 0.1, 40_000) * np.linspace(0.1, 1, 40_000)).astype(np.float32)

    def pieces():
        for first in range(0, len(sound), 1777):
            yield sound[first : first + 1777]

    def windows_of(tagger, source):
        (heard,) = score(tagger, [Live("s", source=lambda _: source)], keep_windows=True)
        return heard

    whole, cut = windows_of(made, iter([sound])), windows_of(made, pieces())
    wanted = windows_of(true, iter([sound]))
    for other in (cut, wanted):
        np.testing.assert_allclose(whole.values, other.values, rtol=0, atol=1e-5)
        np.testing.assert_allclose(whole.windows.values, other.windows.values, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(whole.windows.start, other.windows.start)


@pytest.mark.skipif("openvino" not in sessions.installed(), reason="openvino is not installed")
@pytest.mark.skipif(sys.platform != "linux", reason="told of Linux alone")
def test_signals_are_heard_after_openvino_has_compiled(file):
    """It would leave a stack for their handlers behind whose memory it frees."""
    from earmark.engines.sessions.on_openvino import SignalStack

    def stack():
        told = SignalStack()
        ctypes.CDLL(None).sigaltstack(None, ctypes.byref(told))
        return told.start, told.flags, told.size

    before = stack()
    made = load(file, engine="openvino")
    made.score_windows(windows(made))
    assert stack() == before
    heard = []
    other = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        del made
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, other)
    assert heard == [signal.SIGUSR1]
