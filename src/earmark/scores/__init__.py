"""Scores: what every tagger, ensemble, threshold and report exchanges; tags and events, what is made of them. NumPy alone."""

from earmark.scores.table import FORMAT, VERSION, Scores, concat
from earmark.scores.tags import Event, Tag, Task

__all__ = ["FORMAT", "VERSION", "Event", "Scores", "Tag", "Task", "concat"]
