"""A tagger whose net is run by an engine, from the graphs in its file: no PyTorch, and faster.

Features are NumPy's (`earmark.engines.features`), so that they are the same for every engine and are computed once where windows
overlap; the net is a graph (`earmark.models.graphs`). Where the file has a graph for several overlapping windows, those share the
net's work too, as they do in PyTorch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.engines import features, sessions, splitting
from earmark.engines.sessions import Precision, Session
from earmark.errors import RecipeError, TaggerError, counted
from earmark.errors.kinds import checked
from earmark.inference import Answers, process
from earmark.inference.finite import finite
from earmark.models import boxed, graphs, pacing, trust
from earmark.models import file as taggerfile
from earmark.models.boxed import Box
from earmark.models.byrecipe import ByRecipe
from earmark.models.covering import covered
from earmark.models.facts import Facts
from earmark.models.frames import Framewise
from earmark.models.graphs import Graph
from earmark.models.predicted import Predicted, first_of, joined, of_levels, probabilities, samples
from earmark.recipe.hearing import Known

if TYPE_CHECKING:
    from earmark.recipe import Recipe

AT_ONCE = 16  # windows whose features alone are shared
Floats = NDArray[np.float64]
Weights = dict[str, NDArray[Any]]


class Running:
    """The sessions of a file's graphs with one engine, opened when they are first asked for; shared by taggers of other hops.

    box: how the graph of a net from outside is asked, where the net is one.
    """

    def __init__(
        self,
        held: Sequence[Graph],
        weights: Weights,
        engine: str,
        precision: Precision,
        threads: int,
        box: Box | None = None,
    ):
        self.graphs, self.weights = tuple(held), weights
        self.engine, self.precision, self.threads, self.box = engine, precision, threads, box
        self.rounded = precision == "int8" or (box is not None and box.rounded)
        self._opened: dict[tuple[int, bool], Session] = {}
        self._opening = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Without its sessions, which belong to this process: where it is unpickled, or copied, they are opened when they are asked for.

        Raises TaggerError there where the engine is not installed.
        """
        return _running_again, (self.graphs, self.weights, self.engine, self.precision, self.threads, self.box)

    def session(self, graph: Graph) -> Session:
        return self._session(graph, self.engine, self.precision, exact=False)

    def truth(self, length: int) -> Session | None:
        """What others are checked against: float32, one by one, as the graph is written. None where the file has no such graph."""
        graph = graphs.pick(self.graphs, "float32", length)
        return None if graph is None else self._session(graph, sessions.REFERENCE, "float32", exact=True)

    def _session(self, graph: Graph, engine: str, precision: Precision, *, exact: bool) -> Session:
        key = self.graphs.index(graph), exact
        with self._opening:
            if key not in self._opened:
                whole = graph.whole(self.weights)
                if engine != sessions.REFERENCE and not exact:  # others have crashed on graphs that make no sense
                    sessions.open_session(sessions.REFERENCE, whole, "float32", self.threads, exact=True)
                session = sessions.open_session(engine, whole, precision, self.threads, exact=exact)
                self._opened[key] = (
                    session if self.box is None else self.box.asked(session, splitting.outputs(graph.model))
                )
            return self._opened[key]

    def forget_truth(self) -> None:
        with self._opening:
            self._opened = {key: session for key, session in self._opened.items() if not key[1]}


