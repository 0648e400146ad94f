"""Whether overlapping windows are scored together, how many at once, and what that saves.

`earmark.windows.overlap` makes it possible for any net; here its work is counted on shapes alone (PyTorch's meta device), before
a sample is scored: multiplications and additions of convolutions, dense layers and Fourier transforms, two for each
product that is summed. So the choice depends on the tagger and its windows, never on the machine or on a clock.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from earmark.windows.overlap import Overlap, Trace, overlapping
from earmark.windows.overlap.counting import Counting

LENGTHS = (16, 8, 4, 2, 1.5)  # of a stretch that is scored together, in windows: of the longer ones less is heard twice
LARGEST = 1 << 28  # bytes of the largest tensor on the way, which bounds the stretch
WORTH = 1.25  # how many times less work sharing must be: below that, windows one by one are as fast


@dataclass(frozen=True)
class Sharing:
    """together: windows to score at once, 0 where they are scored one by one. bound: how many times less work that is.

    why: what windows do not share, in order, or why nothing is shared.
    """

    together: int
    bound: float
    why: tuple[str, ...]


def plan(module: torch.nn.Module, length: int, hop: int) -> Sharing:
    """The plan for a module that takes waves (batch, samples), and windows of `length` samples every `hop`."""
    if hop >= length:
        return Sharing(0, 1.0, ("windows do not overlap",))
    try:
        shapes = copy.deepcopy(module).to("meta").eval()
        single, _ = _work(shapes, torch.empty(1, length, device="meta"))
        for times in LENGTHS:
            count = 1 + int((times - 1) * length) // hop
            trace = Trace()
            wave = torch.empty(1, (count - 1) * hop + length, device="meta")
            shared, largest = _work(shapes, overlapping(wave, length, hop, count, trace))
            if largest <= LARGEST:
                break
    except Exception as error:  # a net may ask for values, which shapes do not have: then it works as it always did
        return Sharing(0, 1.0, (f"its work cannot be counted on shapes ({type(error).__name__}: {error})",))
    bound = single * count / shared if shared else 1.0
    if largest > LARGEST:
        return Sharing(0, bound, ("even a short stretch takes too much memory at once",))
    if bound < WORTH:
        return Sharing(0, bound, (*trace.stopped, f"it would save less than {1 - 1 / WORTH:.0%} of the work"))
    return Sharing(count, bound, tuple(trace.stopped))


def _work(module: torch.nn.Module, waves: Tensor | Overlap) -> tuple[float, int]:
    """(operations, bytes of the largest tensor) of a call."""
    with torch.inference_mode(), Counting() as counted:
        module(waves)
    return float(counted.operations), counted.largest


class Plans:
    """The plans of a process that were asked for last, at most `most`, by what they depend on: threads may ask at once."""

    def __init__(self, most: int = 64) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Sharing] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], Sharing]) -> Sharing:
        """The plan of this key, made now if there is none."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
            return self._kept[key]
