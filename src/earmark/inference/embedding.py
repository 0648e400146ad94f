"""A tagger as a scorer of embeddings: what `earmark.inference.score` takes to give a vector for each window.

A vector is what the net's last layer sees of a window, before any tag. Windows that overlap share their work as they do for
scores. Silence is heard as the net hears it: a vector has no value that would say that there is nothing, as 0 says of a score.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.inference import pace
from earmark.inference.finite import taken
from earmark.inference.recordings import Part, Scored
from earmark.scores import Embeddings, Scores, Task
from earmark.windows import Windows

Wave = NDArray[np.float32]
Vectors = NDArray[np.float32]
LEVEL = "level"  # the name of the number behind a vector that tells how loud its window is


class Embeds(Protocol):
    """What `Embedder` needs of a tagger."""

    @property
    def sample_rate(self) -> int: ...

    @property
    def windows(self) -> Windows: ...

    @property
    def together(self) -> int: ...

    def embed_windows(self, waves: Wave) -> Vectors:
        """Windows (n, samples) → (n, width)."""
        ...

    def embed_overlapping(self, wave: Wave, hop: int, count: int) -> Vectors:
        """The first `count` windows of a wave (samples,), `hop` samples apart → (count, width)."""
        ...


class Embedder:
    """A scorer whose scores of a window are its embedding. The numbers of a vector stand for tags, and have no names."""

    task: Task = "many"

    def __init__(self, tagger: Embeds, *, levels: bool = False):
        self.tagger, self.levels = tagger, levels
        self._names: tuple[str, ...] = ()

    @property
    def sample_rate(self) -> int:
        return self.tagger.sample_rate

    @property
    def windows(self) -> Windows:
        """The tagger's; where these are pooled it is by their mean, since a vector's numbers may be below 0."""
        return replace(self.tagger.windows, combine="mean", weigh="equal")

    @property
    def vocabulary(self) -> tuple[str, ...]:
        if not self._names:
            length, _ = self.windows.samples(self.sample_rate)
            self.score(np.zeros((1, length), np.float32))
        return self._names

    @property
    def planned(self) -> bool:
        """See `earmark.inference.scorer.planned`."""
        return bool(getattr(self.tagger, "planned", False))

    @property
    def together(self) -> int:
        return self.tagger.together

    @property
    def pace(self) -> str:
        """See `earmark.inference.pace`: the net is the tagger's."""
        return pace.of(self.tagger)

    def score(self, waves: Wave) -> Vectors:
        """Windows (n, samples) → (n, width), and with `levels` one number more: see `of_rows`."""
        return self._known(self._levelled(taken(lambda: self.tagger.embed_windows(waves)), waves))

    def score_overlapping(self, wave: Wave, hop: int, count: int) -> Vectors:
        """As `score` of overlapping windows, sharing what they can."""
        length, _ = self.windows.samples(self.sample_rate)
        cut = np.lib.stride_tricks.sliding_window_view(wave[: (count - 1) * hop + length], length)[::hop]
        vectors = taken(lambda: self.tagger.embed_overlapping(wave, hop, count))
        return self._known(self._levelled(vectors, cut))

    def _levelled(self, vectors: Vectors, waves: Wave) -> Vectors:
        if not self.levels:
            return vectors
        level = np.sqrt(np.einsum("ij,ij->i", waves, waves, dtype=np.float64) / waves.shape[1])
        return np.concatenate([vectors, level[:, None].astype(np.float32)], 1)

    def _known(self, vectors: Vectors) -> Vectors:
        if len(self._names) != vectors.shape[1]:
            names = [*map(str, range(vectors.shape[1]))]
            self._names = (*names[:-1], LEVEL) if self.levels else tuple(names)
        return vectors


def of_rows(rows: Scores) -> Embeddings:
    """What an `Embedder` made, as what it is: vectors and, where it was asked for them, the windows' levels."""
    if rows.tags[-1:] == (LEVEL,):
        return Embeddings(
            np.ascontiguousarray(rows.values[:, :-1]), rows.ids, rows.start, rows.end, rows.facts, rows.values[:, -1]
        )
    return Embeddings(rows.values, rows.ids, rows.start, rows.end, rows.facts)


def of_part(part: Part) -> Embeddings:
    """The embeddings of some windows, as they come."""
    return of_rows(part.windows)


def of_recording(heard: Scored, facts: dict[str, object]) -> Embeddings:
    """The embeddings of a recording whose windows were kept. facts: where they come from."""
    if heard.windows is None:
        raise ValueError("the embeddings of the windows were not kept: ask for them with keep_windows")
    return replace(of_rows(heard.windows), facts=facts)
