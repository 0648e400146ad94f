"""How fast a tagger is in each engine and precision that is here, on the same sound, in turns, from samples to scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.engines import sessions
from earmark.errors import AudioError, EarmarkError, TaggerError
from earmark.evaluation.turns import in_turn
from earmark.inference.scorer import Scorer, score_stretches
from earmark.models import loading
from earmark.models.anytagger import AnyTagger
from earmark.windows import Stretch

BATCH = 16
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Way:
    """One engine in one precision. ratio: of its speed to the first way's, on the clock.

    max_abs_difference: of scores from the first way's; flips: windows whose first tag is another.
    """

    engine: str
    precision: str
    audio_seconds_per_second: float
    ratio: float
    max_abs_difference: float
    flips: int
    windows: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    name: str, paths: Sequence[Path], rounds: int, batch: int | None, say: Callable[[str], object]
) -> tuple[list[Way], list[str]]:
    """(the ways, torch or onnxruntime in float32 first; why others are not there). paths: recordings; none: made-up noise.

    Raises TaggerError, and EarmarkError where no recording can be read.
    """
    loaded, left_out = _loaded(name)
    first = next(iter(loaded.values()))
    waves = _waves(paths, first, say)
    values: dict[tuple[str, str], list[Values]] = {}

    def run(key: tuple[str, str]) -> Callable[[], None]:
        scorers: list[Scorer] = list(loaded[key].members)

        def once() -> None:
            values[key] = [_scores(scorer, waves, batch) for scorer in scorers]

        return once

    times = in_turn({" ".join(key): run(key) for key in loaded}, rounds)
    seconds = sum(len(wave) for wave in waves) / max(member.sample_rate for member in first.members)
    base = next(iter(loaded))
    ways = []
    for key in loaded:
        taken = times[" ".join(key)]
        far = max(float(np.abs(a - b).max()) for a, b in zip(values[key], values[base], strict=True))
        pairs = zip(values[key], values[base], strict=True)
        flips = sum(int((a.argmax(1) != b.argmax(1)).sum()) for a, b in pairs)
        count = sum(map(len, values[key]))
        ways.append(Way(*key, seconds / taken, times[" ".join(base)] / taken, far, flips, count))
    return ways, left_out


def _loaded(name: str) -> tuple[dict[tuple[str, str], AnyTagger], list[str]]:
    """The tagger in each way that is here, by (engine, precision), and a sentence for each that is not."""
    found: dict[tuple[str, str], AnyTagger] = {}
    left_out = []
    ways = [("torch", "float32"), ("torch", "bf16")] if find_spec("torch") is not None else []
    ways += [(engine, precision) for engine in sessions.ENGINES for precision in sessions.ABLE[engine]]
    for engine, precision in ways:
        try:
            found[engine, precision] = loading.load(name, engine=engine, precision=precision)
        except TaggerError as error:
            left_out.append(f"{engine} {precision}: {error}")
    if not found:
        raise TaggerError(f"{name}: nothing here can run it. {left_out[0]}")
    return found, left_out


def _waves(paths: Sequence[Path], tagger: AnyTagger, say: Callable[[str], object]) -> list[Values]:
    rate = max(member.sample_rate for member in tagger.members)
    length = max(member.windows.length for member in tagger.members)
    if any(member.sample_rate != rate for member in tagger.members):
        raise EarmarkError("the members of this ensemble hear different sample rates: measure them one by one")
    waves = []
    for path in paths:
        try:
            waves.append(np.asarray(audio.load(path, rate), np.float32))
        except AudioError as error:
            say(str(error))
    if paths and not waves:
        raise EarmarkError("none of the recordings can be read: give others")
    if not paths:
        say("60 s of noise, since no recordings are given")
        waves = [np.random.default_rng(0).normal(0, 0.1, 60 * rate).astype(np.float32)]
    return [
        wave if len(wave) >= length * rate else np.pad(wave, (0, round(length * rate) - len(wave))) for wave in waves
    ]


def _scores(scorer: Scorer, waves: Sequence[Values], batch: int | None) -> Values:
    length, hop = scorer.windows.samples(scorer.sample_rate)
    stretches = []
    for wave in waves:
        count = (len(wave) - length) // hop + 1
        stretches.append(Stretch(wave[: (count - 1) * hop + length], hop * np.arange(count), length, hop))
    return np.concatenate(score_stretches(scorer, stretches, batch))
