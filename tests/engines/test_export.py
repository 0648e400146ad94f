"""`earmark export`: what it writes, what it proves first, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from tests.program import earmark
from tests.small import tagger

from earmark.engines import features, sessions
from earmark.errors import TaggerError
from earmark.models import proof
from earmark.models.anytagger import unheard
from earmark.models.ensemble import Ensemble
from earmark.models.file import read_head
from earmark.models.loading import load
from earmark.models.predicted import of_levels

onnx = pytest.importorskip("onnx", reason="needs the extra export")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tagger without graphs, and recordings."""
    folder = tmp_path_factory.mktemp("export")
    made = tagger("cnnspec", 1.024, 1.024)  # whose windows share nothing: there is one graph
    made.save(folder / "t.safetensors")
    chance = np.random.default_rng(0)
    (folder / "sounds").mkdir()
    for name in "abc":
        swell = np.linspace(0.05, 1, 24_000)
        soundfile.write(folder / "sounds" / f"{name}.wav", chance.normal(0, 0.1, 24_000) * swell, 8000)
    return folder


def test_into_the_taggers_own_file_and_what_is_told(place, tmp_path):
    own = tmp_path / "own.safetensors"
    own.write_bytes((place / "t.safetensors").read_bytes())
    done = earmark("export", own, place / "sounds", "--json", "--windows", 12)  # three recordings hold eight
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["file"] == str(own) and told["bytes"] == own.stat().st_size and told["compared_on"] == "3 recordings"
    assert [each["engine"].split()[0] for each in told["compared"]] == sessions.installed()
    for each in told["compared"]:
        assert each["windows"] == 8 and each["flips"] == 0 and each["max_abs_difference"] <= proof.MOST
    made = load(own, engine="onnxruntime")
    assert made.identity() == load(place / "t.safetensors").identity()
    (graph, *_) = read_head(own)["graphs"]
    assert "8 windows" in graph["made"]["compared"] and graph["made"]["on"] == "3 recordings"
    done = earmark("show", own)
    assert "graphs      float32" in done.stdout
    assert "graphs      none: torch runs it" in earmark("show", place / "t.safetensors").stdout


