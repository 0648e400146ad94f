"""`Cluster.score`: what `earmark.inference.score` does, on many machines, in the order of the recordings.

What arrives is kept on the disk until its recording is whole; then it is joined, told, and taken away once whoever asked has
gone on to the next: until then a kill leaves it. Memory holds one recording's piece at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from earmark.errors import EarmarkError, TaggerError, counted
from earmark.inference.cluster import ways
from earmark.inference.cluster.cutting import Cut, cut_for
from earmark.inference.cluster.joining import join
from earmark.inference.cluster.kept import Kept, key_of
from earmark.inference.cluster.machines import Machines
from earmark.inference.cluster.rows import Row, Work
from earmark.inference.embedding import Embedder
from earmark.inference.options import Options
from earmark.inference.recordings import Failure, Part, Recording, Scored
from earmark.inference.scorer import Moments, Scorer, Several, alike

EVERY = 30.0  # s
Load = Callable[[], Sequence[Scorer]]
Of = Literal["tags", "frames", "vectors"]  # what is asked of a tagger


@dataclass(frozen=True)
class Cluster:
    """load: gives what loads a tagger's scorers in another process, of what is asked of it. folder: where pieces
    are kept. report: told from time to time how far it is.
    """

    machines: Machines
    load: Callable[[Of], Load]
    folder: Path
    report: Callable[[str], None] = lambda line: None

    def score(
        self,
        scorer: Scorer | Several,
        recordings: Iterable[Recording],
        *,
        batch: int | None = None,
        workers: int = 2,
        salvage: bool = False,
        keep_windows: bool = False,
        on_audio: Callable[[float], None] | None = None,
        on_part: Callable[[Part], None] | None = None,
        gain: float = 0.0,
        hear_silence: bool = False,
        floor: float | None = None,
    ) -> Generator[Scored | Failure]:
        """See `earmark.inference.score`; workers: of no use here. Raises EarmarkError of the cluster; TaggerError for an ensemble
        whose members hear different windows.
        """
        todo = recordings if isinstance(recordings, Sequence) else list(recordings)
        scorers, team = members(scorer)
        cut = cut_for(scorers, 60 * self.machines.piece, batch, salvage, gain)
        there = Options(batch, hear_silence=hear_silence, floor=floor)
        here = Options(batch, keep_windows=keep_windows, on_part=on_part, hear_silence=hear_silence, floor=floor)
        kept = Kept(self.folder)
        keys = [key_of(recording, cut) for recording in todo]
        arrivals = self._arriving(todo, keys, kept, cut, there, _of(scorer), on_audio)
        pace = Pace([_size(recording.path) for recording in todo], self.report)
        with closing(arrivals):
            for number, (recording, key) in enumerate(zip(todo, keys, strict=True)):
                while not kept.complete(key):
                    if (seconds := next(arrivals, None)) is None:
                        raise EarmarkError(
                            f"{recording.name}: the cluster ended without it. Run the same command again"
                        )
                    pace.heard(seconds, number)
                yield join(recording, number, kept.pieces(key), scorers, here, team)
                kept.drop(key)

    def _arriving(
        self,
        todo: Sequence[Recording],
        keys: Sequence[str],
        kept: Kept,
        cut: Cut,
        options: Options,
        of: Of,
        on_audio: Callable[[float], None] | None,
    ) -> Generator[float]:
        rows = [
            Row(number, recording, _size(recording.path), kept.done(key), key)
            for number, (recording, key) in enumerate(zip(todo, keys, strict=True))
            if not kept.complete(key)
        ]
        if not rows:
            return
        for piece in ways.arriving(Work(rows, self.load(of), cut, options, self.machines, self.folder)):
            kept.put(keys[piece.index], piece.number, piece.last, piece.data)
            if on_audio is not None:
                on_audio(piece.seconds)
            yield piece.seconds


@dataclass
class Pace:
    """How fast a cluster is, told every EVERY seconds. sizes: bytes of the recordings, by which what is left is guessed."""

    sizes: Sequence[int]
    report: Callable[[str], None]
    begun: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def heard(self, seconds: float, done: int) -> None:
        """seconds: of sound that have come. done: recordings before the one that is waited for."""
        self.seconds += seconds
        now = time.monotonic()
        if now - self.told < EVERY:
            return
        self.told, spent, past = now, now - self.begun, sum(self.sizes[:done])
        left = f", about {_span(spent * (sum(self.sizes) - past) / past)} left" if past else ""
        self.report(
            f"{done:,} of {counted(len(self.sizes), 'recording')}; {_span(self.seconds)} of sound in {_span(spent)}, "
            f"{self.seconds / spent:.0f} times as fast as it sounds{left}"
        )


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _of(scorer: object) -> Of:
    if isinstance(scorer, Embedder):
        return "vectors"
    return "frames" if isinstance(scorer, Moments) else "tags"


def members(scorer: Scorer | Several) -> tuple[Sequence[Scorer], Several | None]:
    """Those that hear the same windows. Raises TaggerError where they do not."""
    if not isinstance(scorer, Several):
        return [scorer], None
    if not alike(scorer.members):
        raise TaggerError(
            "the members of this ensemble hear different windows, so that its recordings cannot be cut into pieces for a cluster. "
            "Share them out with --shard 1/2 and so on, whose parts are joined by the same command without it"
        )
    return scorer.members, scorer


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0
