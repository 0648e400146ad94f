"""How fast a tagger is on this machine from files to tags, whatever runs it, and where the time goes; and a process's peak of memory.

What is measured is told with the figure: nothing here decides anything. No torch is needed for what an engine runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark import audio
from earmark import inference as tagging
from earmark.errors import EarmarkError, counted
from earmark.inference.scorer import together
from earmark.models.anytagger import Member
from earmark.models.graphtagger import GraphTagger


@dataclass(frozen=True)
class Speed:
    """From files to tags. All in seconds but hours_per_minute, of audio, and memory in bytes.

    wall: the whole run; features and net: within it; rest: of it, cutting, pooling and waiting. decoding: of one thread
    by itself, of which `workers` ran beside the net. memory: the peak of the process; before: the peak until then. engine:
    what ran the net, in words.
    """

    audio: float
    wall: float
    decoding: float
    features: float
    net: float
    rest: float
    hours_per_minute: float
    memory: int | None
    before: int | None
    workers: int
    windows_together: int
    engine: str


def files(tagger: Member, paths: Iterable[Path], batch: int | None = None, workers: int = 2) -> tuple[Speed, list[str]]:
    """The speed over recordings, and which could not be read."""
    recordings = [tagging.Recording(Path(path)) for path in paths]
    before = peak_memory()
    decoding = _decoding(recordings, tagger)
    at_once = together(tagger)
    with _parts(tagger) as (features, net):
        begin = time.perf_counter()
        results = list(tagging.score(tagger, recordings, batch=batch, workers=workers))
        wall = time.perf_counter() - begin
    failures = [str(result.error) for result in results if isinstance(result, tagging.Failure)]
    seconds = sum(result.duration for result in results if isinstance(result, tagging.Scored))
    if not seconds:
        raise EarmarkError(
            f"none of the {counted(len(results), 'recording')} could be read, the first: {(*failures, '')[0]}"
        )
    rest = wall - features[0] - net[0]
    speed = Speed(
        seconds,
        wall,
        decoding,
        features[0],
        net[0],
        rest,
        seconds / 60 / wall,
        peak_memory(),
        before,
        workers,
        at_once,
        tagger.engine,
    )
    return speed, failures


def _decoding(recordings: list[tagging.Recording], tagger: Member) -> float:
    begin = time.perf_counter()
    for recording in recordings:
        try:
            for _ in audio.blocks(recording.path, tagger.sample_rate, 10.0, report=lambda _: None):
                pass
        except EarmarkError:
            continue  # told by the run itself
    return time.perf_counter() - begin


@contextmanager
def _parts(tagger: Any) -> Iterator[tuple[list[float], list[float]]]:
    """Seconds spent in the features and in the net of a tagger, each summed up in a list of one."""
    if isinstance(tagger, GraphTagger):
        with _calls(tagger.features, "inputs") as features, _calls(tagger, "run") as net:
            yield features, net
    else:
        with _module(tagger.features) as features, _module(tagger.net) as net:
            yield features, net


@contextmanager
def _calls(owner: Any, name: str) -> Iterator[list[float]]:
    """Seconds spent in a method of one object."""
    spent, plain = [0.0], getattr(owner, name)

    def timed(*given: Any, **more: Any) -> Any:
        begin = time.perf_counter()
        try:
            return plain(*given, **more)
        finally:
            spent[0] += time.perf_counter() - begin

    setattr(owner, name, timed)
    try:
        yield spent
    finally:
        delattr(owner, name)


@contextmanager
def _module(module: Any) -> Iterator[list[float]]:
    """Seconds spent in a module of PyTorch."""
    import torch

    spent, begun = [0.0], [0.0]

    def start(*_: Any) -> None:
        begun[0] = time.perf_counter()

    def stop(*_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        spent[0] += time.perf_counter() - begun[0]

    handles = [module.register_forward_pre_hook(start), module.register_forward_hook(stop)]
    try:
        yield spent
    finally:
        for handle in handles:
            handle.remove()


def peak_memory() -> int | None:
    """The most memory that this process has held so far, bytes; None where the system does not tell.

    On Linux from /proc: `ru_maxrss` there begins with what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
