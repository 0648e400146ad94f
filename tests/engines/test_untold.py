"""Nobody is told that earmark is used: what an engine would keep for that in the user's folder is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from tests.small import tagger

OURS = {".cache/earmark", ".cache/matplotlib", ".config/matplotlib"}  # and what draws pictures keeps for itself
# where automatic tests run, libraries hold their tongues by themselves
KEPT = {
    name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR")
}


def run(home: Path, *words: object, **more: str) -> None:
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env=KEPT | {"HOME": str(home)} | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def kept(home: Path) -> set[str]:
    return {path.parent.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("untold") / "s.wav"
    soundfile.write(path, torch.linspace(-0.5, 0.5, 8000).sin().numpy(), 8000)
    return path


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
def test_no_engine_leaves_anything_in_the_users_folder(sound, tmp_path, engine):
    pytest.importorskip(engine)
    run(tmp_path / "home", "-m", "earmark", "tag", sound, "--engine", engine)
    assert kept(tmp_path / "home") <= OURS


@pytest.mark.slow
def test_nor_does_what_writes_graphs(sound, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra export")
    tagger("cnnspec", 1.024, 1.024).save(tmp_path / "t.safetensors")
    words = ("export", tmp_path / "t.safetensors", "--precision", "int8", "--calibrate", sound, "--windows", 4)
    run(tmp_path / "home", "-m", "earmark", *words)
    assert kept(tmp_path / "home") <= OURS


def test_who_wants_it_told_may_say_so(tmp_path):
    asked = "import os, earmark; assert os.environ['ORT_DISABLE_TELEMETRY'] == {!r}"
    run(tmp_path, "-c", asked.format("1"))
    run(tmp_path, "-c", asked.format("0"), ORT_DISABLE_TELEMETRY="0")
