"""Whether what was exported answers as the tagger does: loaded, run on real windows beside PyTorch, and compared.

Windows are taken from recordings, as many as are asked for; in batches of more than one and one by one,
and, for graphs of stretches, as they overlap. What is told: the greatest difference of a score, and how many windows have
another first tag. In float32 a difference above `MOST` is an error in ONNX Runtime, and nothing is written; of another engine
it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.engines import features, sessions
from earmark.errors import AudioError, TaggerError
from earmark.models.graphs import Graph
from earmark.models.graphtagger import GraphTagger, Running, threads
from earmark.models.tagger import Tagger

MOST = 1e-4  # of a score, in float32
LONGEST = 48  # windows of one recording
BATCH = 7  # windows at once: more than one, and no number that a kernel likes
Waves = NDArray[np.float32]


@dataclass(frozen=True)
class Proof:
    """What one engine made of the windows. max_abs_difference: of scores; flips: windows whose first tag is another's."""

    engine: str
    precision: str
    windows: int
    max_abs_difference: float
    flips: int

    @property
    def differs(self) -> bool:
        """Whether float32 differs by more than rounding explains."""
        return "float32" in self.precision and not self.max_abs_difference <= MOST  # NaN too

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(engine: str, precision: str, got: Waves, wanted: Waves) -> Proof:
    """Scores (windows, tags) of an engine beside those of PyTorch.

    Raises TaggerError where float32 differs in ONNX Runtime, which every earmark has: then the graph is wrong. Where another
    engine alone differs, that engine is, and it is told: what it answers is looked at anyhow when it is used (`trust`).
    """
    far = np.abs(got - wanted).max(1)
    flips = int((got.argmax(1) != wanted.argmax(1)).sum())
    proof = Proof(engine, precision, len(got), float(far.max()), flips)
    if proof.differs and engine.startswith(sessions.REFERENCE):
        raise TaggerError(
            f"{engine} answers otherwise than torch: window {int(np.argmax(np.nan_to_num(far, nan=np.inf))) + 1} of "
            f"{len(got)} differs by {proof.max_abs_difference:.2g}, more than {MOST:g}. Nothing was written"
        )
    return proof


def prove(tagger: Tagger, held: Sequence[Graph], own: dict[str, NDArray[Any]], wave: Waves) -> list[Proof]:
    """Of each engine that is installed and each precision of the graphs. wave: (samples,), a window at least."""
    length, hop = tagger.windows.samples(tagger.sample_rate)
    wanted = _by_torch(tagger, _apart(wave, length, hop))
    weights, _ = tagger.stored()
    told = []
    for engine in sessions.installed():
        for precision in dict.fromkeys(graph.precision for graph in held):
            running = Running(held, weights | own, engine, precision, threads())
            other = GraphTagger(tagger.recipe, tagger.vocabulary, tagger.facts, running)
            for how in _ways(other):
                told.append(compare(other.engine, precision, how(wave), wanted))
    return _worst(told)


