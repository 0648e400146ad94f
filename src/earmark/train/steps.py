"""Steps of an optimiser: autocast, fp16's scaled gradients, batches that share a step, and several processes.

The order of a step is fixed, because the last bits depend on it: loss under autocast, old gradients away, backward outside
autocast, step. Gradients of several batches are of their mean loss, also where the last of an epoch are fewer.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from earmark.inference import waiting
from earmark.models.autocast import Autocast
from earmark.train import processes

KINDS = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}  # under names of `earmark.train.precision`


class Steps:
    """What brings a module's parameters from batch to batch.

    module: called with (waves, targets, clips of the whole batch, index of the batch), gives a loss. It must be on its
    device. precision: see `earmark.train.precision.NAMES`. accumulate: batches a step, at most. scaler: fp16's, as an earlier run
    left it, or empty.
    """

    def __init__(
        self,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        precision: str,
        accumulate: int = 1,
        scaler: dict[str, object] | None = None,
    ):
        self.device = next(module.parameters()).device
        self.module, self.optimiser, self.accumulate = module, optimiser, accumulate
        self.kind = KINDS.get(precision)
        # where it is not enabled it scales nothing and its state is empty
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.kind is torch.float16)
        if scaler and self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)
        self.together: DistributedDataParallel | None = None
        if processes.world() > 1:
            own = None if self.device.type == "cpu" else [self.device]
            self.together = DistributedDataParallel(module, device_ids=own)

    def autocast(self) -> Autocast:
        """What losses and scores are computed in."""
        return Autocast(self.device.type, self.kind)

    def take(self, batch: tuple[Tensor, Tensor, int], index: int, rate: float, *, count: int) -> bool:
        """Learn from a batch; whether its gradients, and those kept of the batches before it, made a step.

        index: of the batch in its epoch. rate: of learning. count: batches of the epoch, which always ends in a step.
        """
        first = index - index % self.accumulate  # of those that share the step
        shared = min(self.accumulate, count - first)
        whole = index + 1 == first + shared
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with contextlib.nullcontext() if whole or self.together is None else self.together.no_sync():
            self._backward(batch, index, shared)
        if whole:
            self.scaler.step(self.optimiser)  # not taken where fp16's gradients have left its range
            self.scaler.update()
        return whole

    def _backward(self, batch: tuple[Tensor, Tensor, int], index: int, shared: int) -> None:
        waves, targets = (part.to(self.device, non_blocking=True) for part in batch[:2])
        on_cpu = self.device.type == "cpu"
        with waiting.measured(("step", waves.shape)) if on_cpu else contextlib.nullcontext():
            with self.autocast():
                value = (self.together or self.module)(waves, targets, batch[2], index)
            if index % self.accumulate == 0:
                self.optimiser.zero_grad()
            self.scaler.scale(value / shared).backward()


@contextlib.contextmanager
def interrupted_by_term() -> Iterator[None]:
    """TERM, which batch systems send before they kill, is Ctrl-C in here, unless the program has a handler of its own.

    Only in the first of several processes, which ends the others, and in the main thread, where Python has signals.
    """
    here = threading.current_thread() is threading.main_thread() and processes.rank() == 0
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
