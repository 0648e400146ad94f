"""Windows to where PyTorch computes, and answers back: on a GPU while it computes, on a processor none at all.

To a GPU: from pinned memory, in a stream of its own, so that a batch comes while the one before is computed. From it: into
pinned memory, and nobody waits until the answer is asked for. Apple's GPUs and processors are copied to and from at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Answer = Callable[[], NDArray[np.float32]]


class Copies:
    """To one device and back."""

    def __init__(self, device: torch.device):
        self.device = device
        self.apart = device.type == "cuda"  # whether copies go on beside what is computed
        self._stream: Any = torch.cuda.Stream(device) if self.apart else None  # type: ignore[no-untyped-call]

    def there(self, array: NDArray[np.float32]) -> Tensor:
        """The same numbers on the device."""
        held = torch.from_numpy(array)
        if not self.apart:
            return held.to(self.device)
        now = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self._stream):
            sent = held.pin_memory().to(self.device, non_blocking=True)
        now.wait_stream(self._stream)  # what is computed next needs it whole
        sent.record_stream(now)  # and its memory must not be given away before
        return sent

    def back(self, values: Tensor) -> Answer:
        """What gives the numbers, once they are there."""
        if not self.apart:
            kept = values.cpu()
            return lambda: np.asarray(kept.numpy(), np.float32)
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(self.device))

        def answer() -> NDArray[np.float32]:
            done.synchronize()
            return np.asarray(host.numpy(), np.float32)

        return answer


@functools.cache
def of(device: torch.device) -> Copies:
    """One for each device."""
    return Copies(device)
