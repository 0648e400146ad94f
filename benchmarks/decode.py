"""How fast recordings become 16 kHz samples: earmark.audio beside what else one might call, on the same files.

    python benchmarks/decode.py [FOLDER]

The files are taken in groups; each group is decoded every way in turn, several rounds, in one process: neighbours on
the machine then slow all of them alike, and the ratios hold where the absolute figures do not. `ratio` is the median
over groups and rounds of (time of bare soundfile + soxr on one thread) ÷ (time of this way): above 1 is faster. `best`
is the same from the fastest round of each group, which is nearer to an idle machine; `cpu` counts the processor's time
instead of the clock's. Ways of which the package is missing are left out and named.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from earmark import audio

RATE = 16_000
BARE = "soundfile + soxr, 1 thread"
BARE_2 = "soundfile + soxr, 2 threads"
EARMARK = "earmark.audio.load, 1 thread"
EARMARK_2 = "earmark.audio.load, 2 threads"


def main(data: Path, rounds: int = 8, files: int = 64, group: int = 32) -> dict[str, Any]:
    """data: a folder of recordings, or one that holds esc10/audio. files: how many of them, spread over the folder."""
    folder = data / "esc10" / "audio" if (data / "esc10" / "audio").is_dir() else data
    paths = audio.find([folder])
    paths = paths[:: max(1, len(paths) // files)][:files]
    if not paths:
        raise SystemExit(f"no recordings in {folder}")
    ways, missing = _ways()
    for one, _ in ways.values():
        one(paths[0])  # imports and first-call costs stay out of the figures
    groups = [paths[i : i + group] for i in range(0, len(paths), group)]
    times = {name: np.zeros((len(groups), rounds, 2)) for name in ways}
    for turn in range(rounds):
        for i, members in enumerate(groups):
            for name in list(ways) if (turn + i) % 2 == 0 else list(reversed(ways)):
                times[name][i, turn] = _seconds(*ways[name], members)
    return {
        "files": len(paths),
        "seconds_of_audio": round(sum(soundfile.info(path).duration for path in paths), 1),
        "rounds": rounds,
        "missing": missing,
        "ways": {
            name: {
                **_ratios(times[BARE], taken),
                "clips_per_second": round(len(paths) / float(taken[..., 0].min(1).sum()), 1),
            }
            for name, taken in times.items()
        },
        "two_threads_over_one": {
            "earmark.audio.load": _ratios(times[EARMARK], times[EARMARK_2]),
            "soundfile + soxr": _ratios(times[BARE], times[BARE_2]),
        },
    }


def _ways() -> tuple[dict[str, tuple[Callable[[Path], object], int]], list[str]]:
    ways: dict[str, tuple[Callable[[Path], object], int]] = {
        BARE: (_bare, 1),
        EARMARK: (_earmark, 1),
        EARMARK_2: (_earmark, 2),
        BARE_2: (_bare, 2),
    }
    missing = []
    for package, name, one in (("librosa", "librosa.load", _librosa), ("av", "PyAV + soxr", _pyav)):
        if importlib.util.find_spec(package):
            ways[f"{name}, 1 thread"] = (one, 1)
        else:
            missing.append(package)
    return ways, missing


def _earmark(path: Path) -> object:
    return audio.load(path, RATE, report=lambda _: None)


def _bare(path: Path) -> object:
    wave, rate = soundfile.read(path, dtype="float32")
    return soxr.resample(wave if wave.ndim == 1 else wave.mean(1), rate, RATE)


def _librosa(path: Path) -> object:
    import librosa

    return librosa.load(path, sr=RATE, res_type="soxr_hq")


def _pyav(path: Path) -> object:
    import av

    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    return soxr.resample(np.concatenate(frames, 1).mean(0), rate, RATE)


def _seconds(one: Callable[[Path], object], threads: int, paths: list[Path]) -> tuple[float, float]:
    """(by the clock, of the processor)"""
    clock, cpu = time.perf_counter(), time.process_time()
    if threads == 1:
        for path in paths:
            one(path)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(one, paths):
                pass
    return time.perf_counter() - clock, time.process_time() - cpu


def _ratios(of: NDArray[np.float64], to: NDArray[np.float64]) -> dict[str, float]:
    """of, to: (groups, rounds, 2) seconds."""
    return {
        "ratio": round(float(np.median(of[..., 0] / to[..., 0])), 3),
        "best": round(float(np.median(of[..., 0].min(1) / to[..., 0].min(1))), 3),
        "cpu": round(float(np.median(of[..., 1].min(1) / to[..., 1].min(1))), 3),
    }


def _table(result: dict[str, Any]) -> str:
    lines = [
        f"{result['files']} files, {result['seconds_of_audio']} s of sound, {result['rounds']} rounds",
        f"  {'':<32}{'ratio':>7}{'best':>7}{'cpu':>7}{'clips/s':>9}",
    ]
    for name, row in result["ways"].items():
        lines.append(
            f"  {name:<32}{row['ratio']:>7.2f}{row['best']:>7.2f}{row['cpu']:>7.2f}{row['clips_per_second']:>9.1f}"
        )
    lines.append("  two threads over one:")
    for name, row in result["two_threads_over_one"].items():
        lines.append(f"  {name:<32}{row['ratio']:>7.2f}{row['best']:>7.2f}{row['cpu']:>7.2f}")
    lines += [f"  {name}: not installed, left out" for name in result["missing"]]
    return "\n".join(lines)


if __name__ == "__main__":
    figures = main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
    print(_table(figures))
    print(json.dumps(figures))
