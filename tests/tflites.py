"""Made-up TensorFlow Lite files: a writer of FlatBuffers, and a small net of YAMNet's layout with weights by chance."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Child = Callable[[bytearray], int]
Fields = dict[int, "tuple[str, float] | Child"]
CODES = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "DEQUANTIZE": 6, "FULLY_CONNECTED": 9, "LOGISTIC": 14, "RESHAPE": 22,
    "SOFTMAX": 25, "MEAN": 40, "SPLIT": 49, "QUANTIZE": 114,
}  # fmt: skip
KINDS = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "int8": 9}
FRAMES, BANDS = 96, 64


def align(data: bytearray, to: int = 8) -> None:
    data += bytes(-len(data) % to)


def table(fields: Fields) -> Child:
    """fields: by index a number with its form, or what is written behind the table."""

    def write(data: bytearray) -> int:
        count = max(fields, default=-1) + 1
        places, size = [0] * count, 4
        for index, value in fields.items():
            width = 4 if callable(value) else struct.calcsize(value[0])
            places[index] = size = -(-size // width) * width
            size += width
        align(data)
        vtable = len(data)
        data += struct.pack(f"<{2 + count}H", 4 + 2 * count, size, *places)
        align(data)
        at = len(data)
        data += bytes(size)
        struct.pack_into("<i", data, at, at - vtable)
        for index, value in fields.items():
            slot = at + places[index]
            if callable(value):
                struct.pack_into("<I", data, slot, value(data) - slot)
            else:
                struct.pack_into("<" + value[0], data, slot, value[1])
        return at

    return write


def numbers(values: Any, kind: str) -> Child:
    def write(data: bytearray) -> int:
        cells = np.asarray(values, kind)
        align(data)
        data += bytes(4)  # the values begin at a multiple of 8
        at = len(data)
        data += struct.pack("<I", cells.size) + cells.tobytes()
        return at

    return write


def text(value: str) -> Child:
    return numbers(np.frombuffer(value.encode(), "u1"), "u1")


def tables(children: Sequence[Child]) -> Child:
    def write(data: bytearray) -> int:
        at = numbers(np.zeros(len(children)), "<u4")(data)
        for number, child in enumerate(children):
            slot = at + 4 + 4 * number
            struct.pack_into("<I", data, slot, child(data) - slot)
        return at

    return write


@dataclass
class Writer:
    """Tensors and operators, and the file that they make."""

    tensors: list[Child] = field(default_factory=list)
    operators: list[Child] = field(default_factory=list)
    buffers: list[Child] = field(default_factory=lambda: [table({})])
    codes: list[str] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: str,
        data: Any = None,
        scales: Any = (),
        zeros: Any = None,
        axis: int = 0,
    ) -> int:
        buffer = 0
        if data is not None:
            raw = np.ascontiguousarray(np.asarray(data, kind)).view(np.uint8).ravel()
            self.buffers.append(table({0: numbers(raw, "u1")}))
            buffer = len(self.buffers) - 1
        told: Fields = {0: numbers(shape, "<i4"), 1: ("b", KINDS[kind]), 2: ("I", buffer), 3: text(name)}
        if len(scales):
            zeros = np.zeros(len(scales)) if zeros is None else zeros
            told[4] = table({2: numbers(scales, "<f4"), 3: numbers(zeros, "<i8"), 6: ("i", axis)})
        self.tensors.append(table(told))
        return len(self.tensors) - 1

    def operator(self, name: str, inputs: Sequence[int], output: int, options: Fields | None = None) -> int:
        if name not in self.codes:
            self.codes.append(name)
        told: Fields = {
            0: ("I", self.codes.index(name)),
            1: numbers(inputs, "<i4"),
            2: numbers([output], "<i4"),
        }
        self.operators.append(table(told | ({} if options is None else {4: table(options)})))
        return output

    def file(self, first: int, last: int, version: int = 3) -> bytes:
        codes = [table({0: ("b", min(CODES[name], 127)), 3: ("i", CODES[name])}) for name in self.codes]
        graph = table(
            {0: tables(self.tensors), 1: numbers([first], "<i4"), 2: numbers([last], "<i4"), 3: tables(self.operators)}
        )
        root = table({0: ("I", version), 1: tables(codes), 2: tables([graph]), 4: tables(self.buffers)})
        data = bytearray(b"\0\0\0\0TFL3")
        struct.pack_into("<I", data, 0, root(data))
        return bytes(data)


@dataclass
class Tiny:
    """data: of the file. layers: (kind, stride, weights, biases) in float, as the file has their axes."""

    data: bytes
    layers: list[tuple[str, int, np.ndarray, np.ndarray]]

    def scores(self, patch: np.ndarray) -> np.ndarray:
        """(frames, bands) → (tags,): the same net in NumPy, in the file's own order of axes."""
        x = patch[..., None].astype(np.float64)
        for kind, stride, weights, biases in self.layers[:-1]:
            x = np.clip(_convolved(x, kind, stride, weights) + biases, 0, 6)
        _, _, weights, biases = self.layers[-1]
        return 1 / (1 + np.exp(-(weights @ x.mean((0, 1)) + biases)))


