"""What is said of a recording: a tag, an event; and whether a clip has one tag or many."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

LONGEST = 1e9  # s, 31 years: what lies beyond is no time in a recording
Task = Literal["one", "many"]  # tags a clip: one that excludes the others (softmax), or any number (sigmoid)


@dataclass(frozen=True, order=True)
class Event:
    """A tag heard from onset to offset, seconds from the start of the recording.

    channel: from 1, that it was heard in, where channels were heard apart; None: in their mix.
    """

    onset: float
    offset: float
    tag: str
    score: float = 1.0
    channel: int | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As `earmark events --json` tells it."""
        told = {"onset": self.onset, "offset": self.offset, "label": self.tag, "score": self.score}
        return told if self.channel is None else told | {"channel": self.channel}


@dataclass(frozen=True)
class Tag:
    """A tag and how sure the tagger is, 0 to 1."""

    label: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """As `earmark tag --json` tells it: six digits of the score."""
        return {"label": self.label, "score": round(self.score, 6)}
