"""PSDS: the polyphonic sound detection score, from scores of frames, over all thresholds exactly.

C. Bilen and others, ICASSP 2020, section 3. For each tag the share of reference events that are hits is a function of
the effective false alarms per hour: false alarms, and alpha_ct times the mean over the other tags of the cross triggers
per hour of that tag's events. The score is the area, up to max_efpr and divided by it, below the mean of these curves
over the tags less alpha_st times their standard deviation (of the tags at hand, not of a sample), never below 0. Curves
are staircases: between two operating points the lower one holds.

A tag without reference events is left out of the means, as everywhere here; sed_scores_eval counts it as 0. With events
of every tag both agree. In a draw of the bootstrap the same holds, and hours and events are those of the draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import check_call, checked
from earmark.metrics.clips import checked_number
from earmark.metrics.events import Events, check_clips, checked_durations, checked_tags, group_names, table
from earmark.metrics.intersection import FrameScores, Steps, check_apart, check_shares, runs, steps
from earmark.metrics.intervals import Interval, interval, resample
from earmark.metrics.ranking import Floats

HOUR = 3600.0  # s


@dataclass(frozen=True)
class Criteria:
    """dtc, gtc, cttc: shares, see `intersection`. alpha_ct, alpha_st: weights. max_efpr: false alarms per hour."""

    dtc: float
    gtc: float
    cttc: float | None = None
    alpha_ct: float = 0.0
    alpha_st: float = 0.0
    max_efpr: float = 100.0

    def __post_init__(self) -> None:
        check_call(type(self), (), vars(self))
        check_shares(dtc=self.dtc, gtc=self.gtc, cttc=self.cttc)
        for name in ("alpha_ct", "alpha_st"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ScoresError(f"{name} is a weight of 0 or more, not {getattr(self, name)}")
        if not 0 < self.max_efpr < math.inf:
            raise ScoresError(f"max_efpr is a number of false alarms per hour above 0, not {self.max_efpr}")
        if (self.cttc is None) != (self.alpha_ct == 0):
            raise ScoresError(
                f"cttc is {self.cttc} and alpha_ct {self.alpha_ct}: cross triggers need both, and neither without them"
            )


# DCASE 2021 challenge, task 4, "Evaluation"
PSDS1 = Criteria(dtc=0.7, gtc=0.7, alpha_st=1.0)
PSDS2 = Criteria(dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5, alpha_st=1.0)


@dataclass(frozen=True)
class PSDS:
    """value: of all tags. tags: the area under each tag's own curve; NaN for a tag without reference events."""

    value: Interval
    tags: dict[str, Interval]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Curve:
    """The steps of one tag in all clips, from the highest level down. clip: (steps,) rows.

    level: (levels,). ends: (levels,) the last step of each.
    """

    clip: NDArray[np.int64]
    hits: Floats
    false: Floats
    cross: Floats  # (steps, tags)
    level: Floats
    ends: NDArray[np.int64]

    @staticmethod
    def of(parts: Sequence[Steps]) -> Curve:
        """parts: of each clip."""
        level = np.concatenate([part.level for part in parts])
        clip = np.repeat(np.arange(len(parts)), [len(part.level) for part in parts])
        order = np.argsort(-level, kind="stable")
        ranked = level[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])
        hits, false, cross = (
            np.concatenate([getattr(part, name) for part in parts])[order] for name in ("hits", "false", "cross")
        )
        return Curve(clip[order], hits, false, cross, ranked[ends], ends)

    def counts(self, times: Floats) -> tuple[Floats, Floats]:
        """(hits, false alarms) at each level; times: (clips,) how often each clip was drawn."""
        drawn = times[self.clip]
        return np.cumsum(drawn * self.hits)[self.ends], np.cumsum(drawn * self.false)[self.ends]

    def crossed(self, times: Floats, weights: Floats) -> Floats:
        """Cross triggers at each level, summed over the tags with weights (tags,)."""
        return np.asarray(np.cumsum(times[self.clip] * (self.cross @ weights))[self.ends])


