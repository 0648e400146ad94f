"""State dicts whose tensors are those of a net of earmark's under other names: each is found, none is left, all have its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from earmark.errors import TaggerError, counted
from earmark.models.adopted.found import Weights
from earmark.registry import NETS

COUNTS = "num_batches_tracked"  # of batches, which nothing depends on


def other(place: str, why: str) -> TaggerError:
    """The refusal of a state dict that is none of the known."""
    return TaggerError(
        f"{place}: is no net that can be adopted: {why}. Known: state dicts of PANNs' Cnn6, Cnn10, Cnn14 and MobileNetV2 at 32 kHz, "
        "of EfficientAT's mn and of CED. Any other net can be adopted as a box: export it as ONNX"
    )


def weights(
    state: Mapping[str, Any], place: str, net: str, arguments: Mapping[str, Any], theirs: Callable[[str], str]
) -> Weights:
    """The weights of `net` with these arguments, by its names. theirs: its name of a tensor → the file's.

    Raises TaggerError with the first tensor that is missing, has another shape or is left over, by the file's names.
    """
    left = {name: value for name, value in state.items() if not name.endswith(COUNTS)}
    try:
        with torch.device("meta"):
            wanted = NETS[net].function(**arguments).state_dict()
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise other(place, f"its layers are no {net}: {error}") from error
    told: Weights = {}
    for ours, tensor in wanted.items():
        if ours.endswith(COUNTS):
            continue
        name = theirs(ours)
        value = left.pop(name, None)
        if value is None:
            raise other(place, f"it has no {name}, which {net} has")
        if value.shape != tuple(tensor.shape):
            raise other(place, f"its {name} is {_sides(value.shape)}, and {net}'s is {_sides(tensor.shape)}")
        told[ours] = np.ascontiguousarray(value, np.float32)
    if left:
        raise other(
            place,
            f"it has {counted(len(left), 'tensor that is', 'tensors that are')} none of {net}'s, first {next(iter(left))}",
        )
    return told


def _sides(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "one number"
