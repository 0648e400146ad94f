"""A tagger's net as ONNX graphs: for earmark's own engines, without weights, and for the world outside, whole.

What is exported is what runs: the net's own `forward`, traced by `torch.export`. The graph of a stretch is that of
`earmark.windows.overlap` going through the net, so that engines share the work of overlapping windows as PyTorch does.
The whole has the feature inside, its Fourier transform as a product with the cosines and sines of each bin: slower than
a fast transform, but made of operators that every runtime has.

Every graph is loaded and run before anybody is given it (see `prove`).
"""

from __future__ import annotations

import copy
import io
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.engines import graph as onnxgraph
from earmark.errors import TaggerError
from earmark.models.features import spectrum
from earmark.models.graphs import Graph
from earmark.models.prediction import Prediction, activated, probabilities, separate
from earmark.models.tagger import Tagger
from earmark.windows.overlap import Overlap, Trace, overlapping

NEEDS = ("onnx", "onnxscript", "onnxruntime")  # the extra `export`
MOST_BATCH = 1 << 20
SIZES = (64, 16, 8, 4, 2)  # of stretches, beside as many windows as are worth it
MOST_SIZES = 4
BATCH = 3  # of the example that is traced: not 1, which torch.export takes for a constant


def check_installed() -> None:
    """Raises TaggerError where what writes graphs is missing."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise TaggerError(f"export needs {', '.join(missing)}: `pip install 'earmark[export]'`")


class Body(nn.Module):
    """The net's inputs, windows one by one → (levels, embedding, and frames where it has some)."""

    def __init__(self, tagger: Tagger):
        super().__init__()
        self.net = tagger.net

    def forward(self, *inputs: Any) -> tuple[Tensor, ...]:
        prediction: Prediction = self.net(*inputs)
        told = (prediction.levels.float(), prediction.embedding.float())
        return told if prediction.frames is None else (*told, prediction.frames.float())


class Stretch(Body):
    """The same of a stretch of `count` overlapping windows. alike: of each input, what stands for its windows."""

    def __init__(self, tagger: Tagger, alike: Sequence[Overlap]):
        super().__init__(tagger)
        self.settings = [(one.count, one.step, one.length) for one in alike]

    def forward(self, *inputs: Any) -> tuple[Tensor, ...]:
        windows = [
            Overlap(wave, 1, 1, count, step, length, None, None, Trace())
            for wave, (count, step, length) in zip(inputs, self.settings, strict=True)
        ]
        prediction = separate(self.net(*windows))
        told = (prediction.levels.float(), prediction.embedding.float())
        return told if prediction.frames is None else (*told, prediction.frames.float())


class Whole(nn.Module):
    """Waves (windows, samples) → (scores, logits, embedding, and scores of frames where the net has some)."""

    def __init__(self, tagger: Tagger):
        super().__init__()
        self.tagger = tagger

    def forward(self, waves: Tensor) -> tuple[Tensor, ...]:
        prediction = self.tagger(waves)
        task = self.tagger.task
        told = (probabilities(prediction, task), prediction.levels.float(), prediction.embedding.float())
        return told if prediction.frames is None else (*told, activated(prediction.frames, task))


def body(tagger: Tagger, *, lengths: bool = False) -> Graph:
    """The graph that scores windows one by one, any number at once. lengths: and of other lengths too, if it can be traced so."""
    own = _still(tagger)
    inputs = _inputs(own, BATCH)
    model = _exported(Body(own), inputs, _names(own), _outputs(own, "logits"), dynamic=True, lengths=lengths)
    return _graph(own, tagger, model)


def stretch(tagger: Tagger, count: int) -> Graph | None:
    """The graph of `count` overlapping windows at once; None where only PyTorch can share them.

    That is so where a feature's frames do not fall on the same samples in every window: centred frames, a hop that is no
    multiple of the feature's, maps that are resized, waves that are made equally loud.
    """
    own = _still(tagger)
    length, hop = own.windows.samples(own.sample_rate)
    if own.recipe.normalise != "none":
        return None
    wave = torch.zeros(1, (count - 1) * hop + length)
    stand = overlapping(wave, length, hop, count)
    with torch.inference_mode():
        maps = own.features(stand) if own.input != "waves" else stand
    alike = {"waves": [stand], "maps": [maps], "both": [stand, maps]}[own.input]
    if not all(isinstance(one, Overlap) and one.phases == 1 and not one.before and not one.behind for one in alike):
        return None
    inputs = tuple(one.shared.clone() for one in alike)
    model = _exported(Stretch(own, alike), inputs, _names(own), _outputs(own, "logits"), dynamic=False)
    return _graph(own, tagger, model, count, hop)