class GraphTagger(ByRecipe, Answers):
    """See `earmark.models.anytagger.AnyTagger`. torched: gives the same in PyTorch. more: what else its file tells.
    identity: where it is known, since all weights are read for it.

    Several threads may call it at once. Raises TaggerError where no graph of the file is of this precision.
    """

    def __init__(
        self,
        recipe: Recipe | Known,
        vocabulary: Sequence[str],
        facts: Facts,
        running: Running,
        *,
        torched: Callable[[], Any] | None = None,
        more: Mapping[str, Any] | None = None,
        identity: str | None = None,
    ):
        self._heard, self.facts, self.running = recipe, facts, running
        self.vocabulary: tuple[str, ...] = tuple(vocabulary)
        self.torched, self.more = torched, dict(more or {})
        self.length, self.hop = self.windows.samples(recipe.sample_rate)
        body = graphs.pick(running.graphs, running.precision, self.length)
        if body is None:
            raise TaggerError(_no_graph(running, self.length, recipe.sample_rate))
        self.body = body
        self.features = features.build(recipe)
        self.step = self.features.step(self.hop)
        self.stretches = graphs.stretches(running.graphs, running.precision, self.length, self.hop) if self.step else []
        self._trusted: set[int] = set()
        self._identity = identity
        self._computed = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """Put together anew from what its file holds, which goes along whole; its engine's first answers are looked at again."""
        told = {"torched": self.torched, "more": self.more, "identity": self._identity}
        return _tagger_again, (self._heard, self.vocabulary, self.facts, self.running, told)

    @property
    def heard(self) -> Recipe | Known:
        return self._heard

    @cached_property
    def recipe(self) -> Recipe:  # type: ignore[override]  # which nobody sets
        """Of a file that was known, checked now. Raises RecipeError."""
        if not isinstance(self._heard, Known):
            return self._heard
        from earmark.recipe import parse_hearing

        return parse_hearing(self._heard.plain, self._heard.where)

    @property
    def engine(self) -> str:
        """What runs the net, in words."""
        told = self.running
        return f"{told.engine} {sessions.version(told.engine)}, {told.precision}, cpu"

    @property
    def verdict(self) -> str:
        """What its file says of the graph that runs, where that was too far off when it was exported; "" where it was not."""
        told = dict(self.body.made or {}).get(graphs.VERDICT, "")
        compared = dict(self.body.made or {}).get("compared", "")
        return f"in {self.running.precision}, when it was exported, was {told} ({compared})" if told else ""

    @property
    def precision(self) -> str:
        """What the net computes in."""
        return self.running.precision

    @property
    def pace(self) -> str:
        """See `earmark.inference.pace`."""
        self._computed = self._computed or pacing.computed(self.heard, len(self.vocabulary))
        return pacing.key(self._computed, self.engine, self.running.threads)

    @property
    def members(self) -> tuple[GraphTagger]:
        return (self,)

    @property
    def alone(self) -> Any:
        """The same in PyTorch, with its net. Raises TaggerError where torch is not installed, or its net is but a graph."""
        if self.running.box is not None:
            raise TaggerError(boxed.no_net("this tagger"))
        if self.torched is None:
            raise TaggerError("this tagger was put together without its file: load that with engine='torch'")
        tagger = self.torched().every(self.heard.as_dict()["windows"]["hop"])
        tagger.facts = self.facts.measured(self.identity)
        return tagger

    def trainable(self) -> Any:
        """A copy in PyTorch that can be trained: see `earmark.Tagger.trainable`. Raises TaggerError as `alone`."""
        return self.alone.trainable()

    @property
    def plugged(self) -> list[dict[str, Any]]:
        """What its file tells of plug-ins."""
        return list(self.more.get("plugins", []))

    device = "cpu"  # engines run on the processor here

    def every(self, hop: float | str) -> GraphTagger:
        from earmark.recipe import parse_hearing

        told = self.heard.as_dict()
        recipe = parse_hearing(told | {"windows": {**told["windows"], "hop": hop}}, self.heard.name)
        if recipe.windows.hop > recipe.windows.length:
            raise RecipeError(self.recipe.name, [recipe.windows.too_far_apart()])
        other = GraphTagger(recipe, self.vocabulary, self.facts, self.running, torched=self.torched, more=self.more)
        other.facts = self.facts.moved(self.identity, other.identity)
        return other

    @property
    def frame_edges(self) -> Floats:
        """(frames + 1,): where the frames of a window begin and end, seconds from its start. Raises TaggerError."""
        if self.body.frames is None:
            raise TaggerError(
                f"the net {self.heard.net.name} says nothing of moments, only of whole windows of "
                f"{self.windows.length:g} s: take the scores of windows, or a net with attention over time"
            )
        return np.asarray(self.body.frames, np.float64)

    def framewise(self) -> Framewise | None:
        return None if self.body.frames is None else Framewise(self)

    def score_windows(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → probabilities (n, tags)."""
        return finite(self.predicted(waves).scores, waves, "scores")

    def predicted(self, waves: NDArray[np.float32]) -> Predicted:
        """Windows (n, samples) → scores, embeddings and, where the net has some, scores of frames."""
        waves = samples(waves, 2, "(windows, samples)")
        self.windows.check_whole(waves.shape[1], self.sample_rate)  # its graphs are as long
        return self.run(self.body, self._inputs(waves))

    planned = True  # which windows share, its file tells

    @property
    def together(self) -> int:
        """Overlapping windows that are scored at once; 0 where they share nothing."""
        if self.stretches:
            return self.stretches[0].windows
        return AT_ONCE if self.step and self.body.hears != "waves" and self.hop < self.length else 0

    def score_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> NDArray[np.float32]:
        """As `score` of the first `count` windows of a wave (samples,), `hop` samples apart, but sharing what they can."""
        return finite(self.predicted_overlapping(wave, hop, count).scores, wave, "scores")

    def predicted_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> Predicted:
        """As `predicted` of these windows."""
        wave = samples(wave, 1, "(samples,)")
        if hop != self.hop or not self.step:
            return self.predicted(np.stack([wave[k * hop : k * hop + self.length] for k in range(count)]))
        whole = self._inputs(wave[None, : (count - 1) * hop + self.length])
        parts, first = [], 0
        for size in self._covered(count):
            taken = min(size, count - first)
            parts.append(first_of(self._together(whole, first, size), taken))
            first += taken
        while first < count:
            taken = min(count - first, AT_ONCE)
            parts.append(self.run(self.body, self._cut(whole, first, taken, apart=True)))
            first += taken
        return parts[0] if len(parts) == 1 else joined(parts)

    def _covered(self, count: int) -> list[int]:
        """Windows of each stretch that scores so many with the least work; those that are left over go one by one."""
        step, width = self._steps[0]
        sizes = [graph.windows for graph in self.stretches]
        return [size for size in covered(count, sizes, step, width) if size > 1]

    def _together(self, whole: list[NDArray[np.float32]], first: int, size: int) -> Predicted:
        """Of `size` windows as one stretch, behind whose end there is nothing: what is not there is zero, and so is left out."""
        graph = next(graph for graph in self.stretches if graph.windows == size)
        return self.run(graph, self._cut(whole, first, size, apart=False))

    @cached_property
    def _steps(self) -> list[tuple[int, int]]:
        """Of each input: from a window to the next, and how long one is."""
        assert self.step is not None
        waves, maps = (self.hop, self.length), (self.step, self.features.frames(self.length))
        return {"waves": [waves], "maps": [maps], "both": [waves, maps]}[self.body.hears]

    def apart(self, stretch: list[NDArray[np.float32]], count: int) -> list[list[NDArray[np.float32]]]:
        """The inputs of each of the windows of a stretch, by itself."""
        return [self._cut(stretch, number, 1, apart=True) for number in range(count)]

    def _cut(
        self, whole: list[NDArray[np.float32]], first: int, count: int, *, apart: bool
    ) -> list[NDArray[np.float32]]:
        """Windows first … first + count of stretches (1, …, time): one by one (count, …, time), or as one stretch, whose end is
        made of zeros where there is no more."""
        found = []
        for stretch, (step, width) in zip(whole, self._steps, strict=True):
            if apart:
                cut = [stretch[0, ..., k * step : k * step + width] for k in range(first, first + count)]
                found.append(np.ascontiguousarray(np.stack(cut)))
            else:
                part = stretch[..., first * step : (first + count - 1) * step + width]
                found.append(_filled(part, (count - 1) * step + width))
        return found

    def _inputs(self, waves: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # of sound far beyond full scale, which is told of the answers
            return list(self.features.inputs(waves, self.body.hears))

    def run(self, graph: Graph, inputs: list[NDArray[np.float32]]) -> Predicted:
        """What one of its graphs answers, once its engine has been looked at."""
        session = self.running.session(graph)
        usable = all(np.isfinite(part.sum(dtype=np.float64)) for part in inputs)
        if usable and graph.windows not in self._trusted:
            trust.check(self, graph, inputs, session)
            self._trusted.add(graph.windows)
        answers = self.answered(session(inputs))
        return answers if usable else self._spoilt(answers, graph, inputs)

    def _spoilt(self, told: Predicted, graph: Graph, inputs: list[NDArray[np.float32]]) -> Predicted:
        """NaN for windows of which the net heard what is no number: an engine has made sure answers of that."""
        several = graph.windows or len(inputs[0])
        windows = self.apart(inputs, several) if graph.windows else [[p[k] for p in inputs] for k in range(several)]
        bad = np.array([not all(np.isfinite(part).all() for part in window) for window in windows])
        scores, embedding, frames = (
            None if each is None else np.where(bad.reshape(-1, *[1] * (each.ndim - 1)), np.float32(np.nan), each)
            for each in (told.scores, told.embedding, told.frames)
        )
        assert scores is not None and embedding is not None
        return Predicted(scores, embedding, frames)

    def answered(self, outputs: list[NDArray[np.float32]]) -> Predicted:
        """The outputs of a graph → Predicted."""
        if self.running.box is not None:
            return self.running.box.answered(outputs, self.task)
        levels, embedding, *frames = outputs
        moments = probabilities(frames[0], self.task) if frames else None
        return Predicted(of_levels(levels, self.task), embedding, moments)

    def embed_windows(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → embeddings (n, width)."""
        return finite(self._embedding(self.predicted(waves)), waves, "embeddings")

    def embed_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> NDArray[np.float32]:
        """As `embed_windows` of overlapping windows, sharing what they can."""
        return finite(self._embedding(self.predicted_overlapping(wave, hop, count)), wave, "embeddings")

    def _embedding(self, predicted: Predicted) -> NDArray[np.float32]:
        if self.running.box is not None and self.running.box.embedding is None:
            raise TaggerError(boxed.NO_EMBEDDING)
        return predicted.embedding

    def identity(self) -> str:
        """Twelve hexadecimal digits that change with the weights, the vocabulary or the recipe."""
        if self._identity is None:
            self._identity = taggerfile.identity(graphs.apart(self.running.weights)[0], self.recipe, self.vocabulary)
        return self._identity

    def stored(self) -> tuple[Weights, dict[str, Any]]:
        weights, own = graphs.apart(self.running.weights)
        told, kept = graphs.stored(self.running.graphs, own, self.identity())
        facts = self.facts.written(self.identity())
        head = {"recipe": self.heard.as_dict(), "vocabulary": list(self.vocabulary), "facts": facts}
        return weights | kept, head | self.more | told

    @checked
    def save(self, path: str | Path) -> None:
        """Write its file; the old one stays whole until the new one is."""
        weights, head = self.stored()
        taggerfile.write(path, weights, {"format": taggerfile.FORMAT, **head})


def _running_again(
    held: Sequence[Graph], weights: Weights, engine: str, precision: Precision, threads: int, box: Box | None
) -> Running:
    sessions.check_engine(engine, precision)
    return Running(held, weights, engine, precision, threads, box)


def _tagger_again(
    recipe: Recipe | Known, vocabulary: Sequence[str], facts: Facts, running: Running, told: Mapping[str, Any]
) -> GraphTagger:
    return GraphTagger(recipe, vocabulary, facts, running, **told)


def threads() -> int:
    """Threads of one call of an engine: those of the processors that this process may use."""
    return process.cores()


def _filled(stretch: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """(1, …, time) with zeros behind it, `width` long."""
    if stretch.shape[-1] == width:
        return np.ascontiguousarray(stretch)
    filled = np.zeros((*stretch.shape[:-1], width), np.float32)
    filled[..., : stretch.shape[-1]] = stretch
    return filled


def _no_graph(running: Running, length: int, rate: int) -> str:
    there = sorted({graph.precision for graph in running.graphs})
    if running.precision == "int8" and "int8" not in there:
        return (
            f"precision int8: the file has graphs of {' and '.join(there) or 'no precision'}. Write one with `earmark export "
            "TAGGER --precision int8 --calibrate CLIPS -o FILE.safetensors`, or take float32"
        )
    return (
        f"the file has no graph for windows of {length / rate:g} s ({counted(length, 'sample')}): export it again with `earmark export`, "
        "or take --engine torch"
    )
