"""A net under dense layers of its own: other tags on its embedding."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from earmark.errors import TaggerError, counted
from earmark.models.prediction import Prediction


class Headed(nn.Module):
    """A net's inputs → Prediction: its embedding, and levels (batch, 1, tags) that dense layers make of that.

    body: the net. width: of its embedding. hidden: numbers of a layer with a ReLU between; 0: none.
    """

    def __init__(self, body: Any, width: int, hidden: int, tags: int):
        super().__init__()
        self.body, self.width = body, width
        self.head = nn.Sequential(
            *([nn.Linear(width, hidden), nn.ReLU()] if hidden else []), nn.Linear(hidden or width, tags)
        )
        self.shortest: int = body.shortest
        if hasattr(body, "shortest_frames"):
            self.shortest_frames: int = body.shortest_frames

    def forward(self, *inputs: Tensor) -> Prediction:
        embedding = self.body(*inputs).embedding
        if embedding.shape[-1] != self.width:
            raise TaggerError(
                f"head.width is {self.width}, and the net's embedding has {counted(embedding.shape[-1], 'number')}: altered or damaged"
            )
        return Prediction(self.head(embedding)[:, None], embedding)
