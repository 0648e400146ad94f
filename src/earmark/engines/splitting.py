"""An ONNX file that others made, taken apart: the graph without its large weights, and these as arrays, by name.

The other way round is `earmark.engines.graph.with_weights`. Weights under `SMALLEST` bytes, and those that are stored otherwise
than as raw bytes or as float32 one by one, stay in the graph.

Source: onnx.proto3 of ONNX 1.23, messages ModelProto, GraphProto, TensorProto, ValueInfoProto.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.engines import graph as onnx
from earmark.engines.graph import BYTES, FIXED32, TYPES, VARINT, again, field, fields
from earmark.errors import counted

SMALLEST = 1024  # bytes of a weight that is worth an entry of its own
GRAPH, OPERATORS, TENSOR, OUTPUT = 7, 8, 5, 12  # fields: two of a model, two of a graph
DIMS, TYPE, FLOATS, NAME, RAW = 1, 2, 4, 8, 9  # of a tensor
KINDS = {number: np.dtype(name).newbyteorder("<") for name, number in TYPES.items()}
Weights = dict[str, NDArray[Any]]


def split(model: bytes) -> tuple[bytes, Weights]:
    """(the model without them, its large weights). Raises ValueError for a weight that is not as large as its sides say.

    Sets of operators other than the standard one, which exporters name whether a node is of them or not, are left out: what
    is of them is refused by `earmark.engines.graph.check`, which must follow.
    """
    weights: Weights = {}
    parts = [
        field(GRAPH, _graph(value, weights)) if (place, kind) == (GRAPH, BYTES) else again(place, kind, value)
        for place, kind, value in fields(model)
        if (place, kind) != (OPERATORS, BYTES) or _domain(value) in onnx.STANDARD
    ]
    return b"".join(parts), weights


def _domain(message: memoryview) -> str:
    return next((bytes(value).decode("utf-8", "replace") for place, _, value in fields(message) if place == 1), "")


def _graph(message: memoryview, weights: Weights) -> bytes:
    kept = []
    for place, kind, value in fields(message):
        if (place, kind) == (TENSOR, BYTES) and len(value) >= SMALLEST and (found := _tensor(value)) is not None:
            name, array = found
            if name in weights:
                raise ValueError(f"it has two weights called {name!r}")
            weights[name] = array
        else:
            kept.append(again(place, kind, value))
    return b"".join(kept)


def _tensor(message: memoryview) -> tuple[str, NDArray[Any]] | None:
    """(name, values); None for one that stays in the graph."""
    sides: list[int] = []
    kind, name, raw = 0, "", b""
    for place, wire, value in fields(message):
        if place == DIMS:
            sides += [value] if wire == VARINT else _packed(value)
        elif place == TYPE:
            kind = value
        elif place == NAME:
            name = bytes(value).decode("utf-8", "replace")
        elif place == RAW or (place == FLOATS and wire in (BYTES, FIXED32)):
            raw += bytes(value)
    if kind not in KINDS or not raw or not name:
        return None
    wanted = int(np.prod(sides, dtype=object)) * KINDS[kind].itemsize
    if wanted != len(raw):
        raise ValueError(f"its weight {name!r} has {counted(len(raw), 'byte')}, and its sides {sides} want {wanted:,}")
    return name, np.frombuffer(raw, KINDS[kind]).reshape(sides)


def _packed(value: memoryview) -> list[int]:
    """Whole numbers one after the other, as a list of one field each would tell them."""
    numbers, at = [], 0
    while at < len(value):
        each, at = onnx.varint(value, at)
        numbers.append(each)
    return numbers


def outputs(model: bytes) -> list[str]:
    """The names of a graph's outputs, in order."""
    return [
        bytes(value).decode("utf-8", "replace")
        for place, kind, graph in fields(model)
        if (place, kind) == (GRAPH, BYTES)
        for at, wire, told in fields(graph)
        if (at, wire) == (OUTPUT, BYTES)
        for number, _, value in fields(told)
        if number == 1
    ]
