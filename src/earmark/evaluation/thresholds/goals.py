"""Thresholds for events that reach a goal: a precision, or so many false alarms an hour; on recordings whose events are known.

An event that is found is right where at least half of it lies within known events of its tag, widened on both sides by the
tolerance, which is as fine as the tagger tells edges; else it is a false alarm. A known event is found where a right one touches it
so. Rules for F1 judge edges to 0.2 s; whoever counts calls does not.

    precision       of the thresholds whose events are right that often, the one that finds the most known events
    false alarms    of the thresholds above which nowhere more are told an hour, the one that finds the most; where no event of
                    the tag is known, the lowest

Of equals the highest. What is chosen on a few recordings holds on others like them: as many calls an hour, as loud, in such noise.
Where no threshold reaches the goal the nearest is told, and not met.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from earmark.errors import ScoresError
from earmark.evaluation.thresholds.chosen import rounded
from earmark.events import DEFAULT, EventRules, Track, hear, track
from earmark.metrics.events import Events, timed
from earmark.metrics.intersection import joined
from earmark.metrics.intervals import Interval
from earmark.metrics.shares import poisson, wilson
from earmark.scores import Scores

THRESHOLDS = (*(round(0.01 * step, 2) for step in range(1, 100)), 0.995, 0.998, 0.999, 0.9995, 0.9999)
RATES = {"hour": 1.0, "h": 1.0, "day": 1 / 24, "d": 1 / 24, "minute": 60.0, "min": 60.0}


@dataclass(frozen=True)
class Goal:
    """One of them: precision, above 0 and below 1; or false_alarms an hour, 0 or more. Raises ScoresError."""

    precision: float | None = None
    false_alarms: float | None = None

    def __post_init__(self) -> None:
        if (self.precision is None) == (self.false_alarms is None):
            raise ScoresError("a goal is a precision or a number of false alarms an hour: give one of them")
        if self.precision is not None and not 0 < self.precision < 1:
            raise ScoresError(f"a precision of {self.precision:g}: give a share above 0 and below 1, such as 0.9")
        if self.false_alarms is not None and not 0 <= self.false_alarms < math.inf:
            raise ScoresError(f"{self.false_alarms:g} false alarms an hour: give 0 or more")

    def __str__(self) -> str:
        if self.precision is not None:
            return f"a precision of {self.precision:g}"
        return f"at most {self.false_alarms:g} false alarms an hour"


@dataclass(frozen=True)
class Reached:
    """What a tag's threshold comes to. known: events that there are, found of them; told: events that were told, right of them;
    hours: of recordings. met: whether the goal is.
    """

    tag: str
    threshold: float
    known: int
    found: int
    told: int
    right: int
    hours: float
    met: bool = True

    @property
    def precision(self) -> Interval:
        """With its 95 % interval; NaN where nothing was told."""
        return wilson(self.right, self.told)

    @property
    def recall(self) -> float:
        return self.found / self.known if self.known else math.nan

    @property
    def false_alarms(self) -> Interval:
        """An hour, with its 95 % interval."""
        return poisson(self.told - self.right, self.hours)

    def as_dict(self) -> dict[str, Any]:
        """For a tagger's file."""
        plain = {name: getattr(self, name) for name in ("threshold", "met", "known", "found", "told", "right")}
        figures = {"precision": self.precision, "false alarms an hour": self.false_alarms}
        told = {name: {k: rounded(v) for k, v in each.as_dict().items()} for name, each in figures.items()}
        return {**plain, "recall": rounded(self.recall), **told}


