"""Residual trunks: the convolutional part of ResNet-18, 34, 50 and 101, over maps or over sequences.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016, Table 1, with the stride of a bottleneck in
its 3×3 as PyTorch's ResNets have it. Maps are (batch, channels, bands, frames), sequences (batch, channels, time).

Every kernel is odd and zero-padded by half of itself, so that element k of an output is centred on input k · step and
the length that comes out is the one that goes in, divided by `step` and rounded up. Convolutions have no bias; batch
norms have PyTorch's defaults (epsilon 1e-5, momentum 0.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.models.layers.blocks import check_momentum

NORM_MOMENTUM = 0.1
STEM_KERNEL = 7
EXPANSION = 4  # a bottleneck's output has four times the channels of its 3×3


class Residual(nn.Module):
    """relu(inner(x) + shortcut(x)). Both end in a batch norm, or the shortcut is the input itself."""

    def __init__(self, inner: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.inner, self.shortcut = inner, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.inner(x).add_(self.shortcut(x)))


def conv_norm2d(channels_in: int, channels: int, kernel: int, stride: int, momentum: float) -> nn.Sequential:
    """Conv → BN over maps."""
    conv = nn.Conv2d(channels_in, channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels, momentum=momentum))


def conv_norm1d(channels_in: int, channels: int, kernel: int, stride: int, momentum: float) -> nn.Sequential:
    """Conv → BN over sequences."""
    conv = nn.Conv1d(channels_in, channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm1d(channels, momentum=momentum))


ConvNorm = Callable[[int, int, int, int, float], nn.Sequential]
Block = Callable[[int, int, int, float], Residual]


def _projection(conv_norm: ConvNorm, channels_in: int, channels: int, stride: int, momentum: float) -> nn.Module:
    """The shortcut: the input itself or, where the shape changes, conv 1 → BN."""
    if stride == 1 and channels_in == channels:
        return nn.Identity()
    return conv_norm(channels_in, channels, 1, stride, momentum)


def _basic(conv_norm: ConvNorm, channels_in: int, width: int, stride: int, momentum: float) -> Residual:
    inner = nn.Sequential(
        conv_norm(channels_in, width, 3, stride, momentum),
        nn.ReLU(inplace=True),
        conv_norm(width, width, 3, 1, momentum),
    )
    return Residual(inner, _projection(conv_norm, channels_in, width, stride, momentum))


def basic1d(channels_in: int, width: int, stride: int, momentum: float = NORM_MOMENTUM) -> Residual:
    """Conv 3 → BN → ReLU → conv 3 → BN, over sequences; `width` channels come out."""
    return _basic(conv_norm1d, channels_in, width, stride, momentum)


def basic2d(channels_in: int, width: int, stride: int, momentum: float = NORM_MOMENTUM) -> Residual:
    """Conv 3×3 → BN → ReLU → conv 3×3 → BN, over maps; `width` channels come out."""
    return _basic(conv_norm2d, channels_in, width, stride, momentum)


def bottleneck2d(channels_in: int, width: int, stride: int, momentum: float = NORM_MOMENTUM) -> Residual:
    """Conv 1×1 → conv 3×3 with the stride → conv 1×1, each with BN, over maps; 4 · `width` channels come out."""
    channels = EXPANSION * width
    inner = nn.Sequential(
        conv_norm2d(channels_in, width, 1, 1, momentum),
        nn.ReLU(inplace=True),
        conv_norm2d(width, width, 3, stride, momentum),
        nn.ReLU(inplace=True),
        conv_norm2d(width, channels, 1, 1, momentum),
    )
    return Residual(inner, _projection(conv_norm2d, channels_in, channels, stride, momentum))


def check_positive(what: str, values: Sequence[int], length: int | None = None) -> None:
    """Refuse a list that is empty or of another length, or has a number below 1."""
    if length is not None and len(values) != length:
        refuse(f"{what} {list(values)} has {counted(len(values), 'number')}: it needs {length}")
    if not values or min(values) < 1:
        refuse(f"{what} {list(values)} should be a list of whole numbers from 1, and not empty")


def _stages(
    block: Block,
    channels_in: int,
    widths: Sequence[int],
    blocks: Sequence[int],
    strides: Sequence[int],
    momentum: float,
) -> tuple[nn.ModuleList, list[int]]:
    """The stages, and the channels that come out of each; only a stage's first block has a stride."""
    stages, channels, before = nn.ModuleList(), [], channels_in
    for width, count, stride in zip(widths, blocks, strides, strict=True):
        stage = nn.Sequential()
        for i in range(count):
            stage.append(block(before, width, stride if i == 0 else 1, momentum))
            before = EXPANSION * width if block is bottleneck2d else width
        stages.append(stage)
        channels.append(before)
    return stages, channels


def check_trunk2d(
    widths: Sequence[int], blocks: Sequence[int], stem_stride: Sequence[int], momentum: float, what: str = ""
) -> None:
    """Refuse arguments that `Trunk2d` cannot be made with."""
    _check_stages(widths, blocks, what)
    check_positive(f"{what}stem_stride", stem_stride, 2)
    check_momentum(momentum)


