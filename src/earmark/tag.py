"""Recordings of any length → scores, in constant memory.

Decoder threads run ahead of the net: each reads one recording in blocks and cuts it into windows. The net takes windows
of several recordings in one batch. Results come in the order of the recordings, and neither the batch size, the number
of threads nor the order of files changes a score. A recording that cannot be read gives a `Failure` in its place and
the rest goes on.

The members of an ensemble that hear the same windows are fed from one decoder; others go through the recordings side by
side. Each member's windows become its score of the recording first; then the members' scores are combined.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors import AudioError, TaggerError
from earmark.scores import Scores, Tag
from earmark.windows import Cutter, Pool, Windows, weights

Wave = NDArray[np.float32]

BLOCK_SECONDS = 10.0  # decoded at once; longer where a window is
AHEAD_BLOCKS = 3  # blocks of windows that wait for the net, for each recording in work


class Scorer(Protocol):
    """What can score windows."""

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


@runtime_checkable
class Several(Protocol):
    """Scorers that answer together: an ensemble."""

    @property
    def members(self) -> Sequence[Scorer]: ...

    @property
    def vocabulary(self) -> tuple[str, ...]: ...

    def combine(self, values: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Scores of the same rows by each member, (rows, its tags) → (rows, tags)."""
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
    """A recording in work. Its decoder fills `blocks`; the results of each scorer go to its pool."""

    recording: Recording
    pools: list[Pool]
    blocks: queue.Queue[Any] = field(default_factory=lambda: queue.Queue(AHEAD_BLOCKS))
    notes: list[str] = field(default_factory=list)
    starts: list[NDArray[np.int64]] = field(default_factory=list)
    values: list[list[NDArray[np.float32]]] = field(default_factory=list)  # of each block, of each scorer
    waiting: int = 0  # windows that have been cut and not yet scored
    total: int | None = None  # samples, known once it is read to its end
    error: AudioError | None = None

    @property
    def finished(self) -> bool:
        return self.error is not None or (self.total is not None and self.waiting == 0)


