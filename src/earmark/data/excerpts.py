"""The events of a long recording → the clips that teach them, and what is left of it.

An event's clip is the event with `margin` seconds to both sides, wider where it would last less than `shortest`, within the
recording. All events that lie in it long enough (see `segments.within`) are its own; tags of which it has slivers only are
neither there nor absent: unknown. Events with the same edges have one clip. What is left lies `margin` away from every event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.data.segments import Event, within

LEAST = 0.5  # of a piece's length: what is left of a gap at its end is a piece too if it lasts so much


@dataclass(frozen=True)
class Excerpt:
    """start, end: seconds of the recording. events: in it, their parts. unknown: tags of which it has a sliver only."""

    start: float
    end: float
    events: list[Event]
    unknown: list[str]


def excerpts(events: Sequence[Event], duration: float, margin: float, shortest: float) -> list[Excerpt]:
    """The clips of events, by onset.

    >>> excerpts([("owl", 2.0, 3.0)], 10.0, margin=0.5, shortest=3.0)
    [Excerpt(start=1.0, end=4.0, events=[('owl', 2.0, 3.0)], unknown=[])]
    """
    spans = []
    for _, onset, offset in events:
        wider = max(margin, (shortest - (offset - onset)) / 2)
        start, end = onset - wider, offset + wider
        # what the recording's edge takes away is given on the other side, as far as `shortest` asks for it
        if start < 0:
            end = max(end, min(shortest, duration))
        if end > duration:
            start = min(start, duration - shortest)
        spans.append((round(max(0.0, start), 6), round(min(end, duration), 6)))
    return [_excerpt(events, start, end) for start, end in sorted(set(spans))]


def _excerpt(events: Sequence[Event], start: float, end: float) -> Excerpt:
    inside = within(events, start, end, end - start)
    own = {tag for tag, _, _ in inside}
    slivers = {tag for tag, onset, offset in events if onset < end and offset > start} - own
    return Excerpt(start, end, inside, sorted(slivers))


def left(events: Sequence[Event], duration: float, margin: float, length: float) -> list[tuple[float, float]]:
    """(start, end) of pieces of `length` seconds in which no event is, nor is nearer than `margin`.

    >>> left([("owl", 4.0, 5.0)], 20.0, margin=1.0, length=5.0)
    [(0.0, 3.0), (6.0, 11.0), (11.0, 16.0), (16.0, 20.0)]
    """
    pieces, at = [], 0.0
    for _, onset, offset in [*sorted(events, key=lambda event: event[1]), ("", duration + margin, duration + margin)]:
        until = onset - margin
        while until - at >= LEAST * length:
            pieces.append((round(at, 6), round(min(at + length, until), 6)))
            at += length
        at = max(at, offset + margin)
    return pieces
