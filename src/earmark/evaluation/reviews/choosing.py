"""Which events to listen to: half of them the highest scores, a quarter near the threshold, a quarter at random.

The tags share each part alike, as far as they have events; what one lacks, others get. The highest and those near the threshold
are taken from one recording after the other, so that no loud one fills the list, and are sure to be chosen: probability 1. Those
at random are drawn from all that is left of a tag, each with the same probability, which is told. So everything that was found is
represented: those that are sure by themselves, the rest by what was drawn from it. The same seed gives the same list.

Who hears events alone never hears what was missed. Where candidates are given, which lie below the threshold, the quarter near it is
chosen from both sides. They say nothing of how many events are right, and stand for no others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from earmark.errors import ScoresError, counted
from earmark.scores import Event

HIGHEST, NEAR, RANDOM, BELOW = "highest", "near the threshold", "random", "below the threshold"


@dataclass(frozen=True)
class Picked:
    """An event to listen to. chosen: HIGHEST, NEAR, RANDOM or BELOW; probability: that it was; of_tag: events of its tag in all, of
    one BELOW candidates, 0 where that is not known. tagger: the identity of that which found it, None where that is not known.
    of_all: events of all tags that were chosen from, those of which none was chosen with them; 0 where that is not known.
    """

    recording: str
    event: Event
    chosen: str
    probability: float
    of_tag: int
    tagger: str | None = None
    of_all: int = 0


def pick(
    events: Mapping[str, Sequence[Event]],
    count: int = 60,
    *,
    thresholds: Mapping[str, float] | float | None = None,
    tags: Sequence[str] | None = None,
    seed: int = 0,
    candidates: Mapping[str, Sequence[Event]] | None = None,
) -> list[Picked]:
    """Events to listen to, in an order drawn by lot, so that whoever stops early has heard some of each kind.

    events: of each recording, with scores. thresholds: by tag or of all; default: of each tag the lowest score that it was found
    with. tags: to choose from; default: all. candidates: of each recording, what would be an event if thresholds were lower.
    Raises ScoresError where there is nothing to choose from.
    """
    if count < 4:
        raise ScoresError(f"{counted(count, 'event')} to listen to: give 4 or more, of which one is drawn at random")
    found, low = _by_tag(events, tags), _by_tag(candidates or {}, tags)
    if tags is not None and (missing := [tag for tag in tags if tag not in found]):
        raise ScoresError(f"no event is of {', '.join(map(repr, missing))}: those found are of {_named(events)}")
    if not (found or low):
        raise ScoresError(f"there is no event in {counted(len(events), 'recording')}: nothing to listen to")
    rest = {tag: sorted(found.get(tag, [])) for tag in sorted({*found, *low})}
    limits = {tag: _threshold(thresholds, tag, rest[tag] or low[tag]) for tag in rest}
    picked: list[Picked] = []

    def sure(
        chosen: str, many: int, key: Callable[[str, Event], float], also: Mapping[str, list[tuple[str, Event]]]
    ) -> None:
        pools = {tag: [*rest[tag], *also.get(tag, [])] for tag in rest}
        for tag, part in _shares(pools, many).items():
            taken = _over_recordings(pools[tag], part, key)
            rest[tag] = [each for each in rest[tag] if each not in taken]
            for each in taken:
                below = each in also.get(tag, [])
                of_tag = len(low[tag] if below else found[tag])
                picked.append(Picked(*each, BELOW if below else chosen, 1.0, of_tag))

    every = sum(map(len, found.values()))
    whole = min(count, sum(len(each) for of in (found, low) for each in of.values()))
    sure(HIGHEST, round(whole / 2), lambda tag, event: -event.score, {})
    few = whole - every  # candidates, where events are too few
    sure(NEAR, max(round(whole / 4), few), lambda tag, event: abs(event.score - limits[tag]), low)
    chance = np.random.default_rng(seed)
    for tag, part in _shares(rest, whole - len(picked)).items():
        drawn = [rest[tag][n] for n in sorted(chance.choice(len(rest[tag]), part, replace=False).tolist())]
        picked += [
            Picked(recording, event, RANDOM, part / len(rest[tag]), len(found[tag])) for recording, event in drawn
        ]
    picked = [replace(each, of_all=every) for each in picked]
    return [picked[n] for n in chance.permutation(len(picked)).tolist()]


def _by_tag(events: Mapping[str, Sequence[Event]], tags: Sequence[str] | None) -> dict[str, list[tuple[str, Event]]]:
    found: dict[str, list[tuple[str, Event]]] = defaultdict(list)
    for recording, heard in events.items():
        for event in heard:
            if tags is None or event.tag in tags:
                found[event.tag].append((recording, event))
    return found


def _shares(rest: Mapping[str, Sequence[object]], many: int) -> dict[str, int]:
    """So many events for each tag, alike as far as each has them; the first tags get what does not divide."""
    shares = dict.fromkeys(rest, 0)
    while many > 0 and (open_ := [tag for tag in rest if shares[tag] < len(rest[tag])]):
        each = max(1, many // len(open_))
        for tag in open_:
            add = min(each, len(rest[tag]) - shares[tag], many)
            shares[tag] += add
            many -= add
    return {tag: part for tag, part in shares.items() if part}


def _over_recordings(
    events: Sequence[tuple[str, Event]], many: int, key: Callable[[str, Event], float]
) -> list[tuple[str, Event]]:
    """The first by `key`: of each recording its first, then of each its second, and so on."""
    turns: dict[str, int] = defaultdict(int)
    ordered = []
    for recording, event in sorted(events, key=lambda each: (key(each[1].tag, each[1]), each)):
        ordered.append((turns[recording], key(event.tag, event), (recording, event)))
        turns[recording] += 1
    return [each for _, _, each in sorted(ordered)[:many]]


def _threshold(told: Mapping[str, float] | float | None, tag: str, events: Sequence[tuple[str, Event]]) -> float:
    if isinstance(told, int | float):
        return float(told)
    if told is not None and tag in told:
        return told[tag]
    return min(event.score for _, event in events)


def _named(events: Mapping[str, Sequence[Event]]) -> str:
    return ", ".join(sorted({event.tag for heard in events.values() for event in heard})) or "no tag"
