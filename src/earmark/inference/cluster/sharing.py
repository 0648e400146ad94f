"""Who reads and hears what, where each process that holds the taggers reads for itself: no sound goes from one to another.

    short recordings   told by their bytes: several are asked for at once
    others             are of one process, which keeps them open and is asked for one piece after the other. Whoever has nothing
                       left to do takes over the later pieces of what another has before it, as many as it hears before that one
                       is through with the earlier ones: for it decodes all that lies before them, too

Two things are asked of a process at once, so that it never waits for the next. What a process had when it died is asked for
again; a recording at which one died TRIES times is given up: more would die of it.
"""

from __future__ import annotations

import math
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from earmark.errors import AudioError
from earmark.inference.cluster.hearing import Heard, to_bytes
from earmark.inference.cluster.rows import Arrived, Row

SHORT = 1 << 20  # bytes of a recording that is a piece or two, whatever its codec
TOGETHER, BYTES = 32, 4 << 20  # short recordings that are asked for at once, and bytes of their files
AT_ONCE = 2  # asks of a process
TRIES = 4


@dataclass(frozen=True)
class Part:
    """Pieces of a recording: from `first` to before `end`, or to whatever is its last. path: in the system's bytes. short: it is
    asked for as a whole.
    """

    index: int
    path: bytes
    channel: int | None
    key: str
    first: int = 0
    end: int | None = None
    done: frozenset[int] = frozenset()
    short: bool = False


