"""How much faster float32 could be at most: the operations that a net needs, over those that a core does in a second.

A core's speed is that of a large product of matrices or of a convolution that fits its caches, in the same run, whichever is
faster: nothing else comes as near to what its instructions allow. Operations are those of convolutions and products, two for
each weight and output, of the way that shares the most, done directly: ways of convolving with fewer (Winograd's) are in neither
engine, and round otherwise. What else must be done, such as decoding and features, is measured and added.
"""

from __future__ import annotations

import copy
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.models.predicted import Predicted

SIDE = 1536  # of the matrices
LAYER = (512, 256, 16, 64)  # of a convolution of 3 × 3: outputs, inputs, and the map that it makes, which fits caches
TURNS = 5


@dataclass(frozen=True)
class Bound:
    """gflop: of the net. rate: GFLOP that a core does in a second. before: CPU seconds of what is not the net.

    base: CPU seconds of the way that others are held against.
    """

    gflop: float
    rate: float
    before: float
    base: float

    @property
    def seconds(self) -> float:
        """CPU seconds that it must take at least."""
        return self.gflop / self.rate + self.before

    @property
    def ratio(self) -> float:
        """How many times as fast as the base it can be at most."""
        return self.base / self.seconds

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def name(self) -> str:
        """Of its row in a table."""
        return f"bound: {self.rate:.0f} GFLOP/s throughout"

    def note(self, what: str, way: str, taken: float) -> str:
        """A sentence on it. what: is scored. way: the fastest; taken: its CPU seconds."""
        reached = self.gflop / max(taken - self.before, 1e-9)
        return (
            f"{what}: {self.gflop:.1f} GFLOP of convolutions and products, which {way} does at {reached:.0f} GFLOP/s, with "
            f"{self.before:.2f} CPU seconds before the net; where it is fastest, in a large product or a layer that fits its caches, "
            f"a core does {self.rate:.0f} here. At that speed throughout it would be {self.ratio:.2f} times as fast as the first row: "
            "the most that float32 allows, but for convolving with fewer operations, which neither engine does."
        )


def rate() -> float:
    """GFLOP of float32 that one core does in a second of its time, where it is fastest: in the best of a few."""
    import torch

    chance = np.random.default_rng(0)
    a, b = (chance.random((SIDE, SIDE), np.float32) for _ in range(2))
    tensors = torch.from_numpy(a), torch.from_numpy(b)
    made, heard, high, wide = LAYER
    weights, maps = torch.rand(made, heard, 3, 3), torch.rand(1, heard, high + 2, wide + 2)
    maps = maps.contiguous(memory_format=torch.channels_last)
    weights = weights.contiguous(memory_format=torch.channels_last)
    square, layer = 2e-9 * SIDE**3, 2e-9 * made * heard * 9 * high * wide
    ways: list[tuple[float, Callable[[], object]]] = [
        (square, lambda: a @ b),
        (square, lambda: tensors[0] @ tensors[1]),
        (layer, lambda: torch.nn.functional.conv2d(maps, weights)),
    ]
    with torch.inference_mode():
        return max(work / cpu_seconds(way) for _ in range(TURNS) for work, way in ways)


def cpu_seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def gflop(run: Callable[[], object]) -> float:
    """Of what PyTorch computes in a call."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        run()
    return float(counter.get_total_flops()) / 1e9


@dataclass
class Without:
    """What a tagger's graphs are asked, without an answer: the CPU seconds of all else, and their operations."""

    seconds: float
    gflop: float


def without_the_net(tagger: Any, run: Callable[[Any], object]) -> Without:
    """tagger: whose net is graphs. run: tags by what it is given, which answers at once, as long as features take."""
    asked: list[tuple[Any, list[NDArray[np.float32]]]] = []

    def answered(graph: Any, inputs: list[NDArray[np.float32]]) -> Predicted:
        asked.append((graph, inputs))
        count = graph.windows or len(inputs[0])
        return Predicted(np.full((count, len(tagger.vocabulary)), 0.5, np.float32), np.zeros((count, 1), np.float32))

    stub = copy.copy(tagger)
    stub.run = answered
    run(stub)
    work: dict[tuple[int, tuple[int, ...]], float] = {}
    total = 0.0
    for graph, inputs in asked:
        key = tagger.running.graphs.index(graph), inputs[0].shape
        if key not in work:
            work[key] = of_graph(graph.whole(tagger.running.weights), inputs)
        total += work[key]
    return Without(min(cpu_seconds(lambda: run(stub)) for _ in range(3)), total)


def of_graph(model: bytes, inputs: Sequence[NDArray[np.float32]]) -> float:
    """GFLOP of the convolutions and products of a graph, two for each weight and output, as ONNX Runtime tells their shapes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.enable_profiling = 3, True
    # as it is written: fused operators hide sides of their weights
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        session.run(None, {told.name: given for told, given in zip(session.get_inputs(), inputs, strict=True)})
        events = json.loads(Path(session.end_profiling()).read_bytes())
    total = 0
    for event in events:
        told = event.get("args", {})
        operator, (made, heard) = told.get("op_name", ""), (_shapes(told, side) for side in ("output", "input"))
        if not event["name"].endswith("_kernel_time") or not made:
            continue
        if operator.endswith("Conv"):
            total += 2 * math.prod(made[0]) * math.prod(heard[1][1:])
        elif operator in ("Gemm", "MatMul"):
            total += 2 * math.prod(made[0]) * heard[0][-1]
    return total / 1e9


def _shapes(told: Mapping[str, Any], side: str) -> list[list[int]]:
    return [shape for each in told.get(f"{side}_type_shape", []) for shape in each.values()]
