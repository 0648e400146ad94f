"""How much memory `earmark tag` and `earmark events` take for a recording of ten hours, and how long.

The recording is made on the spot, block by block: noise with tones of changing pitch and loudness, as FLAC at 8 kHz. A small
untrained net with scores of frames listens, windows of 1 s every half second, in a process of its own for each command; the
time says little of a real net. With `quick`, six minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import peak_memory

RATE = 8_000
SECONDS = 10 * 3600
GOAL = 1000.0  # MB above the process with the tagger in it
MINUTE = 60
ROOT = Path(__file__).parent.parent
COMMANDS = ("tag", "events")


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Peaks of memory and seconds of each command."""
    seconds = SECONDS // 100 if quick else SECONDS
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        recording = make_recording(Path(folder) / "long.flac", seconds)
        tagger = make_tagger(Path(folder) / "small.safetensors")
        for command in COMMANDS:
            say(f"earmark {command}, {seconds / 3600:g} h")
            told[command] = measure(command, recording, tagger)
    rows = [
        [f"earmark {name}", t["peak"], t["before"], t["seconds"], seconds / MINUTE / t["seconds"], t["lines"]]
        for name, t in told.items()
    ]
    title = f"one recording of {seconds / 3600:g} h at 8 kHz, windows of 1 s every 0.5 s, a small untrained tagger"
    columns = ["", "peak, MB", "before it, MB", "seconds", "hours a minute", "lines"]
    goals = [
        {
            "what": f"MB that `earmark {name}` needs for {seconds / 3600:g} h",
            "value": t["peak"] - t["before"],
            "at_most": GOAL,
        }
        for name, t in told.items()
    ]
    note = "Peak: of the process's resident memory; `before it` is the peak once the tagger is loaded."
    return {
        "tables": [{"title": title, "columns": columns, "rows": rows}],
        "goals": goals,
        "missing": [],
        "notes": [note],
    }


def make_tagger(path: Path) -> Path:
    """A net that says something of moments, two tags."""
    from earmark import recipe, tagger

    told = {
        "task": "many", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 1.0, "hop": 0.5},
        "features": {"name": "logmel", "window": 0.032, "hop": 0.01, "bands": 16},
        "net": {"name": "resnet_b_att", "widths": [2, 2, 2, 2], "blocks": [1, 1, 1, 1]},
        "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    tagger.build(recipe.parse(told, "benchmark"), ["a", "b"]).save(path)
    return path


def make_recording(path: Path, seconds: int) -> Path:
    """Noise, and every minute another tone that comes and goes every four seconds."""
    import soundfile

    chance = np.random.default_rng(0)
    t = np.arange(MINUTE * RATE) / RATE
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for first in range(0, seconds, MINUTE):
            count = min(MINUTE, seconds - first) * RATE
            tone = 0.4 * np.sin(2 * np.pi * chance.uniform(200, 3500) * t) * (np.sin(np.pi * t / 4) > 0)
            file.write((tone + 0.05 * chance.standard_normal(len(t))).astype(np.float32)[:count])
    return path


def measure(command: str, recording: Path, tagger: Path) -> dict[str, float]:
    """peak, before: MB. seconds. lines: that it printed."""
    run = [sys.executable, "-m", "benchmarks.long", command, str(recording), str(tagger)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"earmark {command} failed:\n{done.stderr[-2000:]}")
    *lines, last = done.stdout.splitlines()
    told: dict[str, float] = json.loads(last)
    return {**told, "lines": len(lines)}


def listen(command: str, recording: str, tagger: str) -> dict[str, float]:
    """What `measure` runs."""
    from typer.main import get_command

    from earmark import audio, cli
    from earmark import tagger as taggers
    from earmark.allocator import keep_freed_memory
    from earmark.frames import framewise

    keep_freed_memory()  # as the commands do
    listener = taggers.load(tagger)
    arguments = [command, recording, "--tagger", tagger]
    if command == "events":  # an untrained net: half of its scores make events
        scores = framewise(listener).score(audio.load(recording, RATE, 0.0, float(MINUTE)).reshape(MINUTE, RATE))
        arguments += ["--threshold", f"{np.median(scores):.4f}", "--median", "0.5"]
    else:
        listener.score(np.zeros((1, RATE), np.float32))
    before, begin = peak_memory(), time.perf_counter()
    get_command(cli.app).main(arguments, standalone_mode=False)
    return {"peak": peak_memory(), "before": before, "seconds": time.perf_counter() - begin}


if __name__ == "__main__":
    print(json.dumps(listen(*sys.argv[1:])))
