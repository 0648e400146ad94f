"""Frame scores: what a tagger says of each moment within its windows, as `Scores` with a row a frame.

A frame's scores are the sigmoid (many tags) or the softmax (one tag) of the net's logits over time, `Prediction.frames`.
Each time within a window belongs to the frame whose middle is nearest, so the first frame begins with the window and the
last ends with it. The middle of frame k lies frame_start + k · frame_step inputs into the window; an input is a sample, or a
frame of the feature, whose middle is that of its samples. What lies outside of the recording, where a window was filled up
with zeros or with repetitions, is left out. Where windows overlap, so do rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.errors import TaggerError
from earmark.inference import Heard, Part, Recording, Several
from earmark.models.nets.blocks import Prediction
from earmark.registry import NETS
from earmark.scores import Scores, Task
from earmark.windows import Windows

if TYPE_CHECKING:
    from earmark.models.tagger import Tagger

Floats = NDArray[np.float64]


class Framewise:
    """A tagger as a scorer of frames: what `earmark.inference.score` takes; `scores` makes frames of what it then gives.

    A window's scores are those of its frames, one after the other. Raises TaggerError where the net has no frames.
    edges: (frames + 1,) seconds from the start of a window.
    """

    def __init__(self, tagger: Tagger):
        self.tagger = tagger
        self.edges = edges(tagger)
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

    def score(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → (n, frames · tags)."""
        return self._values(self.tagger.hear(waves))

    @property
    def together(self) -> int:
        """See `earmark.models.tagger.Tagger.together`."""
        return self.tagger.together

    def score_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> NDArray[np.float32]:
        """As `score` of overlapping windows, sharing what they can."""
        return self._values(self.tagger.hear_overlapping(wave, hop, count))

    def _values(self, prediction: Prediction) -> NDArray[np.float32]:
        assert prediction.frames is not None
        with torch.inference_mode():
            logits = prediction.frames.float()
            values = logits.softmax(-1) if self.task == "one" else logits.sigmoid()
            return np.asarray(values.flatten(1).cpu().numpy(), np.float32)

    def scores(self, heard: Heard) -> Scores:
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


def framewise(tagger: Any) -> Framewise | None:
    """A tagger or an ensemble → its scorer of frames; None where it tells of whole windows only, as an ensemble does."""
    try:
        return None if isinstance(tagger, Several) else Framewise(tagger)
    except TaggerError:
        return None


def edges(tagger: Tagger) -> NDArray[np.float64]:
    """(frames + 1,): where the frames of a window begin and end, seconds from its start. Raises TaggerError."""
    length, _ = tagger.windows.samples(tagger.sample_rate)
    prediction = tagger.hear(np.zeros((1, length), np.float32))
    if prediction.frames is None or prediction.frame_step is None:
        raise TaggerError(
            f"the net {tagger.recipe.net.name} says nothing of moments, only of whole windows of {tagger.windows.length:g} s: "
            "take the scores of windows, or a net with attention over time"
        )
    places = prediction.frame_start + np.arange(float(prediction.frames.shape[1])) * prediction.frame_step
    middles = _samples(tagger, places, length)
    between = (middles[1:] + middles[:-1]) / 2
    bounds = np.concatenate([[0.0], between, [float(length)]])
    return np.asarray(np.clip(bounds, 0.0, length) / tagger.sample_rate, np.float64)


def _samples(tagger: Tagger, places: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Places in the net's input → samples into the window."""
    feature: Any = tagger.features
    if NETS[tagger.recipe.net.name].facts["eats"] != "maps":
        return places
    if hasattr(feature, "resize"):  # bilinear between the centres of cells
        inner = feature.feature
        places = (places + 0.5) * (inner.frames(length) / feature.frames(length)) - 0.5
        feature = inner
    return np.asarray(places * feature.hop_samples + (feature.samples(1) - 1) / 2, np.float64)