@pytest.mark.slow
def test_int8_stands_beside_float32(place, tmp_path):
    out = tmp_path / "both.safetensors"
    words = ("export", place / "t.safetensors", place / "sounds", "-o", out, "--precision", "int8")
    assert "--precision int8 needs --calibrate" in earmark(*words).stderr
    done = earmark(*words, "--calibrate", place / "sounds", "--windows", 8)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime" in done.stdout and "int8" in done.stdout
    windows = np.random.default_rng(1).normal(0, 0.1, (6, 8192)).astype(np.float32)
    exact, coarse = (load(out, engine="onnxruntime", precision=each) for each in ("float32", "int8"))
    far = np.abs(exact.score_windows(windows) - coarse.score_windows(windows)).max()
    assert 0 < far < 0.2  # it is another net, and near
    operators = {node.op_type for node in onnx.load_from_string(coarse.body.model).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    assert unheard(coarse) == unheard(exact) == []
    kept = load(out, engine="torch")
    bad = [proof.Proof(f"onnxruntime, {each}", each, 20, 0.9, 7) for each in ("float32", "int8")]
    kept.graphs = tuple(proof.noted(kept.graphs, bad, "2 recordings"))
    kept.save(tmp_path / "bad.safetensors")
    (line,) = unheard(load(tmp_path / "bad.safetensors", engine="onnxruntime", precision="int8"))
    assert "too far off, do not run it in int8" in line and "7 flips of 20 windows" in line
    assert unheard(load(tmp_path / "bad.safetensors", engine="onnxruntime")) == []
    told = earmark(
        "tag",
        place / "sounds",
        "--tagger",
        tmp_path / "bad.safetensors",
        "--engine",
        "onnxruntime",
        "--precision",
        "int8",
    )
    assert told.returncode == 0 and "too far off, do not run it in int8" in told.stderr
    assert load(out, engine="torch").quantised  # and goes along when figures are written into the file
    again = tmp_path / "again.safetensors"
    load(out, engine="torch").save(again)
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.slow
def test_onnx_for_the_world_outside(place, tmp_path):
    made = load(place / "t.safetensors")
    windows = np.random.default_rng(1).normal(0, 0.1, (4, 8192)).astype(np.float32)
    for part in ("whole", "body"):
        out = tmp_path / f"{part}.onnx"
        done = earmark("export", place / "t.safetensors", "-o", out, "--part", part, "--windows", 6)
        assert done.returncode == 0, done.stderr
        assert "noise, tones and clicks made on the spot" in done.stdout
        model = onnx.load(out)
        onnx.checker.check_model(model)
        told = {entry.key.removeprefix("earmark."): entry.value for entry in model.metadata_props}
        assert json.loads(told["tags"]) == list(made.vocabulary) and told["sample_rate"] == "8000"
        assert told["identity"] == made.identity() and told["part"] == part and json.loads(told["proof"])
        assert json.loads(told["windows"])["length"] == 1.024
        session = sessions.open_session("onnxruntime", out.read_bytes(), "float32", 1)
        if part == "whole":
            np.testing.assert_allclose(session([windows])[0], made.score_windows(windows), rtol=0, atol=1e-4)
        else:
            levels = session([features.build(made.recipe)(windows)])[0]
            np.testing.assert_allclose(of_levels(levels, "many"), made.score_windows(windows), rtol=0, atol=1e-4)
        # what earmark wrote may be written again
        assert earmark("export", place / "t.safetensors", "-o", out, "--part", part, "--windows", 6).returncode == 0


@pytest.mark.slow
def test_an_ensemble_carries_the_graphs_of_its_members(place, tmp_path):
    one = load(place / "t.safetensors")
    Ensemble([one, one]).save(tmp_path / "e.safetensors")
    done = earmark("export", tmp_path / "e.safetensors", "--windows", 6)
    assert done.returncode == 0, done.stderr
    loaded = load(tmp_path / "e.safetensors", engine="onnxruntime")
    assert [type(member).__name__ for member in loaded.members] == ["GraphTagger", "GraphTagger"]
    done = earmark("export", tmp_path / "e.safetensors", "-o", tmp_path / "e.onnx", "--windows", 6)
    assert done.returncode == 2 and "is an ensemble of 2" in done.stderr and "holds one net" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["digits"], "digits is a shipped tagger and stays as it is: name a new file with --out"),
        (["digits", "-o", "x.bin"], "ends in .bin: give FILE.safetensors or FILE.onnx"),
        (["digits", "-o", "x.onnx", "--precision", "int8", "--calibrate", "."], "add --part body"),
        (["none.safetensors", "-o", "x.onnx"], "no such file"),
    ],
)
def test_what_does_not_go_together(words, told, tmp_path):
    done = earmark("export", *words, cwd=tmp_path)
    assert done.returncode == 2 and told in done.stderr
    assert not list(tmp_path.iterdir())