def _convolved(x: np.ndarray, kind: str, stride: int, weights: np.ndarray) -> np.ndarray:
    """SAME by tf.nn's formula; weights (out, time, bands, in), or (1, time, bands, channels) of a depthwise one."""
    kernel = weights.shape[1]
    sizes = [-(-side // stride) for side in x.shape[:2]]
    totals = [max((size - 1) * stride + kernel - side, 0) for size, side in zip(sizes, x.shape[:2], strict=True)]
    padded = np.pad(x, [*((total // 2, total - total // 2) for total in totals), (0, 0)])
    out: Any = 0
    for row in range(kernel):
        for column in range(kernel):
            part = padded[row : row + (sizes[0] - 1) * stride + 1 : stride, column:][
                :, : (sizes[1] - 1) * stride + 1 : stride
            ]
            cell = weights[:, row, column]
            out = out + (part * cell[0] if kind == "DEPTHWISE_CONV_2D" else part @ cell.T)
    return out


def tiny(
    tags: int = 3,
    widths: Sequence[int] = (4, 4, 6),
    strides: Sequence[int] = (1, 2),
    seed: int = 0,
    frames: int = FRAMES,
    last: str = "LOGISTIC",
    padding: int = 0,
    activation: int = 3,
    axes: Sequence[int] = (1, 2),
    version: int = 3,
    poison: float | None = None,
) -> Tiny:
    """A net of YAMNet's layout. widths: of the stem and of each pair. What else it is given spoils it."""
    chance, made, layers = np.random.default_rng(seed), Writer(), []

    def layer(kind: str, stride: int, shape: Sequence[int], axis: int) -> tuple[int, int]:
        count = shape[axis]
        values = chance.integers(-127, 128, shape)
        scales = chance.uniform(0.002, 0.01, count).astype("f4")
        biases, steps = chance.integers(-2000, 2000, count), (scales * np.float32(0.05)).astype("f4")
        sides = [count if side == axis else 1 for side in range(len(shape))]
        layers.append((kind, stride, values * scales.reshape(sides).astype(float), biases * steps.astype(float)))
        if poison is not None:
            scales[0] = poison
        name = f"{kind} {len(layers)}"
        return (
            made.tensor(name, shape, "int8", values, scales, axis=axis),
            made.tensor(f"{name} biases", [count], "int32", biases, steps),
        )

    first = made.tensor("patch", [1, frames, BANDS], "float32")
    now = made.operator("QUANTIZE", [first], made.tensor("q", [1, frames, BANDS], "int8", scales=[0.05], zeros=[17]))
    shape = made.tensor("shape", [4], "int32", [1, frames, BANDS, 1])
    now = made.operator("RESHAPE", [now, shape], made.tensor("r", [1, frames, BANDS, 1], "int8"))
    now = made.operator("SPLIT", [made.tensor("axis", [], "int32", [0]), now], made.tensor("s", [1, frames, BANDS, 1], "int8"))  # fmt: skip

    def convolution(kind: str, stride: int, shape: Sequence[int], axis: int) -> None:
        nonlocal now
        options: Fields = {0: ("b", padding), 1: ("i", stride), 2: ("i", stride)}
        options |= {3: ("b", activation)} if kind == "CONV_2D" else {3: ("i", 1), 4: ("b", activation)}
        output = made.tensor("map", [1, 1, 1, shape[axis]], "int8")
        now = made.operator(kind, [now, *layer(kind, stride, shape, axis)], output, options)

    convolution("CONV_2D", 2, [widths[0], 3, 3, 1], 0)
    for before, width, stride in zip(widths, widths[1:], strides, strict=False):
        convolution("DEPTHWISE_CONV_2D", stride, [1, 3, 3, before], 3)
        convolution("CONV_2D", 1, [width, 1, 1, before], 0)
    mean = made.tensor("axes", [len(axes)], "int32", axes)
    now = made.operator("MEAN", [now, mean], made.tensor("mean", [1, 1, 1, widths[-1]], "int8"), {0: ("b", 1)})
    dense = layer("FULLY_CONNECTED", 1, [tags, widths[-1]], 0)
    now = made.operator("FULLY_CONNECTED", [now, *dense], made.tensor("logits", [1, tags], "int8"), {0: ("b", 0)})
    now = made.operator(last, [now], made.tensor("scores", [1, tags], "int8"))
    now = made.operator("DEQUANTIZE", [now], made.tensor("final", [1, tags], "float32"))
    return Tiny(made.file(first, now, version), layers)
