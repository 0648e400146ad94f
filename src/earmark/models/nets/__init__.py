"""The nets: one file a family, found by looking, named by recipes.

A net is a function decorated with `@net` that returns an `nn.Module` from waves (batch, samples), maps
(batch, channels, bands, frames) or both to a `Prediction`. Its defaults are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

from earmark.models.prediction import Grid
from earmark.registry import NETS

Function = TypeVar("Function", bound=Callable[..., object])
Input = Literal["waves", "maps", "both"]


class Net(Protocol):
    """What the module of a net tells of itself; all else follows from it (explain, frames, embeddings, a new head).

    shortest: the fewest inputs that it takes: samples or, where it hears maps alone, frames of the feature. One that
    hears both tells `shortest_frames` too. grid: where `Prediction.frames` lie; a net without frames has no grid, and
    need not say so. What depends on the number of tags is found on shapes: see `earmark.models.transfer`.
    """

    shortest: int


class FramedNet(Net, Protocol):
    """A net that says something of moments: its predictions have `frames`."""

    grid: Grid


def net(
    *, paper: str, input: Input, parameters: int | None = None, total: int | None = None
) -> Callable[[Function], Function]:
    """Register a net. paper: whose it is. input: what it hears; "both" is called as net(waves, maps).

    parameters: how many it learns with its defaults, counted by hand from the layers that the paper names. total: the
    same with running statistics, as Keras counts and some papers publish. The contract test counts one or the other.

    The function takes `tags` (default: the paper's number) and, where it hears maps, `channels` and `bands`, which the
    tagger fills in from the feature; all its other arguments can be set in a recipe. The module is a `Net`.
    """
    return NETS.register(paper=paper, input=input, parameters=parameters, total=total)
