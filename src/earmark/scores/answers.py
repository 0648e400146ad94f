"""What a tagger says of one recording: its tags, its events. Lists of these, which know of what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from earmark.scores.plain import Plain, few
from earmark.scores.tags import Event, Tag

ROUTINE = re.compile(r"\d+ channels mixed to one \(mean\)")
LONGEST_DOUBT = 100  # characters of one in what a result prints


@dataclass(frozen=True)
class About:
    """Of which recording something is told. path: the file's, or a name for what is in memory. duration: seconds.

    notes: what was done to its sound. silent: there is nothing to be heard in it. start: of a part, the seconds of the file at which it
    begins; times are of the file. id: its name, where it has another than the path.

        >>> print(About("night.wav", 3.0, start=60.0, id="owl 1"))
        owl 1 (night.wav from 60 s, 3.0 s)
    """

    path: str
    duration: float
    notes: tuple[str, ...] = ()
    silent: bool = False
    start: float | None = None
    id: str = ""

    def __str__(self) -> str:
        part = "" if self.start is None else f" from {self.start:g} s"
        silent = ", silent" if self.silent else ""
        if self.id:
            return f"{self.id} ({self.path}{part}, {self.duration:.1f} s{silent})"
        return f"{self.path}{part} ({self.duration:.1f} s{silent})"

    @property
    def doubts(self) -> list[str]:
        """Those of the notes that do not go without saying, as that channels are mixed does; without the path."""
        told = [note.removeprefix(f"{self.path}: ") for note in self.notes]
        return [note for note in told if not ROUTINE.fullmatch(note)]

    def doubted(self) -> str:
        """The end of what a result prints: the beginning of the first of its doubts, and how many there are.

        >>> About("a.wav", 1.0, ("a.wav: 2 channels mixed to one (mean)", "a.wav: reaches 3 times full scale; kept as it is")).doubted()
        '; reaches 3 times full scale'
        """
        if not (doubts := self.doubts):
            return ""
        first = doubts[0].partition("; ")[0]
        first = first if len(first) <= LONGEST_DOUBT else first[: LONGEST_DOUBT - 1] + "…"
        return f"; {first}" + (f" (1 of {len(doubts)} about.notes)" if len(doubts) > 1 else "")

    def to_dict(self) -> dict[str, Any]:
        return {**self.which(), "duration": round(self.duration, 6)}

    def which(self) -> dict[str, Any]:
        """What tells it from others: its path, and of a part its start and id."""
        told = {"path": self.path} | ({} if self.start is None else {"start": self.start})
        return told | ({"id": self.id} if self.id else {})

    def repeated(self, rows: int) -> dict[str, list[Any]]:
        """The same as columns of a table."""
        return {name: [value] * rows for name, value in self.which().items()}


class Tags(list[Tag], Plain):
    """The tags of a recording, the surest first: a list of them, and `about` which recording.

    >>> Tags([Tag("dog", 0.97), Tag("rain", 0.02)], About("dog.ogg", 5.0))
    <Tags of dog.ogg (5.0 s): dog 0.97, rain 0.02>
    """

    def __init__(self, tags: Iterable[Tag], about: About):
        super().__init__(tags)
        self.about = about

    def __repr__(self) -> str:
        told = few(f"{tag.label} {tag.score:.2f}" for tag in self) or "none"
        return f"<Tags of {self.about}: {told}{self.about.doubted()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Tags, (list(self), self.about)

    def to_dict(self) -> dict[str, Any]:
        """What `earmark tag --json` prints of a recording."""
        told = {**self.about.to_dict(), "tags": [tag.to_dict() for tag in self]}
        return told | ({"silent": True} if self.about.silent else {})

    def columns(self) -> dict[str, list[Any]]:
        """A row a tag."""
        return {
            **self.about.repeated(len(self)),
            "label": [tag.label for tag in self],
            "score": [tag.score for tag in self],
        }


class Events(list[Event], Plain):
    """The events of a recording, by onset: a list of them, and `about` which recording.

    >>> Events([Event(0.5, 1.25, "dog", 0.9)], About("dog.ogg", 5.0))
    <Events of dog.ogg (5.0 s): dog 0.5-1.25 s>
    """

    def __init__(self, events: Iterable[Event], about: About):
        super().__init__(events)
        self.about = about

    def __repr__(self) -> str:
        told = few(f"{e.tag} {e.onset:g}-{e.offset:g} s" for e in self) or "none"
        return f"<Events of {self.about}: {told}{self.about.doubted()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Events, (list(self), self.about)

    def to_dict(self) -> dict[str, Any]:
        """What `earmark events --json` prints of a recording, and its duration."""
        told = {**self.about.to_dict(), "events": [event.to_dict() for event in self]}
        return told | ({"silent": True} if self.about.silent else {})

    def columns(self) -> dict[str, list[Any]]:
        """A row an event."""
        return {
            **self.about.repeated(len(self)),
            "onset": [event.onset for event in self],
            "offset": [event.offset for event in self],
            "label": [event.tag for event in self],
            "score": [event.score for event in self],
        }
