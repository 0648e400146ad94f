"""Recordings of any length → scores, in constant memory.

Decoder threads run ahead of the net: each reads one recording in blocks and cuts it into stretches of windows. Windows
that overlap go through the net as one stretch where that saves work (`Sharer`); others in batches, of several recordings
where these are short. Results come in the order of the recordings, and neither the batch size, the number of threads nor
the order of files changes a score. A recording that cannot be read gives a `Failure` in its place and the rest goes on.

The members of an ensemble that hear the same windows are fed from one decoder; others go through the recordings side by
side. Each member's windows become its score of the recording first; then the members' scores are combined.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AudioError, EarmarkError, TaggerError
from earmark.inference.recordings import Failure, Heard, Part, Recording
from earmark.inference.scorer import Scorer, Several, check_alike, hears, score_stretches, together
from earmark.scores import Scores
from earmark.windows import Cutter, Pool, Stretch, weights

AHEAD = 3  # blocks of windows that wait for the net, for each recording in work
EAGER = 4  # times that windows overlap, from which on they are shared in recordings of any length


@dataclass(frozen=True)
class Options:
    """See `score`."""

    batch: int = 16
    workers: int = 2
    salvage: bool = False
    keep_windows: bool = False
    on_audio: Callable[[float], None] | None = None
    on_part: Callable[[Part], None] | None = None
    prompt: bool = False


@dataclass
class _Job:
    """A recording in work. Its decoder fills `stretches`; the results of each scorer go to its pool."""

    recording: Recording
    number: int
    pools: list[Pool]
    stretches: queue.Queue[Any] = field(default_factory=lambda: queue.Queue(AHEAD))
    notes: list[str] = field(default_factory=list)
    kept: list[list[Scores]] = field(default_factory=list)  # of each stretch, of each scorer
    scored: int = 0
    waiting: int = 0  # windows that have been cut and not yet scored
    total: int | None = None  # samples, known once it is read to its end
    ended: bool = False
    error: AudioError | None = None

    @property
    def finished(self) -> bool:
        return self.error is not None or (self.ended and self.waiting == 0)


def score(
    scorer: Scorer | Several,
    recordings: Iterable[Recording],
    *,
    batch: int = 16,
    workers: int = 2,
    salvage: bool = False,
    keep_windows: bool = False,
    on_audio: Callable[[float], None] | None = None,
    on_part: Callable[[Part], None] | None = None,
    prompt: bool = False,
) -> Generator[Heard | Failure]:
    """Score recordings in order. One `Heard` or `Failure` each.

    batch: windows that go through the net at once. workers: decoder threads. salvage: use what can be read of a damaged
    file. keep_windows: keep each window's scores too (then memory grows with length). on_part: called with the scores of
    windows as they come, recording by recording, so that nothing needs to be kept; parts of a recording that fails later
    have been told by then. on_audio: called with seconds of audio as they are scored. prompt: score a window as soon as it
    has come, not when a batch of them has; for sound that is heard while it comes. EarmarkError where batch or workers are
    below 1. Of an ensemble whose members do not hear the same windows, TaggerError where window by window is asked for, and
    for a recording that comes once.
    """
    for what, number in (("batch", batch), ("workers", workers)):
        if number < 1:
            raise EarmarkError(f"{what} is {number}: give 1 or more")
    options = Options(batch, workers, salvage, keep_windows, on_audio, on_part, prompt)
    if isinstance(scorer, Several):
        yield from _score_together(scorer, recordings, options)
        return
    with closing(_score([scorer], recordings, options)) as results:
        for result in results:
            yield result if isinstance(result, Failure) else result[0]


def _score_together(team: Several, recordings: Iterable[Recording], options: Options) -> Iterator[Heard | Failure]:
    """Groups of members that hear the same windows, side by side over the recordings."""
    if options.keep_windows or options.on_part:
        check_alike(team.members)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, member in enumerate(team.members):
        groups.setdefault(hears(member), []).append(number)
    with ExitStack() as stack:
        runs: list[Iterator[list[Heard] | Failure]] = []
        todo = recordings if len(groups) == 1 else _read_again(recordings)
        for numbers, copy in zip(groups.values(), itertools.tee(todo, len(groups)), strict=True):
            scorers = [team.members[number] for number in numbers]
            own = replace(options, on_audio=None) if runs else options  # seconds count once
            runs.append(stack.enter_context(closing(_score(scorers, copy, own, team))))
        for results in zip(*runs, strict=True):
            heard: dict[int, Heard] = {}
            failure = None
            for numbers, result in zip(groups.values(), results, strict=True):
                if isinstance(result, Failure):
                    failure = failure or result
                else:
                    heard |= dict(zip(numbers, result, strict=True))
            yield failure or _combined(team, [heard[number] for number in range(len(team.members))])


def _read_again(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """The same. Raises TaggerError for one that cannot be read by each group of members: each would hear a part of it."""
    for recording in recordings:
        if recording.once:
            raise TaggerError(
                f"{recording.name}: comes once, but the members of this ensemble hear different windows, so that each needs it "
                "for itself. Save it as a file first, or take members with the same windows"
            )
        yield recording


def _combined(team: Several, heard: list[Heard]) -> Heard:
    first = heard[0]
    notes = tuple(dict.fromkeys(note for one in heard for note in one.notes))
    values = team.combine([one.values[None] for one in heard])[0]
    windows = _combined_rows(team, [one.windows for one in heard if one.windows is not None])
    return Heard(first.recording, first.duration, values, notes, windows)


def _combined_rows(team: Several, rows: list[Scores]) -> Scores | None:
    if not rows:
        return None
    first = rows[0]
    return Scores(team.combine([each.values for each in rows]), first.ids, first.start, first.end, team.vocabulary)


def _score(
    scorers: Sequence[Scorer], recordings: Iterable[Recording], options: Options, team: Several | None = None
) -> Generator[list[Heard] | Failure]:
    """What each of the scorers, which hear the same windows, made of a recording."""
    stop = threading.Event()
    jobs: deque[_Job] = deque()
    ready: deque[tuple[_Job, Stretch]] = deque()
    todo, numbers = iter(recordings), itertools.count()
    waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
    # daemons: whoever leaves the loop over results by an error must not wait for them at the end of the program
    decoders = [
        threading.Thread(target=_decode_all, args=(waiting, scorers, options, stop), name=f"decode-{n}", daemon=True)
        for n in range(options.workers)
    ]
    for decoder in decoders:
        decoder.start()

    def begin() -> _Job | None:
        recording = next(todo, None)
        if recording is None:
            return None
        job = _Job(recording, next(numbers), [Pool(s.windows.combine, normalise=s.task == "one") for s in scorers])
        jobs.append(job)
        waiting.put(job)
        return job

    reading: deque[_Job] = deque()
    try:
        while True:
            while len(reading) <= options.workers and (job := begin()) is not None:
                reading.append(job)
            if not reading:
                break
            if _take(reading[0], ready):
                reading.popleft()
            while _enough(ready, reading, options):
                _run(scorers, ready, options, team)
            while jobs and jobs[0].finished:
                yield _result(jobs.popleft(), scorers)
        while ready:
            _run(scorers, ready, options, team)
        while jobs:
            yield _result(jobs.popleft(), scorers)
    finally:
        stop.set()
        for job in jobs:
            job.recording.stop()
        for _ in decoders:
            waiting.put(None)
        for decoder in decoders:
            decoder.join()


def _decode_all(
    waiting: queue.SimpleQueue[_Job | None], scorers: Sequence[Scorer], options: Options, stop: threading.Event
) -> None:
    """A decoder's thread: one recording after the other, until there is none or nobody wants more."""
    while (job := waiting.get()) is not None and not stop.is_set():
        _decode(job, scorers, options, stop)


