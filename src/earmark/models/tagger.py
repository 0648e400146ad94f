"""A tagger: features, net, vocabulary and rules in one module that eats waveforms, and in one file that explains itself.

The file is safetensors: the weights, and in its header, as JSON, the recipe, the vocabulary, the rules, the figures
measured and the split they were measured on. Loading reads numbers and JSON; no code can come out of the file.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.errors import EarmarkError, RecipeError, TaggerError, counted
from earmark.errors.kinds import checked
from earmark.inference import Answers, waiting
from earmark.inference.finite import finite
from earmark.models import copies, frames, graphs, making, needs, pacing, predicted, reduced, size, trust
from earmark.models import file as taggerfile
from earmark.models.byrecipe import ByRecipe
from earmark.models.copies import Answer
from earmark.models.facts import Facts
from earmark.models.file import FORMAT
from earmark.models.frames import Framewise
from earmark.models.graphs import Graph
from earmark.models.loudness import normalised
from earmark.models.nets import Input
from earmark.models.predicted import Predicted
from earmark.models.prediction import Grid, Prediction, activated, probabilities, separate
from earmark.recipe import Recipe, parse_built
from earmark.registry import NETS
from earmark.scores.arrays import nameless
from earmark.windows.overlap import Trace, overlapping
from earmark.windows.overlap.plan import Plans, Sharing, plan

Floats = NDArray[np.float64]
PLANS = Plans()
__all__ = ["FORMAT", "Tagger", "build"]


class Tagger(nn.Module, ByRecipe, Answers):
    """Waves (batch, samples) float32 in [−1, 1] at `sample_rate` → Prediction.

    features: waves → maps (identity for raw nets). net: maps, waves or both → Prediction. facts: figures, split and
    whatever else the file tells; plain JSON values.
    """

    def __init__(
        self,
        features: nn.Module,
        net: nn.Module,
        vocabulary: Sequence[str],
        recipe: Recipe,
        facts: Facts | None = None,
    ):
        super().__init__()
        self.features, self.net = features, net
        self.vocabulary: tuple[str, ...] = tuple(vocabulary)
        self.recipe = recipe
        self.facts = facts or Facts()
        self.input: Input = NETS[recipe.net.name].facts["input"]
        self._plan: tuple[tuple[int, int], Sharing] | None = None  # of these windows; made when it is asked for
        self.graphs: tuple[Graph, ...] = ()  # of its net as its file has them, for engines without torch
        self.quantised: dict[str, NDArray[Any]] = {}  # what only graphs of its file have for weights
        self._computed = ""
        self.precision = "float32"  # what its net computes in when it listens: see `earmark.models.reduced`
        self._trusted: set[str] = set()
        self.needs = needs.of(recipe)  # the plug-ins by which it is built, whatever is loaded later
        self._frames: tuple[int, int] | None = None  # (samples of a window, frames that the net makes of them)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A pickle brings the plug-ins of its net along, as names of files: they are loaded where it is unpickled.

        Pickling raises EarmarkError where such a file is gone, or has changed since it was loaded.
        """
        brought = needs.brought(self.needs)
        return (_again, (brought, type(self)), self.__dict__) if brought.files else super().__reduce_ex__(protocol)

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def forward(self, waves: Tensor) -> Prediction:
        waves = self.normalised(waves)
        return self.predict(waves, self.features(waves))

    def normalised(self, waves: Tensor) -> Tensor:
        """What features and net hear of waves (batch, samples): see `earmark.models.loudness`."""
        return normalised(waves, self.recipe.normalise)

    def predict(self, waves: Tensor, maps: Tensor) -> Prediction:
        """The net's part: waves, and what the features made of them, → Prediction."""
        with reduced.computing(self.device, self.precision):
            prediction: Prediction = self.net(waves, maps) if self.input == "both" else self.net(maps)
        return prediction

    @property
    def engine(self) -> str:
        """What runs the net, in words."""
        return f"torch {torch.__version__.partition('+')[0]}, {self.precision}, {self.device}"

    @property
    def members(self) -> tuple[Tagger]:
        """Those that answer together: this one alone."""
        return (self,)

    @property
    def alone(self) -> Tagger:
        """Itself; of an ensemble there is none."""
        return self

    def every(self, hop: float | str) -> Tagger:
        """The same features and net in windows `hop` seconds apart, a number or a fraction such as "51200/44100".

        Raises RecipeError for a hop that is none, and for one above the windows' length, between which nothing is heard.
        """
        return self.hearing({"hop": hop})

    def hearing(self, windows: Mapping[str, Any]) -> Tagger:
        """The same features and net with other settings of windows, by name. Raises RecipeError, as `every` does."""
        told = self.recipe.as_dict()
        recipe = parse_built(told | {"windows": {**told["windows"], **windows}}, self.recipe.name)
        if recipe.windows.hop > recipe.windows.length:
            raise RecipeError(self.recipe.name, [recipe.windows.too_far_apart()])
        return self._with(recipe, self.precision)

    def exact(self) -> Tagger:
        """The same features and net, computing in float32."""
        return self._with(self.recipe, "float32")

    def _with(self, recipe: Recipe, precision: str) -> Tagger:
        other = Tagger(self.features, self.net, self.vocabulary, recipe).train(self.training)
        other.facts = self.facts.moved(self.identity, other.identity)
        other.precision, other.needs = precision, self.needs
        return other

    @property
    def grid(self) -> Grid | None:
        """Where the moments lie of which the net says something, in its input; None where it has whole windows only."""
        grid: Grid | None = getattr(self.net, "grid", None)
        return grid

    @property
    def frame_edges(self) -> Floats:
        """(frames + 1,): where the frames of a window begin and end, seconds from its start. Raises TaggerError."""
        length, _ = self.windows.samples(self.sample_rate)
        if self.grid is None:
            raise TaggerError(
                f"the net {self.recipe.net.name} says nothing of moments, only of whole windows of "
                f"{self.windows.length:g} s: take the scores of windows, or a net with attention over time"
            )
        if self._frames is None or self._frames[0] != length:
            found = self.hear(np.zeros((1, length), np.float32)).frames
            self._frames = length, 0 if found is None else found.shape[1]
        return frames.edges(self.middles(self.grid, self._frames[1]), length, self.sample_rate)

    def middles(self, grid: Grid, count: int) -> Floats:
        """(count,) samples into a window: the middles of moments that lie so in the net's input."""
        length, _ = self.windows.samples(self.sample_rate)
        places = grid.middles(count)
        feature: Any = self.features
        return np.asarray(feature.middles(places, length) if self.input == "maps" else places, np.float64)

    def framewise(self) -> Framewise | None:
        """What scores the frames of its windows; None where the net says nothing of moments."""
        return None if self.grid is None else Framewise(self)

    def score_windows(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → probabilities (n, tags), both NumPy; in evaluation mode, whatever mode it is in.

        Raises TaggerError for probabilities that are no finite numbers, as of samples far beyond full scale.
        """
        return finite(self._probabilities(self.hear(waves)), waves, "scores")

    def predicted(self, waves: NDArray[np.float32]) -> Predicted:
        """Windows (n, samples) → scores, embeddings and, where the net has some, scores of frames."""
        return self._predicted(self.hear(waves))

    def predicted_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> Predicted:
        """As `predicted` of the first `count` windows of a wave (samples,), `hop` samples apart, sharing what they can."""
        return self._predicted(self.hear_overlapping(wave, hop, count))

    def embed_windows(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → embeddings (n, width)."""
        return finite(self.predicted(waves).embedding, waves, "embeddings")

    def embed_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> NDArray[np.float32]:
        """As `embed_windows` of overlapping windows, sharing what they can."""
        return finite(self.predicted_overlapping(wave, hop, count).embedding, wave, "embeddings")

    def hear(self, waves: NDArray[np.float32]) -> Prediction:
        """Windows (n, samples) → Prediction, in evaluation mode, whatever mode it is in."""
        waves = predicted.samples(waves, 2, "(windows, samples)")
        try:
            self._look("one by one", waves, self._hear)
            return self._hear(waves)
        except ValueError as error:  # of the feature or the net, to which windows may be too short
            raise EarmarkError(f"windows of {counted(waves.shape[1], 'sample')}: {error}") from error

    @property
    def ahead(self) -> bool:
        """Whether it may be asked for the next windows before its answers to these are fetched: on a GPU."""
        return copies.of(self.device).apart

    def begin(self, waves: NDArray[np.float32]) -> Answer:
        """As `score_windows`, but nobody waits: what it gives is called for the scores."""
        return self._begun(self.hear(waves))

    def begin_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> Answer:
        """The same of overlapping windows, as `score_overlapping` takes them."""
        return self._begun(self.hear_overlapping(wave, hop, count))

    def _begun(self, prediction: Prediction) -> Answer:
        with torch.inference_mode():
            return copies.of(self.device).back(probabilities(prediction, self.task))

    def _hear(self, waves: NDArray[np.float32]) -> Prediction:
        with torch.inference_mode():
            there = copies.of(self.device).there(waves)
            with self._timed(*there.shape):
                prediction: Prediction = self._still()(there)
            return prediction

    def _look(self, how: str, windows: NDArray[np.float32], hear: Callable[[NDArray[np.float32]], Prediction]) -> None:
        """Whether a net that computes in fewer digits answers as in float32, once for each way of hearing. Raises TaggerError."""
        if self.precision == "float32" or how in self._trusted:
            return
        exact = self.exact()
        key = f"{self.identity()} torch {torch.__version__} {self.precision} {how} {reduced.place(self.device)}"
        trust.check_reduced(
            self, key, windows, lambda given: self._predicted(hear(given)), lambda one: exact.predicted(one)
        )
        self._trusted.add(how)

    @property
    def together(self) -> int:
        """Overlapping windows that are scored at once by `score_overlapping`; 0 where that saves too little."""
        return self.sharing.together

    @property
    def pace(self) -> str:
        """See `earmark.inference.pace`. Of a GPU: '', which is the busier the more windows it is given."""
        if self.device.type != "cpu":
            return ""
        self._computed = self._computed or pacing.computed(self.recipe, len(self.vocabulary))
        how = "" if self.precision == "float32" else f" {self.precision}"
        return pacing.key(self._computed, f"torch {torch.__version__}{how}", torch.get_num_threads())

    @property
    def sharing(self) -> Sharing:
        """How its windows are scored, and what they share."""
        length, hop = self.windows.samples(self.sample_rate)
        if self._plan is None or self._plan[0] != (length, hop):
            made = PLANS.of(self._planned_by(length, hop), lambda: plan(self, length, hop))
            self._plan = ((length, hop), made)
        return self._plan[1]

    def _planned_by(self, length: int, hop: int) -> tuple[object, ...]:
        """All that a plan depends on: taggers that differ in their weights' values only share one."""
        told = self.recipe.as_dict()
        parts = {name: told.get(name) for name in ("net", "head", "features", "resize", "normalise", "sample_rate")}
        shapes = tuple((name, tuple(value.shape), value.dtype) for name, value in self.state_dict().items())
        kinds = tuple(type(module) for module in self.modules())
        return json.dumps(parts, sort_keys=True), kinds, shapes, len(self.vocabulary), length, hop

    def score_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> NDArray[np.float32]:
        """As `score` of the first `count` windows of a wave (samples,), `hop` samples apart, but sharing what they can."""
        return finite(self._probabilities(self.hear_overlapping(wave, hop, count)), wave, "scores")

    def hear_overlapping(
        self, wave: NDArray[np.float32], hop: int, count: int, trace: Trace | None = None
    ) -> Prediction:
        """The Prediction of `count` windows, `hop` samples apart, of a wave (samples,)."""
        length, _ = self.windows.samples(self.sample_rate)
        wave = predicted.samples(wave, 1, "(samples,)")
        if self.precision != "float32" and trace is None:
            few = np.stack([wave[k * hop : k * hop + length] for k in range(min(count, trust.LOOKED_AT))])
            self._look("shared", few, lambda _: self._hear_stretch(wave, hop, count))
        return self._hear_stretch(wave, hop, count, trace)

    def _hear_stretch(self, wave: NDArray[np.float32], hop: int, count: int, trace: Trace | None = None) -> Prediction:
        length, _ = self.windows.samples(self.sample_rate)
        with torch.inference_mode():
            waves = copies.of(self.device).there(wave)[None]
            with self._timed(length, hop, count):
                return separate(self._still()(overlapping(waves, length, hop, count, trace)))

    def _timed(self, *what: int) -> AbstractContextManager[None]:
        """Around a computation of that much: see `earmark.inference.waiting`."""
        return waiting.measured((id(self), *what)) if self.device.type == "cpu" else nullcontext()

    def _still(self) -> Tagger:
        """Itself in evaluation mode; while it is trained, a copy: threads that listen must not change what they hear with."""
        if not any(part.training for part in self.modules()):
            return self
        return copy.deepcopy(self).eval()

    def _predicted(self, prediction: Prediction) -> Predicted:
        with torch.inference_mode():
            moments = None if prediction.frames is None else activated(prediction.frames, self.task).cpu().numpy()
            return Predicted(self._probabilities(prediction), prediction.embedding.float().cpu().numpy(), moments)

    def _probabilities(self, prediction: Prediction) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(probabilities(prediction, self.task).cpu().numpy(), np.float32)

    @property
    def plugged(self) -> list[dict[str, Any]]:
        """What its file tells of plug-ins."""
        return [need.as_dict() for need in self.needs]

    def trainable(self) -> Tagger:
        """A copy that can be trained: in training mode, with gradients where its net wants them. Itself stays as it is.

        What is loaded is frozen: its parameters want no gradients, so that nobody changes it by listening.

        Its facts are those of this tagger, and once its weights have changed its figures are no longer its own: `save` leaves those
        of tests, validation and false alarms out, and rules and thresholds that were chosen, and says so in the log `earmark`.
        What it learnt from stays in its file; clips that it is trained on now nobody can tell but you. Raises TaggerError where a
        plug-in that it was built by has been replaced since.
        """
        needs.check_same(self.needs, self.recipe)
        other = build(self.recipe, self.vocabulary)
        other.load_state_dict(self.state_dict())
        other.facts = self.facts.measured(self.identity)
        return other.to(self.device).train()

    def identity(self) -> str:
        """Twelve hexadecimal digits that change with the weights, the vocabulary or the recipe."""
        return taggerfile.identity(self._weights(), self.recipe, self.vocabulary)

    def _weights(self) -> dict[str, NDArray[Any]]:
        return {name: value.detach().contiguous().cpu().numpy() for name, value in self.state_dict().items()}

    def stored(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The weights, and what else its file tells. Graphs and figures of other weights than these are left out."""
        weights, head = self._weights(), {"recipe": self.recipe.as_dict(), "vocabulary": list(self.vocabulary)}
        identity = taggerfile.identity(weights, self.recipe, self.vocabulary)
        told, own = graphs.stored(self.graphs, self.quantised, identity)
        return weights | own, {**head, **needs.told(self.needs), "facts": self.facts.written(identity), **told}

    @checked
    def save(self, path: str | Path) -> None:
        """Write the tagger file; the old one stays whole until the new one is."""
        weights, head = self.stored()
        taggerfile.write(path, weights, {"format": FORMAT, **head})


def _again(_: needs.Brought, kind: type[Tagger]) -> Tagger:
    """Of a pickle: an empty one, whose plug-ins are loaded, so that the classes of its net are found."""
    return kind.__new__(kind)


@checked
def build(recipe: Recipe, vocabulary: Sequence[str], held: size.Shapes | None = None) -> Tagger:
    """An untrained tagger. Raises RecipeError where feature, net and window do not fit together, or are beyond the bounds, and for a tag
    that names nothing.

    held: the shapes of the weights that are to be put into it. Raises ValueError where its net has others, before any are made.
    """
    if (place := nameless(vocabulary)) is not None:
        tag = f"tag {place + 1} of {len(vocabulary)} is {vocabulary[place]!r}, which names nothing"
        raise RecipeError(recipe.name, [f"{tag}: give each a name of its own"])
    return Tagger(*making.make(recipe, len(vocabulary), held), vocabulary, recipe)