def test_recordings_of_which_none_can_be_read(place, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFFxxxxWAVE")
    done = earmark("export", place / "t.safetensors", tmp_path / "bad.wav", "-o", tmp_path / "x.safetensors")
    assert done.returncode == 2 and "none of the recordings can be read" in done.stderr
    assert not (tmp_path / "x.safetensors").exists()


def recordings(folder, **kinds):
    """One of each kind, in the order of their names."""
    chance = np.random.default_rng(0)
    sounds = {
        "sound": chance.normal(0, 0.1, 24_000), "short": chance.normal(0, 0.1, 2_000), "zeros": np.zeros(24_000),
        "constant": np.full(24_000, 0.2), "faint": chance.uniform(-1, 1, 24_000) * 1e-6, "one": np.ones(1),
        "half": np.concatenate([np.zeros(12_000), chance.normal(0, 0.1, 12_000)]),
    }  # fmt: skip
    paths = []
    for name, kind in kinds.items():
        paths.append(folder / f"{name}.wav")
        if kind == "bad":
            paths[-1].write_bytes(b"RIFFxxxxWAVE")
        else:
            soundfile.write(paths[-1], sounds[kind], 8000, subtype="FLOAT")
    return paths


def test_recordings_count_that_were_heard_and_others_take_the_place_of_damaged_ones(place, tmp_path):
    own, said = load(place / "t.safetensors", engine="torch"), []
    ten = recordings(tmp_path, **{f"r{at}": "bad" if at in (0, 5) else "sound" for at in range(10)})
    heard = proof.waves_of(ten, own, 2, said.append)
    assert heard.recordings == 1 and list(heard.unread) == [ten[0], ten[5]] and len(said) == 2
    assert heard.text() == "1 recording" and len(heard.wave) == 2 * 8192
    assert proof.waves_of(ten[1:5], own, 6, said.append).recordings == 3  # of 24,000 samples: six windows are 49,152
    short = recordings(tmp_path, **{f"s{at}": "short" for at in range(9)}, t="sound")
    assert proof.waves_of(short, own, 4, said.append).recordings == 10  # fewer than are wanted: all are heard
    assert proof.waves_of(ten[1:2], own, 2, said.append).unread == {} and len(said) == 2


def test_an_export_tells_what_could_not_be_read_and_ends_so(place, tmp_path):
    paths = recordings(tmp_path, a="bad", b="sound")
    out = tmp_path / "x.safetensors"
    done = earmark("export", place / "t.safetensors", *paths, "-o", out, "--windows", 3, "--json")
    assert done.returncode == 1 and "1 recording of those that it was to hear could not be read" in done.stderr
    told = json.loads(done.stdout)
    assert told["compared_on"] == "1 recording" and list(told["unread"]) == [str(paths[0])] and out.exists()
    (graph, *_) = read_head(out)["graphs"]
    assert graph["made"]["on"] == "1 recording"


@pytest.mark.parametrize("kind", ["zeros", "constant", "faint", "one"])
def test_silence_shows_no_ranges_of_int8(place, tmp_path, kind):
    own, said = load(place / "t.safetensors", engine="torch"), []
    paths = recordings(tmp_path, a=kind, b="sound", c="half", d="bad")
    heard = proof.waves_of(paths, own, 6, said.append, sounding=True)
    assert heard.recordings == 2 and any(f"{paths[0]}: is silent" in line for line in said)
    assert proof.waves_of(paths, own, 6, said.append).recordings == 3  # to compare on it serves
    with pytest.raises(
        TaggerError, match="none of the recordings has a sound that can be read, and ranges that are chosen on silence"
    ):
        proof.waves_of([paths[0], paths[3]], own, 6, said.append, sounding=True)


def test_int8_has_a_verdict_of_its_own():
    def verdict(precision, far, flips, windows=96):
        return proof.Proof(f"openvino 1, {precision}", precision, windows, far, flips).verdict

    assert verdict("int8", 0.74, 9) == "" and verdict("float32", 1e-5, 0) == ""  # one window in thirty is usual
    assert verdict("int8", 0.86, 36).startswith("too far off, do not run it in int8: more than 10% of windows")
    assert verdict("int8", 0.8, 24, 98) and verdict("int8", 0.8, 3, 10) and not verdict("int8", 0.8, 2, 10)  # by chance
    assert verdict("int8", np.nan, 0) and verdict("float32", 1.6e-3, 0) == "too far off, do not run it with this engine"
    assert "verdict" not in proof.Proof("x, int8", "int8", 96, 0.1, 0).as_dict()
    assert proof.Proof("x, int8", "int8", 96, 0.1, 36).as_dict()["verdict"]


def test_a_graph_that_answers_otherwise_is_not_written():
    wanted = np.array([[0.9, 0.1], [0.5, 0.5]], np.float32)
    off = wanted + np.array([[0, 0], [0.001, 0]], np.float32)
    with pytest.raises(
        TaggerError, match=r"answers otherwise than torch: window 2 of 2 differs by 0\.001.* Nothing was written"
    ):
        proof.compare("onnxruntime 1, float32", "float32", off, wanted)
    with pytest.raises(TaggerError, match="window 1 of 2"):
        proof.compare("onnxruntime 1, float32", "float32", np.full((2, 2), np.nan, np.float32), wanted)
    assert proof.compare("openvino 1, float32", "float32", off, wanted).differs  # told, and not the graph's fault
    assert not proof.compare("onnxruntime 1, int8", "int8", off, wanted).differs
    assert proof.compare("x", "float32", wanted, wanted).flips == 0