@dataclass(frozen=True)
class Ask:
    """Some short recordings, or one piece of another."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Spent:
    """What a process took for pieces that it was asked for one by one. decoded: those passed over, too."""

    decoding: float = 0.0
    decoded: int = 0
    hearing: float = 0.0
    heard: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.decoding + other.decoding,
            self.decoded + other.decoded,
            self.hearing + other.hearing,
            self.heard + other.heard,
        )


@dataclass(frozen=True)
class Answer:
    """arrived: what was heard. rest: of short recordings, what would have been too much at once. ended: recordings, and the number that
    was asked for, where they have no such piece. pieces: how many a recording has, as its header tells.
    """

    arrived: tuple[Arrived, ...] = ()
    rest: tuple[Part, ...] = ()
    ended: tuple[tuple[int, int], ...] = ()
    pieces: tuple[tuple[int, int], ...] = ()
    spent: Spent = field(default_factory=Spent)


class Sharing:
    """What is still to be heard, and by whom. Processes are told by any names."""

    def __init__(self, rows: Sequence[Row]):
        self._waiting = deque(_groups(rows))
        self._own: dict[str, deque[Part]] = {}
        self._asked: dict[str, deque[Ask]] = {}
        self._pieces: dict[int, int] = {}
        self._spent = Spent()
        self._deaths: Counter[tuple[int, int]] = Counter()  # at a piece
        self.most = len(self._waiting) + sum(
            row.size // SHORT for row in rows
        )  # processes that would have something to do

    @property
    def done(self) -> bool:
        return not (self._waiting or any(self._own.values()) or any(self._asked.values()))

    def take(self, who: str) -> Ask | None:
        """What a process is to do next, beside what it was asked for; None: nothing now."""
        own, asked = self._own.setdefault(who, deque()), self._asked.setdefault(who, deque())
        while len(asked) < AT_ONCE:
            if not own:
                if self._waiting:
                    own.extend(self._waiting.popleft())
                elif asked or (part := self._taken_over(who)) is None:
                    return None
                else:
                    own.append(part)
            if (ask := _next(own)) is not None:
                asked.append(ask)
                return ask
        return None

    def answered(self, who: str, answer: Answer) -> None:
        """The first of what a process was asked for."""
        self._asked[who].popleft()
        self._own[who].extendleft(reversed(answer.rest))
        self._pieces |= dict(answer.pieces)
        self._spent += answer.spent
        for index, number in answer.ended:
            self._drop(who, index, number)
        for each in answer.arrived:
            if each.last:  # whatever another has before it of the same recording is of no use, where it is an error
                for other in self._own:
                    self._drop(other, each.index, each.number)

    def lost(self, who: str) -> list[Arrived]:
        """A process has died, of what it was at, it may be: what comes of recordings that are given up for it."""
        asked = self._asked.pop(who, deque())
        back = [part for ask in asked for part in ask.parts] + list(self._own.pop(who, ()))
        given_up = []
        if asked and len(asked[0].parts) == 1:
            (part,) = asked[0].parts
            self._deaths[part.index, part.first] += 1
            if self._deaths[part.index, part.first] >= TRIES:
                given_up = [_given_up(part)]
                back = [each for each in back if each.index != part.index]
        # each by itself: of several that were asked for at once nobody knows of which it died
        self._waiting.extendleft((part,) for part in reversed(list(_together(back))))
        return given_up

    def _drop(self, who: str, index: int, number: int) -> None:
        """No pieces of a recording from this number on."""
        own = self._own[who]
        if any(part.index == index for part in own):
            self._own[who] = deque(part for part in own if part.index != index or part.first < number)

    def _taken_over(self, who: str) -> Part | None:
        """The later pieces of what another process has before it."""
        if not (self._spent.heard and self._spent.decoded):
            return None
        best, of = 0, None
        for other, own in self._own.items():
            if other != who and own and not own[-1].short and (some := self._spared(own[-1])) > best:
                best, of = some, own
        if of is None:
            return None
        part = of.pop()
        middle = self._end(part) - best
        if middle > part.first:
            of.append(replace(part, end=middle))
        return replace(part, first=middle)

    def _spared(self, part: Part) -> int:
        """How many of its pieces, the last ones, another process would have heard when this one has heard the others."""
        end = self._end(part)
        decode, hear = self._spent.decoding / self._spent.decoded, self._spent.hearing / self._spent.heard
        left = end - part.first
        if left < 1 or decode >= 2 * hear:
            return 0
        # (kept + AT_ONCE) · hear = (first + kept) · decode + (left - kept) · hear
        kept = math.ceil((part.first * decode + (left - AT_ONCE) * hear) / (2 * hear - decode))
        return left - max(0, kept)

    def _end(self, part: Part) -> int:
        return part.first if (end := part.end or self._pieces.get(part.index)) is None else end


def _groups(rows: Sequence[Row]) -> Iterator[tuple[Part, ...]]:
    """What is asked for at once, or of one process."""
    held: list[Part] = []
    size = 0
    for row in rows:
        short = row.size <= SHORT and not row.done
        if held and (not short or len(held) >= TOGETHER or size + row.size > BYTES):
            yield tuple(held)
            held, size = [], 0
        path = os.fsencode(row.recording.path)
        part = Part(row.index, path, row.recording.channel, row.key, done=frozenset(row.done), short=short)
        if short:
            held.append(part)
            size += row.size
        else:
            yield (part,)
    if held:
        yield tuple(held)


def _next(own: deque[Part]) -> Ask | None:
    """The short recordings that come first, or a piece; None where the first part has no more, and is taken away."""
    if own[0].short:
        some = []
        while own and own[0].short:
            some.append(own.popleft())
        return Ask(tuple(some))
    part = own.popleft()
    number = part.first
    while number in part.done:
        number += 1
    if part.end is not None and number >= part.end:
        return None
    if part.end is None or number + 1 < part.end:
        own.appendleft(replace(part, first=number + 1))
    return Ask((replace(part, first=number, end=number + 1),))


def _together(parts: Sequence[Part]) -> Iterator[Part]:
    """The same, where the end of one is the beginning of the next as one."""
    held: Part | None = None
    for part in parts:
        if held is not None and held.index == part.index and held.end == part.first and not part.short:
            held = replace(held, end=part.end)
            continue
        if held is not None:
            yield held
        held = part
    if held is not None:
        yield held


def _given_up(part: Part) -> Arrived:
    problem = f"cannot be heard: {TRIES} processes that read it ended, one after the other"
    remedy = "Look whether memory is short there; if it is the recording, leave it out or convert it"
    error = AudioError(os.fsdecode(part.path), problem, remedy)
    return Arrived(part.index, part.first, True, 0.0, to_bytes(Heard(part.first, None, error=error)))
