"""From a file, or the name of a shipped one, to what scores recordings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earmark.errors import EarmarkError, TaggerError
from earmark.models import file as taggerfile
from earmark.models import needs
from earmark.models.anytagger import AnyTagger
from earmark.models.ensemble import Ensemble
from earmark.models.facts import Facts
from earmark.models.file import ENSEMBLE
from earmark.models.size import shapes
from earmark.models.tagger import Tagger, build
from earmark.recipe import parse
from earmark.registry import did_you_mean


def shipped() -> dict[str, Path]:
    """The tagger files in the package, by name."""
    folder = Path(str(resources.files("earmark.models"))) / "taggers"
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def find(name: str | Path) -> Path:
    """A tagger's file, by path or by the name of a shipped one. Raises TaggerError."""
    path, known = Path(name), shipped()
    # a folder of recordings may well have the name of a shipped tagger, a run's folder is not passed over
    if path.is_dir() and (str(name) not in known or (path / "tagger.safetensors").exists()):
        raise TaggerError(f"{path}: is a folder. Give the tagger file in it, such as {path / 'tagger.safetensors'}")
    if path.is_file():
        return path
    if str(name) not in known:
        raise TaggerError(
            f"{name}: no such file, and no shipped tagger of that name{did_you_mean(str(name), known)} "
            f"Shipped: {', '.join(known) or 'none'}"
        )
    return known[str(name)]


def check_device(device: str) -> None:
    """Raises TaggerError for a device that torch does not know, or that is not there."""
    try:
        kind = torch.device(device)
    except RuntimeError:
        kind = torch.device("meta")
    if kind.type not in ("cpu", "cuda"):
        raise TaggerError(f"device {device!r}: is not known, take cpu or cuda")
    there = torch.cuda.device_count()
    if kind.type == "cuda" and (kind.index or 0) >= there:
        why = f"there are {there} GPUs, counted from 0" if there else "no GPU is here, or torch was built without CUDA"
        raise TaggerError(f"device {device!r}: {why}. Take {'another' if there else 'cpu'}")


def load(name: str | Path, device: str = "cpu") -> AnyTagger:
    """A tagger or an ensemble by file or by the name of a shipped one, in evaluation mode.

    Raises TaggerError: no such file; not a tagger; cut; altered; made by a newer version; a device that is not there.
    """
    check_device(device)
    path = find(name)
    head, weights = taggerfile.read(path)
    # first, and with words of their own: what a file tells wrongly no other version of earmark mends
    for told in (head, *(head["members"] if isinstance(head.get("members"), list) else [])):
        if isinstance(told, Mapping) and "facts" in told:
            Facts.read(told["facts"], str(path))
        if isinstance(told, Mapping):
            needs.check(told, str(path))
    try:
        if head["format"] == ENSEMBLE:
            return _ensemble(head, weights, device, path)
        return _tagger(head, weights, device, path)
    except EarmarkError as error:
        raise TaggerError(
            f"{path}: this earmark cannot build it ({error}). Upgrade earmark, or add the plug-in that it was made with"
        ) from error
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise TaggerError(f"{path}: the header and the weights do not fit together: {error}") from error


def _tagger(head: Mapping[str, Any], weights: Mapping[str, Tensor], device: str, path: Path) -> Tagger:
    tagger = build(parse(head["recipe"], f"in {path}"), head["vocabulary"], shapes(weights))
    tagger.facts = Facts.read(head["facts"], str(path))
    tagger.load_state_dict(weights)
    return tagger.to(device).eval()


def _ensemble(head: Mapping[str, Any], weights: Mapping[str, Tensor], device: str, path: Path) -> Ensemble:
    members = []
    known = 0
    for number, told in enumerate(head["members"]):
        prefix = f"member.{number}."
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        known += len(own)
        members.append(_tagger(told, own, device, path))
    if known < len(weights):
        raise KeyError(f"{len(weights) - known} weights belong to no member")
    return Ensemble(members, head["rule"], head["weights"], facts=Facts.read(head["facts"], str(path)))