def _decode(job: _Job, scorers: Sequence[Scorer], options: Options, stop: threading.Event) -> None:
    """A recording → stretches of windows, its number of samples and an end, or its error."""

    def put(thing: Any) -> None:
        while not stop.is_set():
            try:
                return job.stretches.put(thing, timeout=0.2)
            except queue.Full:
                continue

    try:
        rate, told = scorers[0].sample_rate, scorers[0].windows
        length, hop = told.samples(rate)
        blocks = job.recording.blocks(rate, told.length, options.salvage, job.notes.append)
        first = next(blocks, None)
        # to plan what is shared takes a second once: a short recording whose windows overlap little is done by then
        pays = length >= EAGER * hop or (first is not None and job.recording.lasts(len(first) / rate, told.length))
        size = max(1, *(together(scorer) for scorer in scorers)) if pays and not options.prompt else 1
        cutter = Cutter(length, hop, told.last, told.short, size)
        for block in itertools.chain([] if first is None else [first], blocks):
            if stop.is_set():
                return
            if job.error is not None:
                break
            if made := cutter.push(block):
                put(made)
        put(cutter.total)
        put(cutter.finish())
        put(None)
    except BaseException as error:  # whatever it is, the thread that waits for this one must learn of it
        put(error)


def _take(job: _Job, ready: deque[tuple[_Job, Stretch]]) -> bool:
    """Wait for the next stretch of a recording; whether it has come to its end."""
    thing = job.stretches.get()
    if isinstance(thing, AudioError):
        _fail(job, thing, ready)
        return True
    if isinstance(thing, BaseException):
        raise thing
    if thing is None:
        job.ended = True
        return True
    if isinstance(thing, int):
        job.total = thing
    elif job.error is None:
        ready.extend((job, stretch) for stretch in thing)
        job.waiting += sum(len(stretch) for stretch in thing)
    return False


