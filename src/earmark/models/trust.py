"""Whether an engine answers rightly: looked at once for each graph, engine, version and processor, on the first windows.

Engines have returned zeros for all rows of a batch but the first, without a word. So the first windows that come are scored
as they are asked for, and again by the float32 graph as it is written, without any rewriting, a window at a time. What
differs by more than arithmetic can explain is an error, never an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earmark.engines import processor, sessions
from earmark.engines.sessions import Precision, Session
from earmark.errors import TaggerError
from earmark.files import remembered
from earmark.models.graphs import Graph
from earmark.models.predicted import Predicted

Waves = NDArray[np.float32]
LOOKED_AT = 3  # windows
# of probabilities, and of embeddings as shares of the largest number in them, between the engine's and the float32 graph's own:
# float32 differs in the order of its sums; of bf16 and int8 single windows may be far off (docs/engines.md), so only what no
# rounding explains is refused
# float16 has three digits (bits) more than bf16, so its rounding is an eighth of that
ALLOWED = {"float32": 1e-4, "bf16": 0.3, "float16": 0.3 / 8, "int8": 0.6}
ALONE = 1e-3  # between windows in a batch and by themselves, in every precision of an engine


class Running(Protocol):
    """What runs a tagger's graphs."""

    engine: str
    precision: Precision
    rounded: bool  # whether it computes in whole numbers somewhere

    def truth(self, length: int) -> Session | None: ...

    def forget_truth(self) -> None: ...


class Named(Protocol):
    """What is told of a tagger that answers wrongly."""

    vocabulary: tuple[str, ...]

    @property
    def engine(self) -> str: ...


class Told(Named, Protocol):
    """A tagger in PyTorch that computes in fewer digits."""

    precision: str


class Looked(Named, Protocol):
    """What is asked of a tagger that is looked at: see `earmark.models.graphtagger.GraphTagger`."""

    length: int

    @property
    def running(self) -> Running: ...

    def identity(self) -> str: ...

    def answered(self, outputs: list[NDArray[np.float32]]) -> Predicted: ...

    def apart(self, stretch: list[NDArray[np.float32]], count: int) -> list[list[NDArray[np.float32]]]: ...


def check(tagger: Looked, graph: Graph, inputs: list[NDArray[np.float32]], session: Session) -> None:
    """Raises TaggerError where the engine's answers to the first windows are not those of the graph. Remembers that they are."""
    running = tagger.running
    key = " ".join(
        [
            tagger.identity(),
            running.engine,
            sessions.version(running.engine),
            running.precision,
            f"{graph.windows}x{graph.hop}",
            processor.here().name,
        ]
    )
    if remembered.recall(key) is True:
        return
    exact = running.truth(tagger.length)
    given = inputs if graph.windows else _several(inputs)
    got = tagger.answered(session(given))
    one_by_one = tagger.apart(given, graph.windows) if graph.windows else _apart(given)
    if not graph.windows:
        alone = [tagger.answered(session(one)) for one in one_by_one]
        _compare(tagger, got, alone, ALONE, "in a batch", "by itself")
    if exact is not None:
        true = [tagger.answered(exact(one)) for one in one_by_one]
        _compare(
            tagger,
            got,
            true,
            ALLOWED["int8" if running.rounded else running.precision],
            f"by {tagger.engine}",
            "by the graph as it is written",
        )
    running.forget_truth()
    remembered.remember(key, True)


def check_reduced(
    tagger: Told, key: str, windows: Waves, hear: Callable[[Waves], Predicted], exact: Callable[[Waves], Predicted]
) -> None:
    """The same of a net in PyTorch that computes in fewer digits. windows: the first that it hears. hear: several at once.

    exact: in float32; it is asked for one window at a time. Each row of a batch is held against that, so that a row which is
    another's or none is found. Raises TaggerError. Remembers under the key that the answers are right.
    """
    if remembered.recall(key) is True:
        return
    (few,) = _several([windows])
    got = hear(few)
    true = [exact(one) for (one,) in _apart([few])]
    first = Predicted(*(None if part is None else part[: len(few)] for part in (got.scores, got.embedding, got.frames)))
    _compare(tagger, first, true[: len(first.scores)], ALLOWED[tagger.precision], f"by {tagger.engine}", "in float32")
    remembered.remember(key, True)


def _apart(inputs: list[NDArray[np.float32]]) -> list[list[NDArray[np.float32]]]:
    return [[part[number : number + 1] for part in inputs] for number in range(len(inputs[0]))]


def _several(inputs: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """A few of the windows, three at least: halves and quarters of what there is, where there is one alone."""
    few = [part[:LOOKED_AT] for part in inputs]
    while len(few[0]) < LOOKED_AT:
        few = [np.concatenate([part, part[-1:] / 2]) for part in few]
    return few


def _compare(tagger: Named, got: Predicted, wanted: list[Predicted], most: float, how: str, other: str) -> None:
    """Scores, those of frames, and embeddings, these as shares of the largest number that is in them."""
    for what in ("scores", "frames", "embedding"):
        values = getattr(got, what)
        if values is None:
            continue
        values = values.reshape(len(values), -1)
        true = np.concatenate([getattr(one, what) for one in wanted]).reshape(len(values), -1)
        if what == "embedding":
            scale = max(1.0, float(np.nan_to_num(np.abs(true)).max(initial=0.0)))
            values, true = values / scale, true / scale
        with np.errstate(invalid="ignore"):
            far = np.abs(values - true)
        if np.array_equal(np.isnan(values), np.isnan(true)) and not np.nanmax(far, initial=0.0) > most:
            continue
        worst, place = np.unravel_index(int(np.argmax(np.nan_to_num(far, nan=np.inf))), far.shape)
        tag = f" of {tagger.vocabulary[place % len(tagger.vocabulary)]!r}" if what != "embedding" else ""
        raise TaggerError(
            f"{tagger.engine} answers wrongly for this tagger: in window {worst + 1} the {what}{tag} are "
            f"{values[worst, place]:.4g} {how} and {true[worst, place]:.4g} {other}, more than {most:g} apart. Nothing was "
            "scored with it. Take another --precision"
            + (
                ""
                if tagger.engine.startswith("torch")
                else ", or another --engine (torch is the one that taggers are made with)"
            )
        )
