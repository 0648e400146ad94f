"""How much memory `earmark tag` and `earmark events` take for a recording of ten hours, and how long.

The recording is made on the spot, block by block: noise with tones of changing pitch and loudness, as FLAC at 8 kHz. A small
untrained net with scores of frames listens, windows of 1 s every half second, in a process of its own for each command; the
time says little of a real net. With `quick`, six minutes.
"""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import MINUTE, make_recording, peak_megabytes, run_alone

RATE = 8_000
SECONDS = 10 * 3600
GOAL = 1000.0  # MB above the process with the tagger in it
COMMANDS = ("tag", "events")


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Peaks of memory and seconds of each command."""
    seconds = SECONDS // 100 if quick else SECONDS
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        # tones that come and go every four seconds, so that there are events
        recording = make_recording(Path(folder) / "long.flac", seconds, RATE, highest=3500.0, level=0.4, pulse=4)
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
    from earmark import recipe
    from earmark.models import tagger

    told = {
        "task": "many", "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": 1.0, "hop": 0.5},
        "features": {"name": "logmel", "window": 0.032, "hop": 0.01, "bands": 16},
        "net": {"name": "resnet_b_att", "widths": [2, 2, 2, 2], "blocks": [1, 1, 1, 1]},
        "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    tagger.build(recipe.parse(told, "benchmark"), ["a", "b"]).save(path)
    return path


def measure(command: str, recording: Path, tagger: Path) -> dict[str, float]:
    """peak, before: MB. seconds. lines: that it printed."""
    told, lines = run_alone("benchmarks.long", command, str(recording), str(tagger))
    return {**told, "lines": lines}


def listen(command: str, recording: str, tagger: str) -> dict[str, float]:
    """What `measure` runs."""
    from earmark import audio
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading
    from earmark.models.frames import framewise

    keep_freed_memory()  # as the commands do
    listener = loading.load(tagger)
    arguments = [command, recording, "--tagger", tagger]
    if command == "events":  # an untrained net: half of its scores make events
        scores = framewise(listener).score(audio.load(recording, RATE, 0.0, float(MINUTE)).reshape(MINUTE, RATE))
        arguments += ["--threshold", f"{np.median(scores):.4f}", "--median", "0.5"]
    else:
        listener.score(np.zeros((1, RATE), np.float32))
    before, begin = peak_megabytes(), time.perf_counter()
    sys.argv = ["earmark", *arguments]
    try:
        runpy.run_module("earmark", run_name="__main__")  # what a user starts
    except SystemExit as left:
        if left.code:
            raise
    return {"peak": peak_megabytes(), "before": before, "seconds": time.perf_counter() - begin}


if __name__ == "__main__":
    print(json.dumps(listen(*sys.argv[1:])))
