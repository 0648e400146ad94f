"""State dicts of PyTorch: tensors by name, from safetensors or from `.pth` and `.pt` files. No code of a file is run.

`.pth` files are pickles; they are read with torch's `weights_only`, which builds tensors, NumPy arrays and plain values and
refuses all else. The tensors lie at the top or under `model` or `state_dict`, beside whatever else training has left there.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.errors import TaggerError, counted

ENDINGS = (".pth", ".pt", ".safetensors")
LARGEST = 1 << 30  # bytes of a file, and of what lies packed in it
TENSORS = 20_000
HOLDERS = ("model", "state_dict", "model_state_dict")  # under which the tensors may lie
PREFIX = "module."  # what torch.nn.DataParallel puts before each name
State = dict[str, NDArray[Any]]


def load(file: Path) -> State:
    """The tensors by name. Raises TaggerError for what is none, too large, or would need code of its own."""
    size = file.stat().st_size
    if size > LARGEST:
        raise TaggerError(f"{file}: has {counted(size, 'byte')}, more than the {LARGEST:,} that are taken in")
    try:
        told = _safetensors(file) if file.suffix == ".safetensors" else _pickled(file)
    except TaggerError:
        raise
    except pickle.UnpicklingError as error:
        raise TaggerError(
            f"{file}: holds more than tensors and plain values, and would run code of its own ({_short(error)}): it was not "
            "opened further. Save its state_dict as safetensors where you trust it"
        ) from error
    except Exception as error:  # torch and safetensors have many for damaged files
        raise TaggerError(f"{file}: cannot be read: {_short(error)}. Fetch it again") from error
    state = {name.removeprefix(PREFIX): value for name, value in told.items()}
    if not state or len(state) > TENSORS:
        raise TaggerError(f"{file}: holds {counted(len(state), 'tensor')}, and from 1 to {TENSORS:,} are taken in")
    return state


def _safetensors(file: Path) -> State:
    from safetensors.numpy import load_file

    return dict(load_file(str(file)))


def _pickled(file: Path) -> State:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as held:
            size = sum(each.file_size for each in held.infolist())
        if size > LARGEST:
            raise TaggerError(
                f"{file}: unpacks to {counted(size, 'byte')}, more than the {LARGEST:,} that are taken in"
            )
    with torch.serialization.safe_globals(_arrays()):
        told: Any = torch.load(file, map_location="cpu", weights_only=True)
    for name in HOLDERS:
        if isinstance(told, Mapping) and isinstance(told.get(name), Mapping):
            told = told[name]
    if not isinstance(told, Mapping):
        raise TaggerError(f"{file}: holds a {type(told).__name__}, and tensors by name are wanted")
    return {
        str(name): value.detach().float().numpy() if value.is_floating_point() else value.numpy()
        for name, value in told.items()
        if isinstance(value, torch.Tensor) and not value.is_sparse and not value.is_quantized
    }


def _arrays() -> list[Any]:
    """What arrays of NumPy are made with, which training leaves beside the weights; by their names before NumPy 2 too."""
    made = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    kinds = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "u4", "u8", "?")]
    return [made, (made, "numpy.core.multiarray._reconstruct"), np.ndarray, np.dtype, *kinds]


def _short(error: Exception) -> str:
    told = " ".join(str(error).split())
    return told[:160] + ("…" if len(told) > 160 else "")
