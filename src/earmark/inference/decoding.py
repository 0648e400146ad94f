"""Decoder threads: each reads one recording after the other in blocks, cuts it into stretches of windows, and runs ahead
of the net by a few of these.

    Decoders.begin(recording) → Pending, whose `messages` a thread fills: stretches of windows …, the length, the end
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AudioError
from earmark.inference.options import Options
from earmark.inference.recordings import Recording
from earmark.inference.scorer import Scorer, planned, together
from earmark.inference.silence import Level, all_equal
from earmark.scores import Scores
from earmark.windows import Cutter, Pool, Stretch

AHEAD = 3  # messages that wait for the net, for each recording in work
EAGER = 4  # times that windows overlap, from which on they are shared in recordings of any length
PATIENCE = 0.2  # seconds after which a thread that waits for room looks whether anybody still wants more


@dataclass(frozen=True)
class Message:
    """What a decoder hands on of a recording: some of its windows, what became known, or both.

    samples: the length of the whole, once it was read to its end. ended: nothing follows. error: why it ended. silent: of a
    recording that is shorter than a window, whether it holds nothing.
    """

    stretches: Sequence[Stretch] = ()
    samples: int | None = None
    ended: bool = False
    error: BaseException | None = None
    silent: bool = False


@dataclass
class Cover:
    """How many samples of a recording windows cover, which come in its order, overlapping or not. end: of the last of them.

    >>> cover = Cover()
    >>> cover.push(np.array([0, 2, 4]), 4)
    >>> cover.push(np.array([10]), 4)
    >>> cover.within(20), cover.within(11)
    (12, 9)
    """

    samples: int = 0
    end: int = 0

    def push(self, starts: NDArray[np.int64], length: int) -> None:
        """Windows of `length` samples, by their first ones."""
        if len(starts):
            ends = starts + length
            new = ends - np.maximum(starts, np.concatenate([[self.end], ends[:-1]]))
            self.samples, self.end = self.samples + int(new.sum()), int(ends[-1])

    def within(self, samples: int) -> int:
        """Of these, those of a recording of so many: the last window may be filled up."""
        return self.samples - max(0, self.end - samples)


@dataclass
class Pending:
    """A recording in work. Its decoder fills `messages`; the scores of each scorer go to its pool."""

    recording: Recording
    number: int
    pools: list[Pool]
    level: Level  # of what is read so far
    messages: queue.Queue[Message] = field(default_factory=lambda: queue.Queue(AHEAD))
    notes: list[str] = field(default_factory=list)
    kept: list[list[Scores]] = field(default_factory=list)  # of each stretch, of each scorer
    scored: int = 0
    waiting: int = 0  # windows that have been cut and not yet scored
    samples: int | None = None  # known once it is read to its end
    short_silent: bool = False  # shorter than a window, and nothing in it
    sounding: int = 0  # windows that hold something
    covered: Cover = field(default_factory=Cover)  # by all windows
    heard: Cover = field(default_factory=Cover)  # by those that hold something
    silences: int = 0  # windows with digital silence
    faint: int = 0  # windows below the floor
    ended: bool = False
    error: AudioError | None = None

    @property
    def finished(self) -> bool:
        return self.error is not None or (self.ended and self.waiting == 0)


class Decoders:
    """Threads that decode for `scorers`, which hear the same windows. On leaving nobody wants more, and they end."""

    def __init__(self, scorers: Sequence[Scorer], options: Options):
        self.scorers, self.options = scorers, options
        self._stop = threading.Event()
        self._todo: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._numbers = itertools.count()
        # daemons: whoever leaves the loop over results by an error must not wait for them at the end of the program
        self._threads = [
            threading.Thread(target=self._work, name=f"decode-{n}", daemon=True) for n in range(options.workers)
        ]

    def __enter__(self) -> Decoders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for _thread in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def begin(self, recording: Recording) -> Pending:
        """A recording that the next free thread will read."""
        pools = [Pool(scorer.windows.combine, normalise=scorer.task == "one") for scorer in self.scorers]
        pending = Pending(recording, next(self._numbers), pools, Level(self.scorers[0].sample_rate))
        self._todo.put(pending)
        return pending

    def _work(self) -> None:
        """A thread: one recording after the other, until there is none or nobody wants more."""
        while (pending := self._todo.get()) is not None and not self._stop.is_set():
            try:
                self._decode(pending)
            except BaseException as error:  # whatever it is, the thread that waits for this one must learn of it
                self._hand_on(pending, Message(ended=True, error=error))

    def _decode(self, pending: Pending) -> None:
        """A recording → stretches of windows, its number of samples, and the end. Raises what reading it raises."""
        rate, settings = self.scorers[0].sample_rate, self.scorers[0].windows
        length, hop = settings.samples(rate)
        blocks = pending.recording.checked_blocks(rate, settings.length, self.options.salvage, pending.notes.append)
        first = next(blocks, None)
        long = first is not None and pending.recording.lasts(len(first) / rate, settings.length)
        cutter = Cutter(length, hop, settings.last, settings.short, self._together(length, hop, long))
        gain = np.float32(10 ** (self.options.gain / 20))
        for block in itertools.chain([] if first is None else [first], blocks):
            if self._stop.is_set():
                return
            if pending.error is not None:
                break
            block = block * gain if self.options.gain else block
            pending.level.push(block)
            if cut := cutter.push(block):
                self._hand_on(pending, Message(cut))
        silent = cutter.total < length and (pending.level.short or all_equal(cutter.short_recording))
        # with the length: the last windows may reach past the end, and are cut there
        self._hand_on(pending, Message(cutter.finish(), samples=cutter.total, ended=True, silent=silent))

    def _together(self, length: int, hop: int, long: bool) -> int:
        """Windows of a stretch. Where it takes a plan, a second once, to know what is shared, a short recording whose
        windows overlap little is done by then.
        """
        worth = long or length >= EAGER * hop or all(planned(scorer) for scorer in self.scorers)
        if self.options.prompt or not worth:
            return 1
        return max(1, *(together(scorer) for scorer in self.scorers))

    def _hand_on(self, pending: Pending, message: Message) -> None:
        while not self._stop.is_set():
            try:
                return pending.messages.put(message, timeout=PATIENCE)
            except queue.Full:
                continue
