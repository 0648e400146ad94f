"""The graphs in a tagger's file: its net for engines that know no PyTorch.

The file's header holds them, as ONNX without weights, with what one must know to run them; the weights are those of the
file, or, of an int8 graph, tensors of their own under `int8.`. `earmark export` writes them (`earmark.models.export`).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.engines import graph as onnx
from earmark.engines.sessions import PRECISIONS
from earmark.errors import TaggerError

Input = Literal["waves", "maps", "both"]
Weights = Mapping[str, NDArray[Any]]
KEY = "graphs"  # in the file's header
BOXED = "box."  # begins the names of tensors of a net that is nothing but a graph: see `earmark.models.boxed`
OWN = "int8."  # begins the names of tensors that only a graph has
VERDICT = "verdict"  # of what `made` tells: that it was too far off where it was compared
MOST = 64  # graphs of a tagger


@dataclass(frozen=True)
class Graph:
    """One graph. model: ONNX, without weights. precision: float32 or int8, of its numbers.

    hears: what its inputs are. windows: how many it scores at once, `hop` samples apart, in one stretch; 0: any number, one
    by one. length: samples of a window. weights: the names of its tensors in the file. frames: edges of the frames,
    seconds from the start of a window, or None. of: the identity of the tagger that it was made from.
    """

    model: bytes
    precision: Literal["float32", "int8"]
    hears: Input
    length: int
    weights: tuple[str, ...]
    of: str
    windows: int = 0
    hop: int = 0
    frames: tuple[float, ...] | None = None
    made: Mapping[str, str] | None = None

    def whole(self, weights: Weights) -> bytes:
        """An ONNX model with its weights, which are taken out of those of a tagger's file."""
        own = {name.removeprefix(BOXED if name.startswith(BOXED) else OWN): weights[name] for name in self.weights}
        return onnx.with_weights(self.model, own)

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "model": base64.b64encode(zlib.compress(self.model, 9)).decode(),
            "precision": self.precision,
            "hears": self.hears,
            "length": self.length,
            "weights": list(self.weights),
            "of": self.of,
        }
        told |= {"windows": self.windows, "hop": self.hop} if self.windows else {}
        told |= {"frames": list(self.frames)} if self.frames else {}
        return told | ({"made": dict(self.made)} if self.made else {})


def read(told: Any, where: str, weights: Weights) -> tuple[Graph, ...]:
    """The graphs of a header. weights: those of the file. Raises TaggerError for what is damaged, or not to be run."""
    if told is None:
        return ()
    if not isinstance(told, list) or len(told) > MOST:
        raise TaggerError(f"{where}: its graphs are damaged. Export it again with `earmark export`")
    found = []
    for each in told:
        try:
            found.append(_read(each, where, weights))
        except (LookupError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise TaggerError(
                f"{where}: a graph in it is damaged ({error}). Export it again with `earmark export`"
            ) from error
    return tuple(found)


def _read(told: Mapping[str, Any], where: str, weights: Weights) -> Graph:
    unpacker = zlib.decompressobj()
    model = unpacker.decompress(base64.b64decode(told["model"], validate=True), onnx.LARGEST + 1)
    onnx.check(model, where)
    names = tuple(told["weights"])
    missing = [name for name in names if name not in weights]
    if missing:
        raise ValueError(f"it wants the weights {missing[0]!r}, which the file has not")
    if told["precision"] not in PRECISIONS or told["hears"] not in ("waves", "maps", "both"):
        raise ValueError(f"precision {told['precision']!r}, input {told['hears']!r}")
    numbers = [int(told["length"]), int(told.get("windows", 0)), int(told.get("hop", 0))]
    if numbers[0] < 1 or min(numbers) < 0 or (numbers[1] and not numbers[2]):
        raise ValueError(f"windows of {numbers}")
    frames = told.get("frames")
    edges = None if frames is None else tuple(float(edge) for edge in frames)
    if edges is not None and (len(edges) < 2 or not np.all(np.diff(edges) >= 0)):
        raise ValueError("its frames have no edges")
    made = told.get("made")
    return Graph(
        model,
        told["precision"],
        told["hears"],
        numbers[0],
        names,
        str(told["of"]),
        numbers[1],
        numbers[2],
        edges,
        None if made is None else {str(key): str(value) for key, value in made.items()},
    )


def check_own(graphs: Sequence[Graph], identity: str, where: str) -> None:
    """Raises TaggerError for a graph of another tagger."""
    for graph in graphs:
        if graph.of != identity:
            raise TaggerError(
                f"{where}: a graph in it is of the tagger {graph.of}, and this is {identity}: it would answer for another. "
                "Export it again with `earmark export`"
            )


def pick(graphs: Sequence[Graph], precision: str, length: int) -> Graph | None:
    """The graph that scores windows one by one."""
    numbers = "int8" if precision == "int8" else "float32"
    fitting = (g for g in graphs if not g.windows and g.precision == numbers and g.length == length)
    return next(fitting, None)


def stretches(graphs: Sequence[Graph], precision: str, length: int, hop: int) -> list[Graph]:
    """Those that score several overlapping windows at once, the most first."""
    numbers = "int8" if precision == "int8" else "float32"
    fitting = [g for g in graphs if g.windows and (g.precision, g.length, g.hop) == (numbers, length, hop)]
    return sorted(fitting, key=lambda graph: -graph.windows)


def stored(graphs: Sequence[Graph], own: Weights, identity: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What a file tells of graphs, and the tensors of their own, of those that are of this tagger."""
    kept = [graph for graph in graphs if graph.of == identity]
    names = {name for graph in kept for name in graph.weights if name.startswith(OWN)}
    return ({KEY: [graph.as_dict() for graph in kept]} if kept else {}), {name: own[name] for name in sorted(names)}


def apart(weights: Weights) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """The tensors of a file: those of the net, and those that only graphs have."""
    own = {name: value for name, value in weights.items() if name.startswith(OWN)}
    return {name: value for name, value in weights.items() if name not in own}, own
