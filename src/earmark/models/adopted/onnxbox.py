"""Any ONNX file as a box: what goes in and what comes out is told by who adopts it, and held against what it does.

Nothing is known of its layers, so it is run, by ONNX Runtime as it is written, on noise: its shapes must be those that were told,
windows must be scored alike in a batch and one by one, twice the same, in finite numbers, as many as there are labels. Further
sounds, up to far beyond full scale, tell probabilities from logits, and scores that depend on nothing. Before that its bytes are
gone over: operators of the standard set alone, no loops, branches, functions, and no other file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark import recipe as recipes
from earmark.engines import features, graph, sessions, splitting
from earmark.engines.sessions.on_onnxruntime import End, OnnxRuntime
from earmark.engines.sessions.on_onnxruntime import open as open_runtime
from earmark.errors import EarmarkError, TaggerError, counted
from earmark.models import boxed
from earmark.models.adopted import labels as names
from earmark.models.adopted.asked import Asked, check_words, digest
from earmark.models.boxed import Box, Values
from earmark.models.facts import Facts
from earmark.models.graphs import BOXED, Graph
from earmark.models.graphtagger import GraphTagger, Running, threads
from earmark.models.origin import Origin
from earmark.recipe import Recipe
from earmark.scores import Task

OWN = "earmark."  # what keys begin with in files of `earmark export` (`earmark.models.onnxfile`)
LARGEST = 1 << 30  # bytes of a file
REMEDY = "Export it from its framework again, for ONNX's standard operators alone and with its weights inside"
LOOK = 3  # windows of noise that it is looked at with
SAME = 1e-6  # of a score, within which it is the same: float32 rounds by less
# of the further sounds, of which logits have no bounds and probabilities keep theirs
LOUDNESS = (1.0, 100.0, 10_000.0)
ALONE = 1e-4  # between a batch and one by one, as shares of the largest number above 1: float32 sums in another order
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Told:
    """What must be told of a box; None where the file, the recipe of its features or its answers tell it.

    input: waves, or a recipe whose features it hears. scores, embedding: names of outputs. length, hop: of its windows, seconds
    or fractions. layout: see `earmark.models.boxed`.
    """

    input: str = "waves"
    sample_rate: int | None = None
    length: float | str | None = None
    hop: float | str | None = None
    scores: str | None = None
    embedding: str | None = None
    values: Values | None = None
    task: Task | None = None
    layout: str | None = None
    combine: Literal["mean", "geometric", "max"] = "mean"


def adopt(asked: Asked, told: Told) -> GraphTagger:
    """The tagger. Raises TaggerError for a file that is none or does not do what was told, and where ONNX Runtime, which
    is to show it, is not installed; ManifestError for its labels."""
    check_words(asked)
    sessions.check_engine(sessions.REFERENCE, "float32")
    size = asked.file.stat().st_size
    if size > LARGEST:
        raise TaggerError(f"{asked.file}: has {counted(size, 'byte')}, more than the {LARGEST:,} that are taken in")
    data = asked.file.read_bytes()
    place = str(asked.file)
    try:
        bare, weights = splitting.split(data)
    except ValueError as error:
        raise TaggerError(f"{place}: is no ONNX file, or damaged ({error}). {REMEDY}") from error
    operators = graph.check(bare, place, REMEDY)
    session = _opened(graph.with_weights(bare, weights), place)
    hearing = _hearing(told, place)
    found = _Looking(place, told, hearing, session, hashlib.sha256(data).hexdigest(), operators)
    box, count, task = found.box()
    vocabulary = names.load(asked.labels, count)
    found.check_own(vocabulary, task)
    recipe = recipes.parse_hearing(
        hearing.as_dict()
        | {"task": task, "net": {"name": boxed.NET, **box.as_dict()}, "name": asked.file.stem,
           "summary": f"{asked.file.name}, adopted: a graph of {counted(len(operators), 'operator')}"},
        place,
    )  # fmt: skip
    kinds = sorted({value.dtype.name for value in weights.values()}) or ["no weights"]
    facts = Facts(
        adopted=Origin(
            "a graph in ONNX", asked.file.name, box.sha256, size, f"{' and '.join(kinds)} as they are",
            asked.licence.strip(), asked.source.strip(), asked.labels.name, digest(asked.labels),
        )
    )  # fmt: skip
    return _tagger(recipe, vocabulary, facts, box, bare, {f"{BOXED}{name}": value for name, value in weights.items()})


def _tagger(
    recipe: Recipe,
    vocabulary: tuple[str, ...],
    facts: Facts,
    box: Box,
    bare: bytes,
    weights: dict[str, NDArray[Any]],
) -> GraphTagger:
    from earmark.models import file as taggerfile

    identity = taggerfile.identity(weights, recipe, vocabulary)
    length, _ = recipe.windows.build().samples(recipe.sample_rate)
    hears: Literal["waves", "maps"] = "waves" if "samples" in box.layout.split() else "maps"
    held = Graph(bare, "float32", hears, length, tuple(weights), identity)
    running = Running([held], weights, sessions.REFERENCE, "float32", threads(), box)
    return GraphTagger(recipe, vocabulary, facts, running, identity=identity)


def _opened(whole: bytes, place: str) -> OnnxRuntime:
    try:
        return open_runtime(whole, "float32", threads(), True)
    except Exception as error:  # the engine has errors of its own
        told = " ".join(str(error).split())[:300]
        raise TaggerError(f"{place}: ONNX Runtime cannot take it: {told}. {REMEDY}") from error


def _hearing(told: Told, place: str) -> Recipe:
    """A recipe with what is told of windows, and of features; its task is not known yet."""
    base: dict[str, Any] = {"sample_rate": told.sample_rate, "features": None, "resize": None}
    windows: dict[str, Any] = {"length": told.length, "hop": told.hop or told.length}
    if told.input != "waves":
        given = recipes.load(told.input).as_dict()
        if given["features"] is None:
            raise EarmarkError(f"--input {told.input}: that recipe has no features: take --input waves")
        if told.sample_rate not in (None, given["sample_rate"]):
            raise EarmarkError(
                f"--sample-rate {told.sample_rate}: the features of {told.input} are of {given['sample_rate']} Hz: leave it out"
            )
        base = {key: given[key] for key in ("sample_rate", "features", "resize", "normalise") if key in given}
        windows = {"length": told.length or given["windows"]["length"]}
        windows["hop"] = told.hop or (told.length or given["windows"]["hop"])
    for option, value, what in (
        ("--sample-rate", base["sample_rate"], "the Hz of the waves that it learnt from, such as 32000"),
        ("--window", windows["length"], "the seconds that it hears at once, such as 5 or 15600/16000"),
    ):
        if value is None:
            raise EarmarkError(f"{place}: {option} is missing: {what}")
    return recipes.parse_hearing(
        base
        | {"name": "box", "task": "many", "data": {"dataset": "table"}, "net": boxed.NET, "train": {"epochs": 1},
           "windows": {**windows, "last": "pad", "combine": told.combine}},
        place,
    )  # fmt: skip


@dataclass
class _Looking:
    """One file, held against what was told of it."""

    place: str
    told: Told
    recipe: Recipe
    session: OnnxRuntime
    sha256: str
    operators: list[str]

    def box(self) -> tuple[Box, int, Task]:
        """(how it is asked, how many scores it gives, whether one tag a clip or many)."""
        inputs, outputs = self.session.ends()
        if len(inputs) != 1:
            raise self.other(
                f"it has {counted(len(inputs), 'input')}, {_ends(inputs)}, and one of waves or maps is wanted"
            )
        if inputs[0].kind != "tensor(float)":
            raise self.other(f"its input {inputs[0].name} is {inputs[0].kind}, and float32 is wanted: tensor(float)")
        windows = self._windows()
        layout = self._layout(inputs[0], windows)
        scores, embedding = self._outputs(outputs)
        fixed = "windows" not in layout.split() or inputs[0].sides[0] == 1
        rounded = any(name.endswith(("QuantizeLinear", "Integer")) for name in self.operators)
        box = Box(self.sha256, layout, not fixed, scores, self.told.values or "logits", embedding, rounded)
        told = self._run(box, windows)
        values = self._values(told[0], self._further(box))
        return Box(**{**vars(box), "values": values}), told[0].shape[1], self._task(told[0], values)

    def check_own(self, vocabulary: tuple[str, ...], task: Task) -> None:
        """Raises TaggerError where a file of `earmark export` tells otherwise what was told of it."""
        own = {key.removeprefix(OWN): value for key, value in self.session.metadata().items() if key.startswith(OWN)}
        told = {"sample_rate": str(self.recipe.sample_rate), "task": task}
        for name, option in (("sample_rate", "--sample-rate"), ("task", "--task")):
            if own.get(name, told[name]) != told[name]:
                raise self.other(f"{option}: is {told[name]} here, and the file says {own[name]} of itself: take that")
        try:
            tags = tuple(json.loads(own["tags"])) if "tags" in own else vocabulary
        except (ValueError, TypeError) as error:
            raise self.other(f"what it tells of its tags cannot be read ({error}). {REMEDY}") from error
        if tags != vocabulary:
            at = next((n for n, (one, other) in enumerate(zip(tags, vocabulary, strict=False)) if one != other), 0)
            raise self.other(
                f"--labels: names {vocabulary[at]!r} for score {at + 1}, which the file itself calls {tags[at]!r}: give them in "
                "its order and words"
            )

    def other(self, why: str) -> TaggerError:
        return TaggerError(f"{self.place}: {why}")

    def _windows(self) -> Floats:
        """Noise, loud and faint, as the net is given it: waves (3, samples), or maps (3, channels, bands, frames)."""
        length, _ = self.recipe.windows.build().samples(self.recipe.sample_rate)
        chance = np.random.default_rng(0).normal(0, 0.1, (LOOK, length)).astype(np.float32)
        return self._inputs(chance * np.array([[1.0], [0.1], [0.01]], np.float32))

    def _inputs(self, waves: Floats) -> Floats:
        return features.build(self.recipe).inputs(waves, "waves" if self.told.input == "waves" else "maps")[0]

    def _further(self, box: Box) -> Floats:
        """Scores (sounds, tags) of noise, tones, clicks and silence, within full scale and beyond; NaN where there is none."""
        length, _ = self.recipe.windows.build().samples(self.recipe.sample_rate)
        time = np.arange(length)
        clicks = np.where(time % max(1, length // 8) == 0, 1.0, 0.0)
        tones = [np.sin(2 * np.pi * cycles * time) for cycles in (0.01, 0.05, 0.2)]
        sounds = np.stack([np.random.default_rng(1).uniform(-1, 1, length), clicks, *tones]).astype(np.float32)
        asked = box.asked(self.session, [each.name for each in self.session.ends()[1]])
        found = []
        for waves in (np.zeros((1, length), np.float32), *(sounds * np.float32(times) for times in LOUDNESS)):
            try:
                found.append(asked([self._inputs(waves)])[0])
            except Exception as error:  # the engine has errors of its own
                words = " ".join(str(error).split())[:300]
                raise self.other(
                    f"it cannot be run with {counted(len(waves), 'window')} of noise, tones and clicks: {words}"
                ) from error
        told = np.concatenate(found)
        return np.where(np.isfinite(told), told, np.nan)

    def _layout(self, end: End, windows: Floats) -> str:
        """The one that fits, or the one that was told."""
        known: dict[str, int | None] = {"windows": None, "1": 1}
        known |= dict(
            zip(("samples",) if windows.ndim == 2 else ("channels", "bands", "frames"), windows.shape[1:], strict=True)
        )
        layouts = boxed.WAVES if windows.ndim == 2 else boxed.MAPS
        fitting = [each for each in layouts if _fits(each.split(), end.sides, known)]
        if windows.ndim == 4 and windows.shape[1] > 1:
            fitting = [each for each in fitting if "channels" in each]
        here = f"its input {end.name} is {_sides(end.sides)}, and windows of {self.recipe.windows.length:g} s are " + (
            f"{counted(windows.shape[1], 'sample')}"
            if windows.ndim == 2
            else f"{counted(windows.shape[2], 'band')} by {counted(windows.shape[3], 'frame')}"
        )
        if self.told.layout:
            if self.told.layout not in layouts:
                raise self.other(f"--layout {self.told.layout!r} is none of {'; '.join(layouts)}")
            fitting = [each for each in fitting if each == self.told.layout]
        if not fitting:
            raise self.other(f"{here}: look at --window, --sample-rate and --input")
        if end.sides and "windows" in fitting[0] and isinstance(end.sides[0], int) and end.sides[0] != 1:
            raise self.other(
                f"{here}: it takes {counted(end.sides[0], 'window')} at a time: export it for one, or for any number"
            )
        if len(fitting) > 1:
            told = " or ".join(f"'{each}'" for each in fitting)
            raise self.other(f"{here}: which axis is which, nobody can see: say --layout {told}")
        return fitting[0]

    def _outputs(self, outputs: list[End]) -> tuple[str, str | None]:
        there = {each.name for each in outputs}
        scores = self.told.scores
        if scores is None:
            if len(outputs) != 1:
                raise self.other(f"say with --scores which of its outputs are the scores of tags: {_ends(outputs)}")
            scores = outputs[0].name
        for option, name in (("--scores", scores), ("--embedding", self.told.embedding)):
            if name is not None and name not in there:
                raise self.other(f"{option} {name}: it has no such output, but {_ends(outputs)}")
        return scores, self.told.embedding

    def _run(self, box: Box, windows: Floats) -> list[Floats]:
        """[scores, embedding] of the windows of noise."""
        asked = box.asked(self.session, [each.name for each in self.session.ends()[1]])
        try:
            told, again = asked([windows]), asked([windows])
            alone = [asked([windows[each : each + 1]]) for each in range(LOOK)]
        except TaggerError as error:
            raise self.other(str(error)) from error
        except Exception as error:  # the engine has errors of its own
            words = " ".join(str(error).split())[:300]
            raise self.other(
                f"it cannot be run with {LOOK} windows: {words}. If it takes one at a time, export it with a batch of 1, not any"
            ) from error
        for what, got, second, ones in zip(("scores", "embedding"), told, again, zip(*alone, strict=True), strict=True):
            if not np.isfinite(got).all():
                raise self.other(f"its {what} of noise are not all numbers (NaN, or infinite)")
            if not np.array_equal(got, second):
                raise self.other(
                    f"its {what} of the same windows are others when it is run again: it draws by chance. Export it for inference"
                )
            far = np.abs(got - np.concatenate(ones)).max(initial=0.0) / max(1.0, np.abs(got).max(initial=0.0))
            if far > ALONE:
                raise self.other(
                    f"its {what} of a window depend on the others in the batch, by {far:.2g}: export it for inference (in evaluation "
                    "mode), or with a batch of 1"
                )
        return told

    def _values(self, scores: Floats, further: Floats) -> Values:
        """further: scores of more sounds, NaN where there is none."""
        every = np.concatenate([scores, further])
        lowest, highest = np.nanmin(every, 0), np.nanmax(every, 0)
        if np.all(highest - lowest <= SAME * np.abs(every[0])):
            raise self.other(
                f"its scores are the same of {counted(len(every), 'sound')}, noise, tones, clicks and silence, so that they "
                "tell nothing of what is heard: export it with the layers that hear"
            )
        span = f"on noise its scores go from {scores.min():.3g} to {scores.max():.3g}"
        if self.told.values is None:
            raise self.other(f"say --logits or --probabilities: {span}")
        if self.told.values == "probabilities" and not (scores.min() >= -1e-6 and scores.max() <= 1 + 1e-6):
            raise self.other(f"--probabilities: {span}: take --logits")
        if self.told.values == "logits" and _shares(scores):
            raise self.other(
                f"--logits: {span}, and those of each window add up to 1: these are probabilities: take --probabilities"
            )
        if self.told.values == "logits" and lowest.min() >= -1e-6 and highest.max() <= 1 + 1e-6:
            raise self.other(
                f"--logits: of {counted(len(every), 'sound')}, silence, noise, tones and clicks up to {LOUDNESS[-1]:,.0f} "
                f"times full scale, all its scores lie from {lowest.min():.3g} to {highest.max():.3g}, so between 0 and 1: "
                "these are probabilities: take --probabilities"
            )
        return self.told.values

    def _task(self, scores: Floats, values: Values) -> Task:
        ones = values == "probabilities" and _shares(scores)
        if values == "logits":
            if self.told.task is None:
                raise self.other(
                    "of logits nobody can see whether one tag is right or many: say --task one or --task many"
                )
            return self.told.task
        if self.told.task == "one" and not ones:
            raise self.other(f"--task one: its scores of a window add up to {scores.sum(1).max():.3g}, and not to 1")
        return self.told.task or ("one" if ones else "many")


def _shares(scores: Floats) -> bool:
    """Whether they are probabilities of which one is right: from 0 to 1, and in sum 1."""
    inside = scores.min() >= -1e-6 and scores.max() <= 1 + 1e-6
    return bool(inside and scores.shape[1] > 1 and np.abs(scores.sum(1) - 1).max() < 1e-3)


def _fits(axes: list[str], sides: tuple[int | str | None, ...], known: dict[str, int | None]) -> bool:
    """Whether an input of these sides may have these axes."""
    if len(axes) != len(sides):
        return False
    return all(not isinstance(side, int) or known[axis] in (None, side) for axis, side in zip(axes, sides, strict=True))


def _sides(sides: tuple[int | str | None, ...]) -> str:
    return " × ".join(str(side) if side is not None else "any" for side in sides) or "one number"


def _ends(ends: list[End]) -> str:
    return ", ".join(f"{each.name} ({_sides(each.sides)})" for each in ends) or "none"
