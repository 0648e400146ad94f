"""The nets: one file a family, found by looking, named by recipes.

A net is a function decorated with `@net` that returns an `nn.Module` from waves (batch, samples), maps
(batch, channels, bands, frames) or both to a `Prediction`. Its defaults are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from earmark.registry import NETS

Function = TypeVar("Function", bound=Callable[..., object])


def net(*, paper: str, eats: Literal["waves", "maps", "both"]) -> Callable[[Function], Function]:
    """Register a net. paper: whose it is. eats: what its input is; "both" is called as net(waves, maps).

    The function takes `tags` (default: the paper's number) and, where it eats maps, `channels` and `bands`, which the
    tagger fills in from the feature; all its other arguments can be set in a recipe. The module tells the `shortest`
    input that it takes, in samples or, where it eats maps alone, in frames; where it eats both, `shortest_frames` too.
    """
    return NETS.register(paper=paper, eats=eats)
