"""How the bands of a map vary over time, told by statistics and heard by dense layers: for sounds that stay.

What tells rain from fire and a helicopter from a chainsaw is less what follows what than how much, how fast and how much
together bands vary: people tell textures apart by the moments of the bands' envelopes, their correlations and the power of
their modulations (McDermott and Simoncelli: Sound texture perception via statistics of the auditory periphery, Neuron 71,
2011). These are such statistics, of log-mel bands, and, where asked for, of what a few learnt convolutions make of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.models.autocast import full_precision
from earmark.models.layers.blocks import (
    NORM_EPSILON,
    check_counts,
    check_dropout,
    check_length,
    check_lists,
    check_momentum,
)
from earmark.models.prediction import Prediction

TILTS = (-4.0, -1.0, 1.0, 4.0)  # per unit of the map: towards the lowest values, and towards the highest
EDGES = (0.003, 0.007, 0.014, 0.028, 0.056, 0.11, 0.22, 0.5)  # cycles a frame; at 10 ms a frame 0.3 to 50 Hz, octaves
OF_A_BAND = 6 + len(TILTS)
SHORTEST = 8  # frames, of which a spread can be taken, also where they are halved
HALVED = 2  # of the convolutions halve the frames
SURE = 4.0  # standard deviations to which statistics are held: one that is far off shall not decide
FAINT = 1e-2  # of what a convolution says, below which all counts as nothing
SMALL = 1e-3  # of a spread or a power, below which all count as none


def waves(frames: int, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of all whole numbers of periods, (frames, 2 · bins), and which of them lie between edges, (bins, rates).

    Under a Hann window, and scaled so that the sum of the squares of a series' products with both is its power at the rate,
    of white noise its variance over all bins. edges: (rates + 1,) in cycles a frame, on the device that is computed on.
    """
    if edges.is_meta:  # shapes alone, for which torch's numbers in a row import a compiler
        return edges.new_empty(frames, frames // 2 * 2), edges.new_empty(frames // 2, len(edges) - 1)
    time = torch.arange(frames, device=edges.device, dtype=torch.float32)
    bins = torch.arange(1, frames // 2 + 1, device=edges.device, dtype=torch.float32)
    window = torch.sin(math.pi * (time + 0.5) / frames).square() * math.sqrt(16 / 3) / frames
    angles = 2 * math.pi / frames * time[:, None] * bins
    basis = torch.cat([angles.cos(), angles.sin()], 1) * window[:, None]
    rates = (bins / frames)[:, None]
    return basis, ((rates >= edges[:-1]) & (rates < edges[1:])).float()


def neighbours(bands: int, groups: int) -> Tensor:
    """(groups, bands): means of neighbouring bands, as many for each group, or one more where groups do not divide bands."""
    means = torch.zeros(groups, bands)
    for group in range(groups):
        own = slice(group * bands // groups, (group + 1) * bands // groups)
        means[group, own] = 1 / (own.stop - own.start)
    return means


class Trunk(nn.Module):
    """Maps (batch, channels, bands, frames) → (batch, rows, moments), rows of its maps' bands, each with half of what is before.

    Convolutions of 3 × 3 → batch normalisation → ReLU, each halving the bands, the first two of them the frames as well.
    """

    def __init__(self, channels: int, bands: int, filters: Sequence[int], momentum: float):
        super().__init__()
        self.rows, wide = bands, channels
        layers: list[nn.Module] = []
        for number, width in enumerate(filters):
            conv = nn.Conv2d(wide, width, 3, (2, 1), 1, bias=False)
            layers += [conv, nn.BatchNorm2d(width, eps=NORM_EPSILON, momentum=momentum), nn.ReLU()]
            layers += [nn.AvgPool2d((1, 2))] if number < HALVED else []
            self.rows, wide = -(-self.rows // 2), width
        self.layers = nn.Sequential(*layers)
        self.rows *= wide

    def forward(self, maps: Tensor) -> Tensor:
        heard: Tensor = self.layers(maps - maps.mean((2, 3), keepdim=True))
        return heard.flatten(1, 2)


def check_texture(
    tags: int,
    channels: int,
    bands: int,
    groups: int,
    filters: Sequence[int],
    edges: Sequence[float],
    widths: Sequence[int],
    dropout: float,
    hidden_dropout: float,
    momentum: float,
) -> None:
    """Refuse arguments that `Texture` cannot be made with."""
    check_lists(widths=widths)
    if filters:
        check_lists(filters=filters)
    check_counts(tags=tags, channels=channels, bands=bands, groups=groups)
    check_dropout(dropout=dropout, hidden_dropout=hidden_dropout)
    check_momentum(momentum)
    if groups == 1:
        refuse("groups is 1: there must be two at least, whose correlation is told")
    if groups > bands:
        refuse(f"groups is {groups}: there are no more than {counted(bands, 'band')}")
    _check_edges(edges)


class Texture(nn.Module):
    """Maps (batch, channels, bands, frames) → Prediction. See `texture`."""

    edges: Tensor
    pairs: Tensor
    grouping: Tensor

    def __init__(
        self,
        tags: int,
        channels: int,
        bands: int,
        groups: int,
        filters: Sequence[int],
        edges: Sequence[float],
        widths: Sequence[int],
        dropout: float,
        hidden_dropout: float,
        momentum: float,
    ):
        check_texture(tags, channels, bands, groups, filters, edges, widths, dropout, hidden_dropout, momentum)
        super().__init__()
        self.shortest = SHORTEST
        pairs = [groups * low + high for low, high in itertools.combinations(range(groups), 2)]
        self.register_buffer("edges", torch.tensor(list(edges)), persistent=False)
        self.register_buffer("pairs", torch.tensor(pairs), persistent=False)
        self.register_buffer("grouping", neighbours(bands, groups), persistent=False)
        before = channels * (OF_A_BAND * bands + 2 * (len(edges) - 1) * groups + len(pairs))
        self.trunk = Trunk(channels, bands, filters, momentum) if filters else None
        before += 3 * self.trunk.rows if self.trunk else 0
        self.norm = nn.BatchNorm1d(before, eps=NORM_EPSILON, momentum=momentum, affine=False)
        self.dropout = nn.Dropout(dropout)
        layers: list[nn.Module] = []
        for width in widths:
            normed = nn.BatchNorm1d(width, eps=NORM_EPSILON, momentum=momentum)
            layers += [nn.Linear(before, width, bias=False), normed, nn.ReLU(), nn.Dropout(hidden_dropout)]
            before = width
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(before, tags)

    def forward(self, maps: Tensor) -> Prediction:
        check_length(maps.shape[-1], self.shortest, "frames")
        with full_precision(maps.device):  # powers of differences need float32
            found = self.statistics(maps.float())
        if self.trunk:
            found = torch.cat([found, *means(self.trunk(maps).float())], -1)
        embedding = self.hidden(self.dropout(self.norm(found).clamp(-SURE, SURE)))
        return Prediction(self.head(embedding)[:, None], embedding)

    def statistics(self, maps: Tensor) -> Tensor:
        """(batch, channels · statistics): of each channel the bands' marginals, the groups' modulations, their correlations.

        Modulations are those of the groups' levels, and of their envelopes, in parts of their mean.
        """
        levels = maps - maps.mean((2, 3), keepdim=True)
        grouped = self.grouping @ levels  # (batch, channels, groups, frames)
        envelopes = grouped.exp() / (grouped.exp().mean(-1, keepdim=True) + SMALL)
        varying = [self.modulations(grouped), self.modulations(envelopes), self.correlations(grouped)]
        return torch.cat([*marginals(levels), *varying], -1).flatten(1)

    def modulations(self, series: Tensor) -> Tensor:
        """ln of the power between edges: (batch, channels, groups, frames) → (batch, channels, groups · rates)."""
        basis, within = waves(series.shape[-1], self.edges)
        parts = ((series - series.mean(-1, keepdim=True)) @ basis).square()
        power = (parts[..., : within.shape[0]] + parts[..., within.shape[0] :]) @ within
        return (power + SMALL).log().flatten(2)

    def correlations(self, series: Tensor) -> Tensor:
        """Of each pair of groups over time: (batch, channels, groups · (groups − 1) / 2)."""
        centred = series - series.mean(-1, keepdim=True)
        energy = (centred.square() + SMALL**2).sum(-1)  # sums and means alone: a number of frames would stay in a graph
        unit = centred / energy.sqrt()[..., None]
        return (unit @ unit.transpose(-1, -2)).flatten(2).index_select(-1, self.pairs)


def marginals(levels: Tensor) -> list[Tensor]:
    """Of each band (…, bands, frames) over time, (…, bands) each: mean, ln of the spread, skewness, ln of the kurtosis; ln of
    the spread and the skewness of the steps from frame to frame; for each tilt t ln(mean(exp(t · level))) / t, a soft extreme,
    from the mean.
    """
    mean = levels.mean(-1)
    centred, steps = levels - mean[..., None], levels[..., 1:] - levels[..., :-1]
    wide, stepped = spread(centred), spread(steps)
    skewness, step_skewness = _moment(centred, wide, 3), _moment(steps - steps.mean(-1, keepdim=True), stepped, 3)
    kurtosis = (_moment(centred, wide, 4) + SMALL).log()
    extremes = [_extreme(centred, tilt) for tilt in TILTS]
    return [mean, wide.log(), skewness, kurtosis, stepped.log(), step_skewness, *extremes]


def means(series: Tensor) -> list[Tensor]:
    """Of what cannot be below nought, (…, moments): ln of the mean, ln of the spread, and the highest, (…) each."""
    return [(series.mean(-1) + FAINT).log(), (spread(series) + FAINT).log(), series.amax(-1)]


def spread(values: Tensor) -> Tensor:
    """The standard deviation over the last axis, and never nought."""
    return ((values - values.mean(-1, keepdim=True)).square().mean(-1) + SMALL**2).sqrt()


def _extreme(centred: Tensor, tilt: float) -> Tensor:
    highest = (tilt * centred).amax(-1)
    return (highest + (tilt * centred - highest[..., None]).exp().mean(-1).log()) / tilt


def _moment(centred: Tensor, wide: Tensor, power: int) -> Tensor:
    return (centred / wide[..., None]).pow(power).mean(-1)


def _check_edges(edges: Sequence[float]) -> None:
    rising = len(edges) > 1 and all(low < high for low, high in itertools.pairwise(edges))
    if not rising or not 0 < edges[0] < edges[-1] <= 0.5:
        refuse(
            f"edges is {list(edges)}: give at least two rates in cycles a frame, rising, above 0 and at most 0.5, the highest "
            "that frames can hold"
        )
