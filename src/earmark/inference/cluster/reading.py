"""A process that holds the scorers, and reads and decodes by itself what they hear; it knows nothing of Ray.

While the scorers are at work a thread decodes the piece that comes next, if it is one of the same recording or of those asked for
along with it: so a store's answers are not waited for. Decoded sound is two pieces at most.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from earmark.errors import AudioError
from earmark.files import tally
from earmark.files.stores import is_stored, place
from earmark.inference import process
from earmark.inference.cluster.cutting import Cut, Piece, expected, pieces, unreadable
from earmark.inference.cluster.hearing import Heard, hear, to_bytes
from earmark.inference.cluster.rows import Arrived
from earmark.inference.cluster.sharing import Answer, Ask, Part, Spent
from earmark.inference.options import Options
from earmark.inference.recordings import Recording
from earmark.inference.scorer import Scorer

OPEN = 4  # recordings that are kept open


class Reader:
    """load: gives the scorers. folder: where it tells what it begins with (see `earmark.files.tally`). there: the folder from which
    relative paths start.
    """

    def __init__(
        self, load: Callable[[], Sequence[Scorer]], cut: Cut, options: Options, cores: int, folder: Path, there: str
    ):
        self.load, self.cut, self.options, self.cores = load, cut, options, cores
        self.folder, self.there, self.name = folder, there, secrets.token_hex(4)
        self._open: dict[int, _Opened] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")

    def begin(self) -> None:
        """Load the scorers. Raises what that raises."""
        os.environ["OMP_NUM_THREADS"] = str(self.cores)
        process.take()
        self.scorers = self.load()

    def hear(self, ask: Ask) -> Answer:
        """Short recordings up to about as much sound as a piece has, or a piece."""
        if ask.parts[0].short:
            return self._together(ask.parts)
        (part,) = ask.parts
        opened = self._opened(part)
        made = opened.take(part.first)
        if made is None:
            return Answer(ended=((part.index, part.first),))
        if isinstance(made, Piece) and not made.last:
            opened.ahead()
        begin = time.perf_counter()
        arrived = self._heard([(part, made)])
        took = Spent(*opened.spent(), time.perf_counter() - begin, 1)
        return Answer(arrived, pieces=() if arrived[0].last else opened.expected(), spent=took)

    def _together(self, parts: Sequence[Part]) -> Answer:
        held: list[tuple[Part, Piece | Heard]] = []
        rest: list[Part] = []
        samples = 0
        for number, part in enumerate(parts):
            if samples >= self.cut.reach:
                rest += parts[number:]
                break
            opened = self._opened(part)
            if number + 1 < len(parts):
                self._opened(parts[number + 1]).ahead()
            made = opened.take(part.first)
            assert made is not None  # each recording has a piece, or an error
            held.append((part, made))
            if isinstance(made, Piece):
                samples += len(made.wave)
                if not made.last:  # longer than its bytes tell
                    rest.append(replace(part, first=made.number + 1, short=False))
        return Answer(self._heard(held), tuple(rest))

    def _heard(self, made: Sequence[tuple[Part, Piece | Heard]]) -> tuple[Arrived, ...]:
        sound = [(part, piece) for part, piece in made if isinstance(piece, Piece)]
        tally.begun(self.folder, self.name, [(part.key, piece.number) for part, piece in sound])
        heard = iter(
            hear(self.scorers, [(place(os.fsdecode(part.path)), piece) for part, piece in sound], self.options)
        )
        arrived = []
        for part, piece in made:
            each = next(heard) if isinstance(piece, Piece) else piece
            seconds = len(piece.wave) / self.cut.rate if isinstance(piece, Piece) else 0.0
            arrived.append(Arrived(part.index, each.number, each.last, seconds, to_bytes(each)))
        return tuple(arrived)

    def _opened(self, part: Part) -> _Opened:
        """The recording, before the first piece of the part: as it is, or opened anew."""
        held = self._open.pop(part.index, None)
        if held is not None and held.given > part.first:
            held.close()
            held = None
        self._open[part.index] = held or _Opened(self._thread, part, self.cut, self.there)
        while len(self._open) > OPEN:
            self._open.pop(next(iter(self._open))).close()
        return self._open[part.index]


class _Opened:
    """A recording that is being decoded. given: pieces that were given or passed over."""

    def __init__(self, thread: ThreadPoolExecutor, part: Part, cut: Cut, there: str):
        path = place(os.fsdecode(part.path))
        self.recording = Recording(path, channel=part.channel)
        self.given = part.first
        self._index, self._cut = part.index, cut
        self._expected: tuple[tuple[int, int], ...] | None = None
        self._at, self._seconds, self._told = 0, 0.0, (0.0, 0)
        self._thread, self._there = thread, None if path.is_absolute() or is_stored(path) else there
        self._pieces = pieces(self.recording, cut, part.done | frozenset(range(part.first)))
        self._next: Future[Piece | None] | None = None
        self._over: Heard | None = None

    def ahead(self) -> None:
        """Decode the next piece, if nobody does."""
        if self._next is None and self._over is None:
            self._next = self._thread.submit(self._decode)

    def take(self, number: int) -> Piece | Heard | None:
        """The piece of this number; what it cannot be read for; None where the recording has no such piece."""
        while self._over is None:
            self.ahead()
            assert self._next is not None
            try:
                piece = self._next.result()
            except (AudioError, OSError) as error:
                self._over = Heard(number, None, error=unreadable(error, self.recording))
                break
            finally:
                self._next = None
            if piece is None or piece.number >= number:
                self.given = number + 1
                return piece
        return self._over

    def expected(self) -> tuple[tuple[int, int], ...]:
        """How many pieces it has, as its header tells; once."""
        if self._expected is None:
            known = expected(self.recording, self._cut)
            self._expected = () if known is None else ((self._index, known),)
        return self._expected

    def spent(self) -> tuple[float, int]:
        """Seconds of the processor for pieces that were decoded since this was last asked, and how many these are."""
        before, now = self._told, (self._seconds, self._at)
        self._told = now
        return now[0] - before[0], now[1] - before[1]

    def close(self) -> None:
        if self._next is not None and not self._next.cancel():
            self._next.exception()
        self._pieces.close()

    def _decode(self) -> Piece | None:
        if self._there is not None:
            os.chdir(self._there)
        begin = time.thread_time()
        try:
            piece = next(self._pieces, None)
        finally:
            self._seconds += time.thread_time() - begin
        self._at = self._at if piece is None else piece.number + 1
        return piece