def check_trunk1d(
    widths: Sequence[int],
    blocks: Sequence[int],
    stem_kernel: int,
    stem_stride: int,
    pool: int,
    strides: Sequence[int],
    momentum: float,
) -> None:
    """Refuse arguments that `Trunk1d` cannot be made with."""
    _check_stages(widths, blocks)
    check_positive("strides", strides, len(widths))
    for name, value in (("stem_kernel", stem_kernel), ("stem_stride", stem_stride), ("pool", pool)):
        if value < 1:
            refuse(f"{name} is {value}: it must be at least 1")
    if stem_kernel < stem_stride:
        refuse(f"stem_kernel {stem_kernel} is below stem_stride {stem_stride}: samples would go unheard")
    check_momentum(momentum)


def _check_stages(widths: Sequence[int], blocks: Sequence[int], what: str = "") -> None:
    check_positive(f"{what}widths", widths)
    check_positive(f"{what}blocks", blocks)
    if len(widths) != len(blocks):
        refuse(f"{len(widths)} {what}widths and {len(blocks)} {what}blocks: each stage needs one of both")


class Trunk2d(nn.Module):
    """Maps (batch, channels, bands, frames) → maps (batch, width, bands / 2ⁿ…, frames / step), both rounded up.

    Conv 7×7 with `stem_stride` (time, frequency) → BN → ReLU → max-pool 3×3 by 2 → stages of `blocks` blocks, all but
    the first with stride 2. bottleneck: which block. what: goes before the names of arguments in messages.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        *,
        bottleneck: bool,
        stem_stride: Sequence[int],
        momentum: float = NORM_MOMENTUM,
        what: str = "",
    ):
        super().__init__()
        check_trunk2d(widths, blocks, stem_stride, momentum, what)
        by_time, by_frequency = stem_stride
        self.stem = nn.Conv2d(
            channels, widths[0], STEM_KERNEL, (by_frequency, by_time), padding=STEM_KERNEL // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(widths[0], momentum=momentum)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        strides = [1] + [2] * (len(widths) - 1)
        block = bottleneck2d if bottleneck else basic2d
        self.stages, self.widths = _stages(block, widths[0], widths, blocks, strides, momentum)
        self.steps = [by_time * 2 * 2**i for i in range(len(widths))]  # frames from one element to the next, by stage
        self.width, self.step = self.widths[-1], self.steps[-1]

    def levels(self, maps: Tensor) -> list[Tensor]:
        """What comes out of each stage."""
        # the maximum is taken before the ReLU: the result is the same, and the ReLU has a quarter of the work
        x = torch.relu_(self.pool(self.norm(self.stem(maps))))
        out = []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        return out

    def forward(self, maps: Tensor) -> Tensor:
        return self.levels(maps)[-1]


class Trunk1d(nn.Module):
    """Waves (batch, samples) → sequences (batch, width, samples / step), rounded up.

    Conv of `stem_kernel` and `stem_stride` → BN → ReLU → max-pool by `pool` → stages of basic blocks with `strides`.
    The pool's kernel is the next odd number, 3 for 2 and 5 for 4.
    """

    def __init__(
        self,
        widths: Sequence[int],
        blocks: Sequence[int],
        *,
        stem_kernel: int,
        stem_stride: int,
        pool: int,
        strides: Sequence[int],
        momentum: float = NORM_MOMENTUM,
    ):
        super().__init__()
        check_trunk1d(widths, blocks, stem_kernel, stem_stride, pool, strides, momentum)
        # one less than half of an even kernel: the length is never rounded to one element more
        self.stem = nn.Conv1d(1, widths[0], stem_kernel, stem_stride, padding=(stem_kernel - 1) // 2, bias=False)
        self.norm = nn.BatchNorm1d(widths[0], momentum=momentum)
        kernel = pool | 1
        self.pool = nn.MaxPool1d(kernel, pool, padding=kernel // 2)
        self.stages, self.widths = _stages(basic1d, widths[0], widths, blocks, strides, momentum)
        self.width = self.widths[-1]
        self.step = stem_stride * pool * math.prod(strides)

    def forward(self, waves: Tensor) -> Tensor:
        x = torch.relu_(self.pool(self.norm(self.stem(waves[:, None]))))  # (batch, width, time)
        for stage in self.stages:
            x = stage(x)
        return x


def over_time(maps: Tensor) -> Tensor:
    """Maps (batch, channels, bands, frames) → their means over frequency (batch, frames, channels)."""
    return maps.mean(2).transpose(1, 2)


def stretch(frames: Tensor, ratio: int, length: int) -> Tensor:
    """Values (batch, time, tags) at every ratio-th of `length` places → values at all of them.

    Linear between the places, constant after the last; the first place is the first value's.
    """
    held = frames.shape[1]
    places = frames.transpose(1, 2)
    if ratio > 1 and held > 1:
        places = F.interpolate(places, size=ratio * (held - 1) + 1, mode="linear", align_corners=True)
    missing = length - places.shape[-1]
    if missing > 0:
        places = torch.cat([places, places[..., -1:].expand(-1, -1, missing)], -1)
    return places[..., :length].transpose(1, 2)


def initialise_he(module: nn.Module) -> None:
    """He's normal initialisation by fan-out for every convolution below `module`; dense layers keep PyTorch's."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