def score(
    scorer: Scorer | Several,
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
    file. keep_windows: keep each window's scores too (then memory grows with length); of an ensemble, TaggerError where
    its members do not hear the same windows. on_audio: called with seconds of audio as they are scored.
    """
    options: dict[str, Any] = {"batch": batch, "workers": workers, "salvage": salvage, "keep_windows": keep_windows}
    if isinstance(scorer, Several):
        yield from _score_together(scorer, recordings, on_audio, options)
        return
    with closing(_score([scorer], recordings, on_audio=on_audio, **options)) as results:
        for result in results:
            yield result if isinstance(result, Failure) else result[0]


def alike(scorers: Sequence[Scorer]) -> bool:
    """Whether all hear the same windows: the same samples of every recording."""
    return len({_hears(scorer) for scorer in scorers}) == 1


def check_alike(scorers: Sequence[Scorer]) -> None:
    """Raises TaggerError where these do not hear the same windows."""
    if not alike(scorers):
        kinds = {
            _hears(s): f"{s.windows.length:g} s every {s.windows.hop:g} s at {s.sample_rate:,} Hz" for s in scorers
        }
        raise TaggerError(
            f"the members of this ensemble hear different windows ({'; '.join(kinds.values())}), so that it has no scores "
            "window by window, only of whole recordings. Ask for those (no --windows, no --pictures), or take members with "
            "the same windows"
        )


def _hears(scorer: Scorer) -> tuple[Any, ...]:
    told = scorer.windows
    return scorer.sample_rate, *told.samples(scorer.sample_rate), told.last, told.short


def _score_together(
    team: Several, recordings: Iterable[Recording], on_audio: Callable[[float], None] | None, options: dict[str, Any]
) -> Iterator[Heard | Failure]:
    """Groups of members that hear the same windows, side by side over the recordings."""
    if options["keep_windows"]:
        check_alike(team.members)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, member in enumerate(team.members):
        groups.setdefault(_hears(member), []).append(number)
    with ExitStack() as stack:
        runs: list[Iterator[list[Heard] | Failure]] = []
        for numbers, copy in zip(groups.values(), itertools.tee(recordings, len(groups)), strict=True):
            scorers = [team.members[number] for number in numbers]
            run = _score(scorers, copy, on_audio=None if runs else on_audio, **options)  # seconds count once
            runs.append(stack.enter_context(closing(run)))
        for results in zip(*runs, strict=True):
            heard: dict[int, Heard] = {}
            failure = None
            for numbers, result in zip(groups.values(), results, strict=True):
                if isinstance(result, Failure):
                    failure = failure or result
                else:
                    heard |= dict(zip(numbers, result, strict=True))
            yield failure or _combined(team, [heard[number] for number in range(len(team.members))])


def _combined(team: Several, heard: list[Heard]) -> Heard:
    first = heard[0]
    notes = tuple(dict.fromkeys(note for one in heard for note in one.notes))
    values = team.combine([one.values[None] for one in heard])[0]
    windows = first.windows
    if windows is not None:
        kept = [one.windows.values for one in heard if one.windows is not None]
        windows = Scores(team.combine(kept), windows.ids, windows.start, windows.end, team.vocabulary)
    return Heard(first.recording, first.duration, values, notes, windows)


def _score(
    scorers: Sequence[Scorer],
    recordings: Iterable[Recording],
    *,
    batch: int,
    workers: int,
    salvage: bool,
    keep_windows: bool,
    on_audio: Callable[[float], None] | None,
) -> Generator[list[Heard] | Failure]:
    """What each of the scorers, which hear the same windows, made of a recording."""
    stop = threading.Event()
    jobs: deque[_Job] = deque()
    ready: list[tuple[_Job, Wave, NDArray[np.int64]]] = []
    todo = iter(recordings)
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="decode") as pool:

        def begin() -> _Job | None:
            recording = next(todo, None)
            if recording is None:
                return None
            job = _Job(recording, [Pool(s.windows.combine, normalise=s.task == "one") for s in scorers])
            jobs.append(job)
            pool.submit(_decode, job, scorers[0], salvage, stop)
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
                    _run(scorers, ready, batch, keep_windows, on_audio)
                while jobs and jobs[0].finished:
                    yield _result(jobs.popleft(), scorers)
            while ready:
                _run(scorers, ready, batch, keep_windows, on_audio)
            while jobs:
                yield _result(jobs.popleft(), scorers)
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
    scorers: Sequence[Scorer],
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
    batched = np.concatenate([waves for _, waves, _ in taken]) if len(taken) > 1 else taken[0][1]
    values = [scorer.score(batched) for scorer in scorers]
    first_of = scorers[0].windows
    hop = min(first_of.hop, first_of.length)
    at = 0
    for job, waves, first in taken:
        own = [value[at : at + len(waves)] for value in values]
        at += len(waves)
        counts = {s.windows.weigh: weights(waves, s.windows.weigh) for s in scorers}
        for scorer, pool, value in zip(scorers, job.pools, own, strict=True):
            pool.add(value, counts[scorer.windows.weigh])
        job.waiting -= len(waves)
        if keep:
            job.values.append(own)
            job.starts.append(first)
        if on_audio:
            on_audio(hop * len(waves))


def _result(job: _Job, scorers: Sequence[Scorer]) -> list[Heard] | Failure:
    if job.error is not None:
        return Failure(job.recording, job.error)
    assert job.total is not None and job.waiting == 0
    rate, length = scorers[0].sample_rate, scorers[0].windows.length
    duration = job.total / rate
    heard = []
    for number, (scorer, pool) in enumerate(zip(scorers, job.pools, strict=True)):
        windows = None
        if job.values:
            offset = job.recording.start or 0.0
            start = offset + np.concatenate(job.starts) / rate
            end = np.minimum(start + length, offset + duration)
            ids = np.full(len(start), job.recording.name)
            values = np.concatenate([block[number] for block in job.values])
            windows = Scores(values, ids, start, end, scorer.vocabulary)
        heard.append(Heard(job.recording, duration, pool.result(), tuple(job.notes), windows))
    return heard
