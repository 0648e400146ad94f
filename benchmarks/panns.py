"""A recording from file to tags, beside panns_inference with its Cnn14.

The peer lives in an environment of its own, .bench/panns, because it brings packages that earmark does without. It
fetches its weights and its table of labels when it is imported; instead it finds random weights and numbered labels in a
home folder of its own, made here by its own classes: the time is the same. Every run is a process of its own, in turns,
so that memory can be told apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import make_recording

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".bench" / "panns"
PACKAGES = ["panns_inference==0.1.1", "soundfile"]
MINUTES = 2
TAGS = 527
SEGMENT = 10  # s

MAKE = """
import pathlib, torch
home = pathlib.Path.home() / "panns_data"
from panns_inference.models import Cnn14
torch.manual_seed(0)
net = Cnn14(sample_rate=32000, window_size=1024, hop_size=320, mel_bins=64, fmin=50, fmax=14000, classes_num=527)
torch.save({"model": net.state_dict()}, home / "Cnn14_mAP=0.431.pth")
"""

PEER = """
import json, sys, time
import librosa, numpy as np
from panns_inference import AudioTagging
def peak():
    line = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
tagging = AudioTagging(checkpoint_path=None, device="cpu")
before = peak()
begin = time.perf_counter()
wave, _ = librosa.load(sys.argv[1], sr=32000, mono=True)
if sys.argv[2] == "whole":
    tagging.inference(wave[None])
else:
    for at in range(0, len(wave) - 320000 + 1, 8 * 320000):
        part = wave[at : at + 8 * 320000]
        tagging.inference(part[: len(part) // 320000 * 320000].reshape(-1, 320000))
print(json.dumps({"seconds": time.perf_counter() - begin, "peak": peak(), "before": before}))
"""


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """quick: one minute, once."""
    try:
        prepare(say)
    except (subprocess.CalledProcessError, OSError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        return {"tables": [], "goals": [], "missing": [f"panns_inference ({reason.strip()[-300:]})"], "notes": []}
    minutes, rounds = (1, 1) if quick else (MINUTES, 2)
    with tempfile.TemporaryDirectory() as folder:
        recording = make_recording(Path(folder) / "recording.wav", minutes * 60)
        taggers = {name: make_tagger(Path(folder) / f"{name}.safetensors", name) for name in ("resnet_b", "cnnspec")}
        ways: dict[str, Callable[[], dict[str, float]]] = {
            "panns_inference Cnn14, the whole at once": lambda: peer(recording, "whole"),
            "panns_inference Cnn14, 10 s, batches of 8": lambda: peer(recording, "segments"),
            "earmark resnet_b, 10 s": lambda: ours(taggers["resnet_b"], recording),
            "earmark cnnspec, 2 s every 1 s": lambda: ours(taggers["cnnspec"], recording),
        }
        told: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for turn in range(rounds):
            for name, way in ways.items():
                say(f"{name}, round {turn + 1}")
                told[name].append(way())
    rows = []
    middle = {name: float(np.median([run["seconds"] for run in runs])) for name, runs in told.items()}
    base = next(iter(ways))
    for name, runs in told.items():
        more = max(run["peak"] - run["before"] for run in runs)
        rows.append([name, middle[base] / middle[name], minutes * 60 / middle[name], more])
    return {
        "tables": [
            {
                "title": f"{minutes} minutes at 16 kHz, from file to tags, {TAGS} tags, random weights",
                "columns": ["", "ratio", "seconds of audio a second", "MB more than before"],
                "rows": rows,
            }
        ],
        "goals": [],
        "missing": [],
        "notes": [
            "The nets differ: Cnn14 has 81 million parameters, resnet_b 25, cnnspec 2.6; none of them is trained."
        ],
    }


def prepare(say: Callable[[str], None]) -> None:
    """The peer's environment and home, made once."""
    python = HOME / "venv" / "bin" / "python"
    if not (HOME / "ready").is_file():
        say("an environment for panns_inference, once")
        run([sys.executable, "-m", "venv", str(HOME / "venv")])
        run([str(python), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), "torch"])
        run([str(python), "-m", "pip", "install", "-q", *PACKAGES])
        _labels()
        run([str(python), "-c", MAKE], env=_env())
        (HOME / "ready").touch()


def _labels() -> None:
    """The table that the peer reads as soon as it is imported."""
    folder = HOME / "home" / "panns_data"
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["index,mid,display_name", *(f"{i},/m/{i},tag {i}" for i in range(TAGS))]
    (folder / "class_labels_indices.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _env() -> dict[str, str]:
    return {**os.environ, "HOME": str(HOME / "home")}


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=ROOT)
    return done.stdout


def peer(recording: Path, way: str) -> dict[str, float]:
    """seconds, peak, before: MB. The peer prints more than that, the figures last."""
    printed = run([str(HOME / "venv" / "bin" / "python"), "-W", "ignore", "-c", PEER, str(recording), way], _env())
    told: dict[str, float] = json.loads(printed.strip().splitlines()[-1])
    return told


def ours(tagger: Path, recording: Path) -> dict[str, float]:
    from benchmarks.memory import measure

    return measure(tagger, recording)


def make_tagger(path: Path, net: str) -> Path:
    """Untrained, with as many tags as the peer."""
    from earmark.evaluation import speed as bench
    from earmark.models import tagger

    made = bench.untrained(net, 10.0 if net == "resnet_b" else 2.0, None)
    tagger.build(made.recipe, [f"tag {i}" for i in range(TAGS)]).save(path)
    return path
