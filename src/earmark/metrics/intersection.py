"""Intersection criteria: whether a detection counts is decided by how much of it lies on reference events.

C. Bilen and others, "A framework for the robust evaluation of sound event detection", ICASSP 2020, section 3:

- Detection tolerance (dtc): a detection is relevant where the reference events of its tag cover at least this share of
  it; otherwise it is a false alarm.
- Ground truth intersection (gtc): a reference event is a hit where relevant detections cover at least this share of it.
- Cross trigger tolerance (cttc): a false alarm is a cross trigger of every other tag whose reference events cover at
  least this share of it.

Intersections are compared to the microsecond, as in sed_scores_eval, so that a share that is exactly reached is reached.
Reference events of one tag that overlap or touch make covers ambiguous and are refused; `joined` makes one of them.

`steps` counts at every threshold at once, as J. Ebbers and others do ("Threshold independent evaluation of sound event
detection scores", ICASSP 2022), but over runs: a run of frames that is a detection at some threshold is one from the
lowest score in it down to the higher of its two neighbours. A clip of n frames has at most n runs of a tag, so that each
is judged once, and counts are sums over runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError
from earmark.errors.kinds import checked
from earmark.metrics.events import Counts, Events, Paired, Timed, timed
from earmark.metrics.ranking import Bools, Floats

DECIMALS = 6  # of seconds


@dataclass(frozen=True, eq=False)
class FrameScores:
    """values: (frames, tags) of one clip. edges: (frames + 1,) seconds, where each frame starts and the last ends."""

    values: NDArray[np.floating]
    edges: Floats

    def __post_init__(self) -> None:
        if any(isinstance(each, np.ma.MaskedArray) for each in (self.values, self.edges)):
            raise ScoresError(
                "values and edges have no masks: give a score for each frame, and leave out tags that are not known"
            )
        values, edges = np.asarray(self.values), np.asarray(self.edges, float)
        if values.ndim != 2 or edges.shape != (len(values) + 1,):
            raise ScoresError(
                f"values have the shape {values.shape} and edges {edges.shape}; they must be (frames, tags) and "
                "(frames + 1,)"
            )
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise ScoresError(
                f"the score in frame {row}, column {column} is {values[row, column]}, not a finite number"
            )
        if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            raise ScoresError("the edges of frames must be finite and rise from frame to frame")


@dataclass(frozen=True, eq=False)
class Steps:
    """How the counts of one tag in one clip change where the threshold falls to each level; levels rise.

    level, hits, false: (levels,). cross: (levels, tags) cross triggers of each tag; no columns where none are asked for.
    """

    level: Floats
    hits: Floats
    false: Floats
    cross: Floats


@dataclass(frozen=True, eq=False)
class Runs:
    """Detections of one tag over all thresholds: from onset to offset (runs,) s where parent < threshold ≤ level."""

    onset: Floats
    offset: Floats
    level: Floats
    parent: Floats  # -inf: the whole clip, which never ends


def joined(events: Sequence[Timed]) -> list[Timed]:
    """Events of one clip in which those of one tag that overlap or touch have become one."""
    result: dict[str, list[tuple[float, float]]] = {}
    for tag, onset, offset in sorted(map(timed, events), key=lambda event: event[1:]):
        pairs = result.setdefault(tag, [])
        if pairs and onset <= pairs[-1][1]:
            onset, offset = pairs[-1][0], max(offset, pairs.pop()[1])
        pairs.append((onset, offset))
    return [(tag, *pair) for tag, pairs in result.items() for pair in pairs]


@checked
def match_intersections(
    reference: Events, predicted: Events, *, tags: Sequence[str] | None = None, dtc: float = 0.5, gtc: float = 0.5
) -> Counts:
    """Intersection-based counts of given events, for `detection_f1`. hits, missed: reference events; false: detections."""
    check_shares(dtc=dtc, gtc=gtc)
    paired = Paired.of(reference, predicted, tags)
    check_apart(paired.true, paired.ids, paired.tags, "reference")
    check_apart(paired.found, paired.ids, paired.tags, "predicted")
    hits, false, missed = (np.zeros((len(paired.ids), len(paired.tags)), np.int64) for _ in range(3))
    for row, column, true, found in paired.cells():
        covered = overlaps(found[:, 0], found[:, 1], true)
        relevant = reaches(covered.sum(1), dtc * (found[:, 1] - found[:, 0]))
        hit = reaches(covered[relevant].sum(0), gtc * (true[:, 1] - true[:, 0]))
        hits[row, column], false[row, column], missed[row, column] = hit.sum(), (~relevant).sum(), (~hit).sum()
    return Counts(paired.ids, paired.tags, hits, false, missed)


def check_shares(**shares: float | None) -> None:
    for name, share in shares.items():
        if share is not None and not 0 < share <= 1:
            raise ScoresError(f"{name} is a share above 0 and up to 1, not {share}")


def check_apart(cells: Mapping[tuple[int, int], Floats], ids: Sequence[str], tags: Sequence[str], what: str) -> None:
    for (row, column), pairs in cells.items():
        if (pairs[1:, 0] <= pairs[:-1, 1]).any():
            raise ScoresError(
                f"clip {ids[row]!r}: {what} events of {tags[column]!r} overlap or touch, so that shares of them are "
                "ambiguous. Make one event of them with metrics.joined"
            )


def overlaps(onset: Floats, offset: Floats, events: Floats) -> Floats:
    """(detections, events) seconds that each detection has in common with each event."""
    common = np.minimum(offset[:, None], events[:, 1]) - np.maximum(onset[:, None], events[:, 0])
    return np.asarray(np.maximum(common, 0.0))


def reaches(seconds: Floats, least: Floats) -> Bools:
    return np.asarray(np.round(seconds, DECIMALS) >= np.round(least, DECIMALS))


def runs(scores: FrameScores) -> list[Runs]:
    """The runs of each tag."""
    values, edges = np.asarray(scores.values, float), np.asarray(scores.edges, float)
    frames, tags = values.shape
    padded = np.full((tags, frames + 2), -np.inf)  # no detection goes beyond the ends
    padded[:, 1:-1] = values.T
    flat = padded.ravel()
    before, after = _nearest(flat, -1, np.less), _nearest(flat, 1, np.less)
    first = _nearest(flat, -1, np.less_equal) == before  # equal scores of one run make one run
    result = []
    for tag in range(tags):
        inside = np.arange(tag * (frames + 2) + 1, (tag + 1) * (frames + 2) - 1)
        kept = inside[first[inside]]
        left, right = before[kept], after[kept]
        start = left - tag * (frames + 2)  # the frame after `left`, less the padding before the first
        end = right - tag * (frames + 2) - 1
        result.append(Runs(edges[start], edges[end], flat[kept], np.maximum(flat[left], flat[right])))
    return result


def _nearest(flat: Floats, step: int, stops: np.ufunc) -> NDArray[np.int64]:
    """For each finite value the place of the nearest one on one side that stops it; for -inf its own place.

    All places jump together: what a place that does not stop me has jumped over does not stop me either.
    """
    place = np.arange(len(flat))
    going = np.flatnonzero(np.isfinite(flat))
    place[going] += step
    while len(going):
        going = going[~stops(flat[place[going]], flat[going])]
        place[going] = place[place[going]]
    return place


def steps(
    found: Runs, true: Floats, others: Mapping[int, Floats], tags: int, dtc: float, gtc: float, cttc: float
) -> Steps:
    """true: (events, 2) of this tag. others: (events, 2) of other tags by column. cttc: nan for no cross triggers."""
    covered = overlaps(found.onset, found.offset, true)
    length = found.offset - found.onset
    relevant = reaches(covered.sum(1), dtc * length)
    changes = np.zeros((len(length), 2 + (0 if np.isnan(cttc) else tags)))
    changes[:, 1] = ~relevant
    if not np.isnan(cttc):
        for column, events in others.items():
            on_other = overlaps(found.onset, found.offset, events).sum(1)
            changes[:, 2 + column] = reaches(on_other, cttc * length) & ~relevant
    ends = np.isfinite(found.parent)
    levels, place = np.unique(np.concatenate([found.level, found.parent[ends]]), return_inverse=True)
    total = np.zeros((len(levels), changes.shape[1]))
    np.add.at(total, place, np.concatenate([changes, -changes[ends]]))
    total[:, 0] = _hits(covered * relevant[:, None], ends, place, len(levels), gtc * (true[:, 1] - true[:, 0]))
    kept = total.any(1)
    return Steps(levels[kept], total[kept, 0], total[kept, 1], total[kept, 2:])


def _hits(covered: Floats, ends: Bools, place: NDArray[np.int64], levels: int, least: Floats) -> Floats:
    """(levels,): how many reference events become hits at each level, less those that stop being one."""
    change = np.zeros((levels, covered.shape[1]))
    np.add.at(change, place, np.concatenate([covered, -covered[ends]]))
    hit = reaches(np.cumsum(change[::-1], axis=0), least).sum(1)  # from the highest level down
    return np.asarray(np.diff(hit, prepend=0)[::-1], float)
