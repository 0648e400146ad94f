"""The rules by which scores over time become events: of each tag a threshold and a median length; what joins events, for all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import check_call, checked
from earmark.events.fixed import Fixed
from earmark.registry import did_you_mean

SHOWN = 8  # tags, of which each has its number in words
DEFAULT = 0.5  # the threshold of a tag for which none was chosen


@dataclass(frozen=True)
class EventRules:
    """thresholds: of each tag, above 0 to 1. medians: of each tag, seconds; 0 filters nothing. gap, shortest: seconds.

    lows: of the tags that have one, a share of their threshold, above 0 to 1: events between which the score stays at it or above are
    one. None of the three can be changed in place: see `changed`, and `dataclasses.replace`.
    """

    thresholds: Mapping[str, float]
    medians: Mapping[str, float]
    gap: float = 0.0
    shortest: float = 0.0
    lows: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_call(type(self), (), vars(self))
        for tag, value in self.thresholds.items():
            if not 0 < value <= 1:
                raise ScoresError(f"the threshold of {tag!r} is {value}: give a score above 0, up to 1")
        seconds = {f"the median length of {tag!r}": value for tag, value in self.medians.items()}
        for name, value in {**seconds, "gap": self.gap, "shortest": self.shortest}.items():
            if not 0 <= value < math.inf:
                raise ScoresError(f"{name} is {value}: give seconds, 0 or more")
        for tag, value in self.lows.items():
            if not 0 < value <= 1:
                raise ScoresError(f"low of {tag!r} is {value}: give a share of its threshold above 0, up to 1")
        if lone := sorted(set(self.lows) - set(self.thresholds)):
            raise ScoresError(f"low is a share of a threshold, and {lone[0]!r} has none")
        if odd := sorted(set(self.thresholds) ^ set(self.medians)):
            raise ScoresError(f"each tag needs a threshold and a median length; {odd[0]!r} has one of them only")
        for name in (
            "thresholds",
            "medians",
            "lows",
        ):  # the caller may change his own, and nobody these: they were checked
            object.__setattr__(self, name, Fixed(getattr(self, name)))

    @staticmethod
    @checked
    def alike(
        tags: Iterable[str],
        threshold: float = DEFAULT,
        median: float = 0.0,
        gap: float = 0.0,
        shortest: float = 0.0,
        low: float | None = None,
    ) -> EventRules:
        """The same for all tags.

        >>> rules = EventRules.alike(("dog", "rain"), threshold=0.4, median=1.0)
        >>> rules.thresholds, rules.gap
        ({'dog': 0.4, 'rain': 0.4}, 0.0)
        """
        names = tuple(tags)
        return EventRules(
            dict.fromkeys(names, threshold), dict.fromkeys(names, median), gap, shortest, _shares(names, low)
        )

    @checked
    def changed(
        self,
        threshold: float | None = None,
        median: float | None = None,
        gap: float | None = None,
        shortest: float | None = None,
        low: float | None = None,
    ) -> EventRules:
        """The same where None stands; threshold, median and low for all tags.

        >>> EventRules.alike(("dog", "rain"), median=1.0).changed(threshold=0.3, gap=0.5).thresholds
        {'dog': 0.3, 'rain': 0.3}
        """
        changes: dict[str, Any] = {}
        if threshold is not None:
            changes["thresholds"] = dict.fromkeys(self.thresholds, threshold)
        if median is not None:
            changes["medians"] = dict.fromkeys(self.medians, median)
        if low is not None:
            changes["lows"] = _shares(self.thresholds, low)
        changes |= {name: value for name, value in (("gap", gap), ("shortest", shortest)) if value is not None}
        return replace(self, **changes)

    def low_of(self, tag: str) -> float | None:
        """The score that a tag must keep between two events for them to be one; None where none joins them."""
        return self.lows[tag] * self.thresholds[tag] if tag in self.lows else None

    def words(self) -> str:
        """For people.

        >>> EventRules({"dog": 0.66, "rain": 0.5}, {"dog": 0.0, "rain": 0.0}, lows={"dog": 0.5}).words()
        'from dog 0.66, rain 0.5; one where the score stays at a share of that: dog 0.5'
        """
        parts = [f"from {ranged(self.thresholds)}"]
        if any(self.medians.values()):
            parts.append(f"median of {ranged(self.medians)} s")
        if self.gap:
            parts.append(f"one where less than {self.gap:g} s apart")
        if self.lows:
            every = set(self.lows) == set(self.thresholds)
            alike = ranged(self.lows) if every else _each(self.lows)
            parts.append(f"one where the score stays at a share of that: {alike}")
        if self.shortest:
            parts.append(f"none of less than {self.shortest:g} s")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        told = {
            "thresholds": dict(self.thresholds),
            "medians": dict(self.medians),
            "gap": self.gap,
            "shortest": self.shortest,
        }
        return {**told, "lows": dict(self.lows)} if self.lows else told

    @staticmethod
    @checked
    def from_dict(told: Mapping[str, Any]) -> EventRules:
        """What `as_dict` made. Raises ScoresError."""
        try:
            parts = [
                {str(tag): float(value) for tag, value in each.items()}
                for each in (told["thresholds"], told["medians"], told.get("lows", {}))
            ]
            return EventRules(parts[0], parts[1], float(told["gap"]), float(told["shortest"]), parts[2])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ScoresError(
                "rules for events have thresholds and medians, a number for each tag, and the numbers gap and shortest "
                f"({type(error).__name__}: {error})"
            ) from error

    @checked
    def check(self, tags: Sequence[str]) -> None:
        """Raises ScoresError where these have no rule for one of the tags."""
        missing = [tag for tag in tags if tag not in self.thresholds]
        if missing:
            raise ScoresError(
                f"the rules for events have no threshold for {len(missing)} of {counted(len(tags), 'tag')}, first: {missing[0]!r}"
                f"{did_you_mean(missing[0], self.thresholds)} Known: {', '.join(self.thresholds) or 'none'}"
            )


def ranged(values: Mapping[str, float]) -> str:
    """A number of each tag in words; of many tags from which to which.

    >>> ranged({"dog": 0.5, "rain": 0.5}), ranged(dict(zip("abcdefghij", range(10))))
    ('0.5', '0 (a) to 9 (j)')
    """
    if len(set(values.values())) == 1:
        return f"{next(iter(values.values())):.4g}"
    if len(values) <= SHOWN:
        return _each(values)
    low, high = min(values, key=lambda tag: values[tag]), max(values, key=lambda tag: values[tag])
    return f"{values[low]:.4g} ({low}) to {values[high]:.4g} ({high})"


def _each(values: Mapping[str, float]) -> str:
    return ", ".join(f"{tag} {value:.4g}" for tag, value in values.items())


def _shares(tags: Iterable[str], low: float | None) -> dict[str, float]:
    return {} if low is None else dict.fromkeys(tags, low)