def _fail(job: _Job, error: AudioError, ready: deque[tuple[_Job, Stretch]]) -> None:
    """Give a recording up: its windows are of no use any more, and nobody wants more of it."""
    job.error = job.error or error
    others = [entry for entry in ready if entry[0] is not job]
    ready.clear()
    ready.extend(others)
    job.recording.stop()


def _enough(ready: deque[tuple[_Job, Stretch]], reading: deque[_Job], options: Options) -> bool:
    """Whether to score what is ready: a batch, or with `prompt` what there is before waiting for more."""
    if sum(len(stretch) for _, stretch in ready) >= options.batch:
        return True
    return options.prompt and bool(ready) and (not reading or reading[0].stretches.empty())


def _next(ready: deque[tuple[_Job, Stretch]], batch: int) -> list[tuple[_Job, Stretch]]:
    """The first `batch` windows that are ready, or some more: a stretch is scored as it was cut."""
    taken: list[tuple[_Job, Stretch]] = []
    while ready and sum(len(stretch) for _, stretch in taken) < batch:
        taken.append(ready.popleft())
    return taken


def _run(scorers: Sequence[Scorer], ready: deque[tuple[_Job, Stretch]], options: Options, team: Several | None) -> None:
    """Score the next batch of what is ready and hand the results to their recordings."""
    taken = _next(ready, options.batch)
    stretches = [stretch for _, stretch in taken]
    values = [score_stretches(scorer, stretches, options.batch) for scorer in scorers]
    told = scorers[0].windows
    hop = min(told.hop, told.length)
    for number, (job, stretch) in enumerate(taken):
        own = [each[number] for each in values]
        if job.error is None and (error := _no_number(job, stretch, own, scorers[0].sample_rate)):
            _fail(job, error, ready)
        if job.error is not None:
            continue
        counts = {weigh: weights(stretch.windows(), weigh) for weigh in {s.windows.weigh for s in scorers}}
        for scorer, pool, value in zip(scorers, job.pools, own, strict=True):
            pool.add(value, counts[scorer.windows.weigh])
        job.waiting -= len(stretch)
        if options.keep_windows or options.on_part:
            rows = [_rows(job, stretch, scorer, value) for scorer, value in zip(scorers, own, strict=True)]
            _tell(job, rows, scorers[0].sample_rate, options, team)
        job.scored += len(stretch)
        if options.on_audio:
            options.on_audio(hop * len(stretch))


def _no_number(job: _Job, stretch: Stretch, values: list[NDArray[np.float32]], rate: int) -> AudioError | None:
    """Where a score is NaN or infinite, which no mean over windows and no sorting of tags would show."""
    fine = np.logical_and.reduce([np.isfinite(each).all(1) for each in values])
    if fine.all():
        return None
    second = (job.recording.start or 0.0) + int(stretch.starts[int(np.argmin(fine))]) / rate
    problem = f"the tagger's scores of the window at {second:.2f} s are no finite numbers"
    remedy = (
        "Check the sound there, which may be far beyond full scale; if other recordings fail alike, the tagger's file"
    )
    return AudioError(job.recording.path, problem, remedy)


def _rows(job: _Job, stretch: Stretch, scorer: Scorer, values: NDArray[np.float32]) -> Scores:
    """The scores of windows with their times in the file; within the recording, as far as its end is known."""
    offset, rate = job.recording.start or 0.0, scorer.sample_rate
    start = offset + stretch.starts / rate
    # in samples, as the recording's end is: then it makes no difference whether that is known yet
    end = offset + (stretch.starts + stretch.length) / rate
    if job.total is not None:
        end = np.minimum(end, offset + job.total / rate)
    return Scores(values, np.full(len(start), job.recording.name), start, end, scorer.vocabulary)


def _tell(job: _Job, rows: list[Scores], rate: int, options: Options, team: Several | None) -> None:
    if options.keep_windows:
        job.kept.append(rows)
    if options.on_part:
        whole = rows[0] if team is None else _combined_rows(team, rows)
        assert whole is not None
        duration = None if job.total is None else job.total / rate
        options.on_part(Part(job.recording, whole, job.scored, duration, job.number))


def _result(job: _Job, scorers: Sequence[Scorer]) -> list[Heard] | Failure:
    if job.error is not None:
        return Failure(job.recording, job.error)
    assert job.total is not None and job.waiting == 0
    duration = job.total / scorers[0].sample_rate
    heard = []
    for number, pool in enumerate(job.pools):
        windows = None
        if job.kept:
            parts = [rows[number] for rows in job.kept]
            ids, start, end = (np.concatenate([getattr(p, name) for p in parts]) for name in ("ids", "start", "end"))
            windows = Scores(np.concatenate([p.values for p in parts]), ids, start, end, parts[0].tags)
        heard.append(Heard(job.recording, duration, pool.result(), tuple(job.notes), windows))
    return heard
