"""Recordings of any length → scores, in constant memory.

Decoder threads run ahead of the net: each reads one recording in blocks and cuts it into windows. The net takes windows
of several recordings in one batch. Results come in the order of the recordings, and neither the batch size, the number
of threads nor the order of files changes a score. A recording that cannot be read gives a `Failure` in its place and
the rest goes on.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors import AudioError
from earmark.scores import Scores, Tag
from earmark.windows import Cutter, Pool, Windows, weights

Wave = NDArray[np.float32]

BLOCK_SECONDS = 10.0  # decoded at once; longer where a window is
AHEAD_BLOCKS = 3  # blocks of windows that wait for the net, for each recording in work


class Scorer(Protocol):
    """What can score windows: a tagger, or an ensemble of some."""

    @property
    def sample_rate(self) -> int: ...

    @property
    def vocabulary(self) -> tuple[str, ...]: ...

    @property
    def windows(self) -> Windows: ...

    @property
    def task(self) -> Literal["one", "many"]: ...

    def score(self, waves: Wave) -> NDArray[np.float32]:
        """Windows (n, samples) → probabilities (n, tags)."""
        ...


@dataclass(frozen=True)
class Recording:
    """What is to be scored. start, end: seconds, default the whole file. id: default the path."""

    path: Path
    start: float | None = None
    end: float | None = None
    id: str = ""

    @property
    def name(self) -> str:
        return self.id or str(self.path)


@dataclass(frozen=True)
class Heard:
    """One recording's scores. duration: seconds. values: (tags,) float32. notes: what was done to the audio.

    windows: the scores window by window, where they were asked for.
    """

    recording: Recording
    duration: float
    values: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    windows: Scores | None = None

    def tags(self, vocabulary: tuple[str, ...], top: int | None = None) -> list[Tag]:
        """The tags with the highest scores first; the vocabulary's order breaks ties."""
        order = np.argsort(-self.values, kind="stable")[:top]
        return [Tag(vocabulary[i], float(self.values[i])) for i in order]


@dataclass(frozen=True)
class Failure:
    """A recording that could not be read."""

    recording: Recording
    error: AudioError


@dataclass
class _Job:
    """A recording in work. Its decoder fills `blocks`; the net's results go to `pool`."""

    recording: Recording
    pool: Pool
    blocks: queue.Queue[Any] = field(default_factory=lambda: queue.Queue(AHEAD_BLOCKS))
    notes: list[str] = field(default_factory=list)
    starts: list[NDArray[np.int64]] = field(default_factory=list)
    values: list[NDArray[np.float32]] = field(default_factory=list)
    waiting: int = 0  # windows that have been cut and not yet scored
    total: int | None = None  # samples, known once it is read to its end
    error: AudioError | None = None

    @property
    def finished(self) -> bool:
        return self.error is not None or (self.total is not None and self.waiting == 0)


def score(
    scorer: Scorer,
    recordings: Iterable[Recording],
    *,
    batch: int = 32,
    workers: int = 2,
    salvage: bool = False,
    keep_windows: bool = False,
    on_audio: Callable[[float], None] | None = None,
) -> Iterator[Heard | Failure]:
    """Score recordings in order. One `Heard` or `Failure` each.

    batch: windows that go through the net at once. workers: decoder threads. salvage: use what can be read of a damaged
    file. keep_windows: keep each window's scores too (then memory grows with length). on_audio: called with seconds of
    audio as they are scored.
    """
    stop = threading.Event()
    jobs: deque[_Job] = deque()
    ready: list[tuple[_Job, Wave, NDArray[np.int64]]] = []
    todo = iter(recordings)
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="decode") as pool:

        def begin() -> _Job | None:
            recording = next(todo, None)
            if recording is None:
                return None
            job = _Job(recording, Pool(scorer.windows.combine, normalise=scorer.task == "one"))
            jobs.append(job)
            pool.submit(_decode, job, scorer, salvage, stop)
            return job

        reading: deque[_Job] = deque()
        try:
            while True:
                while len(reading) <= workers and (job := begin()) is not None:
                    reading.append(job)
                if not reading:
                    break
                if _take_block(reading[0], ready):
                    reading.popleft()
                while sum(len(waves) for _, waves, _ in ready) >= batch:
                    _run(scorer, ready, batch, keep_windows, on_audio)
                while jobs and jobs[0].finished:
                    yield _result(jobs.popleft(), scorer)
            while ready:
                _run(scorer, ready, batch, keep_windows, on_audio)
            while jobs:
                yield _result(jobs.popleft(), scorer)
        finally:
            stop.set()


