"""A net that is nothing but a graph: an ONNX file that others made, of whose layers nothing is known.

Its recipe names the net `onnx`, with what must be known to ask it: which output is the scores, which the embedding, what the
scores are, and in which order the axes of its input lie. The graph lies in the tagger's file as others do, and its weights as
tensors under `box.`.

A layout is the axes of the input in words: of waves `windows samples`; of maps such as `windows frames bands`; a 1 is an axis of
one. Without `windows` it takes one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from earmark.engines.sessions import Session
from earmark.errors import TaggerError, counted
from earmark.models.predicted import Predicted, probabilities
from earmark.scores import Task

NET = "onnx"
WAVES = ("windows samples", "windows 1 samples", "windows samples 1", "samples")
MAPS = (
    "windows channels bands frames", "windows channels frames bands", "windows bands frames channels",
    "windows frames bands channels", "windows bands frames", "windows frames bands",
)  # fmt: skip
NO_EMBEDDING = (
    "this tagger's net has no embedding that is known: adopt its ONNX file again, and say with --embedding which of its "
    "outputs is one"
)
Values = Literal["logits", "probabilities"]
Floats = NDArray[np.float32]


def no_net(who: str) -> str:
    return (
        f"{who} has the graph of an ONNX file for its net, as others made it, which --engine onnxruntime or openvino runs in "
        "float32: no net of PyTorch stands behind it"
    )


def is_box(head: Mapping[str, Any]) -> bool:
    """head: what a tagger's file tells."""
    recipe = head.get("recipe")
    net = recipe.get("net") if isinstance(recipe, Mapping) else None
    return (net.get("name") if isinstance(net, Mapping) else net) == NET


@dataclass(frozen=True)
class Box:
    """How it is asked. scores, embedding: names of its outputs. layout: of its input. several: whether it takes several windows.

    sha256: of the file that it was made from. rounded: whether it computes in whole numbers somewhere.
    """

    sha256: str
    layout: str
    several: bool
    scores: str
    values: Values
    embedding: str | None = None
    rounded: bool = False

    @staticmethod
    def read(plain: Mapping[str, Any]) -> Box:
        """Raises TaggerError for what is no description of one."""
        layout, values, embedding = plain.get("layout"), plain.get("values"), plain.get("embedding")
        if layout not in (*WAVES, *MAPS) or values not in ("logits", "probabilities") or not plain.get("scores"):
            raise TaggerError(
                f"its net {NET} says {dict(plain)!r:.200}, and of it layout, scores and values must be known"
            )
        return Box(
            str(plain.get("sha256", "")),
            layout,
            plain.get("several") is True,
            str(plain["scores"]),
            cast(Values, values),
            None if embedding is None else str(embedding),
            plain.get("rounded") is True,
        )

    def as_dict(self) -> dict[str, Any]:
        """The arguments of its recipe's net."""
        told = {"sha256": self.sha256, "layout": self.layout, "several": self.several, "scores": self.scores}
        told |= {"values": self.values} | ({"embedding": self.embedding} if self.embedding else {})
        return told | ({"rounded": True} if self.rounded else {})

    def asked(self, session: Session, names: Sequence[str]) -> Session:
        """As a session that takes windows as others do → [scores (n, tags), embedding (n, width)]; its width may be 0.

        names: of the graph's outputs, in order. Raises TaggerError where those that it wants are not among them.
        """
        wanted = [self.scores, *([self.embedding] if self.embedding else [])]
        if missing := [name for name in wanted if name not in names]:
            raise TaggerError(f"its graph has no output {missing[0]!r}, but {', '.join(names)}")
        return _Asked(self, session, [names.index(name) for name in wanted])

    def laid(self, windows: Floats) -> Floats:
        """Waves (n, samples), or maps (n, channels, bands, frames) → the graph's input."""
        axes = self.layout.split()
        if "samples" in axes:
            one = windows if "windows" in axes else windows.reshape(-1)
            place = {"windows 1 samples": 1, "windows samples 1": 2}.get(self.layout)
            return np.ascontiguousarray(one if place is None else np.expand_dims(one, place))
        known = windows if "channels" in axes else windows[:, 0]
        order = [
            ["windows", *(["channels"] if "channels" in axes else []), "bands", "frames"].index(axis) for axis in axes
        ]
        return np.ascontiguousarray(known.transpose(order))

    def answered(self, outputs: Sequence[Floats], task: Task) -> Predicted:
        """What `asked` gives → Predicted."""
        scores, embedding = outputs
        return Predicted(scores if self.values == "probabilities" else probabilities(scores, task), embedding)


class _Asked:
    """See `Box.asked`. places: of the scores and the embedding among the graph's outputs."""

    def __init__(self, box: Box, session: Session, places: Sequence[int]):
        self.box, self.session, self.places = box, session, places

    def __call__(self, inputs: Sequence[Floats]) -> list[Floats]:
        (windows,) = inputs
        parts = [windows] if self.box.several else [windows[each : each + 1] for each in range(len(windows))]
        told = [self._outputs(part) for part in parts]
        return [np.concatenate(sides) for sides in zip(*told, strict=True)]

    def _outputs(self, windows: Floats) -> list[Floats]:
        given = self.session([self.box.laid(windows)])
        found = [flat(given[place], len(windows)) for place in self.places]
        return found if len(found) == 2 else [*found, np.zeros((len(windows), 0), np.float32)]


def flat(output: Floats, count: int) -> Floats:
    """An output of `count` windows → (windows, numbers). Raises TaggerError for what has more axes than these of above 1."""
    sides = output.shape
    kept = sides[1:] if sides[:1] == (count,) else sides
    fitting = sides[:1] == (count,) or count == 1
    if not fitting or sum(side != 1 for side in kept) > 1:
        raise TaggerError(
            f"an output of its graph has the shape {sides} for {counted(count, 'window')}, and one row of numbers for each "
            "is wanted"
        )
    return output.reshape(count, -1)
