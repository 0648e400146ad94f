"""TensorFlow Lite files: what a model's tensors and operators are, and its weights as float. Nothing is run.

The schema is tensorflow/lite/schema/schema.fbs, version 3; of it one subgraph is read: tensors with shape, type, name,
quantisation and data, operators with inputs, outputs and the options of those in `OPTIONS`. A quantised value q stands
for (q − zero point) · scale, with one pair a tensor or one for each index of `axis`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import TaggerError, counted
from earmark.models.adopted.flatbuffer import Bytes, Table

LARGEST = 64 << 20  # bytes of a file
AXES, SIDES = 8, 64  # of a tensor; inputs and outputs of an operator, or of the model
CHANNELS = 1 << 16  # pairs of scale and zero point
NUMBERS = 1 << 26  # of a tensor

TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "u1", 7: "<i2", 9: "i1", 10: "<f8"}
# Builtin codes of schema.fbs, the operators that nets of sound have
OPERATORS = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE",
    9: "FULLY_CONNECTED", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 21: "RELU6", 22: "RESHAPE",
    25: "SOFTMAX", 28: "TANH", 32: "CUSTOM", 34: "PAD", 36: "GATHER", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV",
    43: "SQUEEZE", 45: "STRIDED_SLICE", 49: "SPLIT", 53: "CAST", 55: "MAXIMUM", 70: "EXPAND_DIMS", 73: "LOG", 74: "SUM",
    75: "SQRT", 77: "SHAPE", 82: "REDUCE_MAX", 83: "PACK", 88: "UNPACK", 92: "SQUARE", 99: "SQUARED_DIFFERENCE",
    101: "ABS", 114: "QUANTIZE", 117: "HARD_SWISH", 126: "BATCH_MATMUL", 131: "RFFT2D", 155: "COMPLEX_ABS",
}  # fmt: skip
# Fields of an operator's options: name → (index, form, default)
CONVOLUTION = {"padding": (0, "b", 0), "stride_w": (1, "i", 0), "stride_h": (2, "i", 0)}
OPTIONS: dict[str, dict[str, tuple[int, str, int]]] = {
    "CONV_2D": {**CONVOLUTION, "activation": (3, "b", 0), "dilation_w": (4, "i", 1), "dilation_h": (5, "i", 1)},
    "DEPTHWISE_CONV_2D": {
        **CONVOLUTION,
        "multiplier": (3, "i", 0),
        "activation": (4, "b", 0),
        "dilation_w": (5, "i", 1),
        "dilation_h": (6, "i", 1),
    },
    "FULLY_CONNECTED": {"activation": (0, "b", 0), "format": (1, "b", 0)},
    "MEAN": {"keep": (0, "b", 0)},
}


@dataclass(frozen=True, eq=False)
class Tensor:
    """data: as the file holds it, empty where it is computed. scales, zeros: one, or one for each index of `axis`."""

    name: str
    shape: tuple[int, ...]
    kind: str
    data: NDArray[Any]
    scales: NDArray[np.float32]
    zeros: NDArray[np.int64]
    axis: int

    @property
    def constant(self) -> bool:
        return bool(self.data.size)

    def values(self) -> NDArray[np.float32]:
        """The constant in float, dequantised. Raises ValueError where it is none, or not finite."""
        if not self.constant:
            raise ValueError(f"{self.name} has no data")
        whole = self.data.reshape(self.shape)
        if self.scales.size:
            sides = [1] * len(self.shape)
            if self.scales.size > 1:
                sides[self.axis] = self.scales.size
            scales, zeros = (each.reshape(sides).astype(np.float64) for each in (self.scales, self.zeros))
            whole = (whole.astype(np.float64) - zeros) * scales
        made = whole.astype(np.float32)
        if not np.isfinite(made).all():
            raise ValueError(f"{self.name} holds values that are not finite")
        return made


@dataclass(frozen=True)
class Operator:
    """inputs, outputs: places in the model's tensors, −1 for an input that is left out. options: those of `OPTIONS`."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Model:
    """One subgraph, its operators in the order in which they run."""

    place: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def load(path: str | Path) -> tuple[Model, bytes]:
    """(what a file holds, the file's bytes). Raises TaggerError for every file that is none, is cut or altered."""
    path = Path(path)
    check_size(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST)
    except OSError as error:
        raise TaggerError(f"{path}: cannot be read ({error.strerror})") from error
    return read(data, str(path)), data


