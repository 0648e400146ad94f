"""A moving average of the weights while they are trained: what is validated and kept in place of the weights themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """After each step every weight's average becomes d · average + (1 − d) · weight.

    d is `decay`, but (1 + k) / (10 + k) in the k-th step, counted from 1, while that is less: the first weights, which are
    chance, are soon forgotten. The average begins with the weights as they are. The batch statistics are averaged likewise;
    what is no floating-point number (counters) is taken as it is.

    >>> net = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(net.weight, 0.0)
    >>> average = MovingAverage(net, decay=0.1)
    >>> _ = nn.init.constant_(net.weight, 1.0)
    >>> average.update(step=1)
    >>> round(average.values["weight"].item(), 6)
    0.9
    """

    def __init__(self, module: nn.Module, decay: float):
        self.module, self.decay = module, decay
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def restore(self, values: dict[str, Tensor]) -> None:
        """Go on with the average that an earlier run left."""
        for name, value in values.items():
            self.values[name].copy_(value)

    def to(self, device: torch.device) -> None:
        """Before the first update: where the weights are."""
        self.values = {name: value.to(device) for name, value in self.values.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After a step. step: how many there were, counted from 1."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, value in self.module.state_dict().items():
            held = self.values[name]
            if value.is_floating_point():
                held.lerp_(value, share)
            else:
                held.copy_(value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module has the average while the block lasts, and then its own weights again, bit by bit."""
        own = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(self.values)
        try:
            yield
        finally:
            self.module.load_state_dict(own)
