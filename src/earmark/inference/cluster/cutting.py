"""A recording → pieces of some minutes: decoded, resampled, mixed, and cut where windows begin.

    piece k     has the windows k·n to k·n + n - 1 (n: `windows`), and the samples from the first of these to the end of the last
    the last    has the windows that are left, and the samples to the recording's end, so that windows that are put at the end
                or filled up are its own

A recording is decoded from its beginning, whichever of its pieces are wanted: resampled from elsewhere samples differ in their
last bits, and in Ogg and MP3 a place is not to be found exactly. Decoding takes a small part of the time that nets take.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from earmark import audio
from earmark.audio.decoders import joined
from earmark.errors import AudioError
from earmark.inference.recordings import Recording, Report, Wave
from earmark.inference.scorer import Scorer, together
from earmark.inference.silence import Level


@dataclass(frozen=True)
class Cut:
    """How recordings are cut. rate: Hz. window: seconds; length, hop: samples. windows: of a piece. gain: dB."""

    rate: int
    window: float
    length: int
    hop: int
    windows: int
    salvage: bool = False
    gain: float = 0.0

    @property
    def step(self) -> int:
        """Samples from the beginning of a piece to that of the next."""
        return self.windows * self.hop

    @property
    def reach(self) -> int:
        """Samples of a piece but the last."""
        return (self.windows - 1) * self.hop + self.length

    def as_dict(self) -> dict[str, Any]:
        return {"rate": self.rate, "length": self.length, "hop": self.hop, "windows": self.windows}


@dataclass(frozen=True, eq=False)
class Piece:
    """Some windows of a recording. first: the sample that the wave begins with. samples: of the whole recording, and low, high: its
    smallest and largest, and notes: what was done to it; in the last piece alone. long: whether the recording is longer than
    a block.
    """

    number: int
    first: int
    wave: Wave = field(repr=False)
    long: bool
    samples: int | None = None
    low: float = math.inf
    high: float = -math.inf
    notes: tuple[str, ...] = ()

    @property
    def last(self) -> bool:
        return self.samples is not None


def cut_for(
    scorers: Sequence[Scorer], seconds: float, batch: int | None, salvage: bool = False, gain: float = 0.0
) -> Cut:
    """Pieces of about so many seconds for scorers that hear the same windows: of as many windows as they take together, so that
    these are the same ones in pieces and in the whole.
    """
    settings, rate = scorers[0].windows, scorers[0].sample_rate
    length, hop = settings.samples(rate)
    unit = math.lcm(batch or 1, *(max(1, together(scorer)) for scorer in scorers))
    windows = max(1, round(seconds * rate / hop / unit)) * unit
    return Cut(rate, settings.length, length, hop, windows, salvage, gain)


def pieces(recording: Recording, cut: Cut, done: Collection[int] = ()) -> Generator[Piece]:
    """The pieces of a recording but for those that are done. Raises AudioError, perhaps after some.

    >>> from pathlib import Path
    >>> from earmark.inference.recordings import Live
    >>> ten = Live(Path("-"), source=lambda _: iter(np.split(np.arange(10, dtype=np.float32), 5)))
    >>> [(piece.first, len(piece.wave), piece.samples) for piece in pieces(ten, Cut(1, 4, length=4, hop=2, windows=2))]
    [(0, 6, None), (4, 6, 10)]
    """
    notes: list[str] = []
    blocks = recording.checked_blocks(cut.rate, cut.window, cut.salvage, notes.append)
    first = next(blocks, None)
    long = first is not None and recording.lasts(len(first) / cut.rate, cut.window)
    gain = np.float32(10 ** (cut.gain / 20))
    level = Level(cut.rate)
    number, at, total = 0, 0, 0
    held: list[Wave] = []
    for block in itertools.chain([] if first is None else [first], blocks):
        block = block * gain if cut.gain else block
        level.push(block)
        held.append(block)
        total += len(block)
        while total >= at + cut.step + cut.length:  # a window of the next piece is whole: this is not the last
            whole = joined(held)
            if number not in done:
                yield Piece(number, at, whole[: cut.reach], long)
            held, at, number = [whole[cut.step :]], at + cut.step, number + 1
    if number not in done:
        yield Piece(number, at, joined(held), long, total, level.low, level.high, tuple(notes))


def expected(recording: Recording, cut: Cut) -> int | None:
    """How many pieces a recording has, as its header tells; None where it does not."""
    try:
        seconds = audio.info(recording.path).duration
    except (AudioError, OSError):
        return None
    return None if seconds is None else 1 + max(0, round(seconds * cut.rate) - cut.length) // cut.step


def next_of(pieces_given: int, done: Collection[int]) -> int:
    """The number of the piece that is not to be had, where so many of those that were not done were."""
    return next(itertools.islice((n for n in itertools.count() if n not in done), pieces_given, None))


@dataclass(frozen=True)
class PieceOf(Recording):
    """A piece as a recording, for the engine."""

    piece: Piece | None = field(default=None, repr=False, compare=False)

    def blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        assert self.piece is not None
        yield self.piece.wave

    def lasts(self, first: float, window: float) -> bool:
        return self.piece is not None and self.piece.long


def unreadable(error: Exception, recording: Recording) -> AudioError:
    """What a system says of a file, as an error of the recording."""
    if isinstance(error, AudioError):
        return error
    return AudioError(recording.path, f"cannot be read ({error})", "Check its disk, its store or the network")
