"""A net in int8: weights by output channel, inputs of convolutions and dense layers by ranges seen on given sounds.

Only convolutions and dense layers are quantised, up to the logits: the softmax of a quantised graph has been answered with
zeros by an engine (see `earmark.models.trust`), and costs nothing. Weights take seven of the eight bits, since processors
without VNNI add pairs of products in sixteen, which eight would overflow; so a file is good on every processor.

Source: ONNX Runtime's static quantisation, QDQ format (onnxruntime.ai, "Quantize ONNX models").
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.models import export
from earmark.models.graphs import OWN, Graph

QUANTISED = ["Conv", "Gemm"]
SMALL = 16  # numbers of a tensor that stays in the graph
Arrays = Sequence[NDArray[np.float32]]


class Sounds:
    """What ONNX Runtime asks for the next inputs."""

    def __init__(self, names: Sequence[str], inputs: Sequence[Arrays]):
        self.names, self.left = names, list(inputs)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return dict(zip(self.names, self.left.pop(0), strict=True)) if self.left else None

    def __len__(self) -> int:
        return len(self.left)


def quantised(
    body: Graph, weights: Mapping[str, NDArray[Any]], inputs: Sequence[Arrays]
) -> tuple[Graph, dict[str, NDArray[Any]]]:
    """(the graph in int8, its own tensors as a tagger's file holds them). inputs: of the float32 graph, window by window."""
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    CalibrationDataReader.register(Sounds)
    model = onnx.load_from_string(body.whole(weights))
    names = [told.name for told in model.graph.input]
    known = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "int8.onnx"
            quantize_static(
                model,
                out,
                Sounds(names, inputs),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=QUANTISED,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            told = onnx.load(out)
    finally:
        logging.disable(known)
    kept, own, plain = [], {}, []
    for tensor in told.graph.initializer:
        value = numpy_helper.to_array(tensor)
        other = weights.get(tensor.name)
        if other is not None and np.array_equal(other, value):
            plain.append(tensor.name)
        elif value.size > SMALL:
            own[OWN + tensor.name] = np.array(value)
        else:
            kept.append(tensor)
    del told.graph.initializer[:]
    told.graph.initializer.extend(kept)
    graph = replace(body, model=export.bare(told), precision="int8", weights=(*plain, *own))
    return graph, own
