"""What a tagger makes of the moments of a recording: attention, frames and levels.

The recording is cut into windows one after the other, without overlap but for the last, which ends with it. Attention's
weights sum to 1 over each window, for each tag; times the number of moments, 1 is the weight that each would have if all
counted the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark import windows as cutting
from earmark.errors import AudioError
from earmark.inference import Samples
from earmark.models.frames import edges
from earmark.models.prediction import activated, probabilities

if TYPE_CHECKING:
    from earmark.models.tagger import Tagger

Floats = NDArray[np.float64]

LONGEST = 60.0  # seconds of a recording that are explained
MOST = 24  # windows


@dataclass(frozen=True, eq=False)
class Passage:
    """Part of a recording. start: seconds. wave: (samples,). whole: whether the recording ends with it."""

    start: float
    wave: NDArray[np.float32]
    whole: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Curve:
    """Values of the moments of a window. name: what they are. edges: (moments + 1,) seconds. values: (moments, tags)."""

    name: str
    edges: Floats
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Moments:
    """One window. start, end: seconds into the excerpt. scores: (tags,). levels: (levels, tags), probabilities.

    attention: the weights of each attention; frames: the tags' probabilities at each moment, or None.
    """

    start: float
    end: float
    scores: NDArray[np.float32]
    levels: NDArray[np.float32]
    attention: tuple[Curve, ...]
    frames: Curve | None


def listen(path: str, tagger: Tagger, start: float = 0.0, *, salvage: bool = False) -> Passage:
    """At most LONGEST seconds, and MOST windows, of a recording from `start` seconds on. Raises AudioError."""
    rate = tagger.sample_rate
    length, _ = tagger.windows.samples(rate)
    first = round(start * rate)
    wanted = min(round(LONGEST * rate), MOST * length)
    wanted = max(length, wanted - wanted % length)
    blocks, at, whole = [], 0, True
    notes: list[str] = []
    for block in audio.blocks(path, rate, 10.0, salvage=salvage, report=notes.append):
        blocks.append(block[max(0, first - at) : max(0, first + wanted - at)])
        at += len(block)
        if at > first + wanted:
            whole = False
            break
    wave = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(wave):
        raise AudioError(
            path, f"is {at / rate:.2f} s long: nothing is left from {start:g} s on", "Take an earlier --start"
        )
    return Passage(start, wave, whole, tuple(notes))


def silence(tagger: Tagger, path: Path, waves: Iterable[NDArray[np.float32]]) -> tuple[list[bool], list[str]]:
    """Which of the waves (samples,), parts of a recording, `tag` calls silent, and what it says of their levels."""
    sounds = [Samples(path, wave=wave, rate=tagger.sample_rate) for wave in waves]
    abouts = [heard.about for heard in tagger.tag(sounds)]
    return [about.silent for about in abouts], [note for about in abouts for note in about.notes]


def cut(excerpt: Passage, tagger: Tagger) -> tuple[NDArray[np.float32], Floats]:
    """(windows (n, samples), their starts in seconds into the excerpt (n,), before it where zeros go in front)."""
    rules, rate = tagger.windows, tagger.sample_rate
    length, _ = rules.samples(rate)
    firsts = cutting.starts(len(excerpt.wave), length, length, rules.last)
    if len(excerpt.wave) < length:
        before = (length - len(excerpt.wave)) // 2 if rules.short == "centre" else 0
        return cutting.fit(excerpt.wave, length, rules.short)[None], np.array([-before / rate])
    waves = [cutting.fit(excerpt.wave[first : first + length], length) for first in firsts]
    return np.stack(waves), firsts / rate


def tells(tagger: Tagger) -> bool:
    """Whether the net says anything of moments."""
    return tagger.grid is not None


def hear(tagger: Tagger, windows: NDArray[np.float32], starts: Floats) -> list[Moments]:
    """Windows (n, samples) → what the net makes of each, one at a time."""
    return [_window(tagger, wave, float(start)) for wave, start in zip(windows, starts, strict=True)]


def _window(tagger: Tagger, wave: NDArray[np.float32], start: float) -> Moments:
    length, rate = len(wave), tagger.sample_rate
    prediction = tagger.hear(wave[None])
    scores, levels = probabilities(prediction, tagger.task)[0], activated(prediction.levels[0], tagger.task)
    attention = []
    for focus in prediction.focus:
        relative = edges(tagger.middles(focus.grid, focus.weights.shape[1]), length, rate)
        attention.append(Curve(focus.name, start + relative, focus.weights[0].float().cpu().numpy()))
    track = None
    if prediction.frames is not None and tagger.grid is not None:
        values = activated(prediction.frames[0], tagger.task)
        track = Curve("frames", start + tagger.frame_edges, values.cpu().numpy())
    return Moments(start, start + length / rate, scores.cpu().numpy(), levels.cpu().numpy(), tuple(attention), track)
