"""What a training is to do, in its folder as it was when it was begun, and of which bytes of the recordings that is.

base/           the tagger that it stands on
reviews.csv     what was said, as a table of `earmark review`
asked.json      the tagger's file, the clips and their layout, and of each recording that was reviewed its file, size and time of change;
                written last, and anew where it goes on: files may have been moved since
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError, agreed, counted
from earmark.files import write_text
from earmark.models.anytagger import AnyTagger

ASKED, REVIEWS, BASE = "asked.json", "reviews.csv", "base"
Bytes = tuple[int, int]  # of a file: how many, and its time of change in ns


@dataclass(frozen=True)
class Assignment:
    """name: of the tagger. reviews: the table. clips, dataset: what `earmark.serve.lessons.opened` opens. recordings: the file of each
    that was reviewed; states: which bytes of it were. said: what is to be known of the answers, in sentences.
    """

    name: str
    reviews: str
    clips: Path
    dataset: str | None
    recordings: Mapping[str, Path]
    states: Mapping[str, Bytes]
    said: tuple[str, ...] = ()

    @staticmethod
    def read(place: Path) -> Assignment:
        """Raises EarmarkError where it is not whole, and where it does not tell which bytes it is of, as one of before does not."""
        told = _told(place)
        if told is None:
            raise EarmarkError(f"what it was to learn from is not in {place} any more, or was never whole. Train again")
        if "states" not in told:
            raise EarmarkError(
                f"{place / ASKED}: does not tell of which bytes of the recordings the answers are: it is of an earlier earmark. Train again"
            )
        return Assignment(
            Path(told["tagger"]).stem, _table(place), Path(told["clips"]), told["dataset"],
            {name: Path(file) for name, file in told["recordings"].items()},
            {name: (size, time) for name, (size, time) in told["states"].items()},
            tuple(told.get("said", ())),
        )  # fmt: skip

    def tagger(self, place: Path) -> Path:
        """The file of the one that it stands on."""
        return place / BASE / f"{self.name}.safetensors"

    def write(self, place: Path, tagger: AnyTagger | None = None) -> None:
        """Keep it. tagger: that it stands on; None: it is there."""
        (place / BASE).mkdir(parents=True, exist_ok=True)
        if tagger is not None:
            tagger.save(self.tagger(place))
        write_text(place / REVIEWS, self.reviews)
        told = {
            "tagger": str(self.tagger(place)), "clips": str(self.clips), "dataset": self.dataset,
            "recordings": {name: str(file) for name, file in self.recordings.items()}, "states": dict(self.states), "said": list(self.said),
        }  # fmt: skip
        write_text(place / ASKED, json.dumps(told, indent=1) + "\n")

    def is_that_of(self, place: Path) -> bool:
        """Whether a folder holds it, but for where recordings are by now."""
        told = _told(place)
        if told is None or not self.tagger(place).is_file():
            return False
        return (_table(place), told["clips"], told["dataset"]) == (self.reviews, str(self.clips), self.dataset)

    def found(self, inside: Callable[[str], Path | None]) -> Assignment:
        """The same with recordings where they are now. inside: the file of a name. Raises EarmarkError where one is gone."""
        files = {name: inside(name) for name in self.recordings}
        if gone := [name for name, file in files.items() if file is None]:
            raise EarmarkError(_gone(gone, len(files)))
        return replace(self, recordings={name: file for name, file in files.items() if file is not None})

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Raises EarmarkError where a recording is another one before or after the block than was reviewed, in the place of what the
        block raises for that.
        """
        self._check()
        try:
            yield
        finally:
            self._check()

    def _check(self) -> None:
        now = {name: _bytes(self.recordings[name]) for name in self.states}
        if gone := [name for name, state in now.items() if state is None]:
            raise EarmarkError(_gone(gone, len(now)))
        if others := [name for name, state in now.items() if state != self.states[name]]:
            raise EarmarkError(
                f"{others[0]}: was reviewed, and is another recording by now, by its size or time of change "
                f"({counted(len(others), 'recording')} of {len(now):,} {agreed(len(others), 'is', 'are')}). Put the one of "
                "before back, or train again, from the answers to those that are as they were heard"
            )


def _gone(names: list[str], count: int) -> str:
    return (
        f"{names[0]}: was reviewed and is not in the folder any more ({counted(len(names), 'recording')} of {count:,} "
        f"{agreed(len(names), 'is', 'are')} not). Put it back to learn "
        "from it, or train again, from the answers to those that are there"
    )


def _bytes(file: Path) -> Bytes | None:
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size, status.st_mtime_ns


def _told(place: Path) -> dict[str, Any] | None:
    """Of a folder that is whole."""
    try:
        told = json.loads((place / ASKED).read_text(encoding="utf-8"))
        _table(place)
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and {"tagger", "clips", "dataset", "recordings"} <= set(told) else None


def _table(place: Path) -> str:
    with (place / REVIEWS).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()
