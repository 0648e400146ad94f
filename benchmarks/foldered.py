"""What comes before the net when a folder is tagged, against bare soundfile + soxr, on one core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.timing import in_turns, ratios

DECODERS = "tagging's decoders"


def section(told: dict[str, Any], clips: int, rounds: int) -> dict[str, Any]:
    """told: what `timed` gives."""
    rows = [[name, *row] for name, row in told.items()]
    ours = told[DECODERS]
    return {
        "tables": [
            {
                "title": f"{clips} clips to 16 kHz, one core, {rounds} rounds",
                "columns": ["", "ratio", "cpu", "clips/s"],
                "rows": rows,
            }
        ],
        "goals": [
            {
                "what": "engines: decoding when a folder is tagged over bare soundfile + soxr",
                "value": ours[0],
                "at_least": 0.95,
            }
        ],
        "notes": [
            "Tagging's decoders: what they hand to a net, decoded, resampled, levels told, cut into windows. Tagging without a net: these, "
            "silence looked for, windows gathered and pooled, scored by zeros."
        ],
    }


def timed(clips: list[str], rounds: int) -> dict[str, Any]:
    """Ratios, of the processor too, and clips a second, on this core."""
    from benchmarks.decode import RATE, _bare
    from earmark import inference
    from earmark.inference.decoding import Decoders
    from earmark.inference.options import Options
    from earmark.windows import Windows

    stub: Any = SimpleNamespace(sample_rate=RATE, vocabulary=("a",), task="many", windows=Windows(length=2.0, hop=1.0))
    stub.score = lambda waves: np.zeros((len(waves), 1), np.float32)
    paths = [Path(clip) for clip in clips]
    recordings = [inference.Recording(path) for path in paths]

    def decoders() -> None:
        with Decoders([stub], Options(workers=1)) as threads:
            for recording in recordings:
                pending = threads.begin(recording)
                while not (message := pending.messages.get()).ended:
                    pass
                if message.error is not None:
                    raise message.error

    ways: dict[str, Callable[[], object]] = {
        "soundfile + soxr": lambda: [_bare(path) for path in paths],
        DECODERS: decoders,
        "tagging without a net": lambda: list(inference.score(stub, recordings, workers=1, batch=16)),
    }
    times = in_turns(ways, rounds)
    speeds = {name: len(clips) / float(np.median(taken[:, 0])) for name, taken in times.items()}
    return {name: [*ratio, speeds[name]] for name, ratio in ratios(times, next(iter(ways))).items()}
