"""What a tagger says of windows, in NumPy, whatever engine it is that runs its net."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors import EarmarkError
from earmark.scores import Task

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predicted:
    """scores: probabilities (windows, tags). embedding: (windows, width), what the last layer sees.

    frames: probabilities over time (windows, frames, tags); None where the net says nothing of moments.
    """

    scores: Floats
    embedding: Floats
    frames: Floats | None = None


def first_of(told: Predicted, count: int) -> Predicted:
    """Of the first windows."""
    frames = None if told.frames is None else told.frames[:count]
    return Predicted(told.scores[:count], told.embedding[:count], frames)


def joined(parts: list[Predicted]) -> Predicted:
    """Of windows one part behind the other."""
    frames = [part.frames for part in parts if part.frames is not None]
    return Predicted(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.embedding for part in parts]),
        np.concatenate(frames) if frames else None,
    )


def probabilities(logits: Floats, task: Task) -> Floats:
    """Logits (…, tags) → probabilities: the softmax (one tag a clip) or the sigmoid (many).

    >>> probabilities(np.array([[0.0, 0.0], [1000.0, 0.0]], np.float32), "one").tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    >>> probabilities(np.array([[0.0, -1000.0]], np.float32), "many").tolist()
    [[0.5, 0.0]]
    """
    logits = np.asarray(logits, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is 0 or 1; NaN stays, and is told of scores
        if task == "many":
            return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
        grown = np.exp(logits - logits.max(-1, keepdims=True))
        return np.asarray(grown / grown.sum(-1, keepdims=True), np.float32)


def of_levels(levels: Floats, task: Task) -> Floats:
    """Logits (windows, levels, tags) → scores (windows, tags): the mean over levels of their probabilities."""
    return np.asarray(probabilities(levels, task).mean(1, dtype=np.float32), np.float32)


def samples(wave: NDArray[np.float32], dimensions: int, shape: str) -> Floats:
    """Samples as a net takes them. Raises EarmarkError for what would give scores that mean nothing."""
    if told := audio.masked(wave):
        raise EarmarkError(f"{told}. {audio.FILLED}")
    wave = np.asarray(wave)
    if not np.issubdtype(wave.dtype, np.floating):
        raise EarmarkError(
            f"samples are {wave.dtype}: give float32 from -1 to 1 (16-bit samples are divided by 32,768); "
            "`earmark.audio.load` gives them so"
        )
    if wave.ndim != dimensions or not wave.size:
        raise EarmarkError(f"samples have the shape {wave.shape}: give {shape}, and at least one sample")
    with np.errstate(invalid="ignore"):  # infinities of both signs
        usable = bool(np.isfinite(wave.sum(dtype=np.float64)))
    if not usable:
        raise EarmarkError("samples are not all numbers (NaN, or infinite): mend them, or put 0 in their place")
    # torch warns of arrays that cannot be written to, as memory maps are
    return np.require(wave, np.float32, ["C", "W"])
