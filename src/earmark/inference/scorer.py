"""What can score windows: a tagger, its frames, or several taggers that answer together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from earmark.errors import TaggerError
from earmark.inference import pace
from earmark.inference.finite import taken
from earmark.inference.recordings import Part, Scored
from earmark.inference.silence import Run
from earmark.scores import Scores, Task
from earmark.windows import Stretch, Windows

Wave = NDArray[np.float32]
Values = NDArray[np.float32]
Answer = Callable[[], Values]
ROUNDING = 1e-6  # s, less than a sample


class Scorer(Protocol):
    """What can score windows."""

    @property
    def sample_rate(self) -> int: ...

    @property
    def vocabulary(self) -> tuple[str, ...]: ...

    @property
    def windows(self) -> Windows: ...

    @property
    def task(self) -> Task: ...

    def score(self, waves: Wave) -> Values:
        """Windows (n, samples) → probabilities (n, tags)."""
        ...


class FrameScorer(Scorer, Protocol):
    """A scorer of the frames within windows: a row of its scores holds those of all frames of a window."""

    def scores(self, heard: Scored) -> Scores:
        """The frame scores of a recording whose windows were kept, within the recording."""
        ...

    def part(self, part: Part) -> Scores:
        """The frame scores of some windows, as far as they lie within the recording."""
        ...


@runtime_checkable
class Sharer(Protocol):
    """A scorer that hears overlapping windows as one: their scores, but what they have in common is computed once."""

    @property
    def together(self) -> int:
        """Windows that it scores at once; 0 where that saves too little."""
        ...

    def score_overlapping(self, wave: Wave, hop: int, count: int) -> Values:
        """`count` windows, `hop` samples apart, that the wave (samples,) begins with → probabilities (count, tags)."""
        ...


@runtime_checkable
class Ahead(Protocol):
    """A scorer that can be asked for the next windows before its answers to these are fetched, as a GPU computes by itself."""

    @property
    def ahead(self) -> bool:
        """Whether that is of use."""
        ...

    def begin(self, waves: Wave) -> Answer:
        """As `score`; what it gives is called for the scores."""
        ...

    def begin_overlapping(self, wave: Wave, hop: int, count: int) -> Answer:
        """As `score_overlapping`."""
        ...


@runtime_checkable
class Moments(Protocol):
    """A scorer of frames. edges: (frames + 1,), where they begin and end, seconds from the start of a window."""

    edges: NDArray[np.float64]


@runtime_checkable
class Several(Protocol):
    """Scorers that answer together: an ensemble."""

    @property
    def members(self) -> Sequence[Scorer]: ...

    @property
    def vocabulary(self) -> tuple[str, ...]: ...

    def combine(self, values: Sequence[Values]) -> Values:
        """Scores of the same rows by each member, (rows, its tags) → (rows, tags)."""
        ...


def together(scorer: Scorer) -> int:
    """Windows of a stretch that the scorer hears as one; 0: none."""
    return scorer.together if isinstance(scorer, Sharer) else 0


def planned(scorer: Scorer) -> bool:
    """Whether it knows without a plan, which may take a second, how many windows it takes together."""
    return bool(getattr(scorer, "planned", False))


def ahead(scorer: object) -> bool:
    """Whether it computes while answers to what came before are still to be fetched."""
    return isinstance(scorer, Ahead) and scorer.ahead


def score_stretches(scorer: Scorer, stretches: Sequence[Stretch], batch: int | None) -> list[Values]:
    """The scores of each stretch, (its windows, tags).

    batch: windows that are scored at once where each is by itself; None: what is fastest, of those that share too.
    """
    return begin_stretches(scorer, stretches, batch)()


def begin_stretches(scorer: Scorer, stretches: Sequence[Stretch], batch: int | None) -> Callable[[], list[Values]]:
    """The same, of which a scorer that is `ahead` has but begun: what is given is called for the scores."""
    begun: dict[int, list[Answer]] = {}
    most = together(scorer)
    for number, stretch in enumerate(stretches):
        if most and isinstance(scorer, Sharer) and len(stretch) > 1:
            size = most if batch is not None else pace.shared(scorer, stretch, most)
            parts = [stretch.part(first, first + size) for first in range(0, len(stretch), size)]
            begun[number] = [_overlapping(scorer, part) for part in parts]
    rest = [number for number in range(len(stretches)) if number not in begun]
    alone = _one_by_one(scorer, [stretches[number] for number in rest], batch) if rest else None

    def collect() -> list[Values]:
        scores = {number: _joined(answers) for number, answers in begun.items()}
        scores |= {} if alone is None else dict(zip(rest, alone(), strict=True))
        return [scores[number] for number in range(len(stretches))]

    return collect


def _one_by_one(scorer: Scorer, stretches: list[Stretch], batch: int | None) -> Callable[[], list[Values]]:
    cut = [stretch.windows() for stretch in stretches]
    ends = np.cumsum([len(windows) for windows in cut])
    waves = cut[0] if len(cut) == 1 else np.concatenate(cut)
    size = batch or pace.apart(scorer, waves)
    begun = [_windows(scorer, waves[first : first + size]) for first in range(0, len(waves), size)]
    return lambda: np.split(_joined(begun), ends[:-1])


def _windows(scorer: Scorer, waves: Wave) -> Answer:
    if isinstance(scorer, Ahead) and scorer.ahead:
        return scorer.begin(waves)
    values = taken(lambda: scorer.score(waves))
    return lambda: values


def _overlapping(scorer: Sharer, part: Stretch) -> Answer:
    if isinstance(scorer, Ahead) and scorer.ahead:
        return scorer.begin_overlapping(part.wave, part.hop, len(part))
    values = taken(lambda: scorer.score_overlapping(part.wave, part.hop, len(part)))
    return lambda: values


def _joined(answers: Sequence[Answer]) -> Values:
    values = [answer() for answer in answers]
    return values[0] if len(values) == 1 else np.concatenate(values)


def without(scorer: Scorer, values: Values, quiet: Sequence[Run]) -> Values:
    """The scores of a stretch's windows (n, tags), 0 where nothing is to be heard: in silent windows and silent frames."""
    if not quiet:
        return values
    values = values.copy()
    edges = scorer.edges if isinstance(scorer, Moments) else None
    for run in quiet:
        if run.whole:
            values[run.number] = 0
        elif edges is not None:
            first = np.searchsorted(edges, run.first / scorer.sample_rate - ROUNDING)
            end = np.searchsorted(edges, run.end / scorer.sample_rate + ROUNDING, "right") - 1
            values[run.number].reshape(len(edges) - 1, -1)[first:end] = 0
    return values


def alike(scorers: Sequence[Scorer]) -> bool:
    """Whether all hear the same windows: the same samples of every recording."""
    return len({hears(scorer) for scorer in scorers}) == 1


def check_alike(scorers: Sequence[Scorer]) -> None:
    """Raises TaggerError where these do not hear the same windows."""
    if not alike(scorers):
        kinds = {hears(s): f"{s.windows.length:g} s every {s.windows.hop:g} s at {s.sample_rate:,} Hz" for s in scorers}
        raise TaggerError(
            f"the members of this ensemble hear different windows ({'; '.join(kinds.values())}), so that it has no scores "
            "window by window, only of whole recordings. Ask for those (no --windows, no --pictures), or take members with "
            "the same windows"
        )


def hears(scorer: Scorer) -> tuple[Any, ...]:
    """What two scorers that hear the same windows have in common."""
    settings = scorer.windows
    return scorer.sample_rate, *settings.samples(scorer.sample_rate), settings.last, settings.short