def check_size(path: Path) -> None:
    """Raises TaggerError for a file that is larger than one may be, or that cannot be looked at."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise TaggerError(f"{path}: cannot be read ({error.strerror})") from error
    if size > LARGEST:
        raise TaggerError(
            f"{path}: has {counted(size, 'byte')}, more than the {LARGEST:,} that a TensorFlow Lite file may have"
        )


def read(data: bytes, place: str) -> Model:
    """See `load`."""
    if not data:
        raise TaggerError(f"{place}: is empty. Fetch it again")
    if data[4:8] != b"TFL3":
        raise TaggerError(f"{place}: is no TensorFlow Lite file (it does not open like one)")
    file = Bytes(data, place)
    root = file.root()
    if (version := root.number(0, "I")) != 3:
        raise TaggerError(f"{place}: is of version {version} of TensorFlow Lite's schema, and this reads version 3")
    codes, graphs, buffers = ([*root.tables(index)] for index in (1, 2, 4))
    if len(graphs) != 1:
        raise TaggerError(f"{place}: has {counted(len(graphs), 'subgraph')}, and a net to adopt has one")
    graph = graphs[0]
    tensors = tuple(_tensor(each, buffers) for each in graph.tables(0))
    names = [_name(code) for code in codes]
    operators = tuple(_operator(each, names, len(tensors)) for each in graph.tables(3))
    return Model(place, tensors, operators, *(_places(graph, index, len(tensors)) for index in (1, 2)))


def _name(code: Table) -> str:
    number = max(code.number(0, "b"), code.number(3, "i"))
    return code.text(1) or "CUSTOM" if number == 32 else OPERATORS.get(number, f"operator {number}")


def _operator(table: Table, names: list[str], tensors: int) -> Operator:
    if (code := table.number(0, "I")) >= len(names):
        raise table.file.refuse(f"an operator is of kind {code:,}, and {counted(len(names), 'is', 'are')} told")
    name, options = names[code], table.table(4)
    read = {
        key: int(options.number(*where)) if options is not None else where[2]
        for key, where in OPTIONS.get(name, {}).items()
    }
    return Operator(name, _places(table, 1, tensors, -1), _places(table, 2, tensors), read)


def _places(table: Table, index: int, tensors: int, lowest: int = 0) -> tuple[int, ...]:
    places = tuple(table.numbers(index, "<i4", SIDES).tolist())
    if any(not lowest <= place < tensors for place in places):
        raise table.file.refuse(f"names tensor {max(places, key=abs):,}, and has {tensors:,}")
    return places


def _tensor(table: Table, buffers: list[Table]) -> Tensor:
    name, number = table.text(3), table.number(1, "b")
    shape = tuple(table.numbers(0, "<i4", AXES).tolist())
    kind = TYPES.get(number, "")
    if not kind or min(shape, default=0) < 0 or math.prod(shape) > NUMBERS:
        raise table.file.refuse(f"tensor {name[:80]!r} is of type {number} and of shape {shape}")
    if (buffer := table.number(2, "I")) >= len(buffers):
        raise table.file.refuse(f"tensor {name[:80]!r} is in buffer {buffer:,}, and there are {len(buffers):,}")
    raw = buffers[buffer].numbers(0, "u1")
    if raw.size and raw.size != math.prod(shape) * np.dtype(kind).itemsize:
        raise table.file.refuse(
            f"tensor {name[:80]!r} of shape {shape} and type {kind} has {counted(raw.size, 'byte')} of data"
        )
    return Tensor(name, shape, kind, raw.view(kind), *_quantisation(table, name, shape))


def _quantisation(
    table: Table, name: str, shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
    """(scales, zero points, axis): none, one or one for each index of the axis."""
    told = table.table(4)
    if told is None:
        return np.empty(0, np.float32), np.empty(0, np.int64), 0
    scales, zeros = told.numbers(2, "<f4", CHANNELS), told.numbers(3, "<i8", CHANNELS)
    axis = told.number(6, "i")
    zeros = zeros if zeros.size else np.zeros(scales.size, np.int64)
    alike = scales.size in (0, 1) or (0 <= axis < len(shape) and scales.size == shape[axis])
    if not alike or zeros.size != scales.size:
        raise table.file.refuse(
            f"tensor {name[:80]!r} of shape {shape} has {counted(scales.size, 'scale')} and "
            f"{counted(zeros.size, 'zero point')} along axis {axis}"
        )
    if not (np.isfinite(scales) & (scales > 0)).all() or (np.abs(zeros) > 1 << 16).any():
        raise table.file.refuse(f"tensor {name[:80]!r} has scales or zero points that are none")
    return scales, zeros, axis
