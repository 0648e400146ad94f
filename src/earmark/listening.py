"""Recordings of any length → their events, in constant memory: what is heard is told while a recording is scored."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any

from earmark.events import EventRules
from earmark.frames import Framewise, next_start
from earmark.hearing import Stream
from earmark.scores import Event
from earmark.tag import Failure, Heard, Part, Recording, score


def listen(
    listener: Any,
    scorer: Framewise | None,
    recordings: Iterable[Recording],
    rules: EventRules,
    *,
    ordered: bool = True,
    keep: bool = True,
    on_events: Callable[[Recording, list[Event]], None] | None = None,
    **options: Any,
) -> Generator[tuple[Heard | Failure, list[Event]]]:
    """What was heard of each recording, or its failure, and its events by onset.

    listener: a tagger or an ensemble; scorer: of its frames (`frames.framewise`), or None for events in its windows.
    on_events: called with events as they become final, by onset; ordered=False: each as soon as it is final, so that one
    that goes on holds back no other. Those of a recording that fails later have been told by then. keep=False: for
    `on_events` only. options: of `earmark.tag.score`.
    """
    streams: dict[str, Stream] = {}
    found: dict[str, list[Event]] = {}

    def tell(recording: Recording, events: list[Event]) -> None:
        if keep:
            found.setdefault(recording.name, []).extend(events)
        if events and on_events is not None:
            on_events(recording, events)

    def on_part(part: Part) -> None:
        rows = scorer.part(part) if scorer else part.windows
        stream = streams.setdefault(part.recording.name, Stream(rows.tags, rules, ordered))
        tell(part.recording, stream.push(rows, next_start(part, listener.windows, listener.sample_rate)))

    with closing(score(scorer or listener, recordings, on_part=on_part, **options)) as results:
        for result in results:
            stream = streams.pop(result.recording.name, None)
            if stream is not None and isinstance(result, Heard):
                tell(result.recording, stream.finish())
            yield result, sorted(found.pop(result.recording.name, []))
