"""Events, and beside them the candidates: what would be an event if thresholds were half as high, and is none.

Who reviews events alone never hears what the tagger missed. A candidate is found by the same rules as an event but for the
threshold, SHARE of the tag's own, and overlaps no event of its tag. Both are found in one pass: each tag is heard twice over.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from earmark.events import EventRules
from earmark.inference.detection import listen, without_reserved
from earmark.inference.recordings import Failure, Recording, Scored
from earmark.scores import Event, Scores

SHARE = 0.5  # of a tag's threshold
MARK = "\0"  # before a tag as it is heard for candidates: no tag begins so


def hear(
    tagger: Any, sounds: Iterable[Recording], rules: EventRules, **options: Any
) -> Generator[tuple[Scored | Failure, list[Event], list[Event]]]:
    """(what was heard, its events as `listen` tells them, its candidates) of each recording.

    tagger: an `AnyTagger`. options: of `listen`.
    """
    both = EventRules(
        {**rules.thresholds, **{MARK + tag: SHARE * value for tag, value in rules.thresholds.items()}},
        {**rules.medians, **{MARK + tag: value for tag, value in rules.medians.items()}},
        rules.gap,
        rules.shortest,
        {**rules.lows, **{MARK + tag: value for tag, value in rules.lows.items()}},
    )

    def twice(rows: Scores) -> Scores:
        rows = without_reserved(rows, tagger)
        values = np.concatenate([rows.values, rows.values], axis=1)  # (rows, 2 · tags)
        return Scores(values, rows.ids, rows.start, rows.end, (*rows.tags, *(MARK + tag for tag in rows.tags)))

    with closing(listen(tagger, tagger.framewise(), sounds, both, named=twice, **options)) as results:
        for result, found in results:
            yield result, *parted(found)


def parted(found: Iterable[Event]) -> tuple[list[Event], list[Event]]:
    """(events, candidates that overlap none of them of their tag), both by onset.

    >>> heard = [Event(1, 2, "dog", 0.7), Event(0, 3, MARK + "dog", 0.7), Event(5, 6, MARK + "dog", 0.3)]
    >>> parted(heard)[1]
    [Event(onset=5, offset=6, tag='dog', score=0.3)]
    """
    events: list[Event] = []
    low: list[Event] = []
    for event in found:
        if event.tag.startswith(MARK):
            low.append(replace(event, tag=event.tag.removeprefix(MARK)))
        else:
            events.append(event)
    of_tag: dict[str, list[Event]] = {}
    for event in events:
        of_tag.setdefault(event.tag, []).append(event)
    rejected = [
        each
        for each in low
        if not any(e.onset < each.offset and each.onset < e.offset for e in of_tag.get(each.tag, []))
    ]
    return events, rejected
