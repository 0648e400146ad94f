"""Scores: what every tagger, ensemble, threshold and report exchanges; tags and events, what is made of them. NumPy alone."""

from earmark.scores.answers import About, Events, Tags
from earmark.scores.embeddings import Embeddings
from earmark.scores.table import FORMAT, SUFFIXES, VERSION, Scores, concat
from earmark.scores.tags import LONGEST, Event, Tag, Task

__all__ = [
    "FORMAT", "LONGEST", "SUFFIXES", "VERSION", "About", "Embeddings", "Event", "Events", "Scores", "Tag", "Tags", "Task", "concat",
]  # fmt: skip
