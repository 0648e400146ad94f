"""Scores over time → events: by rules, at once or while the scores come; and events as files."""

from earmark.events.detection import Track, find, hear, track
from earmark.events.rules import DEFAULT, EventRules

__all__ = ["DEFAULT", "EventRules", "Track", "find", "hear", "track"]
