"""The events of a recording while its scores come, in memory that does not grow with its length.

`Stream` finds what `earmark.events.hear` finds in all rows at once, to the last digit, but tells an event as soon as no
later row can change it. It can, because the rules look no further than they say: cells before the start of all later rows
are final, but for the last edges where rows overlap, to which another may come that is near (`earmark.events.edges`); the
median asks for half of its length to both sides, and its sums are exact (`detection.snapped`), so that what lies further
back has no say; a gap is closed or kept within its length, or, where the tag has a share in `lows`, once the score is below it. Of an
event that goes on, only its highest score so far is kept, and cells that it may yet need.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.errors import ScoresError
from earmark.events.detection import (
    DIGITS,
    ROUNDING,
    Floats,
    Track,
    cells_of_one,
    crossed,
    excess,
    parted,
    quiet,
    snapped,
)  # fmt: skip
from earmark.events.edges import SAME, Cells, edges_of, hop_of, mended
from earmark.events.rules import EventRules
from earmark.scores import Event, Scores

NEAR = 4 * SAME  # s: what rounding to DIGITS and SAME can move an edge by, and some more


class Stream:
    """The events in the rows of one recording, which come in parts.

    tags: of all rows. ordered: tell events by onset over all parts; then one that goes on holds back what begins after it.
    Raises ScoresError where the rules have none for a tag.

        >>> stream = Stream(("dog",), EventRules.alike(("dog",)))
        >>> values, start = np.array([[0.75], [0.25]], np.float32), np.array([0.0, 1.0])
        >>> stream.push(Scores(values, np.full(2, "a.wav"), start, start + 1, ("dog",)), before=2.0)
        [Event(onset=0.0, offset=1.0, tag='dog', score=0.75)]
        >>> stream.finish()
        []
    """

    def __init__(self, tags: Sequence[str], rules: EventRules, ordered: bool = False):
        rules.check(tags)
        self._ordered = ordered
        self._held: list[Event] = []  # a heap of what is final and may not be told yet
        self._cells = _Cells(tuple(tags))
        self._voices = [_Voice(tag, rules) for tag in tags]
        self._thresholds = np.array([rules.thresholds[tag] for tag in tags], np.float32).astype(np.float64)
        self._longest = max([voice.half for voice in self._voices], default=0.0)
        self._was = np.zeros(len(tags), bool)  # whether the last cell was heard
        self._active: set[int] = set()
        self._recent = Track(np.zeros(0), np.zeros((0, len(tags))), tuple(tags))  # cells that an event may yet ask for

    def push(self, rows: Scores, before: float) -> list[Event]:
        """Events that have become final, by onset. before: seconds; no row of a later part begins earlier.

        Raises ScoresError for a row that does begin before what was said of its part, and for what `track` refuses.
        """
        return self._hear(self._cells.push(rows, before), False)

    def finish(self) -> list[Event]:
        """The other events, by onset."""
        return self._hear(self._cells.finish(), True)

    def _hear(self, new: Track, ended: bool) -> list[Event]:
        if not len(new.values):
            if not (ended and len(self._recent.edges)):
                return []
        else:
            self._remember(new)
        until = float(self._recent.edges[-1])
        if ended:
            for column in np.flatnonzero(self._was).tolist():
                self._voices[column].knots.append(until)
        events: list[Event] = []
        for column in sorted(self._active):
            voice = self._voices[column]
            events += voice.hear(self._recent.edges, self._recent.values[:, column], until, ended)
            if voice.silent:
                self._active.discard(column)
        first = min([self._voices[column].earliest for column in self._active], default=math.inf)
        first = math.inf if ended else min(first, until - self._longest - NEAR)
        self._forget(until)
        return self._in_order(events, first) if self._ordered else sorted(events)

    def _in_order(self, events: list[Event], first: float) -> list[Event]:
        """What begins before `first`, where none of those to come does."""
        for event in events:
            heapq.heappush(self._held, event)
        ready = []
        while self._held and self._held[0].onset < first:
            ready.append(heapq.heappop(self._held))
        return ready

    def _remember(self, new: Track) -> None:
        """Cells, and for each tag the edges at which its score crosses its threshold."""
        heard = np.concatenate([self._was[None], new.values >= self._thresholds])
        changed = heard[1:] != heard[:-1]
        for column in np.flatnonzero(changed.any(0)).tolist():
            self._voices[column].knots += new.edges[:-1][changed[:, column]].tolist()
            self._active.add(column)
        self._was = heard[-1]
        for column in self._active:
            self._voices[column].fall(new.edges, new.values[:, column])
        edges = np.concatenate([self._recent.edges[:-1], new.edges])
        self._recent = Track(edges, np.concatenate([self._recent.values, new.values]), new.tags)

    def _forget(self, until: float) -> None:
        """Cells that no event can ask for any more."""
        needed = min([self._voices[column].needs for column in self._active], default=math.inf)
        needed = min(needed, until - self._longest - NEAR)
        first = max(0, int(np.searchsorted(self._recent.edges, needed, "right")) - 1)
        if first > 0:
            # a copy: a view would keep the whole
            edges, values = self._recent.edges[first:].copy(), self._recent.values[first:].copy()
            self._recent = Track(edges, values, self._recent.tags)


class _Cells:
    """Rows that come in parts → the cells of `track`, each as soon as no later row can change it."""

    def __init__(self, tags: tuple[str, ...]):
        self.tags = tags
        self._rows = Scores(np.zeros((0, len(tags)), np.float32), np.zeros(0, str), np.zeros(0), np.zeros(0), tags)
        self._times = np.zeros(0)  # what the last edge that was given out stands for: later times may be the same
        self._begun = np.zeros(0)  # starts of rows from that edge on, as the rows had them
        self._opening: list[tuple[Floats, Floats]] = []  # starts and ends of the first rows, until they tell the hop
        self._hop: float | None = None
        self._slivers = Cells.none(len(tags))  # cells whose last edges may yet be others
        self._until = -math.inf  # all edges up to then are among what was given out
        self._before = -math.inf

    def push(self, rows: Scores, before: float) -> Track:
        if rows.tags != self.tags:
            raise ScoresError(
                f"rows of the tags {', '.join(rows.tags[:3])} … came to events of {', '.join(self.tags[:3])} …"
            )
        if len(rows) and (first := float(rows.start.min())) < self._before:
            raise ScoresError(
                f"a row of {rows.ids[0]} begins at {first} s, though none was to begin before {self._before} s any more: "
                "give the rows of a recording in the order of their starts"
            )
        held = self._rows
        ids = np.full(len(held) + len(rows), (*rows.ids[:1], *held.ids[:1], "")[0])
        values = np.concatenate([held.values, rows.values])
        start, end = np.concatenate([held.start, rows.start]), np.concatenate([held.end, rows.end])
        self._begun = np.concatenate([self._begun, rows.start])
        if self._hop is None:
            self._opening.append((rows.start, rows.end))
        final = self._final(Scores(values, ids, start, end, self.tags), before)
        self._before = max(self._before, before)
        return self._mended(final, before)

    def finish(self) -> Track:
        return self._mended(self._final(self._rows, math.inf), math.inf)

    def _mended(self, final: Cells, before: float) -> Track:
        """Those without slivers, as far as they are known."""
        if self._hop is None and self._opening:
            start, end = (np.concatenate(times) for times in zip(*self._opening, strict=True))
            self._hop = hop_of(start, end, before)
            self._opening = [(start, end)] if self._hop is None else []
        made, self._slivers = mended(self._slivers.and_then(final), self._hop, self._until)
        return Track(made.edges, made.values, self.tags)

    def _final(self, rows: Scores, before: float) -> Cells:
        """The cells that no row from `before` on can change; rows that reach further are held."""
        self._rows = rows
        if not len(rows):
            return Cells.none(len(self.tags))
        whole = cells_of_one(rows, self._times)
        times = np.concatenate([rows.start, rows.end, self._times])
        _, places = edges_of(times)
        count = _final_edges(whole.edges, times, before)
        if not count:
            return Cells.none(len(self.tags))
        starts = np.zeros(len(whole.edges), bool)
        starts[np.searchsorted(whole.edges, self._begun, "right") - 1] = True
        first, last = places[: len(rows)], places[len(rows) : 2 * len(rows)]
        keep = last >= count
        start = np.where(first < count, whole.edges[count - 1], rows.start)[keep]
        self._rows = Scores(rows.values[keep], rows.ids[keep], start, rows.end[keep], self.tags)
        self._times = np.unique(times[places == count - 1])
        self._begun = self._begun[self._begun >= self._times[0]]
        self._until = before if before > self._times[-1] + SAME else float(self._times[0])
        return Cells(whole.edges, whole.values, starts, whole.crossed).part(0, count)


def _final_edges(edges: Floats, times: Floats, before: float) -> int:
    """How many of the edges that come of these times stay where they are, whatever times from `before` on are added."""
    moved, places = edges_of(np.append(times, before))
    place = int(places[-1])
    # an edge is the first of the times that it stands for: one that is known already is not moved by later ones
    known = place < len(edges) and edges[place] == moved[place]
    return place + known


@dataclass
class _Span:
    """An event that is not told yet. peak: its highest score; after: that of what lies behind its offset, and may yet be joined to it.

    next: the edge of the first cell that neither knows of; None at first.
    """

    onset: float
    offset: float | None = None
    peak: float = 0.0
    after: float = 0.0
    next: float | None = None


class _Voice:
    """One tag: where it was above its threshold → its events."""

    def __init__(self, tag: str, rules: EventRules):
        self.tag, self.gap, self.shortest, self.low = tag, rules.gap, rules.shortest, rules.low_of(tag)
        self.breaks: list[list[float]] = []  # onset and offset of where the score is below `low`, as far as it matters
        self.median = rules.medians[tag]
        self.half = float(snapped(self.median / 2))
        self.knots: list[
            float
        ] = []  # times above the threshold, onset and offset in turn, that the median may yet ask for
        self.spans: list[_Span] = []  # smoothed and joined; to the last one more may be joined
        self._sounding = False  # at the last edge of what the median gave
        self._point: tuple[float, float] | None = None  # the last time that the median was computed at, and its excess
        self._certain = 0.0  # nothing changes before

    @property
    def silent(self) -> bool:
        return not self.knots and not self.spans and not self._sounding

    @property
    def needs(self) -> float:
        """Cells that end before will not be asked for."""
        if not self.spans:
            return self._certain - NEAR
        span = self.spans[0]
        return span.onset - NEAR if span.next is None else span.next

    @property
    def earliest(self) -> float:
        """No event to come begins before."""
        return (self.spans[0].onset if self.spans else self._certain) - NEAR

    def fall(self, edges: Floats, values: Floats) -> None:
        """Take in new cells, where they are below `low`."""
        found = quiet(edges, values, self.low)
        for onset, offset in [] if found is None else found.tolist():
            if self.breaks and self.breaks[-1][1] >= onset:
                self.breaks[-1][1] = offset
            else:
                self.breaks.append([onset, offset])

    def hear(self, edges: Floats, values: Floats, until: float, ended: bool) -> list[Event]:
        """Events that are final. edges, values: the recent cells; until: their end; ended: nothing comes after."""
        for time in self._smoothed(until, ended) if self.median > 0 else self._plain(until, ended):
            self._turn(time)
        events: list[Event] = []
        while self.spans and self._closed(self.spans[0], until, ended):
            span = self.spans.pop(0)
            assert span.offset is not None
            if span.offset - span.onset >= self.shortest - ROUNDING:
                events += self._event(span, span.offset, edges, values)
        for span in self.spans:
            if until > span.onset + NEAR:
                certain = int(np.searchsorted(edges, self._certain - NEAR, "right")) - 1
                if span.offset is None:
                    span.peak = max(span.peak, _passed(span, edges, values, certain))
                    continue
                span.peak = max(span.peak, _passed(span, edges, values, _behind(edges, span.offset)))
                if self.low is not None:
                    span.after = max(span.after, _passed(span, edges, values, certain))
        needed = self.spans[-1].offset if self.spans else None
        needed = self._certain if needed is None else needed
        while self.breaks and self.breaks[0][1] <= needed:
            del self.breaks[0]
        return events

    def _plain(self, until: float, ended: bool) -> list[float]:
        """Without a median: the knots."""
        turns, self.knots = self.knots, []
        self._certain = math.inf if ended else until
        return turns

    def _smoothed(self, until: float, ended: bool) -> list[float]:
        """Onsets and offsets in turn of `detection.smoothed`, as far as they are final."""
        known, end = snapped(self.knots), float(snapped(until))
        reached = math.inf if ended else end - self.half
        points = np.unique(np.concatenate([known - self.half, known + self.half]))
        points = points[points <= reached]
        if self._point is not None:
            points = points[points > self._point[0]]
        # what is still heard is heard at least to the end of what is known, and no point asks for more
        knots = np.append(known, end) if len(known) % 2 else known
        turns = self._turns(points, excess(points, knots, self.half)) if len(points) else []
        if ended:
            if self._sounding != bool(len(turns) % 2) and self._point is not None:
                turns.append(self._point[0])
            self._certain = math.inf
            self.knots = []
            return turns
        level = float(excess(np.array([reached]), knots, self.half)[0]) if len(knots) else -self.half
        time, last = self._point or (reached - SAME, -self.half)
        sounding = self._sounding != bool(len(turns) % 2)
        steady = level > 0 if sounding else level <= 0 and last <= 0
        self._certain = reached - SAME if steady else min(time, reached - SAME)
        while len(self.knots) > 1 and snapped(self.knots[1]) < end - 2 * self.half:
            del self.knots[:2]
        return turns

    def _turns(self, points: Floats, levels: Floats) -> list[float]:
        """Where the line through the last point and these changes sides."""
        if self._point is not None:
            points = np.concatenate([[self._point[0]], points])
            levels = np.concatenate([[self._point[1]], levels])
        self._point = float(points[-1]), float(levels[-1])
        times, values = crossed(points, levels)
        heard = np.concatenate([[self._sounding], np.maximum(values[:-1], values[1:]) > 0])
        turns: list[float] = times[:-1][heard[1:] != heard[:-1]].tolist()
        return turns

    def _turn(self, time: float) -> None:
        """An onset or an offset, joined to the last span where the gap is too short."""
        last = self.spans[-1] if self.spans else None
        if self._sounding:
            assert last is not None
            last.offset = time
        elif last is not None and last.offset is not None and not self._apart(last.offset, time):
            last.offset, last.peak, last.after = None, max(last.peak, last.after), 0.0
        else:
            self.spans.append(_Span(time))
        self._sounding = not self._sounding

    def _apart(self, offset: float, onset: float) -> bool:
        """Whether what begins at `onset`, or later, is another event than what ended at `offset`."""
        if not onset - offset >= self.gap - ROUNDING:
            return False
        if self.low is None:
            return True
        breaks = np.array(self.breaks, np.float64).reshape(-1, 2)
        return bool(parted(np.array([offset]), np.array([onset]), breaks)[0])

    def _closed(self, span: _Span, until: float, ended: bool) -> bool:
        """Whether nothing can change the span, and the cells that it asks for are there."""
        if ended:
            return True
        if span.offset is None or until <= span.onset + NEAR:
            return False
        return len(self.spans) > 1 or self._apart(span.offset, self._certain)

    def _event(self, span: _Span, end: float, edges: Floats, values: Floats) -> list[Event]:
        onset, offset = np.round([span.onset, end], DIGITS).tolist()
        if offset <= onset:
            return []
        span.peak = max(span.peak, _passed(span, edges, values, _behind(edges, end)))
        return [Event(onset, offset, self.tag, round(span.peak, DIGITS))]


def _behind(edges: Floats, offset: float) -> int:
    """The number of the first cell behind an offset, as `events.hear` takes it."""
    return int(np.searchsorted(edges, float(np.round(offset, DIGITS)) - SAME, "left"))


def _passed(span: _Span, edges: Floats, values: Floats, stop: int) -> float:
    """The highest score of the cells from `next` up to number `stop`, and of a span's first one anyway; moves `next` behind them."""
    if span.next is None:
        onset = float(np.round(span.onset, DIGITS))
        first = max(0, int(np.searchsorted(edges, onset + SAME, "right")) - 1)
        stop = max(stop, first + 1)
    else:
        first = int(np.searchsorted(edges, span.next, "left"))
    stop = min(stop, len(values))
    if stop <= first:
        return 0.0
    within = values[first:stop]
    span.next = float(edges[stop])
    return float(np.max(within, initial=0.0, where=~np.isnan(within)))