def choose(
    scores: Mapping[str, Scores],
    reference: Events,
    durations: Mapping[str, float],
    goal: Goal,
    *,
    tolerance: float,
    gap: float = 0.0,
    low: float | None = None,
    shortest: float = 0.0,
    thresholds: Sequence[float] = THRESHOLDS,
) -> tuple[EventRules, list[Reached]]:
    """Rules without median filters, and what each tag's comes to. scores, reference, durations (seconds): by recording.

    A tag without a known event keeps 0.5 where the goal is a precision, and meets it where nothing is told of it.
    """
    tracks = {name: track(each) for name, each in scores.items()}
    if not tracks:
        raise ScoresError("no recording to choose thresholds on")
    tags = next(iter(tracks.values())).tags
    known = {name: joined([timed(event) for event in reference.get(name, ())]) for name in tracks}
    hours = sum(durations[name] for name in tracks) / 3600
    chosen: dict[str, float] = {}
    told = []
    for column, tag in enumerate(tags):
        of_tag = {
            name: np.array([(onset, offset) for its, onset, offset in known[name] if its == tag], np.float64).reshape(
                -1, 2
            )
            for name in tracks
        }
        alone = {name: Track(each.edges, each.values[:, column : column + 1], (tag,)) for name, each in tracks.items()}
        nothing = goal.precision is not None and not any(map(len, of_tag.values()))
        rules = [EventRules.alike((tag,), t, 0.0, gap, shortest, low) for t in ((DEFAULT,) if nothing else thresholds)]
        points = [_at(tag, rule, alone, of_tag, tolerance, hours) for rule in rules]
        best = replace(points[0], met=not points[0].told) if nothing else _best(points, goal)
        told.append(best)
        chosen[tag] = best.threshold
    rules_of_all = EventRules.alike(tags, DEFAULT, 0.0, gap, shortest, low)
    return replace(rules_of_all, thresholds={**rules_of_all.thresholds, **chosen}), told


def parse_rate(told: str) -> float:
    """ "2/hour", "10/day", "0.5" → an hour. Raises ScoresError."""
    match = re.fullmatch(r"\s*([0-9.]+)\s*(?:/\s*([a-z]+))?\s*", told)
    unit = match[2] or "hour" if match else ""
    try:
        if match is None or unit not in RATES:
            raise ValueError
        return float(match[1]) * RATES[unit]
    except ValueError as error:
        raise ScoresError(f"--false-alarms {told}: give a number an hour or a day, such as 2/hour or 10/day") from error


def _at(
    tag: str, rules: EventRules, tracks: Mapping[str, Track], known: Mapping[str, Any], tolerance: float, hours: float
) -> Reached:
    told = right = found = 0
    for name, over_time in tracks.items():
        spans = np.array([(e.onset, e.offset) for e in hear(over_time, rules)], np.float64).reshape(-1, 2)
        wide = known[name] + np.array([-tolerance, tolerance])
        # (told, known) seconds that both share; widened neighbours may overlap, so that a part could count twice
        shared = np.clip(np.minimum(spans[:, None, 1], wide[:, 1]) - np.maximum(spans[:, None, 0], wide[:, 0]), 0, None)
        half = 0.5 * (spans[:, 1] - spans[:, 0])
        fits = np.minimum(shared.sum(1), 2 * half) >= half - 1e-9 if len(wide) else np.zeros(len(spans), bool)
        told, right = told + len(spans), right + int(fits.sum())
        found += int((shared[fits] > 0).any(0).sum())
    many = sum(map(len, known.values()))
    return Reached(tag, rules.thresholds[tag], many, found, told, right, hours)


def _best(points: Sequence[Reached], goal: Goal) -> Reached:
    """The point of the goal, or the nearest to it, which then does not meet it."""
    falling = sorted(points, key=lambda point: -point.threshold)
    if goal.precision is not None:
        fit = [point for point in falling if point.told and point.right >= goal.precision * point.told]
        if fit:
            return max(fit, key=lambda point: (point.found, point.threshold))
        nearest = max(falling, key=lambda p: (p.right / p.told if p.told else -1.0, p.found, p.threshold))
        return _unmet(nearest)
    assert goal.false_alarms is not None
    fit = []
    for point in falling:
        if point.told - point.right > goal.false_alarms * point.hours + 1e-9:
            break
        fit.append(point)
    if not fit:
        return _unmet(min(falling, key=lambda p: (p.told - p.right, -p.threshold)))
    if not fit[0].known:
        return fit[-1]
    return max(fit, key=lambda point: (point.found, point.threshold))


def _unmet(point: Reached) -> Reached:
    return replace(point, met=False)
