"""Texture: how the bands of a map vary over time, told by statistics and heard by dense layers; for sounds that stay.

The statistics are in `earmark.models.layers.texture`. No net of the five papers hears them; it learns from few clips, in minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

from earmark.models.layers.texture import EDGES, Texture
from earmark.models.nets import net


@net(paper="statistics of McDermott and Simoncelli, Neuron 71, 2011", input="maps", parameters=321_034)
def texture(
    tags: int = 10,
    channels: int = 1,
    bands: int = 64,
    groups: int = 16,
    filters: Sequence[int] = (),
    edges: Sequence[float] = EDGES,
    widths: Sequence[int] = (256, 256),
    dropout: float = 0.0,
    hidden_dropout: float = 0.0,
    momentum: float = 0.05,
) -> Texture:
    """Maps: statistics of bands over time, batch normalisation without weights, dense layers (beyond the papers).

    321,034 parameters with the defaults: 984 statistics · 256, 256 · 256, two norms of 2 · 256, 256 · 10 + 10. The statistics
    of a map of 64 bands are 10 of each band, the power in 7 octaves of modulation of 16 groups of bands, as levels and as
    envelopes, and 120 correlations of groups; how loud all is together does not count. The embedding is that of the last
    hidden layer. The shortest input is 8 frames.

    A unit of the map should be some 10 dB (`features.deviation: 10`), and a frame 10 ms. groups: of neighbouring bands;
    filters: of 3 × 3 convolutions, each on half as many bands as the one before, whose mean, spread and highest value
    are told too; edges: of the rates of modulation, in cycles a frame, rising, up to 0.5; widths: of the hidden layers.
    dropout: of statistics; hidden_dropout: behind each hidden layer; momentum: of the running statistics.
    """
    return Texture(tags, channels, bands, groups, filters, edges, widths, dropout, hidden_dropout, momentum)
