"""`earmark explain`: what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.program import earmark
from tests.test_cli_failures import on_a_terminal

from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.recipe import parse

RATE = 8000


def save(path: Path, net: dict, features: dict | None = None) -> Path:
    torch.manual_seed(0)
    raw = {
        "task": "many", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 0.5, "hop": 0.25},
        "net": net, "augment": ["crop"], "train": {"epochs": 1}, **({"features": features} if features else {}),
    }  # fmt: skip
    taggers.build(parse(raw), ("dog", "rain", "sea $x$")).save(path)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Taggers on samples and on maps, recordings, and one that is none."""
    folder = tmp_path_factory.mktemp("explain")
    sizes = {"sizes": [3, 3, 2], "widths": [8, 8, 8]}
    save(folder / "raw.safetensors", {"name": "rese2multi", "se_ratio": 0.5, **sizes})
    save(folder / "plain.safetensors", {"name": "samplecnn", "hidden": 8, **sizes})
    logmel = {"name": "logmel", "window": 0.032, "hop": 0.008, "bands": 16}
    save(folder / "map.safetensors", {"name": "resnet_b_att", "widths": [4, 4], "blocks": [1, 1]}, logmel)
    generator = np.random.default_rng(0)
    for name in ("a $x$.wav", "b.wav"):
        soundfile.write(folder / name, generator.uniform(-0.5, 0.5, RATE), RATE)
    (folder / "broken.wav").write_text("not audio")
    return folder


def told(folder: Path) -> dict:
    found = json.loads((folder / "explain.json").read_text(encoding="utf-8"))
    page = (folder / "index.html").read_text(encoding="utf-8")
    pictures = sorted(path.name for path in folder.glob("*.png"))
    assert page.count("data:image/png;base64,") == len(pictures)
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in pictures)
    return found


def test_filters_and_gates_of_a_raw_net(place, tmp_path):
    done = earmark(
        "explain", place / "raw.safetensors", place / "a $x$.wav", place / "b.wav", place / "broken.wav", "--out", tmp_path,
        "--layers", "1", "--layers", "3-4", "--filters", 4, "--steps", 3, "--json",
    )  # fmt: skip
    assert done.returncode == 1
    assert "broken.wav" in done.stderr and done.stderr.splitlines()[-1] == "1 of 3 recordings could not be read"
    found = told(tmp_path)
    assert found == json.loads(done.stdout)
    assert [layer["number"] for layer in found["layers"]] == [1, 3, 4]
    for layer in found["layers"]:
        assert len(layer["centres"]) == len(layer["before"]) == len(layer["after"]) == 4
        assert layer["chosen"] == [0, 2, 4, 6]
        assert all(0 <= hz <= RATE / 2 for hz in layer["centres"])
        assert (tmp_path / layer["picture"]).is_file()
    assert len(found["responses"]["centres"]) == 8
    assert found["gates"]["blocks"] == [f"blocks.{n}.excitation" for n in range(3)]
    assert sum(found["gates"]["recordings"].values()) == 2
    for blocks in found["gates"]["tags"].values():
        assert [len(gates) for gates in blocks] == [8, 8, 8]
        assert all(0 < gate < 1 for gates in blocks for gate in gates)


def test_attention_of_a_net_on_maps(place, tmp_path):
    done = earmark("explain", place / "map.safetensors", place / "a $x$.wav", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "resnet_b_att hears maps, not samples: of its filters only the first layer's kernels are shown" in done.stderr
    )
    assert done.stdout.strip() == str(tmp_path / "index.html")
    found = told(tmp_path)
    assert not found["layers"] and found["gates"] is None
    assert found["kernels"]["shape"] == [4, 1, 7, 7]
    (recording,) = found["recordings"]
    assert [window["start"] for window in recording["windows"]] == [0, 0.5]
    for window in recording["windows"]:
        attention, frames = window["tracks"]
        assert (attention["name"], frames["name"]) == ("attention", "frames")
        for tag, weights in attention["values"].items():
            assert len(weights) == len(attention["edges"]) - 1
            assert sum(weights) == pytest.approx(1, abs=1e-3)
            score = sum(w * p for w, p in zip(weights, frames["values"][tag], strict=True))
            assert score == pytest.approx(window["scores"][tag], abs=1e-3)


