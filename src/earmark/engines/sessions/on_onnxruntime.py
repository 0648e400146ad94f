"""ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark.engines.sessions import Precision

if TYPE_CHECKING:
    import onnxruntime

QUIET = 3  # errors only: a warning a node helps nobody


@dataclass(frozen=True)
class End:
    """An input or output of a graph. kind: such as tensor(float). sides: whole numbers, and names where they may be any."""

    name: str
    kind: str
    sides: tuple[int | str | None, ...]


class OnnxRuntime:
    def __init__(self, session: onnxruntime.InferenceSession):
        self.session = session
        self.inputs = [told.name for told in session.get_inputs()]

    def ends(self) -> tuple[list[End], list[End]]:
        """What it says of its inputs, and of its outputs."""
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        told = [[End(each.name, each.type, tuple(each.shape or ())) for each in side] for side in (inputs, outputs)]
        return told[0], told[1]

    def metadata(self) -> dict[str, str]:
        """What the file says of itself beside its graph."""
        return dict(self.session.get_modelmeta().custom_metadata_map)

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        given = dict(zip(self.inputs, inputs, strict=True))
        return [np.asarray(value, np.float32) for value in self.session.run(None, given)]


def open(model: bytes, precision: Precision, threads: int, exact: bool) -> OnnxRuntime:
    """precision: float32 or int8, which the graph itself is."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    # threads that wait must not take the processor from those that decode
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return OnnxRuntime(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