def _decode(job: _Job, scorer: Scorer, salvage: bool, stop: threading.Event) -> None:
    """In a thread: a recording → blocks of windows, then its number of samples or its error."""

    def put(thing: Any) -> None:
        while not stop.is_set():
            try:
                return job.blocks.put(thing, timeout=0.2)
            except queue.Full:
                continue

    try:
        length, hop = scorer.windows.samples(scorer.sample_rate)
        cutter = Cutter(length, hop, scorer.windows.last, scorer.windows.short)
        for block in _blocks(job, scorer, salvage):
            if stop.is_set():
                return
            put(cutter.push(block))
        put(cutter.finish())
        put(cutter.total)
    except AudioError as error:
        put(error)
    except BaseException as error:  # whatever it is, the thread that waits for this one must learn of it
        put(error)


def _blocks(job: _Job, scorer: Scorer, salvage: bool) -> Iterator[Wave]:
    recording, rate = job.recording, scorer.sample_rate
    if recording.start is None and recording.end is None:
        seconds = max(BLOCK_SECONDS, 2 * scorer.windows.length)
        yield from audio.blocks(recording.path, rate, seconds, salvage=salvage, report=job.notes.append)
        return
    start = recording.start or 0.0
    length = None if recording.end is None else recording.end - start
    yield audio.load(recording.path, rate, start, length, salvage=salvage, report=job.notes.append)


def _take_block(job: _Job, ready: list[tuple[_Job, Wave, NDArray[np.int64]]]) -> bool:
    """Wait for the next block of a recording; whether it was the last."""
    block = job.blocks.get()
    if isinstance(block, AudioError):
        job.error = block
        ready[:] = [entry for entry in ready if entry[0] is not job]  # its windows are of no use any more
        return True
    if isinstance(block, BaseException):
        raise block
    if isinstance(block, int):
        job.total = block
        return True
    waves, first = block
    if len(waves):
        ready.append((job, waves, first))
        job.waiting += len(waves)
    return False


def _run(
    scorer: Scorer,
    ready: list[tuple[_Job, Wave, NDArray[np.int64]]],
    batch: int,
    keep: bool,
    on_audio: Callable[[float], None] | None,
) -> None:
    """Score the first `batch` windows that are ready and hand the results to their recordings."""
    taken: list[tuple[_Job, Wave, NDArray[np.int64]]] = []
    room = batch
    while ready and room:
        job, waves, first = ready.pop(0)
        taken.append((job, waves[:room], first[:room]))
        if len(waves) > room:
            ready.insert(0, (job, waves[room:], first[room:]))
        room -= len(taken[-1][1])
    values = scorer.score(np.concatenate([waves for _, waves, _ in taken]) if len(taken) > 1 else taken[0][1])
    hop = min(scorer.windows.hop, scorer.windows.length)
    at = 0
    for job, waves, first in taken:
        own = values[at : at + len(waves)]
        at += len(waves)
        job.pool.add(own, weights(waves, scorer.windows.weigh))
        job.waiting -= len(waves)
        if keep:
            job.values.append(own)
            job.starts.append(first)
        if on_audio:
            on_audio(hop * len(waves))


def _result(job: _Job, scorer: Scorer) -> Heard | Failure:
    if job.error is not None:
        return Failure(job.recording, job.error)
    assert job.total is not None and job.waiting == 0
    duration = job.total / scorer.sample_rate
    windows = None
    if job.values:
        offset = job.recording.start or 0.0
        start = offset + np.concatenate(job.starts) / scorer.sample_rate
        end = np.minimum(start + scorer.windows.length, offset + duration)
        ids = np.full(len(start), job.recording.name)
        windows = Scores(np.concatenate(job.values), ids, start, end, scorer.vocabulary)
    return Heard(job.recording, duration, job.pool.result(), tuple(job.notes), windows)
