"""Waves of one loudness: what a tagger may do to each window before its features and its net hear it.

Papers 002 and 004 feed "waveforms with normalization" and a "normalized array of audio samples" without saying which.
Here it is a key of the recipe, `normalise`, and a part of the tagger, so that a window is heard alike in training, after
its augmentation, and in tagging. Each window is taken by itself: how loud it is against others is lost to the net, and
one with hardly any sound in it is made as loud as the rest. Overlapping windows are then scored one by one.
"""

from __future__ import annotations

from torch import Tensor

from earmark.engines.features.loudness import SILENT, TINY
from earmark.recipe.hearing import Normalise


def normalised(waves: Tensor, how: Normalise) -> Tensor:
    """Waves (batch, samples) → the same with a largest absolute sample of 1 (peak), or a root mean square of 1 (rms).

    >>> import torch
    >>> normalised(torch.tensor([[0.1, -0.2, 0.0, 0.2], [0.0, 0.0, 0.0, 0.0]]), "peak").tolist()
    [[0.5, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    """
    if how == "none":
        return waves
    peak = how == "peak"
    size = waves.abs().amax(-1, keepdim=True) if peak else waves.square().mean(-1, keepdim=True).clamp(min=TINY).sqrt()
    return waves / size.where(size > SILENT, size.new_ones(()))
