"""Frame scores: what a tagger says of each moment within its windows, as `Scores` with a row a frame.

A frame's scores are the sigmoid (many tags) or the softmax (one tag) of the net's logits over time.
Each time within a window belongs to the frame whose middle is nearest, so the first frame begins with the window and the
last ends with it. Where the middles of frames lie the net tells, as its `grid` of inputs; an input is a sample, or a frame of
the feature, whose middle is that of its samples. What lies outside of the recording, where a window was filled up
with zeros or with repetitions, is left out. Where windows overlap, so do rows.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.inference import Part, Recording, Scored, pace
from earmark.inference.silence import FLOORLESS
from earmark.models.predicted import Predicted
from earmark.scores import Scores, Task
from earmark.windows import Windows

Floats = NDArray[np.float64]


class FrameTagger(Protocol):
    """What `Framewise` needs of a tagger. frame_edges: (frames + 1,) seconds from the start of a window; TaggerError."""

    vocabulary: tuple[str, ...]

    @property
    def sample_rate(self) -> int: ...

    @property
    def windows(self) -> Windows: ...

    @property
    def task(self) -> Task: ...

    @property
    def together(self) -> int: ...

    @property
    def frame_edges(self) -> Floats: ...

    def predicted(self, waves: NDArray[np.float32]) -> Predicted: ...

    def predicted_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> Predicted: ...


class Framewise:
    """A tagger as a scorer of frames: what `earmark.inference.score` takes; `scores` makes frames of what it then gives.

    A window's scores are those of its frames, one after the other. Raises TaggerError where the net has no frames.
    edges: (frames + 1,) seconds from the start of a window.
    """

    def __init__(self, tagger: FrameTagger):
        self.tagger = tagger
        self.edges = tagger.frame_edges
        frames = len(self.edges) - 1
        self.vocabulary: tuple[str, ...] = tuple(f"{k} {tag}" for k in range(frames) for tag in tagger.vocabulary)

    @property
    def sample_rate(self) -> int:
        return self.tagger.sample_rate

    @property
    def windows(self) -> Windows:
        return self.tagger.windows

    @property
    def task(self) -> Task:
        return self.tagger.task

    @property
    def floor(self) -> float:
        """See `earmark.inference.silence`."""
        return float(getattr(self.tagger, "floor", FLOORLESS))

    def score(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → (n, frames · tags)."""
        return _values(self.tagger.predicted(waves))

    @property
    def planned(self) -> bool:
        """See `earmark.inference.scorer.planned`."""
        return bool(getattr(self.tagger, "planned", False))

    @property
    def together(self) -> int:
        """See `earmark.models.tagger.Tagger.together`."""
        return self.tagger.together

    @property
    def pace(self) -> str:
        """See `earmark.inference.pace`: the net is the tagger's."""
        return pace.of(self.tagger)

    def score_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> NDArray[np.float32]:
        """As `score` of overlapping windows, sharing what they can."""
        return _values(self.tagger.predicted_overlapping(wave, hop, count))

    def scores(self, heard: Scored) -> Scores:
        """The frame scores of a recording that was scored with this scorer and `keep_windows`, within the recording."""
        if heard.windows is None:
            raise ValueError("the scores of the windows were not kept: ask for them with keep_windows")
        return self._moments(heard.windows, heard.recording, heard.duration, 0)

    def part(self, part: Part) -> Scores:
        """The frame scores of some windows, as far as they lie within the recording."""
        return self._moments(part.windows, part.recording, part.duration, part.first)

    def _moments(self, windows: Scores, recording: Recording, duration: float | None, first: int) -> Scores:
        tags = self.tagger.vocabulary
        offset = recording.start or 0.0
        window = self._starts(windows.start, offset, duration, first)
        values = windows.values.reshape(len(window), -1, len(tags))
        end = math.inf if duration is None else offset + duration
        span = np.clip(window[:, None] + self.edges, offset, end)  # (windows, frames + 1)
        kept = span[:, 1:] > span[:, :-1]
        ids = np.full(int(kept.sum()), recording.name)
        return Scores(values[kept], ids, span[:, :-1][kept], span[:, 1:][kept], tags)

    def _starts(self, starts: Floats, offset: float, duration: float | None, first: int) -> Floats:
        """Where each window begins, seconds; before the recording where one was filled up in front."""
        told, rate = self.windows, self.sample_rate
        length, hop = told.samples(rate)
        missing = 0 if duration is None else length - round(duration * rate)
        if missing <= 0 or told.short in ("pad", "repeat"):
            return starts
        before = [missing // 2] if told.short == "centre" else (first + np.arange(len(starts))) * hop
        return np.asarray(offset - np.asarray(before) / rate, np.float64)


def _values(predicted: Predicted) -> NDArray[np.float32]:
    assert predicted.frames is not None
    return predicted.frames.reshape(len(predicted.frames), -1)


def edges(middles: Floats, length: int, sample_rate: int) -> Floats:
    """Middles of moments (n,), samples into a window of `length` → where they begin and end, (n + 1,) seconds."""
    between = (middles[1:] + middles[:-1]) / 2
    bounds = np.concatenate([[0.0], between, [float(length)]])
    return np.asarray(np.clip(bounds, 0.0, length) / sample_rate, np.float64)
