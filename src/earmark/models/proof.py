"""Whether what was exported answers as the tagger does: loaded, run on real windows beside PyTorch, and compared.

Windows are taken from recordings, as many as are asked for; in batches of more than one and one by one,
and, for graphs of stretches, as they overlap. What is told: the greatest difference of a score, and how many windows have
another first tag. In float32 a difference above `MOST` is an error in ONNX Runtime, and nothing is written; of another engine
it is told. Of int8, of which single windows may be far off, another first tag in more than `FLIPS` of them is told, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.engines import features, sessions
from earmark.errors import AudioError, TaggerError, counted
from earmark.inference import silence
from earmark.models.graphs import VERDICT, Graph
from earmark.models.graphtagger import GraphTagger, Running, threads
from earmark.models.tagger import Tagger

MOST = 1e-4  # of a score, in float32
FLIPS = (
    0.1  # of windows, in int8: three times what is usual of ranges that were chosen on fitting sounds (docs/engines.md)
)
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

    @property
    def verdict(self) -> str:
        """What is to be said of it where it is too far off; "" where it is not."""
        if self.differs:
            return "too far off, do not run it with this engine"
        usual = FLIPS * self.windows
        most = usual + 2 * np.sqrt(usual * (1 - FLIPS))  # of few windows more may be by chance: two standard deviations
        if "int8" not in self.precision or (self.flips <= most and np.isfinite(self.max_abs_difference)):
            return ""
        return (
            f"too far off, do not run it in int8: more than {FLIPS:.0%} of windows, beyond chance, have another first tag. Export it "
            "again, with --calibrate on sounds as it is to hear"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | ({"verdict": self.verdict} if self.verdict else {})


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


@dataclass(frozen=True, eq=False)
class Heard:
    """What was heard of recordings. wave: (samples,). recordings: of how many it is; unread: why others could not be read, by path."""

    wave: Waves
    recordings: int
    unread: dict[Path, str] = field(default_factory=dict)

    def text(self) -> str:
        return counted(self.recordings, "recording")


def waves_of(
    paths: Sequence[Path], tagger: Tagger, most: int, say: Callable[[str], object], sounding: bool = False
) -> Heard:
    """The sound of recordings at the tagger's rate, one behind the other: of some of them, spread over all, `most` windows.

    Others take the place of those that cannot be read, or are too short. sounding: silent ones are left out, which is said.
    Raises TaggerError where none is left.
    """
    length, hop = tagger.windows.samples(tagger.sample_rate)
    need = (most - 1) * hop + length
    each = min(need, (LONGEST - 1) * hop + length)
    found: list[Waves] = []
    unread: dict[Path, str] = {}
    silent: list[Path] = []
    step = max(1, len(paths) * length // need)
    for path in [paths[at] for first in range(step) for at in range(first, len(paths), step)]:
        if sum(map(len, found)) >= need:
            break
        try:
            wave = next(iter(audio.blocks(path, tagger.sample_rate, each / tagger.sample_rate)))
        except AudioError as error:
            unread[path] = str(error)
            say(str(error))
            continue
        if sounding and _silent(wave, tagger.sample_rate):
            silent.append(path)
            say(f"{path}: is silent, and shows no ranges of what is heard: left out")
            continue
        found.append(wave)
    if found:
        return Heard(_filled(np.concatenate(found)[:need], length), len(found), unread)
    if silent:
        raise TaggerError(
            "none of the recordings has a sound that can be read, and ranges that are chosen on silence ruin what is heard: give others, "
            "best those that it learnt from"
        )
    raise TaggerError("none of the recordings can be read, so that nothing can be compared on them: give others")


def _silent(wave: Waves, sample_rate: int) -> bool:
    level = silence.Level(sample_rate)
    level.push(wave)
    return level.short or level.peak <= silence.SILENT or silence.all_equal(wave)


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
            f"{proof.engine}: {proof.max_abs_difference:.1e} at most, {counted(proof.flips, 'flip')} of {counted(proof.windows, 'window')}"
            for proof in proofs
            if proof.precision == graph.precision
        ]
        made = {**(graph.made or {}), "compared": "; ".join(own), "on": sounds}
        verdicts = [proof.verdict for proof in proofs if proof.precision == graph.precision == "int8" and proof.verdict]
        made |= {VERDICT: verdicts[0]} if verdicts else {}
        figures = (judged or {}).get(f"{sessions.REFERENCE} {graph.precision}")
        told.append(replace(graph, made={**made, "judged": figures} if figures else made))
    return told