def sizes(tagger: Tagger) -> list[int]:
    """How many overlapping windows the graphs of stretches are for: as many as are worth it, and fewer for short recordings."""
    most = tagger.together
    # each half or a quarter of the one before: what is left over of a long stretch must not go through many short ones
    return [most, *(size for size in SIZES if size <= most // 2)][:MOST_SIZES] if most > 1 else []


def whole(tagger: Tagger, *, lengths: bool = False) -> bytes:
    """An ONNX model from waves to scores, dynamic in the number of windows; and in their length, if it can be traced so."""
    own = _still(tagger)
    for part in own.modules():
        if isinstance(part, spectrum.Spectrum):
            part.__class__ = _Products
    length, _ = own.windows.samples(own.sample_rate)
    waves = torch.zeros(BATCH, length)
    return _exported(Whole(own), (waves,), ["waves"], _outputs(own, "scores", "logits"), dynamic=True, lengths=lengths)


class _Products(spectrum.Spectrum):
    """A spectrum by products with cosines and sines, whole batches at once: see the module."""

    def blocks(self, waves: Tensor) -> list[Tensor]:
        return [self.cut(waves)]

    def power(self, frames: Tensor) -> Tensor:
        span = frames.shape[-1]
        turns = 2 * math.pi / self.fft * torch.outer(torch.arange(span).double(), torch.arange(self.bins).double())
        window = self.window[:, None]
        # in float64: of a frame with a click, sums in float32 lose what is far softer in other bands
        product = (frames @ torch.cat([torch.cos(turns) * window, torch.sin(turns) * window], 1)).float()
        power: Tensor = product[..., : self.bins].square() + product[..., self.bins :].square()
        return power


def _still(tagger: Tagger) -> Tagger:
    return copy.deepcopy(tagger).cpu().eval().requires_grad_(False)


def _inputs(tagger: Tagger, batch: int) -> tuple[Tensor, ...]:
    length, _ = tagger.windows.samples(tagger.sample_rate)
    waves = torch.randn(batch, length, generator=torch.Generator().manual_seed(0)) / 10
    with torch.inference_mode():
        waves = tagger.normalised(waves)
        maps = () if tagger.input == "waves" else (tagger.features(waves).clone(),)
    return maps if tagger.input == "maps" else (waves.clone(), *maps)


def _names(tagger: Tagger) -> list[str]:
    return ["waves", "maps"] if tagger.input == "both" else [tagger.input]


def _outputs(tagger: Tagger, *first: str) -> list[str]:
    return [*first, "embedding", *(["frames"] if tagger.grid is not None else [])]


def _exported(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: list[str],
    outputs: list[str],
    *,
    dynamic: bool,
    lengths: bool = False,
) -> bytes:
    check_installed()
    batch = torch.export.Dim("windows", min=1, max=MOST_BATCH)
    long = torch.export.Dim.DYNAMIC  # of waves and maps each by itself: tracing fails where it would be a constant
    given = tuple({0: batch, **({wave.ndim - 1: long} if lengths else {})} for wave in inputs) if dynamic else None
    shapes = (given,) if given is not None and isinstance(module, Body) else given
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            inputs,
            dynamo=True,
            input_names=names,
            output_names=outputs,
            dynamic_shapes=shapes,
            verbose=False,
            # of a graph without its weights nothing is worked into these: the engine does it when it loads them
            optimize=not isinstance(module, Body),
        )
        assert program is not None
        file = io.BytesIO()
        program.save(file)  # type: ignore[arg-type]  # it takes what has `write` too
    return file.getvalue()


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's remarks on packages that are not there, and on itself."""
    known = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(known)


def _graph(own: Tagger, tagger: Tagger, model: bytes, count: int = 0, hop: int = 0) -> Graph:
    """The graph without the weights that the tagger's file has anyway."""
    bare, names = without_weights(model, {name: value.numpy() for name, value in own.state_dict().items()})
    length, _ = own.windows.samples(own.sample_rate)
    frames = None if own.grid is None else tuple(float(edge) for edge in own.frame_edges)
    made = {name: metadata.version(name).partition("+")[0] for name in ("torch", "onnx")}
    return Graph(bare, "float32", own.input, length, names, tagger.identity(), count, hop, frames, made)


def without_weights(model: bytes, weights: Mapping[str, NDArray[Any]]) -> tuple[bytes, tuple[str, ...]]:
    """(the graph without those of its tensors that are among the weights, the names of these).

    What the exporter notes of where code lies goes too: it names folders of this machine.
    """
    import onnx
    from onnx import numpy_helper

    told = onnx.load_from_string(model)
    kept, names = [], []
    for tensor in told.graph.initializer:
        other = weights.get(tensor.name)
        if (
            other is not None
            and other.shape == tuple(tensor.dims)
            and np.array_equal(numpy_helper.to_array(tensor), other)
        ):
            names.append(tensor.name)
        else:
            kept.append(tensor)
    del told.graph.initializer[:]
    told.graph.initializer.extend(kept)
    return bare(told), tuple(names)


def bare(model: Any) -> bytes:
    """An ONNX model as bytes, without notes: of nodes, of values, of functions that nothing calls."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for place in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        place.ClearField("metadata_props")
        place.ClearField("doc_string")
    for name in ("value_info", "metadata_props", "doc_string"):
        model.graph.ClearField(name)
    for name in ("metadata_props", "doc_string", "functions"):
        model.ClearField(name)
    told: bytes = model.SerializeToString(deterministic=True)
    onnxgraph.check(told, "export") if len(told) <= onnxgraph.LARGEST else None
    return told
