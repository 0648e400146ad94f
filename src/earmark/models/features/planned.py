"""Features in torch, made from their NumPy twins: arguments, checks, filters and frames are written once, there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

from torch import nn

from earmark.engines.features.framing import Floats
from earmark.registry import FEATURES, NUMPY_FEATURES

Made = TypeVar("Made", bound="type[Planned]")


class Planned(nn.Module):
    """A feature of the plan that its NumPy twin computes by itself; it takes the twin's arguments, or the twin: `of`.

    plan: the twin. A subclass makes its buffers in `prepare` and is registered with `feature`.
    """

    twin: ClassVar[Callable[..., Any]]
    channels: int
    bands: int
    hop_samples: int
    shortest: int

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__()
        self._take(type(self).twin(*arguments, **named))

    @classmethod
    def of(cls, plan: Any) -> Self:
        """The module of a twin that there is."""
        module = cls.__new__(cls)
        nn.Module.__init__(module)
        module._take(plan)
        return module

    def _take(self, plan: Any) -> None:
        self.plan = plan
        self.channels, self.bands = plan.channels, plan.bands
        self.hop_samples, self.shortest = plan.hop_samples, plan.shortest
        self.prepare(plan)

    def prepare(self, plan: Any) -> None:
        """Make what `forward` needs."""
        raise NotImplementedError

    def frames(self, samples: int) -> int:
        """How many frames a wave of `samples` gives."""
        return int(self.plan.frames(samples))

    def samples(self, frames: int) -> int:
        """The fewest samples that give `frames` frames."""
        return int(self.plan.samples(frames))

    def middles(self, places: Floats, samples: int) -> Floats:
        """Places in the map, in frames → samples into a wave of `samples`."""
        middles: Floats = self.plan.middles(places, samples)
        return middles


def feature(name: str) -> Callable[[Made], Made]:
    """Register a module as the feature `name`, with the arguments, the facts and the documentation of its NumPy twin."""
    entry = NUMPY_FEATURES[name]
    twin: Any = entry.function

    def add(module: Made) -> Made:
        def made(self: Any, *arguments: Any, **named: Any) -> None:
            Planned.__init__(self, *arguments, **named)

        module.twin = twin
        # who asks for the signature, as the check of recipes does, is told the twin's
        module.__init__ = functools.wraps(twin.__init__)(made)  # type: ignore[method-assign]
        module.__doc__ = twin.__doc__
        return FEATURES.register(name, **entry.facts)(module)

    return add
