"""A net in PyTorch that computes in bf16 or float16: where it may, and how. Features and what is told stay in float32.

Autocast gives each layer the numbers that it bears: convolutions and dense layers the short ones, norms and softmaxes float32.
On a GPU both save half the memory and use the units that are made for them; on a processor bf16 alone, and only where it has
instructions for it, since it is slower than float32 without. That the answers are those of float32, but for rounding, is
looked at on the first windows (`earmark.models.trust`); what PyTorch is known to answer wrongly is not asked
(`earmark.models.autocast`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from earmark.engines import processor
from earmark.errors import TaggerError
from earmark.models.autocast import Autocast

NUMBERS = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}


def check(device: str, precision: str) -> None:
    """Raises TaggerError where PyTorch, or what it computes on, has not this precision. device: one that is there."""
    kind = torch.device(device).type
    if precision not in NUMBERS:
        raise TaggerError(
            f"precision {precision}: with torch a tagger answers in float32, bf16 or, on a GPU, float16. "
            "Take one of these, or --engine onnxruntime or openvino"
        )
    if precision == "float16" and kind == "cpu":
        raise TaggerError("precision float16: torch has it on a GPU alone. Take float32 or bf16, or --device cuda")
    if precision == "bf16" and kind == "cpu" and not processor.here().bf16:
        raise TaggerError(
            f"precision bf16: this processor ({processor.here().name}) has no instructions for it, so it would be slower and no "
            "better. Take float32, or --device cuda"
        )
    if precision == "bf16" and kind == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise TaggerError(
            f"precision bf16: the GPU ({torch.cuda.get_device_name(device)}) computes in none. Take float16 or float32"
        )


def computing(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """While a net is run."""
    if precision == "float32" or not torch.amp.is_autocast_available(device.type):
        return nullcontext()  # the latter: shapes alone, without a device
    return Autocast(device.type, NUMBERS[precision])


def place(device: torch.device) -> str:
    """What it is computed on, in words: the answers of another may be others."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {processor.here().name}"


def laid_out(net: nn.Module, kind: str) -> nn.Module:
    """The net as a device likes its weights: on a GPU with the channels last, where it has convolutions over maps."""
    if kind == "cuda" and any(isinstance(layer, nn.Conv2d) for layer in net.modules()):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net
