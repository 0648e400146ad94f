"""Events found in time: F1 of events by their edges and of segments, from lists of events.

Events are (tag, onset, offset) of each clip, seconds from the start of its recording, or `earmark.scores.Event`s. The
counts of each clip and tag are kept, so that clips can be drawn again without being matched again: `match_…` counts,
`detection_f1` measures.

- Event-based, as in the DCASE challenges and sed_eval: a predicted event is a hit where its onset is within the onset
  collar of that of a reference event of the same tag, and its offset within the offset collar, or within a share of the
  reference's length where that is longer. Each event is used once, and as many pairs are made as there can be (a
  largest matching in the bipartite graph; sed_eval calls it "optimal").
- By length (`HITS`), as in paper 003, section 5: both edges are within the collar, whatever the event's length, and the found
  event lasts at least 80 % of the reference's. So a long event has to be met as exactly as a short one, and a short one is
  not met by a fragment of it.
- Segment-based, as in sed_eval: the clip is cut into segments from its start; a tag is there in every segment that an
  event of it touches. What reaches out of the clip is cut off.
- A tag without reference events is left out of the macro mean; its false alarms show in the micro mean. A tag that was
  never predicted counts as 0 (sed_eval leaves it out unless told empty_system_output_handling="zero_score").
- Distances that equal a collar are within it, to a nanosecond: 4.2 - 4.0 is more than 0.2 in floating point only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError, agreed, counted
from earmark.errors.kinds import check_call, checked
from earmark.metrics.clips import checked_number, over_tags
from earmark.metrics.decisions import f1_of
from earmark.metrics.intervals import Interval, checked_groups, interval, resample
from earmark.metrics.ranking import Floats
from earmark.registry import did_you_mean
from earmark.scores import Event

Timed = tuple[str, float, float]  # tag, onset, offset
Events = Mapping[str, Sequence[Timed | Event]]  # of each clip, by id
ROUNDING = 1e-9  # s


@dataclass(frozen=True)
class Collars:
    """How far an event may be off, seconds. offset None: offsets are not looked at. share: of the reference's length, by
    which the offset may be off too. least: share of the reference's length that a found event lasts at least."""

    onset: float = 0.2
    offset: float | None = 0.2
    share: float = 0.2
    least: float = 0.0

    def __post_init__(self) -> None:
        check_call(type(self), (), vars(self))
        for name in ("onset", "offset", "share"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ScoresError(f"the {name} collar is {value}; it must be 0 or more")
        if not 0 <= self.least <= 1:
            raise ScoresError(f"least is {self.least}; a found event lasts at least a share of the known one, 0 to 1")

    @staticmethod
    def by(hit: str, collar: float) -> Collars:
        """The same collar on both edges by a rule of `HITS`.

        >>> Collars.by("length", 0.4)
        Collars(onset=0.4, offset=0.4, share=0.0, least=0.8)
        """
        if hit not in HITS:
            raise ScoresError(f"a hit is judged by {' or '.join(map(repr, HITS))}, not {hit!r}")
        return Collars(collar, collar, *HITS[hit])


# (share, least) by name: the rule of sed_eval and the DCASE challenges, and that of paper 003 (section 5)
HITS = {"sed_eval": (0.2, 0.0), "length": (0.0, 0.8)}


@dataclass(frozen=True, eq=False)
class Counts:
    """hits, false, missed: (clips, tags) numbers of events or segments. ids, tags: the names of rows and columns."""

    ids: tuple[str, ...]
    tags: tuple[str, ...]
    hits: NDArray[np.int64]
    false: NDArray[np.int64]
    missed: NDArray[np.int64]


@dataclass(frozen=True)
class DetectionF1:
    """F1 of all events together and mean over tags; precision and recall of all together; F1 of each tag."""

    micro: Interval
    macro: Interval
    precision: Interval
    recall: Interval
    tags: dict[str, Interval]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@checked
def match_events(
    reference: Events, predicted: Events, *, tags: Sequence[str] | None = None, collars: Collars | None = None
) -> Counts:
    """Event-based counts, as in the module's docstring. tags: default, those of the reference in alphabetical order."""
    collars = collars or Collars()
    paired = Paired.of(reference, predicted, tags)
    counts = _zeros(paired)
    for row, column, true, found in paired.cells():
        hits = _pairs(_reached(true, found, collars), len(true))
        counts.hits[row, column] = hits
        counts.false[row, column], counts.missed[row, column] = len(found) - hits, len(true) - hits
    return counts


@checked
def match_segments(
    reference: Events,
    predicted: Events,
    durations: Mapping[str, float],
    *,
    tags: Sequence[str] | None = None,
    length: float = 1.0,
) -> Counts:
    """Segment-based counts. durations: of each clip, seconds. length: of a segment, seconds; the last may be shorter."""
    if not 0 < length < math.inf:
        raise ScoresError(f"segments have a length above 0 s, not {length}")
    paired = Paired.of(reference, predicted, tags)
    ends = checked_durations(durations, paired.ids)
    counts = _zeros(paired)
    for row, column, true, found in paired.cells():
        for what, events in (("reference", true), ("predicted", found)):
            if len(events) and events[-1, 0] >= ends[row]:
                raise ScoresError(
                    f"clip {paired.ids[row]!r} is {ends[row]} s long, but a {what} event of {paired.tags[column]!r} "
                    f"begins at {events[-1, 0]} s. Times count from the start of the recording, in seconds"
                )
        segments = math.ceil(ends[row] / length - ROUNDING)
        there, said = _roll(true, length, segments), _roll(found, length, segments)
        counts.hits[row, column] = (there & said).sum()
        counts.false[row, column], counts.missed[row, column] = (said & ~there).sum(), (there & ~said).sum()
    return counts


@checked
def detection_f1(
    counts: Counts, groups: Mapping[str, str] | None = None, *, resamples: int = 1000, seed: int = 0
) -> DetectionF1:
    """F1 with 95 % intervals over groups of clips. groups: the group of each clip; None: each clip is its own."""
    checked_number("resamples", resamples)
    checked_number("seed", seed)
    names = group_names(groups, counts.ids)
    cells = tuple(part.astype(float) for part in (counts.hits, counts.false, counts.missed))
    value = _measure(*(part.sum(0)[None] for part in cells))
    drawn: list[dict[str, Floats]] = []
    if len(np.unique(names)) > 1:
        drawn = [_measure(*(weights.T @ part for part in cells)) for weights in resample(names, resamples, seed)]

    def of(name: str, limits: tuple[float, float] | None = None) -> Interval:
        return interval(float(value[name][0]), [draw[name] for draw in drawn], limits)

    by_tag = {
        tag: interval(float(value["tags"][0, i]), [draw["tags"][:, i] for draw in drawn])
        for i, tag in enumerate(counts.tags)
    }
    return DetectionF1(of("micro"), of("macro", (0, 1)), of("precision"), of("recall"), by_tag)


def _measure(hits: Floats, false: Floats, missed: Floats) -> dict[str, Floats]:
    """Each (draws, tags) → micro, macro, precision, recall (draws,) and tags (draws, tags)."""
    there, said = hits + missed, hits + false
    tags = np.where(there > 0, f1_of(hits, said, there), np.nan)
    with np.errstate(invalid="ignore"):
        return {
            "micro": np.where(there.sum(1) > 0, f1_of(hits.sum(1), said.sum(1), there.sum(1)), np.nan),
            "macro": over_tags(tags.T),
            "precision": hits.sum(1) / said.sum(1),
            "recall": hits.sum(1) / there.sum(1),
            "tags": tags,
        }


# Matching


def _reached(true: Floats, found: Floats, collars: Collars) -> list[list[int]]:
    """For each predicted event the reference events that it hits. Both (events, 2), sorted by onset."""
    near = collars.onset + ROUNDING
    first = np.searchsorted(true[:, 0], found[:, 0] - near - ROUNDING, "left")
    last = np.searchsorted(true[:, 0], found[:, 0] + near + ROUNDING, "right")
    reached = []
    for event, low, high in zip(found, first, last, strict=True):
        others = true[low:high]
        hit = np.abs(others[:, 0] - event[0]) <= near
        if collars.offset is not None:
            allowed = np.maximum(collars.offset, collars.share * (others[:, 1] - others[:, 0]))
            hit &= np.abs(others[:, 1] - event[1]) <= allowed + ROUNDING
        if collars.least:
            hit &= event[1] - event[0] >= collars.least * (others[:, 1] - others[:, 0]) - ROUNDING
        reached.append((low + np.flatnonzero(hit)).tolist())
    return reached


def _pairs(reached: list[list[int]], references: int) -> int:
    """The size of a largest matching: from each predicted event the shortest way that frees a reference event."""
    taken = [-1] * references  # by which predicted event
    given = [-1] * len(reached)  # to which reference event
    for start in range(len(reached)):
        came: dict[int, int] = {}  # reference event → the predicted one from which it was reached
        queue = [start]
        for event in queue:
            for other in reached[event]:
                if other in came:
                    continue
                came[other] = event
                if taken[other] >= 0:
                    queue.append(taken[other])
                    continue
                while other >= 0:
                    by = came[other]
                    taken[other], given[by], other = by, other, given[by]
                queue.clear()
                break
    return sum(other >= 0 for other in given)


def _roll(events: Floats, length: float, segments: int) -> NDArray[np.bool_]:
    roll = np.zeros(segments, bool)
    for onset, offset in events:
        roll[math.floor(onset / length + ROUNDING) : math.ceil(offset / length - ROUNDING)] = True
    return roll


# Input


@dataclass(frozen=True, eq=False)
class Paired:
    """Reference and predicted events of the same clips: (row, column) → (events, 2) seconds, sorted by onset."""

    ids: tuple[str, ...]
    tags: tuple[str, ...]
    true: dict[tuple[int, int], Floats]
    found: dict[tuple[int, int], Floats]

    @staticmethod
    def of(reference: Events, predicted: Events, tags: Sequence[str] | None) -> Paired:
        check_clips(reference, predicted, "predicted events")
        names = checked_tags(reference, tags)
        ids = tuple(reference)
        return Paired(ids, names, table(reference, ids, names, "reference"), table(predicted, ids, names, "predicted"))

    def cells(self) -> list[tuple[int, int, Floats, Floats]]:
        none = np.zeros((0, 2))
        return [
            (*cell, self.true.get(cell, none), self.found.get(cell, none)) for cell in sorted({*self.true, *self.found})
        ]


def _zeros(paired: Paired) -> Counts:
    shape = len(paired.ids), len(paired.tags)
    return Counts(paired.ids, paired.tags, *(np.zeros(shape, np.int64) for _ in range(3)))


def timed(event: Timed | Event) -> Timed:
    """(tag, onset, offset), checked for its form alone."""
    if isinstance(event, Event):
        return event.tag, event.onset, event.offset
    try:
        tag, onset, offset = event
        return str(tag), float(onset), float(offset)
    except (TypeError, ValueError) as error:
        raise ScoresError(f"an event is (tag, onset, offset), times in seconds, not {event!r}") from error


def checked_tags(reference: Events, tags: Sequence[str] | None) -> tuple[str, ...]:
    """The tags in order: those given, or those of the reference in alphabetical order."""
    if tags is None:
        tags = sorted({timed(event)[0] for events in reference.values() for event in events})
    if not tags or len(set(tags)) < len(tags):
        raise ScoresError(f"events need at least one tag and each once; the tags are: {', '.join(tags) or 'none'}")
    return tuple(tags)


def check_clips(reference: Mapping[str, object], others: Mapping[str, object], what: str) -> None:
    if not reference:
        raise ScoresError("nothing to measure: the reference has no clips")
    missing, unknown = [c for c in reference if c not in others], [c for c in others if c not in reference]
    if missing:
        raise ScoresError(
            f"{len(missing):,} of {counted(len(reference), 'clip')} {agreed(len(missing), 'has', 'have')} no {what}, first: "
            f"{missing[0]!r}. A clip in which nothing was found has an empty list"
        )
    if unknown:
        raise ScoresError(
            f"{counted(len(unknown), 'clip')} with {what} {agreed(len(unknown), 'is', 'are')} not in the reference, first: {unknown[0]!r}"
        )


def table(events: Events, ids: Sequence[str], tags: Sequence[str], what: str) -> dict[tuple[int, int], Floats]:
    """(row, column) → (events, 2) seconds, sorted by onset."""
    places = {tag: i for i, tag in enumerate(tags)}
    cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for row, clip in enumerate(ids):
        for tag, onset, offset in map(timed, events[clip]):
            if tag not in places:
                raise ScoresError(
                    f"clip {clip!r}: a {what} event has the unknown tag {tag!r}{did_you_mean(tag, tags)} "
                    f"Known: {', '.join(tags)}"
                )
            if not 0 <= onset < offset < math.inf:
                raise ScoresError(
                    f"clip {clip!r}: a {what} event of {tag!r} goes from {onset} to {offset} s; "
                    "an event starts at 0 or later and ends after its start"
                )
            cells.setdefault((row, places[tag]), []).append((onset, offset))
    return {cell: np.array(sorted(pairs), float) for cell, pairs in cells.items()}


def checked_durations(durations: Mapping[str, float], ids: Sequence[str]) -> Floats:
    """(clips,) seconds."""
    missing = [clip for clip in ids if clip not in durations]
    if missing:
        raise ScoresError(
            f"{len(missing):,} of {counted(len(ids), 'clip')} {agreed(len(missing), 'has', 'have')} no duration, first: {missing[0]!r}"
        )
    for clip in ids:
        if not 0 < durations[clip] < math.inf:
            raise ScoresError(f"the duration of clip {clip!r} is {durations[clip]}; it must be above 0 s")
    return np.array([durations[clip] for clip in ids], float)


def group_names(groups: Mapping[str, str] | None, ids: Sequence[str]) -> NDArray[np.str_]:
    """(clips,): the group of each clip."""
    if groups is None:
        return np.array(ids, str)
    missing = [clip for clip in ids if clip not in groups]
    if missing:
        raise ScoresError(
            f"{len(missing):,} of {counted(len(ids), 'clip')} {agreed(len(missing), 'has', 'have')} no group, first: {missing[0]!r}"
        )
    return np.asarray(checked_groups([groups[clip] for clip in ids]), str)
