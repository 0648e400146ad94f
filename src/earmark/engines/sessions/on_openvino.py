"""OpenVINO, on the processor, without its telemetry: importing it tells its makers so over the network, unless that is kept off."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


class SignalStack(ctypes.Structure):
    """`stack_t` of Linux: where a thread's signal handlers run, if not on the thread's own stack."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signals_kept() -> Iterator[None]:
    """OpenVINO 2026.4 leaves a stack for signal handlers behind when it compiles, and frees its memory with the model.

    The next signal that Python hears, such as Ctrl-C, would then end the process with a segmentation fault.
    """
    if sys.platform != "linux":
        yield
        return
    system, before = ctypes.CDLL(None), SignalStack()
    system.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        system.sigaltstack(ctypes.byref(before), None)


def open(model: bytes, precision: Precision, threads: int, exact: bool) -> OpenVino:
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": HINTS[precision], "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    with signals_kept():
        return OpenVino(core.compile_model(core.read_model(BytesIO(model)), "CPU", settings))
