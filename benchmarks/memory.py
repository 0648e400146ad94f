"""Whether tagging a long recording needs more memory than tagging a short one, and how long it takes.

Both are made on the spot, block by block, and tagged in a process of their own by a tiny untrained tagger, so that what
is measured is decoding, cutting and pooling; the time says little of a real net.
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

RATE = 16_000
SHORT, LONG = 3 * 60, 3 * 3600  # seconds of audio
GOAL = 100.0  # MB that the long one may need more
MINUTE = 60
ROOT = Path(__file__).parent.parent


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Peaks of memory and seconds; quick: ten times shorter a recording."""
    lengths = {"short": SHORT, "long": LONG // 10 if quick else LONG}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        tagger = make_tagger(place / "tiny.safetensors")
        told = {}
        for name, seconds in lengths.items():
            say(f"a recording of {_words(seconds)}")
            told[name] = measure(tagger, make_recording(place / f"{name}.wav", seconds))
    rows = [
        [_words(lengths[name]), t["peak"], t["before"], t["seconds"], lengths[name] / MINUTE / t["seconds"]]
        for name, t in told.items()
    ]
    title = "tagging one recording, 1 s windows, 16 kHz, a tiny untrained tagger"
    more = told["long"]["peak"] - told["short"]["peak"]
    what = f"MB that {_words(lengths['long'])} need more than {_words(lengths['short'])}"
    columns = ["", "peak, MB", "before it, MB", "seconds", "hours a minute"]
    return {
        "tables": [{"title": title, "columns": columns, "rows": rows}],
        "goals": [{"what": what, "value": more, "at_most": GOAL}],
        "missing": [],
        "notes": [
            "Peak: of the process's resident memory, with PyTorch in it; `before it` is the peak once the tagger is loaded."
        ],
    }


def _words(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / MINUTE:g} min"


def make_tagger(path: Path) -> Path:
    """A tagger file with a net of one block."""
    from earmark import recipe
    from earmark.models import tagger

    plan = recipe.parse(
        {
            "task": "many",
            "sample_rate": RATE,
            "data": {"dataset": "folder"},
            "windows": {"length": 1.0, "hop": 1.0},
            "net": {"name": "convnet1d", "widths": [4], "blocks": [1]},
            "augment": ["crop"],
            "train": {"epochs": 1},
        },
        "benchmark",
    )
    tagger.build(plan, ["a", "b", "c"]).save(path)
    return path


def make_recording(
    path: Path, seconds: int, rate: int = RATE, highest: float = 4000.0, level: float = 0.3, pulse: int = 0
) -> Path:
    """A 16-bit file: noise, and a tone of this level that changes its pitch every minute, up to `highest` Hz.

    pulse: seconds for which the tone comes and then goes; 0: it stays.
    """
    import soundfile

    chance = np.random.default_rng(0)
    t = np.arange(MINUTE * rate) / rate
    gate = np.sin(np.pi * t / pulse) > 0 if pulse else 1.0
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for first in range(0, seconds, MINUTE):
            tone = level * np.sin(2 * np.pi * chance.uniform(200, highest) * t) * gate
            wave = (tone + 0.05 * chance.standard_normal(len(t))).astype(np.float32)
            file.write(wave[: min(MINUTE, seconds - first) * rate])
    return path


def measure(tagger: Path, recording: Path) -> dict[str, float]:
    """peak, before: MB. seconds: from the open file to the scores. In a process of its own."""
    told, _ = run_alone("benchmarks.memory", str(tagger), str(recording))
    return told


def run_alone(module: str, *arguments: str) -> tuple[dict[str, float], int]:
    """A module in a process of its own: the JSON of the last line that it prints, and how many stand before."""
    run = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    *lines, last = done.stdout.splitlines()
    told: dict[str, float] = json.loads(last)
    return told, len(lines)


def listen(tagger: Path, recording: Path) -> dict[str, float]:
    """What `measure` runs."""
    from earmark import inference as tag
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import loading

    keep_freed_memory()  # as `earmark tag` does
    heard_by = loading.load(tagger)
    before = peak_megabytes()
    begin = time.perf_counter()
    (heard,) = tag.score(heard_by, [tag.Recording(recording)])
    seconds = time.perf_counter() - begin
    if isinstance(heard, tag.Failure):
        raise heard.error
    return {"peak": peak_megabytes(), "before": before, "seconds": seconds, "duration": heard.duration}


def peak_megabytes() -> float:
    """The most memory that this process has held so far. Raises RuntimeError where the system does not tell."""
    from earmark.evaluation.filespeed import peak_memory

    peak = peak_memory()
    if peak is None:
        raise RuntimeError("this system does not tell how much memory a process has held")
    return peak / 1e6


if __name__ == "__main__":
    print(json.dumps(listen(Path(sys.argv[1]), Path(sys.argv[2]))))
