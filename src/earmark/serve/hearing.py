"""What taggers said of recordings that a page shows: scores over time, kept so that events for another threshold take no net."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from earmark.errors import EarmarkError
from earmark.events import EventRules, detection
from earmark.inference.detection import without_reserved
from earmark.inference.engine import score
from earmark.inference.recordings import Failure, Part
from earmark.models.anytagger import AnyTagger
from earmark.scores import Event, Scores, Tag, concat
from earmark.serve.answers import How
from earmark.serve.sounds import Sent
from earmark.serve.work import Task

KEPT = 256_000_000  # bytes of all scores that are kept


@dataclass(frozen=True)
class Heard:
    """rows: the scores of frames, or of windows where the tagger has no frames. tags: of the whole, the surest first.

    Both without tags that are never told (`earmark.scores.reserved`). silent: there is nothing to be heard.
    """

    rows: Scores
    tags: list[Tag]
    seconds: float
    notes: tuple[str, ...]
    silent: bool = False

    def events(self, rules: EventRules) -> list[Event]:
        """As `earmark.inference.detection.listen` finds them in the same rows."""
        return detection.find(self.rows, rules).get(str(self.rows.ids[0]), []) if len(self.rows) else []


def hear(tagger: AnyTagger, sound: Sent, how: How, task: Task) -> Heard:
    """Raises AudioError, EarmarkError, Left."""
    frames = tagger.framewise()
    rows: list[Scores] = []

    def on_part(part: Part) -> None:
        rows.append(without_reserved(frames.part(part) if frames else part.windows, tagger))

    told: list[Tag] | None = None
    scorers: Sequence[AnyTagger | None] = [None, tagger] if frames else [tagger]
    for (
        scorer
    ) in scorers:  # frames first; a tagger with frames is asked of the whole once more, as `earmark tag` asks it
        on = on_part if scorer is None or not frames else None
        with closing(score(scorer or frames, [sound], on_part=on, **how.options(task))) as results:  # type: ignore[arg-type]
            heard = next(iter(results))
        if isinstance(heard, Failure):
            raise heard.error
        if scorer is not None:
            told = heard.tags(tagger.vocabulary, None, tagger.reserved, tagger.task)
    assert told is not None and not isinstance(heard, Failure)
    if not rows:
        raise EarmarkError(f"{sound.path}: holds no window that could be scored")
    return Heard(concat(rows), told, heard.duration, heard.notes, heard.silent)


class Memory:
    """The newest of what was heard, by recording and tagger."""

    def __init__(self, most: int = KEPT):
        self.most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], Heard] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> Heard | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def keep(self, key: tuple[object, ...], heard: Heard) -> None:
        with self._lock:
            self._kept[key] = heard
            while len(self._kept) > 1 and sum(each.rows.values.nbytes for each in self._kept.values()) > self.most:
                self._kept.popitem(last=False)


def sampled(rows: Scores, points: int) -> tuple[list[float], np.ndarray]:
    """Middles of rows in seconds and their scores (rows, tags); of more rows than points the highest of neighbours."""
    middles = (rows.start + rows.end) / 2
    if len(rows) <= points:
        return middles.tolist(), rows.values
    edges = np.linspace(0, len(rows), points, endpoint=False).astype(np.int64)
    counts = np.diff([*edges.tolist(), len(rows)])
    return (np.add.reduceat(middles, edges) / counts).tolist(), np.maximum.reduceat(rows.values, edges)