def test_it_says_what_it_cannot_show(place, tmp_path):
    quick = ("--filters", 1, "--steps", 1, "--layers", "stem.0")
    done = earmark("explain", place / "plain.safetensors", place / "b.wav", "--out", tmp_path / "a", *quick)
    assert done.returncode == 0
    assert "samplecnn tells of whole windows only, and has no gates" in done.stderr
    written = told(tmp_path / "a")
    assert "picture" not in written["recordings"][0] and len(written["layers"][0]["heard"]) == 1
    done = earmark("explain", place / "raw.safetensors", "--out", tmp_path / "b", *quick)
    assert "rese2multi can be seen at work: give recordings" in done.stderr
    assert told(tmp_path / "b")["layers"][0]["heard"] is None


@pytest.mark.parametrize(
    ("tagger", "options", "message"),
    [
        ("map", ["--layers", "1"], "raw layers, of which resnet_b_att, the net of"),
        ("raw", ["--layers", "9"], "no layer 9. There are 1 (stem.0), 2 (blocks.0.conv1)"),
        ("raw", ["--layers", "blocks.0.conv3"], "did you mean 'blocks.0.conv2'?"),
        ("none", [], "no such file, and no shipped tagger of that name"),
    ],
)
def test_wrong_usage(place, tmp_path, tagger, options, message):
    done = earmark("explain", place / f"{tagger}.safetensors", "--out", tmp_path / "out", *options)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_recordings_beside_a_bar(place, tmp_path):
    """On a terminal, where the bar is drawn."""
    words = ["explain", str(place / "raw.safetensors"), str(place / "b.wav"), "--out", str(tmp_path / "e")]
    words += ["--layers", "1", "--filters", "1", "--steps", "1"]
    out, seen = on_a_terminal(f"import sys; sys.argv = ['earmark', *{words!r}]\nfrom earmark.cli import main\nmain()\n")
    assert out.decode().strip() == str(tmp_path / "e" / "index.html"), seen[-2000:]
    assert "recordings" in seen


NOTHING = {
    "zeros": np.zeros(RATE), "constant": np.full(RATE, 0.4), "short": np.full(20, 0.4), "short constant": np.full(RATE // 4, 0.4),
    "dither": np.random.default_rng(1).uniform(-1e-6, 1e-6, RATE), "faint": np.random.default_rng(1).uniform(-1e-4, 1e-4, RATE),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_what_tag_calls_silent_is_called_so(place, tmp_path, name):
    soundfile.write(tmp_path / "nothing.wav", NOTHING[name], RATE, "FLOAT")
    tagger = loading.load(place / "map.safetensors")
    about = tagger.tag(tmp_path / "nothing.wav").about
    assert about.silent
    out = tmp_path / "out"
    done = earmark("explain", place / "map.safetensors", tmp_path / "nothing.wav", place / "b.wav", "--out", out)
    assert done.returncode == 0, done.stderr
    nothing, sound = told(out)["recordings"]
    assert nothing["silent"] is True and nothing["windows"] == [] and "picture" not in nothing
    assert "silent" not in sound and sound["windows"]
    assert f"{tmp_path / 'nothing.wav'} – silent, nothing is heard" in (out / "index.html").read_text(encoding="utf-8")
    assert about.notes[-1].split(": ", 1)[1] in done.stderr


def test_silent_windows_are_called_so_and_silent_recordings_open_no_gates(place, tmp_path):
    chance = np.random.default_rng(2)
    half = np.concatenate([chance.uniform(-0.5, 0.5, RATE // 2), np.zeros(RATE // 2)])
    soundfile.write(tmp_path / "half.wav", half, RATE)
    soundfile.write(tmp_path / "nothing.wav", np.zeros(RATE), RATE)
    files = (tmp_path / "half.wav", tmp_path / "nothing.wav")
    assert earmark("explain", place / "map.safetensors", *files, "--out", tmp_path / "m").returncode == 0
    windows = told(tmp_path / "m")["recordings"][0]["windows"]
    assert [window.get("silent", False) for window in windows] == [False, True]
    done = earmark("explain", place / "raw.safetensors", *files, "--out", tmp_path / "r", "--filters", 1, "--steps", 1)
    assert done.returncode == 0 and sum(told(tmp_path / "r")["gates"]["recordings"].values()) == 1
