"""Recordings of any length → scores, in constant memory.

Decoder threads run ahead of the net (`earmark.inference.decoding`) and hand on stretches of windows. Windows that overlap go
through the net as one stretch where that saves work (`Sharer`); others in batches, of several recordings where these are
short. A scorer on a GPU (`Ahead`) begins with a batch before the scores of the one before are fetched.
Results come in the order of the recordings, however many threads decode. The batch size and the order of files change
a score by rounding only, less than 1e-5. A recording that cannot be read gives a `Failure` in its place and the rest goes on.

The members of an ensemble that hear the same windows are fed from one decoder; others go through the recordings side by
side. Each member's windows become its score of the recording first; then the members' scores are combined.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AudioError, EarmarkError, TaggerError
from earmark.errors.kinds import checked
from earmark.inference.counted import combined, count, no_number, result, short, take_in
from earmark.inference.decoding import Decoders, Pending
from earmark.inference.options import Options
from earmark.inference.pace import GATHERED
from earmark.inference.recordings import Failure, Part, Recording, Scored
from earmark.inference.scorer import Scorer, Several, ahead, begin_stretches, check_alike, hears
from earmark.windows import Stretch

LOUDEST = 200  # dB of gain
Ready = deque[tuple[Pending, Stretch]]  # windows that wait for the net, and the recording that they are of
# windows that the scorers have begun with, and what gives each scorer's scores of them
Flight = tuple[list[tuple[Pending, Stretch]], list[Callable[[], list[NDArray[np.float32]]]]]


@checked
def score(
    scorer: Scorer | Several,
    recordings: Iterable[Recording],
    *,
    batch: int | None = None,
    workers: int = 2,
    salvage: bool = False,
    keep_windows: bool = False,
    on_audio: Callable[[float], None] | None = None,
    on_part: Callable[[Part], None] | None = None,
    prompt: bool = False,
    gain: float = 0.0,
    hear_silence: bool = False,
    floor: float | None = None,
) -> Generator[Scored | Failure]:
    """Score recordings in order. One `Scored` or `Failure` each.

    batch: windows that go through the net at once; None: as many as are fastest here (see `earmark.inference.pace`). workers:
    decoder threads. salvage: use what can be read of a damaged
    file. keep_windows: keep each window's scores too (then memory grows with length). on_part: called with the scores of
    windows as they come, recording by recording, so that nothing needs to be kept; parts of a recording that fails later
    have been told by then. on_audio: called with seconds of audio as they are scored. prompt: score a window as soon as it
    has come, not when a batch of them has; for sound that is heard while it comes. EarmarkError where batch or workers are
    below 1. gain: dB by which sound is made louder first. hear_silence: score digital silence too, as the net answers it;
    else windows of it count for nothing, their scores are 0, and so are those of a recording that is silent throughout (see
    `earmark.inference.silence`). floor: dBFS, below which a window holds nothing, after the gain; None: the scorer's own.
    Of an ensemble whose members do not hear the same windows, TaggerError where window by window is asked for, and for a
    recording that comes once.

    >>> from pathlib import Path
    >>> from types import SimpleNamespace
    >>> from earmark.inference import Live
    >>> from earmark.windows import Windows
    >>> # whatever has these five can score: here by the highest value of a window
    >>> peak = SimpleNamespace(sample_rate=8_000, vocabulary=("loud",), task="many", windows=Windows(length=1.0, hop=1.0))
    >>> peak.score = lambda waves: waves.max(1, keepdims=True)
    >>> wave = np.repeat(np.float32([0.25, 0.75]), 8_000) * np.tile(np.float32([1, -1]), 8_000)
    >>> sound = Live(Path("-"), source=lambda _: iter([wave]))
    >>> [result.values.tolist() for result in score(peak, [sound])]  # the mean of its two windows
    [[0.5]]
    """
    if not abs(gain) <= LOUDEST:
        raise EarmarkError(f"gain is {gain} dB: give from -{LOUDEST} to {LOUDEST}")
    if floor is not None and not floor <= 0:
        raise EarmarkError(f"floor is {floor} dBFS: give 0, which is full scale, or less; -inf hears any level")
    for what, number in (("batch", batch), ("workers", workers)):
        if number is not None and number < 1:
            raise EarmarkError(f"{what} is {number}: give 1 or more")
    options = Options(batch, workers, salvage, keep_windows, on_audio, on_part, prompt, gain, hear_silence, floor)
    if isinstance(scorer, Several):
        yield from _score_together(scorer, recordings, options)
        return
    with closing(score_alike([scorer], recordings, options)) as results:
        for each in results:
            yield each if isinstance(each, Failure) else each[0]


def _score_together(team: Several, recordings: Iterable[Recording], options: Options) -> Iterator[Scored | Failure]:
    """Groups of members that hear the same windows, side by side over the recordings."""
    if options.keep_windows or options.on_part:
        check_alike(team.members)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, member in enumerate(team.members):
        groups.setdefault(hears(member), []).append(number)
    with ExitStack() as stack:
        runs: list[Iterator[list[Scored] | Failure]] = []
        todo = recordings if len(groups) == 1 else _read_again(recordings)
        for numbers, copy in zip(groups.values(), itertools.tee(todo, len(groups)), strict=True):
            scorers = [team.members[number] for number in numbers]
            run_options = replace(options, on_audio=None) if runs else options  # seconds count once
            runs.append(stack.enter_context(closing(score_alike(scorers, copy, run_options, team))))
        for results in zip(*runs, strict=True):
            by_member: dict[int, Scored] = {}
            failure = None
            for numbers, each in zip(groups.values(), results, strict=True):
                if isinstance(each, Failure):
                    failure = failure or each
                else:
                    by_member |= dict(zip(numbers, each, strict=True))
            yield failure or combined(team, [by_member[number] for number in range(len(team.members))])


def _read_again(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """The same. Raises TaggerError for one that cannot be read by each group of members: each would hear a part of it."""
    for recording in recordings:
        if recording.once:
            raise TaggerError(
                f"{recording.name}: comes once, but the members of this ensemble hear different windows, so that each needs it "
                "for itself. Save it as a file first, or take members with the same windows"
            )
        yield recording


def score_alike(
    scorers: Sequence[Scorer], recordings: Iterable[Recording], options: Options, team: Several | None = None
) -> Generator[list[Scored] | Failure]:
    """What each of the scorers, which hear the same windows, made of a recording."""
    todo = iter(recordings)
    begun: deque[Pending] = deque()  # until its result is out
    reading: deque[Pending] = deque()  # until its end has come
    ready: Ready = deque()
    flying: deque[Flight] = deque()
    with Decoders(scorers, options) as decoders, _stopping(begun):
        while True:
            for recording in itertools.islice(todo, options.workers + 1 - len(reading)):
                pending = decoders.begin(recording)
                begun.append(pending)
                reading.append(pending)
            if not reading:
                break
            if _take(reading[0], ready):
                reading.popleft()
            while _enough(ready, reading, options):
                _run(scorers, ready, options, team, flying)
            while begun and begun[0].finished:
                yield result(begun.popleft(), scorers, options)
        while ready:
            _run(scorers, ready, options, team, flying)
        while flying:
            _finish(scorers, ready, options, team, flying.popleft())
        while begun:
            yield result(begun.popleft(), scorers, options)


@contextmanager
def _stopping(begun: Iterable[Pending]) -> Iterator[None]:
    """On leaving nobody wants more of what was begun: a source that is still to come need not be waited for."""
    try:
        yield
    finally:
        for pending in begun:
            pending.recording.stop()


def _take(pending: Pending, ready: Ready) -> bool:
    """Wait for the next message of a recording; whether it has come to its end."""
    message = pending.messages.get()
    if isinstance(message.error, AudioError):
        _fail(pending, message.error, ready)
    elif message.error is not None:
        raise message.error
    if message.samples is not None:
        pending.samples, pending.short_silent = message.samples, message.silent
    if pending.error is None:
        ready.extend((pending, stretch) for stretch in message.stretches)
        pending.waiting += sum(len(stretch) for stretch in message.stretches)
    pending.ended = message.ended
    return message.ended


def _fail(pending: Pending, error: AudioError, ready: Ready) -> None:
    """Give a recording up: its windows are of no use any more, and nobody wants more of it."""
    pending.error = pending.error or error
    others = [entry for entry in ready if entry[0] is not pending]
    ready.clear()
    ready.extend(others)
    pending.recording.stop()


def _enough(ready: Ready, reading: deque[Pending], options: Options) -> bool:
    """Whether to score what is ready: a batch, or with `prompt` what there is before waiting for more."""
    if sum(len(stretch) for _, stretch in ready) >= (options.batch or GATHERED):
        return True
    return options.prompt and bool(ready) and (not reading or reading[0].messages.empty())


def _next(ready: Ready, batch: int) -> list[tuple[Pending, Stretch]]:
    """The first `batch` windows that are ready, or some more: a stretch is scored as it was cut."""
    taken: list[tuple[Pending, Stretch]] = []
    while ready and sum(len(stretch) for _, stretch in taken) < batch:
        taken.append(ready.popleft())
    return taken


def _run(
    scorers: Sequence[Scorer], ready: Ready, options: Options, team: Several | None, flying: deque[Flight]
) -> None:
    """Begin with the next batch of what is ready, and hand on the scores of those before: of all, or but for the last."""
    taken = _next(ready, options.batch or GATHERED)
    stretches = [stretch for _, stretch in taken]
    flying.append((taken, [begin_stretches(scorer, stretches, options.at_once) for scorer in scorers]))
    most = 1 if not options.prompt and any(ahead(scorer) for scorer in scorers) else 0
    while len(flying) > most:
        _finish(scorers, ready, options, team, flying.popleft())


def _finish(scorers: Sequence[Scorer], ready: Ready, options: Options, team: Several | None, flight: Flight) -> None:
    """Hand the scores of a batch to their recordings."""
    taken, begun = flight
    values = [collect() for collect in begun]
    settings = scorers[0].windows
    hop = min(settings.hop, settings.length)
    for number, (pending, stretch) in enumerate(taken):
        by_scorer = [scores[number] for scores in values]
        if pending.error is None and (error := no_number(pending, stretch, by_scorer, scorers[0].sample_rate)):
            _fail(pending, error, ready)
        if pending.error is not None:
            continue
        if pending.samples is not None and pending.samples < stretch.length:
            counted = short(scorers, stretch, by_scorer, pending.short_silent, options)
        else:
            counted = count(scorers, stretch, by_scorer, pending.samples, options)
        take_in(pending, counted, scorers, options, team)
        if options.on_counted:
            options.on_counted(pending.number, counted)
        pending.waiting -= len(stretch)
        if options.on_audio:
            options.on_audio(hop * len(stretch))
