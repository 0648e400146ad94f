"""Where PyTorch computes: on the processor, or on a GPU that is here; and whether one lies idle.

auto is the first GPU where PyTorch runs the tagger and has one, else the processor. Apple's GPUs are taken only by name (mps):
they have no float64, in which features are computed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatch
from typing import Any

from earmark.errors import TaggerError

AUTO = "auto"
NODES = ("nvidia[0-9]*", "kfd")  # what Linux calls GPUs of NVIDIA and AMD, both of which PyTorch calls cuda


def check(device: str) -> None:
    """Raises TaggerError for a device that torch does not know, or that is not there."""
    import torch

    try:
        kind = torch.device(device)
    except RuntimeError:
        kind = torch.device("meta")
    if kind.type not in ("cpu", "cuda", "mps"):
        raise TaggerError(f"device {device!r}: is not known, take auto, cpu, cuda or mps")
    there = torch.cuda.device_count()
    if kind.type == "cuda" and (kind.index or 0) >= there:
        why = f"there are {there} GPUs, counted from 0" if there else "no GPU is here, or torch was built without CUDA"
        raise TaggerError(f"device {device!r}: {why}. Take {'another' if there else 'cpu'}")
    if kind.type == "mps" and not torch.backends.mps.is_available():
        raise TaggerError(f"device {device!r}: is not here. Take cpu")


def taken(device: str) -> str:
    """The device on which PyTorch computes: what is asked for, or found. Raises TaggerError, as `check` does."""
    if device == AUTO:
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"
    check(device)
    return device


def gpu_here() -> bool:
    """Whether the system shows a GPU that PyTorch could use. Asks no torch; where systems do not show it (not Linux): no."""
    try:
        names: Iterable[str] = os.listdir("/dev")
    except OSError:
        return False
    return any(fnmatch(name, node) for name in names for node in NODES)


def unused(tagger: Any, device: str) -> str:
    """A sentence where a GPU is here, and neither used nor declined. device: what was asked for."""
    members = tagger.members
    kinds = {str(getattr(member, "device", "cpu")).partition(":")[0] for member in members}
    if device != AUTO or kinds != {"cpu"} or not gpu_here():
        return ""
    engine = getattr(members[0], "engine", "PyTorch")
    how = (
        "PyTorch sees none: look for a build with CUDA"
        if engine == "PyTorch"
        else "`--engine torch --device cuda` uses it, where torch is installed"
    )
    return f"a GPU is here and not used: {engine} runs on the processor. {how}; `--device cpu` is silent about it"