@dataclass(frozen=True, eq=False)
class Roc:
    """All that PSDS needs to know of the clips. number, length: (clips, tags) reference events and their seconds."""

    curves: list[Curve]
    number: Floats
    length: Floats
    durations: Floats
    criteria: Criteria

    def measure(self, times: Floats) -> tuple[float, Floats]:
        """(score, (tags,) scores) where clip i was drawn times[i] times."""
        number, seconds, hours = times @ self.number, times @ self.length, float(times @ self.durations) / HOUR
        limit, areas = self.criteria.max_efpr, np.full(len(self.curves), np.nan)
        stairs = []
        for tag in np.flatnonzero(number > 0):
            rate, share = self._stairs(int(tag), times, number[tag], seconds, hours)
            stairs.append((rate, share))
            areas[tag] = _area(rate, share, limit)
        if not stairs:
            return math.nan, areas
        grid = np.unique(np.concatenate([rate for rate, _ in stairs]))
        shares = np.stack([share[np.searchsorted(rate, grid, "right") - 1] for rate, share in stairs])
        effective = np.maximum(shares.mean(0) - self.criteria.alpha_st * shares.std(0), 0)
        return _area(grid, effective, limit), areas

    def _stairs(self, tag: int, times: Floats, number: float, seconds: Floats, hours: float) -> tuple[Floats, Floats]:
        """False alarms per hour, rising from 0 to the limit, and the highest share of hits up to each."""
        curve = self.curves[tag]
        hits, false = curve.counts(times)
        rate = false / hours
        if self.criteria.alpha_ct:
            there = seconds > 0
            there[tag] = False
            weights = np.zeros(len(seconds))
            weights[there] = HOUR / seconds[there] / there.sum()
            rate = rate + self.criteria.alpha_ct * curve.crossed(times, weights)
        near = rate <= self.criteria.max_efpr
        rate, hits = np.append(0.0, rate[near]), np.append(0.0, hits[near])
        order = np.argsort(rate, kind="stable")
        return rate[order], np.maximum.accumulate(hits[order]) / number


def _area(rate: Floats, share: Floats, limit: float) -> float:
    return float(np.diff(rate, append=limit) @ share) / limit


@checked
def psds(
    scores: Mapping[str, FrameScores],
    reference: Events,
    durations: Mapping[str, float],
    tags: Sequence[str],
    criteria: Criteria,
    groups: Mapping[str, str] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> PSDS:
    """PSDS with 95 % intervals over groups of clips.

    scores: of each clip, its columns in the order of `tags`; a tag is detected where its score reaches a threshold.
    durations: of each clip, seconds. criteria: PSDS1, PSDS2 or others. groups: None: each clip is its own.
    """
    checked_number("resamples", resamples)
    checked_number("seed", seed)
    roc = prepare(scores, reference, durations, tags, criteria)
    names = group_names(groups, tuple(reference))
    value, by_tag = roc.measure(np.ones(len(names)))
    drawn: list[tuple[float, Floats]] = []
    if len(np.unique(names)) > 1:
        for weights in resample(names, resamples, seed):
            drawn += [roc.measure(times.astype(float)) for times in weights.T]
    return PSDS(
        interval(value, [np.array([draw[0] for draw in drawn])] if drawn else [], (0, 1)),
        {
            tag: interval(float(by_tag[i]), [np.array([draw[1][i] for draw in drawn])] if drawn else [])
            for i, tag in enumerate(tags)
        },
    )


def prepare(
    scores: Mapping[str, FrameScores],
    reference: Events,
    durations: Mapping[str, float],
    tags: Sequence[str],
    criteria: Criteria,
) -> Roc:
    """The counts at all thresholds, made once for all draws."""
    check_clips(reference, scores, "scores")
    tags, ids = checked_tags(reference, tags), tuple(reference)
    cells = table(reference, ids, tags, "reference")
    check_apart(cells, ids, tags, "reference")
    number, length = np.zeros((len(ids), len(tags))), np.zeros((len(ids), len(tags)))
    parts: list[list[Steps]] = [[] for _ in tags]
    none, cttc = np.zeros((0, 2)), math.nan if criteria.cttc is None else criteria.cttc
    for row, clip in enumerate(ids):
        if np.shape(scores[clip].values)[1] != len(tags):
            raise ScoresError(
                f"clip {clip!r} has scores of {counted(np.shape(scores[clip].values)[1], 'tag')}, not {len(tags)}"
            )
        here = {column: cells[row, column] for column in range(len(tags)) if (row, column) in cells}
        for column, found in enumerate(runs(scores[clip])):
            others = {other: events for other, events in here.items() if other != column}
            parts[column].append(
                steps(found, here.get(column, none), others, len(tags), criteria.dtc, criteria.gtc, cttc)
            )
        for column, events in here.items():
            number[row, column], length[row, column] = len(events), (events[:, 1] - events[:, 0]).sum()
    return Roc([Curve.of(part) for part in parts], number, length, checked_durations(durations, ids), criteria)
