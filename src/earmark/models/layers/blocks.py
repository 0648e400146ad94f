"""What nets are made of: layers that several share, and checks of their arguments.

Shapes: waves (batch, samples); sequences (batch, channels, time); maps (batch, channels, bands, frames).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from earmark.errors import counted
from earmark.errors.refusals import refuse

# Keras' defaults, with which papers 002 and 004 were trained: momentum 0.99 there is 0.01 here. Statistics that move so
# slowly need some hundred steps to leave their start: recipes for small data sets set `momentum` to 0.1.
NORM_EPSILON, NORM_MOMENTUM = 1e-3, 0.01


def check_length(got: int, shortest: int, what: str) -> None:
    """Refuse an input that the pooling would shrink to nothing."""
    if got < shortest:
        raise ValueError(f"{got} {what} are too few: this net needs at least {shortest}. Take a longer window")


def check_counts(**counts: int) -> None:
    """Refuse what is not a whole number of at least one. The names are those of the net's arguments."""
    for name, value in counts.items():
        if not _is_count(value):
            refuse(f"{name} is {value!r}: give a whole number of at least 1")


def check_lists(**lists: Sequence[int]) -> None:
    """Refuse lists, one number a stage, that are empty or unequally long or hold what is no whole number of at least one.

    The names are those of the net's arguments.
    """
    for name, values in lists.items():
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            refuse(f"{name} is {values!r}: give a list with a number for each stage, at least one")
            continue
        for value in values:
            if not _is_count(value):
                refuse(f"{name} holds {value!r}: each must be a whole number of at least 1")
    if len({len(values) for values in lists.values() if isinstance(values, Sequence) and values}) > 1:
        told = " and ".join(f"{len(values)} {name}" for name, values in lists.items())
        refuse(f"{told}: each stage needs one of each, so make the lists equally long")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_dropout(**shares: float) -> None:
    """Refuse a share to drop that is not from 0 to less than 1, which would drop everything."""
    for name, value in shares.items():
        if not isinstance(value, int | float) or not 0 <= value < 1:
            refuse(f"{name} is {value!r}: give the share to drop, from 0 (none) to less than 1")


def check_momentum(momentum: float) -> None:
    if not isinstance(momentum, int | float) or not 0 < momentum <= 1:
        refuse(f"momentum is {momentum!r}: give the share of a batch in the running statistics, above 0 and at most 1")


def norm1d(channels: int, momentum: float = NORM_MOMENTUM) -> nn.BatchNorm1d:
    check_momentum(momentum)
    return nn.BatchNorm1d(channels, eps=NORM_EPSILON, momentum=momentum)


def norm2d(channels: int, momentum: float = NORM_MOMENTUM) -> nn.BatchNorm2d:
    check_momentum(momentum)
    return nn.BatchNorm2d(channels, eps=NORM_EPSILON, momentum=momentum)


class Residual1d(nn.Module):
    """Paper 002's block: conv 3 → BN → ReLU → conv 3 → BN → add → BN → ReLU, over (batch, channels, time).

    Where the channels grow, the shortcut repeats each input channel in place, without parameters.
    """

    def __init__(self, channels_in: int, channels: int, momentum: float = NORM_MOMENTUM):
        super().__init__()
        if channels % channels_in:
            raise ValueError(
                f"{counted(channels_in, 'channel')} cannot be repeated to make {channels}: take a multiple"
            )
        self.repeats = channels // channels_in
        self.conv1 = nn.Conv1d(channels_in, channels, 3, padding=1)
        self.norm1 = norm1d(channels, momentum)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)
        self.norm2 = norm1d(channels, momentum)
        self.norm3 = norm1d(channels, momentum)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x.repeat_interleave(self.repeats, dim=1) if self.repeats > 1 else x
        inner = torch.relu(self.norm1(self.conv1(x)))
        inner = self.norm2(self.conv2(inner))
        return torch.relu(self.norm3(inner + shortcut))


class Excitation(nn.Module):
    """Squeeze and excitation: each channel of (batch, channels, 1, time) times a gate between 0 and 1.

    The gates come from the mean over time by way of `ratio` times as many hidden values as channels.
    """

    def __init__(self, channels: int, ratio: float):
        super().__init__()
        hidden = round(channels * ratio)
        if hidden < 1:
            raise ValueError(
                f"se_ratio {ratio:g} leaves none of {counted(channels, 'channel')}: take at least 1/{channels}, or more widths"
            )
        self.hidden = nn.Linear(channels, hidden)
        self.out = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))  # (batch, channels)
        gates = torch.sigmoid(self.out(torch.relu(self.hidden(mean))))
        return x * gates[:, :, None, None]


def count(module: nn.Module) -> tuple[int, int]:
    """(trainable parameters, running statistics): their sum is what Keras counts for a net with batch normalisation."""
    parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
    statistics = sum(b.numel() for name, b in module.named_buffers() if name.endswith(("running_mean", "running_var")))
    return parameters, statistics


def initialise(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, Keras' defaults, for every conv and dense layer below `module`."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
