"""Exported nets that take windows of other lengths than the tagger's: proved by running such lengths beside PyTorch.

Every net of the house pools over all of time at its end, and says how short its input may be (`shortest`); but whether tracing
keeps that, only running tells: where a net does something else with a short input, or with one that is no multiple (`resnet_a`), a
trace has one of both. So a graph is traced with the length left open, and run at the shortest length that the tagger takes, at odd
ones below and above its own, and at twice its own. Where one of these cannot be traced or run, or answers
otherwise than PyTorch, the graph is made for the tagger's own length alone, and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.engines import features, sessions
from earmark.errors import TaggerError, counted
from earmark.models import export
from earmark.models.graphs import Graph
from earmark.models.graphtagger import threads
from earmark.models.predicted import of_levels
from earmark.models.proof import MOST
from earmark.models.tagger import Tagger

SHARES = (0.61, 1.37, 2.5)  # of the tagger's own length, an odd sample added: no multiples of what nets halve
WINDOWS = 2  # of each length
Waves = NDArray[np.float32]
Run = Callable[[Waves], Waves]


@dataclass(frozen=True)
class Lengths:
    """What lengths of windows a graph takes, in samples. own: the tagger's. shortest: of those it takes; own, where no other.

    tried: compared with PyTorch, of which max_abs_difference is that of a score. why: not any length, in words; else ''.
    """

    own: int
    shortest: int
    tried: tuple[int, ...] = ()
    max_abs_difference: float = 0.0
    why: str = ""

    @property
    def dynamic(self) -> bool:
        return not self.why

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"dynamic": self.dynamic, "own": self.own, "shortest": self.shortest}
        if self.why:
            return told | {"why": self.why}
        return told | {"compared": list(self.tried), "max_abs_difference": self.max_abs_difference}

    def text(self) -> str:
        """A line."""
        if self.why:
            return f"takes windows of {counted(self.own, 'sample')} alone: {self.why}"
        return (
            f"takes windows of any length from {counted(self.shortest, 'sample')}: compared at {', '.join(f'{n:,}' for n in self.tried)}, "
            f"scores differ by {self.max_abs_difference:.1e} at most"
        )


def shortest(tagger: Tagger) -> int:
    """Samples of the shortest window that the feature and the net take."""
    net: Any = tagger.net
    feature: Any = tagger.features
    if tagger.input == "waves":
        return int(net.shortest)
    frames = net.shortest if tagger.input == "maps" else net.shortest_frames
    low, high = 0, tagger.windows.samples(tagger.sample_rate)[0]  # which gives enough, or it were no tagger
    while high - low > 1:  # more samples never give fewer frames
        middle = (low + high) // 2
        low, high = (low, middle) if feature.frames(middle) >= frames else (middle, high)
    return max(high, int(feature.shortest), int(net.shortest) if tagger.input == "both" else 0)


def whole(tagger: Tagger) -> tuple[bytes, Lengths]:
    """From waves to scores, of any length where that is proved."""
    length, _ = tagger.windows.samples(tagger.sample_rate)
    try:
        model = export.whole(tagger, lengths=True)
        return model, compare(tagger, _whole(model))
    except Exception as error:  # what tracing raises has many types, and none is this tagger's fault
        return export.whole(tagger), Lengths(length, length, why=_words(error))


def body(tagger: Tagger) -> tuple[Graph, Lengths]:
    """From what the net hears to logits, of any length where that is proved."""
    length, _ = tagger.windows.samples(tagger.sample_rate)
    if tagger.recipe.resize is not None:
        frames = tagger.recipe.resize.frames
        return export.body(tagger), Lengths(
            length, length, why=f"the net hears maps that are made {counted(frames, 'frame')} long"
        )
    try:
        graph = export.body(tagger, lengths=True)
        return graph, compare(tagger, of_body(tagger, graph.whole(tagger.stored()[0])))
    except Exception as error:  # as above
        return export.body(tagger), Lengths(length, length, why=_words(error))


def compare(tagger: Tagger, run: Run, most: float = MOST) -> Lengths:
    """run: waves (n, samples) of any length → scores. Raises TaggerError where it answers otherwise than PyTorch by more than `most`."""
    own, _ = tagger.windows.samples(tagger.sample_rate)
    least = shortest(tagger)
    tried = tuple(sorted({least, 2 * own, *(max(least, round(share * own) | 1) for share in SHARES)} - {own}))
    chance = np.random.default_rng(0)
    far = 0.0
    for samples in tried:
        swell = np.linspace(0.01, 0.3, samples)
        waves = np.asarray(chance.normal(size=(WINDOWS, samples)) * swell, np.float32)
        difference = float(np.abs(run(waves) - tagger.score_windows(waves)).max())
        if not difference <= most:  # NaN too
            raise TaggerError(
                f"of windows of {counted(samples, 'sample')} scores differ from PyTorch's by {difference:.2g}"
            )
        far = max(far, difference)
    return Lengths(own, least, tried, far)


def _whole(model: bytes) -> Run:
    session = sessions.open_session(sessions.REFERENCE, model, "float32", threads())
    return lambda waves: session([waves])[0]


def of_body(tagger: Tagger, model: bytes) -> Run:
    """Scores by a graph of the net alone, whatever numbers it computes in."""
    session = sessions.open_session(sessions.REFERENCE, model, "float32", threads())
    feature = features.build(tagger.recipe)
    return lambda waves: of_levels(session(list(feature.inputs(waves, tagger.input)))[0], tagger.task)


def _words(error: Exception) -> str:
    told = " ".join(str(error).split())
    return f"{told[:200]}{'…' if len(told) > 200 else ''}" or type(error).__name__
