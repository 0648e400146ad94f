"""Whether overlapping windows are scored together, how many at once, and what that saves.

`earmark.windows.overlap` makes it possible for any net; here its work is counted on shapes alone (PyTorch's meta device), before
a sample is scored: multiplications and additions of convolutions, dense layers and Fourier transforms, two for each
product that is summed. So the choice depends on the tagger and its windows, never on the machine or on a clock.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from earmark.windows.overlap import Overlap, Trace, overlapping

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
    with (
        torch.inference_mode(),
        _Largest() as largest,
        FlopCounterMode(display=False, custom_mapping=FOURIER) as counter,
    ):
        module(waves)
    return float(counter.get_total_flops()), largest.bytes


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers the size of the largest tensor that comes out of an operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            # a view of overlapping windows has more elements than memory
            if isinstance(tensor, Tensor) and tensor._base is None:
                self.bytes = max(self.bytes, int(tensor.numel()) * tensor.element_size())
        return result


def _fourier(shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Operations of a real fast Fourier transform along the last dimension: 2.5 N log2 N."""
    return round(2.5 * float(math.prod(shape)) * math.log2(max(2, shape[-1])))


FOURIER = {torch.ops.aten._fft_r2c: _fourier}
