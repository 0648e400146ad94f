"""Made-up ONNX files: waves or maps, a layer that is the embedding, a layer of scores; and spoilt ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAMPLES, WIDTH, TAGS = 1600, 8, 3


@dataclass
class Made:
    """layers: (inputs, WIDTH), (WIDTH, TAGS)."""

    data: bytes
    first: np.ndarray
    second: np.ndarray

    def embedding(self, flat: np.ndarray) -> np.ndarray:
        """Of (n, inputs)."""
        return np.maximum(flat @ self.first, 0)

    def scores(self, flat: np.ndarray, last: str = "Sigmoid") -> np.ndarray:
        logits = self.embedding(flat) @ self.second
        if last == "Softmax":
            return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        return logits if last == "Identity" else 1 / (1 + np.exp(-logits))


def made(
    *sides: int | str,
    last: str = "Sigmoid",
    batch: int | str = "n",
    nodes: tuple[Any, ...] = (),
    head: str = "pre",
    kind: int = TensorProto.FLOAT,
    inputs: tuple[Any, ...] = (),
    order: tuple[int, ...] | None = None,
    seed: int = 0,
) -> Made:
    """sides: of the input behind the batch. nodes: put in, of which `head` is what the last layer takes in place of `pre`.

    order: how the input's axes are turned before they are laid in a row, so that nets of other layouts say the same.
    """
    sides = sides or (SAMPLES,)
    size = int(np.prod(sides))
    chance = np.random.default_rng(seed)
    first = chance.normal(0, 3 / np.sqrt(size), (size, WIDTH)).astype("f4")
    second = chance.normal(0, 1, (WIDTH, TAGS)).astype("f4")
    axes = [batch, *sides]
    given = helper.make_tensor_value_info("heard", kind, axes)
    turned = [helper.make_node("Transpose", ["heard"], ["turned"], perm=list(order))] if order else []
    shape = numpy_helper.from_array(np.array([-1, size], np.int64), "row")
    layers = [
        *turned,
        helper.make_node("Reshape", ["turned" if order else "heard", "row"], ["flat"]),
        helper.make_node("MatMul", ["flat", "first"], ["one"]),
        helper.make_node("Relu", ["one"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "second"], ["pre"]),
        *nodes,
        helper.make_node(last, [head], ["scores"]),
    ]
    ends = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, TAGS]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, WIDTH]),
    ]
    weights = [shape, numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")]
    graph = helper.make_graph(layers, "net", [given, *inputs], ends, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Made(model.SerializeToString(), first, second)


def changed(data: bytes, change: Any) -> bytes:
    """The model after `change(model)`."""
    model = onnx.load_from_string(data)
    change(model)
    whole: bytes = model.SerializeToString()
    return whole
