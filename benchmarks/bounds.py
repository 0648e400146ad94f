"""How much faster float32 could be at most: the operations that a net needs, over those that a core does in a second.

A core's speed is that of a large product of matrices in the same run, by NumPy or PyTorch, whichever is faster: nothing else
comes as near to what its instructions allow. Operations are PyTorch's count of convolutions and products, two for each weight
and output, done directly: ways of convolving with fewer (Winograd's) are in neither engine, and round otherwise. What else must
be done, such as decoding and features, is measured and added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SIDE = 1536  # of the matrices: 28 MB, more than caches near a core hold
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
            f"{self.before:.2f} CPU seconds before the net; matrices of {SIDE:,} are multiplied at {self.rate:.0f} GFLOP/s here. At "
            f"that speed throughout it would be {self.ratio:.2f} times as fast as the first row: the most that float32 allows, but "
            "for convolving with fewer operations, which neither engine does."
        )


def rate() -> float:
    """GFLOP of float32 that one core does in a second of its time."""
    import torch

    chance = np.random.default_rng(0)
    a, b = (chance.random((SIDE, SIDE), np.float32) for _ in range(2))
    tensors = torch.from_numpy(a), torch.from_numpy(b)
    products: list[Callable[[], object]] = [lambda: a @ b, lambda: tensors[0] @ tensors[1]]
    least = min(cpu_seconds(product) for _ in range(TURNS) for product in products)
    return 2e-9 * SIDE**3 / least


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


def before_the_net(loaded: Mapping[tuple[str, str], Any], recordings: list[Any]) -> float:
    """CPU seconds of tagging by a net that answers at once: decoding, features, what is made of scores. 0 without a graph."""
    import copy

    from earmark import inference
    from earmark.models.graphtagger import GraphTagger
    from earmark.models.predicted import Predicted

    first = next((each for each in loaded.values() if isinstance(each, GraphTagger)), None)
    if first is None:
        return 0.0
    stub: Any = copy.copy(first)
    stub.run = lambda graph, inputs: Predicted(
        np.full((graph.windows or len(inputs[0]), len(stub.vocabulary)), 0.5, np.float32), np.zeros((1, 0), np.float32)
    )
    return min(cpu_seconds(lambda: list(inference.score(stub, recordings, workers=1))) for _ in range(3))
