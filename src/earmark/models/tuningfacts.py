"""What was chosen for a tagger after it was trained, and on what: rules for events, thresholds of tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from earmark.data.clipset import ClipSet
from earmark.errors import counted
from earmark.events.fixed import Fixed
from earmark.events.rules import EventRules
from earmark.models.plainfacts import Plain, known, names


@dataclass(frozen=True)
class ChosenOn:
    """The clips that something was chosen on. data: the name of their data set."""

    data: str | None
    clips: ClipSet

    @staticmethod
    def read(plain: Plain) -> ChosenOn:
        return ChosenOn(plain.get("data"), ClipSet.read(plain))

    def as_dict(self) -> dict[str, Any]:
        return {"data": self.data, **self.clips.as_facts()}

    def words(self) -> str:
        """For people."""
        folds = f" of fold {', '.join(self.clips.folds)}" if self.clips.folds else ""
        return f"{counted(self.clips.clips, 'clip')}{folds}" + (f" of {self.data}" if self.data else "")


@dataclass(frozen=True)
class EventTuning:
    """Rules for events, and how they were chosen; None: not told.

    without: tags without events there. figures: by what they are with, plain JSON values. scores: of "frames" or "windows".
    metric, collars: by what they were chosen. goal: what the thresholds were to reach, and what each comes to. rates: known events
    of each tag an hour of what they were chosen on.
    """

    rules: EventRules | None = None
    without: tuple[str, ...] | None = None
    figures: Plain | None = None
    scores: str | None = None
    chosen_on: ChosenOn | None = None
    metric: str | None = None
    collars: Plain | None = None
    goal: Plain | None = None
    rates: Mapping[str, float] | None = None

    @staticmethod
    def read(plain: Plain) -> EventTuning:
        return EventTuning(
            EventRules.from_dict(plain["rules"]) if plain.get("rules") else None,
            names(plain.get("without events")),
            plain.get("figures"),
            plain.get("scores"),
            _chosen_on(plain),
            plain.get("metric"),
            plain.get("collars"),
            plain.get("goal"),
            plain.get("events an hour"),
        )

    def words(self) -> str | None:
        """How the rules were chosen, for people; None where that is not told."""
        if self.metric is None:
            return None
        goal = self.goal or {}
        by = f"{self.metric} {goal['recall']:g} of {goal['of']}" if "recall" in goal else self.metric
        reviews = ", ".join(f"{tag} ({told})" for tag, told in goal.get("by reviews", {}).items())
        by += f"; then by reviews: {reviews}" if reviews else ""
        return by + (f", on {self.chosen_on.words()}" if self.chosen_on else "")

    def as_dict(self) -> dict[str, Any]:
        return known({
            "rules": None if self.rules is None else self.rules.as_dict(),
            "without events": None if self.without is None else list(self.without),
            "figures": self.figures,
            "scores": self.scores,
            "chosen on": None if self.chosen_on is None else self.chosen_on.as_dict(),
            "metric": self.metric,
            "collars": self.collars,
            "goal": self.goal,
            "events an hour": None if self.rates is None else dict(self.rates),
        })  # fmt: skip


@dataclass(frozen=True)
class TagTuning:
    """Thresholds of tags, and how they were chosen; None: not told.

    without: tags that no clip had there. f1: of each tag, (at 0.5, at its threshold). figures, metric: as for events.
    """

    thresholds: Mapping[str, float] | None = None
    without: tuple[str, ...] | None = None
    f1: Mapping[str, Sequence[float | None]] | None = None
    figures: Plain | None = None
    chosen_on: ChosenOn | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        if self.thresholds is not None:  # by which a tagger tells what is heard
            object.__setattr__(self, "thresholds", Fixed(self.thresholds))

    @staticmethod
    def read(plain: Plain) -> TagTuning:
        thresholds = plain.get("thresholds")
        return TagTuning(
            None if thresholds is None else {str(tag): float(value) for tag, value in thresholds.items()},
            names(plain.get("without clips")),
            plain.get("f1"),
            plain.get("figures"),
            _chosen_on(plain),
            plain.get("metric"),
        )

    def words(self) -> str | None:
        """How the thresholds were chosen, for people; None where that is not told."""
        return self.metric and self.metric + (f", on {self.chosen_on.words()}" if self.chosen_on else "")

    def as_dict(self) -> dict[str, Any]:
        return known({
            "thresholds": None if self.thresholds is None else dict(self.thresholds),
            "without clips": None if self.without is None else list(self.without),
            "f1": self.f1,
            "figures": self.figures,
            "chosen on": None if self.chosen_on is None else self.chosen_on.as_dict(),
            "metric": self.metric,
        })  # fmt: skip


def _chosen_on(plain: Plain) -> ChosenOn | None:
    return ChosenOn.read(plain["chosen on"]) if "chosen on" in plain else None
