"""OpenVINO, on the processor, without its telemetry: importing it tells its makers so over the network, unless that is kept off."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.engines.sessions import Precision

TELEMETRY = "openvino_telemetry"
if TELEMETRY in sys.modules:
    import openvino
else:
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # as if it were not installed, which OpenVINO bears
    try:
        import openvino
    finally:
        del sys.modules[TELEMETRY]

HINTS = {"float32": "f32", "int8": "f32", "bf16": "bf16"}  # never left to the processor: it would choose by itself


class OpenVino:
    """A request for each thread: one is not to be shared."""

    def __init__(self, compiled: Any):
        self.compiled = compiled
        self.own = threading.local()

    def __call__(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        if not hasattr(self.own, "request"):
            self.own.request = self.compiled.create_infer_request()
        results = self.own.request.infer(dict(enumerate(inputs)))
        # copies: the request's own memory is written over by its next call
        return [np.array(results[output], np.float32) for output in self.compiled.outputs]


def open(model: bytes, precision: Precision, threads: int, exact: bool) -> OpenVino:
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": HINTS[precision], "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    return OpenVino(core.compile_model(core.read_model(BytesIO(model)), "CPU", settings))
