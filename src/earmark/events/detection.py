"""Scores over time → events, by `EventRules`. How these are chosen: `earmark.evaluation.thresholds`.

Rows of scores, frames or windows that may overlap, become scores over time: at each time the mean over the rows that cover
it, constant between neighbouring edges of rows; edges that are near to each other, as those of windows that overlap without
fitting their hop, are one (`earmark.events.edges`). A time that no row covers has no score, and nothing is heard there. For
each tag by itself then, in this order:

1. threshold: heard where the score is at least the threshold;
2. median: heard where it was heard during more than half of the `median` seconds around a time. For frames of one length
   and a median of an odd number of them this is the median filter over frames, and it makes no difference whether scores
   are filtered and then thresholded, as paper 003 (section 5) says, or the other way round. It needs no frames of one
   length, so overlapping windows are treated alike. Beyond the edges of the recording nothing is heard: an event there
   is filtered as one elsewhere;
3. gap and low: events of one tag are joined that are less than `gap` seconds apart, or between which the score is nowhere
   below the tag's share (`lows`) of its threshold: a call whose score dips for a moment is one call. Edges stay where the
   threshold has them;
4. shortest: events of less than `shortest` seconds are dropped.

An event's score is the highest score over time within it; a median or a gap may have filled it with lower ones. Onsets and
offsets are rounded to a microsecond, scores to six digits. Times are seconds from the start of the recording.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import checked
from earmark.events.edges import SAME, Cells, cells_of, hop_of, mended
from earmark.events.rules import EventRules
from earmark.scores import Event, Scores

Floats = NDArray[np.float64]
ROUNDING = 1e-9  # s
GRAIN = 2.0**-32  # s, 0.2 ns: a float64 holds every multiple of it up to 24 days
DIGITS = 6


@dataclass(frozen=True, eq=False)
class Track:
    """Scores over time of one recording: `values` (cells, tags) between `edges` (cells + 1,) seconds, which go up.

    A value is nan where no row covers the time.
    """

    edges: Floats
    values: Floats
    tags: tuple[str, ...]

    @property
    def step(self) -> float:
        """Seconds from one change of the scores to the next, usually."""
        return float(np.median(np.diff(self.edges))) if len(self.values) else 0.0


def track(scores: Scores) -> Track:
    """The rows of one recording → its scores over time, as in the module's docstring.

    >>> values = np.array([[0.25], [0.75]], np.float32)  # of two windows that overlap by a second
    >>> scores = Scores(values, np.full(2, "a.wav"), np.array([0.0, 1.0]), np.array([2.0, 3.0]), ("dog",))
    >>> track(scores).edges, track(scores).values[:, 0]
    (array([0., 1., 2., 3.]), array([0.25, 0.5 , 0.75]))
    """
    if not len(scores):
        return Track(np.zeros(1), np.zeros((0, len(scores.tags))), scores.tags)
    cells = cells_of_one(scores)
    whole, _ = mended(cells, hop_of(scores.start, scores.end))
    return Track(whole.edges, whole.values, scores.tags)


def cells_of_one(scores: Scores, also: Floats | None = None) -> Cells:
    """The rows of one recording → cells between all edges, near as they may be. also: seconds that are edges too.

    Raises ScoresError for rows of several recordings, or without times.
    """
    several = np.unique(scores.ids)
    if len(several) > 1:
        raise ScoresError(
            f"the scores are of {counted(len(several), 'recording')}: take them one by one, or ask `find` for events"
        )
    start, end = np.asarray(scores.start, np.float64), np.asarray(scores.end, np.float64)
    # written so that nan, which stands for an end that is not known, is wrong
    wrong = ~((start >= 0) & (end > start) & (end < math.inf))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ScoresError(
            f"row {row + 1} ({scores.ids[row]}) goes from {start[row]} to {end[row]} s: events need rows that start at 0 or "
            "later and end after their start. Scores of whole clips without times say nothing of when"
        )
    return cells_of(scores.values, start, end, () if also is None else also)


@checked
def find(scores: Scores, rules: EventRules) -> dict[str, list[Event]]:
    """The events of each recording, by id in the order of the rows; within a recording by onset.

    >>> from earmark.events import EventRules
    >>> values = np.array([[0.1], [0.7], [0.9], [0.2]], np.float32)
    >>> seconds = np.arange(4.0)
    >>> scores = Scores(values, np.full(4, "a.wav"), seconds, seconds + 1, ("dog",))
    >>> find(scores, EventRules.alike(("dog",)))
    {'a.wav': [Event(onset=1.0, offset=3.0, tag='dog', score=0.9)]}
    """
    rules.check(scores.tags)
    names, first, member = np.unique(scores.ids, return_index=True, return_inverse=True)
    if len(names) == 1:
        return {str(names[0]): hear(track(scores), rules)}
    # sorted once: to look for each recording among all rows takes minutes where there are thousands
    order = np.argsort(member, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(member))[:-1])
    return {str(names[i]): hear(track(_taken(scores, rows[i])), rules) for i in np.argsort(first).tolist()}


def _taken(scores: Scores, rows: NDArray[np.int64]) -> Scores:
    return Scores(scores.values[rows], scores.ids[rows], scores.start[rows], scores.end[rows], scores.tags)


def hear(heard: Track, rules: EventRules) -> list[Event]:
    """The events of one recording, by onset.

    >>> heard = Track(np.array([0.0, 1.0, 1.5, 4.0]), np.array([[0.75], [0.25], [0.5]]), ("dog",))
    >>> hear(heard, EventRules.alike(heard.tags, gap=1.0))  # half a second apart: joined
    [Event(onset=0.0, offset=4.0, tag='dog', score=0.75)]
    """
    rules.check(heard.tags)
    events = []
    for column, tag in enumerate(heard.tags):
        values = heard.values[:, column]
        spans = smoothed(above(heard.edges, values, rules.thresholds[tag]), rules.medians[tag])
        spans = joined(spans, rules.gap, quiet(heard.edges, values, rules.low_of(tag)))
        spans = lasting(spans, rules.shortest)
        for onset, offset in np.round(spans, DIGITS).tolist():
            if offset > onset:
                events.append(Event(onset, offset, tag, highest(heard.edges, values, onset, offset)))
    return sorted(events)


def above(edges: Floats, values: Floats, threshold: float) -> Floats:
    """Where values (cells,) are at least the threshold: (spans, 2) seconds."""
    # a float32 score of 0.35 is a little less than the threshold 0.35
    heard = np.concatenate([[False], values >= np.float64(np.float32(threshold)), [False]])
    return edges[np.flatnonzero(heard[1:] != heard[:-1])].reshape(-1, 2)


def smoothed(spans: Floats, length: float) -> Floats:
    """Where more than half of the `length` seconds around a time lies in spans (n, 2), sorted and apart: spans again.

    The time in spans up to t is linear between their edges, so that within `length` around t it is linear between these
    edges moved by half of it; a span begins or ends where that line crosses half.
    """
    if length <= 0 or not len(spans):
        return spans
    knots, half = snapped(spans.ravel()), float(snapped(length / 2))
    times = np.unique(np.concatenate([knots - half, knots + half]))
    return heard_between(*crossed(times, excess(times, knots, half)))


def snapped(times: Any) -> Floats:
    """Times to the nearest GRAIN: sums and differences of such times are exact, so that they do not depend on what was
    heard long before."""
    return np.asarray(np.round(np.asarray(times, np.float64) / GRAIN) * GRAIN)


def excess(times: Floats, knots: Floats, half: float) -> Floats:
    """Seconds heard within `half` of each time, less `half`. knots: onsets and offsets in turn, snapped as times are."""
    total = np.concatenate([[0.0], np.cumsum(np.where(np.arange(len(knots) - 1) % 2 == 0, np.diff(knots), 0.0))])
    seconds = np.interp(times + half, knots, total) - np.interp(times - half, knots, total) - half
    seconds[np.abs(seconds) < ROUNDING] = 0.0
    return np.asarray(seconds)


def crossed(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """(times, values) of a line through these points, with a point more wherever it crosses 0 between two."""
    at = np.flatnonzero(values[:-1] * values[1:] < 0)
    share = values[at] / (values[at] - values[at + 1])
    crossings = times[at] + share * (times[at + 1] - times[at])
    return np.insert(times, at + 1, crossings), np.insert(values, at + 1, 0.0)


def heard_between(times: Floats, values: Floats) -> Floats:
    """Where a line through these points lies above 0: (spans, 2). It changes its side at points only."""
    return above(times, (np.maximum(values[:-1], values[1:]) > 0).astype(np.float64), 1.0)


def quiet(edges: Floats, values: Floats, low: float | None) -> Floats | None:
    """Where values (cells,) are below `low`, or not known: (spans, 2) seconds. None where there is no such score."""
    if low is None:
        return None
    return above(edges, (~(values >= np.float64(np.float32(low)))).astype(np.float64), 1.0)


def joined(spans: Floats, gap: float, breaks: Floats | None = None) -> Floats:
    """Spans (n, 2), sorted and apart, without gaps of less than `gap` seconds, and without those in which no break lies.

    breaks: spans (m, 2), sorted and apart; None: each gap holds one.
    """
    apart = spans[1:, 0] - spans[:-1, 1] >= gap - ROUNDING
    if breaks is not None:
        apart &= parted(spans[:-1, 1], spans[1:, 0], breaks)
    always = np.ones(min(1, len(spans)), bool)
    onsets, offsets = np.concatenate([always, apart]), np.concatenate([apart, always])
    return np.stack([spans[onsets, 0], spans[offsets, 1]], 1)


def parted(begin: Floats, end: Floats, breaks: Floats) -> NDArray[np.bool_]:
    """Whether part of a break lies between each two times. breaks: spans (m, 2), sorted; they may touch."""
    if not len(breaks):
        return np.zeros(len(begin), bool)
    first = np.searchsorted(breaks[:, 1], begin + ROUNDING, "right")  # the first that ends later
    starts = np.append(breaks[:, 0], math.inf)
    return np.asarray(starts[first] < end - ROUNDING)


def lasting(spans: Floats, shortest: float) -> Floats:
    """Those of spans (n, 2) that are not shorter than `shortest` seconds."""
    return spans[spans[:, 1] - spans[:, 0] >= shortest - ROUNDING]


def highest(edges: Floats, values: Floats, onset: float, offset: float) -> float:
    """The highest of values (cells,) between two times, as the score of an event there; 0 where nothing is known."""
    first = int(np.searchsorted(edges, onset + SAME, "right")) - 1
    last = int(np.searchsorted(edges, offset - SAME, "left"))
    within = values[max(0, first) : max(last, first + 1)]
    return round(float(np.max(within, initial=0.0, where=~np.isnan(within))), DIGITS)
