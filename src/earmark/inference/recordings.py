"""What is to be scored, and what was heard in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors import AudioError, counted
from earmark.errors.kinds import check_call
from earmark.files.shown import written
from earmark.files.texts import check_name
from earmark.scores import About, Scores, Tag, Task
from earmark.scores.plain import Plain, few
from earmark.scores.reserved import none_of_these, told
from earmark.windows import Windows

Wave = NDArray[np.float32]
Report = Callable[[str], None]

BLOCK_SECONDS = 10.0  # decoded at once; longer where a window is


SECONDS = (type(None), float)


@dataclass(frozen=True)
class Recording:
    """A file or a part of it. start, end: seconds, default the whole file. id: default the path. channel: from 1, default all, mixed.

    Raises EarmarkError for values of another kind.
    """

    path: Path
    start: float | None = None
    end: float | None = None
    id: str = ""
    channel: int | None = None
    once: ClassVar[bool] = False  # whether it comes once, from outside, and cannot be read again

    def __post_init__(self) -> None:
        # of a million the common ones are not looked at value by value
        if not (
            isinstance(self.path, Path)
            and type(self.start) in SECONDS
            and type(self.end) in SECONDS
            and self.channel is None
        ):
            check_call(type(self), (), vars(self))

    @property
    def name(self) -> str:
        return self.id or str(self.path)

    def blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        """Its samples at `sample_rate`, in blocks. window: seconds, so that a block is not shorter than two."""
        if self.start is None and self.end is None:
            seconds = block_seconds(window)
            yield from audio.blocks(
                self.path, sample_rate, seconds, salvage=salvage, report=report, channel=self.channel
            )
            return
        start = self.start or 0.0
        length = None if self.end is None else self.end - start
        yield audio.load(self.path, sample_rate, start, length, salvage=salvage, report=report, channel=self.channel)

    def checked_blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        """As `blocks`, of a recording that results can name. Raises AudioError, before anything is read, for another."""
        check_name(self.name)
        yield from self.blocks(sample_rate, window, salvage, report)

    def lasts(self, first: float, window: float) -> bool:
        """Whether it is longer than one block, by the seconds of the first.

        Of what comes once nobody knows, and it must not depend on how its blocks are cut: yes.
        """
        return self.once or first >= block_seconds(window)

    def highest(self) -> float:
        """Hz, above which it holds nothing: half of its sample rate; infinite where that is not known."""
        try:
            return audio.info(self.path).sample_rate / 2
        except AudioError:
            return math.inf

    def stop(self) -> None:
        """Nobody wants more of it: `blocks`, which runs in another thread, need not wait for what is yet to come."""


def block_seconds(window: float) -> float:
    """Of what is decoded at once. window: seconds."""
    return max(BLOCK_SECONDS, 2 * window)


@dataclass(frozen=True, eq=False)
class Live(Recording):
    """What comes in while it is heard: `source` makes blocks of samples at a sample rate, until the source ends.

    Its path is a name for people, such as `-`.
    """

    source: Callable[[int], Iterator[Wave]] = lambda _: iter(())
    once: ClassVar[bool] = True

    def highest(self) -> float:
        return math.inf

    def blocks(self, sample_rate: int, window: float, salvage: bool, report: Report) -> Iterator[Wave]:
        yield from self.source(sample_rate)


@dataclass(frozen=True, repr=False, eq=False)
class Scored(Plain):
    """One recording's scores. duration: seconds. values: (tags,) float32. notes: what was done to the audio.

    windows: the scores window by window, where they were asked for. peak: dBFS, the level of its loudest sample, as
    `earmark.inference.silence.Level` measures it. silent: it holds nothing that can be heard; all its scores are 0, and it has
    no tags. vocabulary: the tags' names, where these are told. unheard: seconds that lie in no window but such as hold nothing that can
    be heard: digital silence, or less than the floor.

        >>> heard = Scored(Recording(Path("a.wav")), 4.0, np.array([0.25, 0.75], np.float32))
        >>> heard.tags(("dog", "rain"), top=1)
        [Tag(label='rain', score=0.75)]
    """

    recording: Recording
    duration: float
    values: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    windows: Scores | None = None
    peak: float | None = None
    silent: bool = False
    vocabulary: tuple[str, ...] = ()
    unheard: float = 0.0

    def __repr__(self) -> str:
        surest = few(f"{tag.label} {tag.score:.2f}" for tag in self.tags(self._names(), 3))
        told = f"{surest + ' of ' if surest else ''}{counted(len(self.values), 'tag')}{self.about.doubted()}"
        return f"<Scored {self.about}: {told}>"

    @property
    def about(self) -> About:
        """Of which recording it is."""
        one, path = self.recording, str(self.recording.path)
        return About(path, self.duration, self.notes, self.silent, one.start, one.id if one.id != path else "")

    def to_dict(self) -> dict[str, Any]:
        """Its scores by tag, and those of its windows where they were kept."""
        plain = self.about.to_dict() | {"scores": dict(zip(self._names(), self.values.tolist(), strict=True))}
        plain |= {"silent": True} if self.silent else {}
        return plain if self.windows is None else plain | {"windows": self.windows.to_dict()["rows"]}

    def columns(self) -> dict[str, Any]:
        """A row a tag."""
        return {**self.about.repeated(len(self.values)), "label": list(self._names()), "score": self.values}

    def _names(self) -> tuple[str, ...]:
        return self.vocabulary or tuple(map(str, range(len(self.values))))

    def tags(
        self, vocabulary: tuple[str, ...], top: int | None = None, reserved: Collection[str] = (), task: Task = "many"
    ) -> list[Tag]:
        """The tags with the highest scores first; the vocabulary's order breaks ties. None of a silent recording.

        reserved: tags that are never told, see `earmark.scores.reserved`, for a tagger of this task.
        """
        which = told(vocabulary, reserved)
        if self.silent or none_of_these(self.values, which, task):
            return []
        order = [i for i in np.argsort(-self.values, kind="stable").tolist() if which[i]]
        return [Tag(vocabulary[i], float(self.values[i])) for i in order[:top]]


@dataclass(frozen=True)
class Part:
    """Some windows of a recording, as soon as they are scored, in order: `windows` as in `Scored`.

    first: the number of the first of them in the recording. duration: seconds, None while the end is not known; all
    windows that reach past it come when it is. number: of the recording, counted from 0 as they were asked for and as
    results come; names may repeat.
    """

    recording: Recording
    windows: Scores
    first: int
    duration: float | None
    number: int = 0


@dataclass(frozen=True, eq=False)
class Counted:
    """Of n neighbouring windows. starts: (n,) their first samples in the recording. values: of each scorer, (n, tags) float32, 0
    in silence. weights: of each scorer, (n,), how much a window counts. sounding: (n,) whether it holds anything. silences,
    faint: how many hold digital silence, or less than the floor.
    """

    starts: NDArray[np.int64]
    values: tuple[NDArray[np.float32], ...]
    weights: tuple[NDArray[np.float64], ...]
    sounding: NDArray[np.bool_]
    silences: int
    faint: int

    def __len__(self) -> int:
        return len(self.starts)


def next_start(part: Part, windows: Windows, sample_rate: int) -> float:
    """Seconds; no window of a later part of the recording begins earlier, nor does what is said of its moments."""
    length, hop = windows.samples(sample_rate)
    offset = part.recording.start or 0.0
    if part.duration is not None and round(part.duration * sample_rate) < length:
        return offset  # a short recording may be moved within its windows
    last = round((float(part.windows.start[-1]) - offset) * sample_rate)
    # the last window of all, which ends with the recording, begins anywhere after the one before it
    return offset + (last if windows.last == "align" else last + hop) / sample_rate


@dataclass(frozen=True)
class Failure:
    """A recording that could not be read, or whose scores are no numbers."""

    recording: Recording
    error: AudioError

    def to_dict(self) -> dict[str, Any]:
        return {"path": written(self.recording.path), "error": written(self.error)}
