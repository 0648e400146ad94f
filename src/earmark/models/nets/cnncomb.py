"""CNN_AUDIO, CNN_SPEC and CNN_COMB: a branch on the waveform, one on its spectrogram, and both under one head.

Lederle, Wilhelm: Combining High-Level Features of Raw Audio and Spectrograms for Audio Tagging. DCASE 2018 task 2.
The published totals fix the head and the total number of parameters but not every layer: kernels, widths and pools are
this project's reconstruction among the layouts that match the total, chosen so that every stride in time divides the
paper's hop of 5,120 samples and no window's edge is felt (no zero padding in time).

The caption of figure 2 speaks of a "convolution without a following max-pooling", behind which there is batch
normalisation; the authors' poster shows six convolutions with a pool each. The defaults have the six. UNPOOLED has a
seventh convolution, the fifth, without a pool, and the last pool is the maximum over time; its number of parameters and
running statistics is the same, and so are the features and each branch's total. A count does not tell layers: with the
raw branch as it is, and seven convolutions of three by three or five by five (the first: seven by seven, too) whose widths
are of 13 round ones from 16 to 512 and do not fall, with 1, 2, 3, 4, 6 or 8 bands left, 144 layouts have the total.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.models.layers.blocks import (
    NORM_MOMENTUM,
    check_counts,
    check_dropout,
    check_length,
    check_lists,
    check_momentum,
    initialise,
    norm1d,
    norm2d,
)
from earmark.models.nets import net
from earmark.models.prediction import Prediction

UNPOOLED = {
    "widths": (64, 128, 128, 128, 256, 256, 256),
    "kernels": (5, 3, 3, 3, 3, 3, 3),
    "band_pools": (2, 2, 2, 2, 1, 2, 1),
    "frame_pools": (2, 2, 5, 1, 1, 1, 1),
}  # arguments of `cnnspec` and `cnncomb` for figure 2's convolution without a pool


class AudioStage(nn.Sequential):
    """Conv → ReLU → max-pool → BN over (batch, channels, 1, samples), without padding. The ReLU as in `SpecStage`."""

    def __init__(self, channels_in: int, channels: int, kernel: int, pool: int, momentum: float):
        super().__init__(
            nn.Conv2d(channels_in, channels, (1, kernel)),
            nn.MaxPool2d((1, pool)),
            nn.ReLU(),
            norm2d(channels, momentum),
        )


class SpecStage(nn.Sequential):
    """Conv → ReLU → max-pool → BN over (batch, channels, bands, frames): bands zero-padded, frames not.

    pool: (bands, frames). The maximum is taken before the ReLU: both only pick or cut values, so the result is the
    same, and the ReLU has a quarter or a tenth of the work.
    """

    def __init__(self, channels_in: int, channels: int, kernel: int, pool: tuple[int, int], momentum: float):
        super().__init__(
            nn.Conv2d(channels_in, channels, kernel, padding=(kernel // 2, 0)),
            nn.MaxPool2d(pool),
            nn.ReLU(),
            norm2d(channels, momentum),
        )


class DenseHead(nn.Module):
    """Features (batch, width) → for each of `hidden`: dense → ReLU → BN → dropout of the last → dense tags."""

    def __init__(self, width: int, hidden: Sequence[int], tags: int, dropout: float, momentum: float):
        super().__init__()
        layers: list[nn.Module] = []
        for one in hidden:
            layers += [nn.Linear(width, one), nn.ReLU(), norm1d(one, momentum)]
            width = one
        self.hidden = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, tags)

    def forward(self, features: Tensor) -> Prediction:
        embedding = self.hidden(features)
        return Prediction(self.out(self.dropout(embedding))[:, None], embedding)


def shortest_input(kernels: Sequence[int], pools: Sequence[int]) -> int:
    """The fewest samples or frames of which one step is left after all stages."""
    left = 1
    for kernel, pool in zip(reversed(kernels), reversed(pools), strict=True):
        left = left * pool + kernel - 1
    return left


class AudioBranch(nn.Module):
    """Waves (batch, samples) → features (batch, width): four stages, then the maximum over time.

    Inside, waves are maps of one band, channels last: on a CPU a 2D convolution in that layout takes less time than a
    1D one, a tenth in the first stage.
    """

    def __init__(
        self, widths: Sequence[int], kernels: Sequence[int], pools: Sequence[int], momentum: float = NORM_MOMENTUM
    ):
        super().__init__()
        shapes = zip([1, *widths[:-1]], widths, kernels, pools, strict=True)
        self.stages = nn.Sequential(*(AudioStage(*shape, momentum) for shape in shapes))
        self.width = widths[-1]
        self.shortest = shortest_input(kernels, pools)

    def forward(self, waves: Tensor) -> Tensor:
        check_length(waves.shape[-1], self.shortest, "samples")
        x: Tensor = self.stages(waves[:, None, None])  # (batch, width, 1, time)
        return x.amax((2, 3))


class SpecBranch(nn.Module):
    """Maps (batch, channels, bands, frames) → features (batch, width): six stages, then the maximum over time."""

    def __init__(
        self,
        channels: int,
        bands: int,
        widths: Sequence[int],
        kernels: Sequence[int],
        band_pools: Sequence[int],
        frame_pools: Sequence[int],
        momentum: float = NORM_MOMENTUM,
    ):
        super().__init__()
        stages: list[nn.Module] = []
        before, left = channels, bands
        for width, kernel, band_pool, frame_pool in zip(widths, kernels, band_pools, frame_pools, strict=True):
            stages.append(SpecStage(before, width, kernel, (band_pool, frame_pool), momentum))
            # an even kernel, padded by half of itself on both sides, adds a band
            before, left = width, (left + (kernel + 1) % 2) // band_pool
            if left < 1:
                refuse(
                    f"{counted(bands, 'band is', 'bands are')} pooled to nothing by {list(band_pools)}: take more bands or smaller pools"
                )
        self.stages = nn.Sequential(*stages)
        self.width = before * left
        self.shortest = shortest_input(kernels, frame_pools)

    def forward(self, maps: Tensor) -> Tensor:
        check_length(maps.shape[-1], self.shortest, "frames")
        x: Tensor = self.stages(maps)  # (batch, channels, bands, frames)
        return x.amax(-1).flatten(1)  # (batch, channels · bands)


class OneBranch(nn.Module):
    """The input of a branch → Prediction: the branch under a dense head. See `cnnaudio` and `cnnspec`."""

    def __init__(self, branch: AudioBranch | SpecBranch, hidden: int, tags: int, dropout: float, momentum: float):
        super().__init__()
        self.branch = branch
        self.head = DenseHead(branch.width, [hidden], tags, dropout, momentum)
        self.shortest = branch.shortest
        initialise(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, inputs: Tensor) -> Prediction:
        prediction: Prediction = self.head(self.branch(inputs))
        return prediction


class CnnComb(nn.Module):
    """Waves (batch, samples) and their maps (batch, channels, bands, frames) → Prediction. See `cnncomb`.

    audio, spec: the branches, of the same modules as `cnnaudio(…).branch` and `cnnspec(…).branch`, whose weights fit.
    """

    def __init__(
        self, audio: AudioBranch, spec: SpecBranch, hidden: Sequence[int], tags: int, dropout: float, momentum: float
    ):
        super().__init__()
        self.audio, self.spec = audio, spec
        self.head = DenseHead(audio.width + spec.width, hidden, tags, dropout, momentum)
        self.shortest, self.shortest_frames = audio.shortest, spec.shortest
        initialise(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, waves: Tensor, maps: Tensor) -> Prediction:
        features = torch.cat([self.audio(waves), self.spec(maps)], 1)  # (batch, both widths)
        prediction: Prediction = self.head(features)
        return prediction


def _check_head(tags: int, dropout: float, momentum: float, **hidden: int) -> None:
    """Refuse what the branches do not look at, before they are made: all is told at once."""
    check_counts(tags=tags, **hidden)
    check_dropout(dropout=dropout)
    check_momentum(momentum)


@net(paper="004", input="waves", total=544_649)
def cnnaudio(
    tags: int = 41,
    widths: Sequence[int] = (32, 64, 128, 256),
    kernels: Sequence[int] = (16, 9, 9, 9),
    pools: Sequence[int] = (8, 8, 8, 10),
    hidden: int = 512,
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> OneBranch:
    """Raw waveform: four stages of 1D convolution, maximum over time, two dense layers (CNN_AUDIO).

    544,649 parameters and running statistics for 41 tags, a reconstruction that gives the combined net's published
    total. widths, kernels, pools: one for each stage; the paper's text names none of them. hidden: the dense layer
    before the last. dropout: before the last layer; the paper speaks of none. momentum: of the batch normalisation's
    running statistics. Weights start Glorot-uniform, Keras' default.

    Any length; the shortest is 9,807 samples (0.22 s at 44.1 kHz), of which one step is left. Overlapping windows can
    share the convolutions where their hop is a multiple of the pools' product, 5,120 samples: nothing is padded, and
    nothing below the maximum over time depends on the rest of the window.
    """
    check_lists(widths=widths, kernels=kernels, pools=pools)
    _check_head(tags, dropout, momentum, hidden=hidden)
    return OneBranch(AudioBranch(widths, kernels, pools, momentum), hidden, tags, dropout, momentum)


@net(paper="004", input="maps", total=2_398_761)
def cnnspec(
    tags: int = 41,
    channels: int = 1,
    bands: int = 128,
    widths: Sequence[int] = (64, 128, 128, 128, 256, 512),
    kernels: Sequence[int] = (5, 3, 3, 3, 3, 3),
    band_pools: Sequence[int] = (2, 2, 2, 2, 2, 2),
    frame_pools: Sequence[int] = (2, 2, 5, 1, 1, 1),
    hidden: int = 512,
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> OneBranch:
    """Log-mel: six stages of 2D convolution, maximum over time, two dense layers (CNN_SPEC).

    2,398,761 parameters and running statistics for 41 tags, a reconstruction that gives the combined net's published
    total; `UNPOOLED` is another of the same total. The defaults expect 128 bands with a hop of 256 samples at 44.1 kHz; any
    length from 156 frames (0.95 s), the shortest. widths, kernels, band_pools, frame_pools: one for each stage. hidden:
    the dense layer before the last. dropout: before the last layer; the paper speaks of none. momentum: of the batch
    normalisation's running statistics.

    Overlapping windows can share the convolutions where their hop is a multiple of the frame pools' product, 20 frames:
    bands are padded, frames are not, and nothing below the maximum over time depends on the rest of the window.
    """
    check_lists(widths=widths, kernels=kernels, band_pools=band_pools, frame_pools=frame_pools)
    check_counts(channels=channels, bands=bands)
    _check_head(tags, dropout, momentum, hidden=hidden)
    branch = SpecBranch(channels, bands, widths, kernels, band_pools, frame_pools, momentum)
    return OneBranch(branch, hidden, tags, dropout, momentum)


@net(paper="004", input="both", total=3_136_649)
def cnncomb(
    tags: int = 41,
    channels: int = 1,
    bands: int = 128,
    audio_widths: Sequence[int] = (32, 64, 128, 256),
    audio_kernels: Sequence[int] = (16, 9, 9, 9),
    audio_pools: Sequence[int] = (8, 8, 8, 10),
    widths: Sequence[int] = (64, 128, 128, 128, 256, 512),
    kernels: Sequence[int] = (5, 3, 3, 3, 3, 3),
    band_pools: Sequence[int] = (2, 2, 2, 2, 2, 2),
    frame_pools: Sequence[int] = (2, 2, 5, 1, 1, 1),
    hidden: Sequence[int] = (512, 256, 256, 128),
    dropout: float = 0.0,
    momentum: float = NORM_MOMENTUM,
) -> CnnComb:
    """Raw waveform and log-mel: both branches, four dense layers and a last one (CNN_COMB).

    3,136,649 parameters and running statistics for 41 tags, the published number; the dense layers are the published
    ones, the branches a reconstruction: see `cnnaudio` (audio_widths, audio_kernels, audio_pools) and `cnnspec` (widths,
    kernels, band_pools, frame_pools). hidden: the dense layers, each with ReLU and BN. dropout: before the last layer.
    momentum: of the batch normalisation's running statistics.

    The paper trains both branches first, each as a net of its own, and then the dense layers alone. Any length; the
    shortest are 9,807 samples and 156 frames, of which waves of 0.95 s at 44.1 kHz give enough with a hop of 256 samples.
    Overlapping windows can share the convolutions of both branches where their hop is a multiple of 5,120 samples, the
    paper's hop, which is 20 frames.
    """
    check_lists(audio_widths=audio_widths, audio_kernels=audio_kernels, audio_pools=audio_pools)
    check_lists(widths=widths, kernels=kernels, band_pools=band_pools, frame_pools=frame_pools)
    check_counts(channels=channels, bands=bands)
    check_lists(hidden=hidden)
    _check_head(tags, dropout, momentum)
    audio = AudioBranch(audio_widths, audio_kernels, audio_pools, momentum)
    spec = SpecBranch(channels, bands, widths, kernels, band_pools, frame_pools, momentum)
    return CnnComb(audio, spec, hidden, tags, dropout, momentum)
