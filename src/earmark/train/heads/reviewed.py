"""Reviewed events → windows, what they teach of which tag, and the score of each event.

The windows are those that a tagger hears there: every hop from the start of the recording, and the last one at its end. Of an event
those teach that it is there whose middle lies within it, or, of a short one, the nearest; that it is not, all of which LEAST seconds
lie within it. Of its other tags nothing is known.

    right    its tag, between its edges
    wrong    not its tag
    other    the tag that was named, and not its own
    moved    its tag, between the right edges; where windows of the event as it was found lie outside of them, not its tag. A window
             that reaches into it by less than what two edges must be apart (`earmark.events.edges`) is none of its windows
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors import EarmarkError
from earmark.evaluation.reviews.answers import Review
from earmark.events.detection import highest, track
from earmark.events.edges import SHARE, hop_of
from earmark.inference import Recording
from earmark.progress import QUIET, Progress
from earmark.scores import Event, Scores
from earmark.train.heads.store import Store, digests, keyed
from earmark.train.heads.within import LEAST

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

Floats = NDArray[np.float32]
CLOSE = 1e-6  # s
PAST = 1.0  # s that a right edge may lie behind the end: who rounds up means the end
BATCH = 64  # windows that are held at once


@dataclass(frozen=True, eq=False)
class Reviewed:
    """Windows of reviewed events. vectors: (windows, width). number: (windows,) of the review; start, end: (windows,) seconds."""

    vectors: Floats
    number: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    recordings: tuple[Recording, ...]  # of each window, to be heard again

    def of(self, numbers: Sequence[int]) -> Reviewed:
        """The windows of these reviews, which count from 0 then."""
        rows = [np.flatnonzero(self.number == number) for number in numbers]
        whose = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
        all_ = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        heard = tuple(self.recordings[row] for row in all_.tolist())
        return Reviewed(self.vectors[all_], whose, self.start[all_], self.end[all_], heard)


def durations(reviews: Sequence[Review], where: Mapping[str, Path]) -> dict[Path, float | None]:
    """The length of each recording that was reviewed, seconds, None where it is not known without reading all of it.

    Raises EarmarkError for reviews of what does not lie in it, AudioError for one that cannot be read.
    """
    lengths = {path: audio.info(path).duration for path in dict.fromkeys(where[r.picked.recording] for r in reviews)}
    for review in reviews:
        path, event, truth = where[review.picked.recording], review.picked.event, review.truth
        duration = lengths[path]
        if duration is None:
            continue
        if span(review)[0] >= duration:
            raise EarmarkError(
                f"{path}: lasts {duration:g} s, and an event of the reviews (line {review.line}) begins at {span(review)[0]:g} s: are the "
                "reviews of another recording of this name?"
            )
        if truth is not None and truth.offset > max(duration + PAST, event.offset):
            raise EarmarkError(
                f"{path}: lasts {duration:g} s, and the right edges of an event of the reviews (line {review.line}) go from "
                f"{truth.onset:g} to {truth.offset:g} s: they are seconds from the start of the recording. Correct them"
            )
    return lengths


def hear(reviews: Sequence[Review], where: Mapping[str, Path], store: Store, progress: Progress = QUIET) -> Reviewed:
    """All windows that reach into the events, as they were found and as they are. Raises as `durations`, and AudioError for those that
    cannot be read.
    """
    windows = store.tagger.windows
    wanted: list[Recording] = []
    whose: list[int] = []
    lengths = durations(reviews, where)
    for number, review in enumerate(reviews):
        path = where[review.picked.recording]
        onset, offset = span(review)
        duration = lengths[path]
        for start in _starts(onset, offset, windows.length, windows.hop, duration):
            wanted.append(Recording(path, start, start + windows.length, channel=review.picked.event.channel))
            whose.append(number)
    digest = digests([each.path for each in wanted], store.workers)
    heard, failures, _ = store.of(keyed(wanted, digest), progress)
    if failures:
        raise failures[0].error
    vectors = [each.vectors[:1] for each in heard if each is not None]
    begin = np.array([each.start for each in wanted], np.float64)
    end = np.array([each.end for each in wanted], np.float64)
    return Reviewed(np.concatenate(vectors), np.array(whose), begin, end, tuple(wanted))


def taught(
    heard: Reviewed, reviews: Sequence[Review], vocabulary: Sequence[str], weight: float
) -> tuple[Floats, Floats]:
    """(targets (windows, tags), NaN where nothing is known; weights (windows,)). weight: of an event, over its windows that teach."""
    targets = np.full((len(heard.number), len(vocabulary)), np.nan, np.float32)
    weights = np.zeros(len(heard.number), np.float32)
    place = {tag: number for number, tag in enumerate(vocabulary)}
    for number, review in enumerate(reviews):
        rows = np.flatnonzero(heard.number == number)
        start, end = heard.start[rows], heard.end[rows]
        found, truth = review.picked.event, review.truth
        if truth is None or truth.tag != found.tag:
            targets[rows[_reach(found, start, end) >= LEAST - CLOSE], place[found.tag]] = 0
        elif truth != found:
            outside = _reach(truth, start, end) <= 0
            near = SHARE * (hop_of(start, end) or 0.0)
            targets[rows[outside & (_reach(found, start, end) > near)], place[found.tag]] = 0
        if truth is not None:
            targets[rows[_in_it(truth, start, end)], place[truth.tag]] = 1
        known = rows[~np.isnan(targets[rows]).all(axis=1)]
        weights[known] = weight / max(1, len(known))
    return targets, weights


def scores(heard: Reviewed, reviews: Sequence[Review], values: Floats) -> NDArray[np.float64]:
    """(reviews, tags): the score that an event has where it was found, as `earmark.events` tells it. values: (windows, tags)."""
    made = np.zeros((len(reviews), values.shape[1]))
    tags = tuple(str(number) for number in range(values.shape[1]))
    for number, review in enumerate(reviews):
        rows, event = np.flatnonzero(heard.number == number), review.picked.event
        ids = np.full(len(rows), "recording")
        over = track(Scores(values[rows].astype(np.float32), ids, heard.start[rows], heard.end[rows], tags))
        made[number] = [highest(over.edges, column, event.onset, event.offset) for column in over.values.T]
    return made


def told(heard: Reviewed, tagger: AnyTagger, salvage: bool = False) -> Floats:
    """(windows, tags): what a tagger makes of each by itself. salvage: also of what is damaged."""
    made = []
    for first in range(0, len(heard.recordings), BATCH):
        waves = []
        for each in heard.recordings[first : first + BATCH]:
            start, seconds = each.start or 0.0, tagger.windows.length
            waves.append(
                audio.load(
                    each.path,
                    tagger.sample_rate,
                    start,
                    seconds,
                    salvage=salvage,
                    channel=each.channel,
                    report=_silently,
                )
            )
        length = tagger.windows.samples(tagger.sample_rate)[
            0
        ]  # of recordings shorter than a window the rest is silence
        made.append(tagger.score_windows(np.stack([np.pad(wave, (0, length - len(wave))) for wave in waves])))
    return np.concatenate(made)


def _silently(_: str) -> None:
    """What was done to the audio is said when recordings are scored."""


def span(review: Review) -> tuple[float, float]:
    """Seconds in which its event was found, or is in truth."""
    events = [review.picked.event, *([review.truth] if review.truth is not None else [])]
    return min(each.onset for each in events), max(each.offset for each in events)


def _starts(onset: float, offset: float, length: float, hop: float, duration: float | None) -> Iterator[float]:
    """Of the windows that reach into a part, on the grid of the recording; the last one lies at its end."""
    last = math.inf if duration is None else max(0.0, duration - length)
    step = max(0, math.floor((onset - length) / hop + 1 + CLOSE))
    while (start := step * hop) < offset - CLOSE and start <= last:
        yield round(start, 6)
        step += 1
    if start > last and last + length > onset and (step == 0 or (step - 1) * hop < last - CLOSE):
        yield round(last, 6)


def _reach(event: Event, start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds of each window within an event; of an event shorter than LEAST that holds all of it, LEAST."""
    common = np.minimum(end, event.offset) - np.maximum(start, event.onset)
    whole = common >= event.offset - event.onset - CLOSE
    return np.where(whole, np.maximum(common, LEAST), common)


def _in_it(event: Event, start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(windows,): those whose middle lies within an event, else the nearest to its middle."""
    middle = (start + end) / 2
    inside = (middle > event.onset + CLOSE) & (middle < event.offset - CLOSE)
    if inside.any():
        return np.asarray(inside)
    far = np.abs(middle - (event.onset + event.offset) / 2)
    return np.asarray(far <= far.min() + CLOSE)
