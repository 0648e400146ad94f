"""Recordings of any length → their events, in constant memory: what is heard is told while a recording is scored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import closing
from typing import Any

from earmark.events import EventRules
from earmark.events.streaming import Stream
from earmark.inference.engine import score
from earmark.inference.recordings import Failure, Part, Recording, Scored, next_start
from earmark.inference.scorer import FrameScorer
from earmark.scores import Event, Scores
from earmark.scores.reserved import told


def listen(
    listener: Any,
    scorer: FrameScorer | None,
    recordings: Iterable[Recording],
    rules: EventRules,
    *,
    ordered: bool = True,
    keep: bool = True,
    on_events: Callable[[Recording, list[Event]], None] | None = None,
    named: Callable[[Scores], Scores] | None = None,
    by: Callable[..., Generator[Scored | Failure]] = score,
    **options: Any,
) -> Generator[tuple[Scored | Failure, list[Event]]]:
    """What was heard of each recording, or its failure, and its events by onset.

    listener: a tagger or an ensemble; scorer: of its frames (its `framewise`), or None for events in its windows.
    on_events: called with events as they become final, by onset; ordered=False: each as soon as it is final, so that one
    that goes on holds back no other. Those of a recording that fails later have been told by then. keep=False: for
    `on_events` only. named: the scores in other tags, which the rules are of; default: without the listener's reserved tags, which
    are no events. by: what scores, with these options: `earmark.inference.score`, or what does it on many machines.
    """
    # by number: two parts of one file have one name, and so has a file that is named twice
    streams: dict[int, Stream] = {}
    kept_events: dict[int, list[Event]] = {}

    def tell(number: int, recording: Recording, events: list[Event]) -> None:
        if keep:
            kept_events.setdefault(number, []).extend(events)
        if events and on_events is not None:
            on_events(recording, events)

    def on_part(part: Part) -> None:
        rows = scorer.part(part) if scorer else part.windows
        rows = without(rows, getattr(listener, "reserved", ())) if named is None else named(rows)
        if part.number not in streams:
            streams[part.number] = Stream(rows.tags, rules, ordered)
        before = next_start(part, listener.windows, listener.sample_rate)
        tell(part.number, part.recording, streams[part.number].push(rows, before))

    with closing(by(scorer or listener, recordings, on_part=on_part, **options)) as results:
        for number, result in enumerate(results):
            stream = streams.pop(number, None)
            if stream is not None and isinstance(result, Scored):
                tell(number, result.recording, stream.finish())
            yield result, sorted(kept_events.pop(number, []))


def without_reserved(rows: Scores, listener: Any) -> Scores:
    """The columns of the tags that a listener tells."""
    return without(rows, getattr(listener, "reserved", ()))


def without(rows: Scores, reserved: Collection[str]) -> Scores:
    """The columns of the other tags."""
    which = told(rows.tags, reserved)
    if which.all():
        return rows
    tags = tuple(tag for tag, each in zip(rows.tags, which.tolist(), strict=True) if each)
    return Scores(rows.values[:, which], rows.ids, rows.start, rows.end, tags)
