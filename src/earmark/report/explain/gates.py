"""The gates of squeeze and excitation: how much of each channel a net lets through, and how that depends on the sound."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.models.layers.blocks import Excitation
from earmark.report.explain.layers import still

if TYPE_CHECKING:
    from earmark.models.tagger import Tagger


def blocks(tagger: Tagger) -> list[str]:
    """The paths of the excitations in the net; none where it has none."""
    return [name for name, part in tagger.net.named_modules() if isinstance(part, Excitation)]


def opened(tagger: Tagger, windows: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Windows (n, samples) → for each excitation, by its path, the mean gates (channels,) over them, from 0 to 1."""
    sums: dict[str, NDArray[np.float64]] = {}

    def add(name: str, logits: torch.Tensor) -> None:
        sums[name] = sums.get(name, 0.0) + logits.detach().sigmoid().double().sum(0).cpu().numpy()

    with still(tagger), torch.no_grad(), ExitStack() as hooks:
        for name in blocks(tagger):
            out = tagger.net.get_submodule(f"{name}.out")
            handle = out.register_forward_hook(lambda module, inputs, output, name=name: add(name, output))
            hooks.callback(handle.remove)
        for window in windows:
            tagger(torch.from_numpy(np.require(window[None], np.float32, ["C", "W"])).to(tagger.device))
    return {name: total / len(windows) for name, total in sums.items()}
