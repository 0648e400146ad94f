"""An ONNX graph without its weights: what it may be, and how it gets them back.

A tagger's file holds the weights once, as tensors with names, and its graphs without them. ONNX is a protocol buffer, of
which two that are written one after the other are read as one: so a graph gets its weights as a second message, which
holds nothing else, and no library is needed to write it.

What is read from a file is looked at before an engine sees it: only operators of the standard set, no other file that it
points to, no graphs within it (loops and branches), no functions of its own. Then running it always ends, and reads nothing else.

Source: onnx.proto3 of ONNX 1.23 (numbers of fields and of types), and the protocol buffers' encoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import TaggerError, counted

LARGEST = 16_000_000  # bytes of a graph without its weights; those of the house have up to 200,000
MOST_NODES = 20_000
AGAIN = "Export it again with `earmark export`"
# of onnx.TensorProto.DataType
TYPES = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "float64": 11,
}
STANDARD = ("", "ai.onnx", "ai.onnx.ml")  # sets of operators; of the last none is taken, but exporters name it
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# message → its fields that are messages, by number
FIELDS = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "within", 10: "tensor", 11: "within", 22: "sparse", 23: "sparse"},
    "tensor": {13: "external"},
    "opset": {},
}
REFUSED = {
    "training": "how it was trained",
    "function": "functions of its own",
    "within": "graphs within it (loops or branches)",
    "sparse": "sparse weights",
    "external": "another file with its weights",
}


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int, Any]]:
    """(number, kind, value) of each field of a protocol buffer: an int, or the bytes. Raises ValueError where it is none."""
    view = memoryview(message)
    at, end = 0, len(view)
    while at < end:
        key, at = varint(view, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(view, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = varint(view, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"a field of kind {kind}")
        if size > end - at:
            raise ValueError("a field beyond the end")
        yield number, kind, view[at : at + size]
        at += size


def varint(view: memoryview, at: int) -> tuple[int, int]:
    """(a whole number that begins at a byte, the byte behind it)."""
    value = shift = 0
    while True:
        if at >= len(view) or shift > 63:
            raise ValueError("a number without an end")
        byte = view[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def check(model: bytes, where: str, remedy: str = AGAIN) -> list[str]:
    """Looks at a graph from a file; its operators, in order. where, remedy: begin and end the message. Raises TaggerError."""
    if len(model) > LARGEST:
        raise TaggerError(
            f"{where}: its graph has {counted(len(model), 'byte')} without weights, more than {LARGEST:,}: damaged"
        )
    found: list[str] = []
    try:
        _look(memoryview(model), "model", found)
    except ValueError as error:
        raise TaggerError(f"{where}: its graph cannot be taken: {error}. {remedy}") from error
    if not found:
        raise TaggerError(f"{where}: its graph is empty. {remedy}")
    return found


def _look(message: memoryview, kind: str, found: list[str]) -> None:
    operator = domain = ""
    for number, wire, value in fields(message):
        part = FIELDS[kind].get(number)
        if part in REFUSED:
            raise ValueError(f"it has {REFUSED[part]}")
        if part is not None:
            if wire != BYTES:
                raise ValueError("it is damaged")
            _look(value, part, found)
        elif kind == "node" and number == 4:
            operator = bytes(value).decode("ascii", "replace")
        elif (kind, number) in (("node", 7), ("opset", 1)):
            domain = bytes(value).decode("ascii", "replace")
        elif kind == "tensor" and number == 14 and value:
            raise ValueError(f"it has {REFUSED['external']}")
    if domain not in STANDARD or (kind == "node" and domain == "ai.onnx.ml"):
        raise ValueError(f"{operator or 'it'} is no operator of the standard set but of {domain!r}")
    if kind == "node":
        found.append(operator)
        if len(found) > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES:,} operators")


def with_weights(model: bytes, weights: Mapping[str, NDArray[Any]]) -> bytes:
    """The graph and, behind it, a message with its weights, by name: an ONNX model that is whole."""
    pieces = [piece for name, value in weights.items() for piece in _tensor(name, value)]
    return b"".join([model, head(7, sum(map(len, pieces))), *pieces])


def _tensor(name: str, value: NDArray[Any]) -> tuple[bytes, memoryview]:
    """What comes before the numbers of a weight, and the numbers, which are copied once, into the whole."""
    told = TYPES[value.dtype.name]
    dims = b"".join(number(1, size) for size in value.shape)
    raw = np.ravel(value.astype(value.dtype.newbyteorder("<"), copy=False), "C").view(np.uint8).data
    before = b"".join([dims, number(2, told), field(8, name.encode()), head(9, len(raw))])
    return head(5, len(before) + len(raw)) + before, raw


def field(place: int, value: bytes | memoryview) -> bytes:
    return head(place, len(value)) + bytes(value)


def head(place: int, size: int) -> bytes:
    """What stands before a field of so many bytes."""
    return _coded(place << 3 | BYTES) + _coded(size)


def number(place: int, value: int) -> bytes:
    return _coded(place << 3 | VARINT) + _coded(value)


def again(place: int, kind: int, value: Any) -> bytes:
    """A field as `fields` gives it, written."""
    if kind == VARINT:
        return number(place, value)
    return field(place, value) if kind == BYTES else _coded(place << 3 | kind) + bytes(value)


def _coded(value: int) -> bytes:
    told = bytearray()
    while value > 127:
        told.append(value & 127 | 128)
        value >>= 7
    told.append(value)
    return bytes(told)
