"""From what a file holds to a tagger in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.models import needs, reduced
from earmark.models.facts import Facts
from earmark.models.file import Weights, building
from earmark.models.graphs import Graph
from earmark.models.size import shapes
from earmark.models.tagger import Tagger, build
from earmark.recipe import parse_built


def torched(
    head: Mapping[str, Any],
    weights: Weights,
    device: str,
    path: Path,
    facts: Facts,
    held: Sequence[Graph],
    quantised: Mapping[str, NDArray[Any]],
    precision: str = "float32",
) -> Tagger:
    """Frozen: in evaluation mode, without gradients. precision: that its net computes in.

    held, quantised: what else the file has for engines, which goes along when it is saved again.
    """
    needs.check(head, str(path))
    tensors = {name: torch.from_numpy(np.require(value, requirements=["C", "W"])) for name, value in weights.items()}
    with building(path):
        tagger = build(parse_built(head["recipe"], f"in {path}"), head["vocabulary"], shapes(tensors))
    tagger.needs = needs.kept(tagger.needs, head)
    tagger.graphs, tagger.quantised = tuple(held), dict(quantised)
    tagger.load_state_dict(tensors)
    tagger.facts = facts.measured(tagger.identity)  # whoever holds it may train it as it is
    reduced.check(device, precision)
    tagger.precision = precision
    reduced.laid_out(tagger.net, torch.device(device).type)
    return tagger.to(device).eval().requires_grad_(False)