def _ways(tagger: GraphTagger) -> Iterator[Callable[[Waves], Waves]]:
    """In batches, one by one, and as they overlap: windows of a wave → scores."""
    length, hop = tagger.length, tagger.hop

    def batches(wave: Waves, size: int = BATCH) -> Waves:
        windows = _apart(wave, length, hop)
        return np.concatenate(
            [tagger.score_windows(windows[first : first + size]) for first in range(0, len(windows), size)]
        )

    yield batches
    yield lambda wave: batches(wave, 1)
    if tagger.together:
        yield lambda wave: tagger.score_overlapping(wave, hop, 1 + (len(wave) - length) // hop)


def _worst(proofs: list[Proof]) -> list[Proof]:
    """One of each engine and precision: the greatest differences of all ways."""
    found: dict[tuple[str, str], Proof] = {}
    for proof in proofs:
        key = (proof.engine, proof.precision)
        other = found.get(key, proof)
        far = max(proof.max_abs_difference, other.max_abs_difference)
        found[key] = Proof(*key, proof.windows, far, max(proof.flips, other.flips))
    return list(found.values())


def _by_torch(tagger: Tagger, windows: Waves) -> Waves:
    return np.concatenate(
        [tagger.score_windows(windows[first : first + BATCH]) for first in range(0, len(windows), BATCH)]
    )


def _apart(wave: Waves, length: int, hop: int) -> Waves:
    return np.stack([wave[first : first + length] for first in range(0, len(wave) - length + 1, hop)])


def waves_of(paths: Sequence[Path], tagger: Tagger, most: int, say: Callable[[str], object]) -> Waves:
    """The sound of recordings at the tagger's rate, one behind the other: of some of them, spread over all, `most` windows.

    (samples,). Raises TaggerError where none can be read.
    """
    length, hop = tagger.windows.samples(tagger.sample_rate)
    need = (most - 1) * hop + length
    each = min(need, (LONGEST - 1) * hop + length)
    found: list[Waves] = []
    for path in paths[:: max(1, len(paths) * length // need)]:
        if sum(map(len, found)) >= need:
            break
        try:
            found.append(next(iter(audio.blocks(path, tagger.sample_rate, each / tagger.sample_rate))))
        except AudioError as error:
            say(str(error))
    if not found:
        raise TaggerError("none of the recordings can be read, so that nothing can be compared on them: give others")
    return _filled(np.concatenate(found)[:need], length)


def made_up(tagger: Tagger, most: int) -> Waves:
    """Sound for where there are no recordings: noise, a rising tone and clicks, from faint to full scale; (samples,)."""
    length, hop = tagger.windows.samples(tagger.sample_rate)
    chance = np.random.default_rng(0)
    time = np.arange((max(1, most // 3) - 1) * hop + length) / tagger.sample_rate
    swell = np.linspace(0.01, 1, len(time))
    noise = chance.normal(size=len(time)) * 0.2 * swell
    rising = np.sin(2 * np.pi * 100 * time * (1 + time)) * swell[::-1]
    clicks = (chance.random(len(time)) < 0.001) * swell
    return np.asarray(np.clip(np.concatenate([noise, rising, clicks]), -1, 1), np.float32)


def _filled(wave: Waves, length: int) -> Waves:
    return wave if len(wave) >= length else np.pad(wave, (0, length - len(wave)))


def inputs_of(tagger: Tagger, wave: Waves) -> list[list[Waves]]:
    """What the net hears of each window of these, as a batch of one."""
    length, hop = tagger.windows.samples(tagger.sample_rate)
    feature = features.build(tagger.recipe)
    windows = _apart(wave, length, hop)
    return [list(feature.inputs(windows[k : k + 1], tagger.input)) for k in range(len(windows))]


def prove_whole(tagger: Tagger, model: bytes, wave: Waves) -> list[Proof]:
    """Of a model from waves to scores, by each engine that is installed."""
    length, hop = tagger.windows.samples(tagger.sample_rate)
    windows = _apart(wave, length, hop)
    wanted = _by_torch(tagger, windows)
    told = []
    for engine in sessions.installed():
        session = sessions.open_session(engine, model, "float32", threads())
        for size in (BATCH, 1):
            parts = [session([windows[first : first + size]])[0] for first in range(0, len(windows), size)]
            told.append(
                compare(f"{engine} {sessions.version(engine)}, float32", "float32", np.concatenate(parts), wanted)
            )
    return _worst(told)


def noted(
    held: Sequence[Graph], proofs: Sequence[Proof], sounds: str, judged: Mapping[str, str] | None = None
) -> list[Graph]:
    """The graphs with what was found of them, as their file keeps it. judged: figures in words, by "engine precision"."""
    told = []
    for graph in held:
        own = [
            f"{proof.engine}: {proof.max_abs_difference:.1e} at most, {proof.flips} flips of {proof.windows} windows"
            for proof in proofs
            if proof.precision == graph.precision
        ]
        made = {**(graph.made or {}), "compared": "; ".join(own), "on": sounds}
        figures = (judged or {}).get(f"{sessions.REFERENCE} {graph.precision}")
        told.append(replace(graph, made={**made, "judged": figures} if figures else made))
    return told
