"""A tagger: features, net, vocabulary and rules in one module that eats waveforms, and in one file that explains itself.

The file is safetensors: the weights, and in its header, as JSON, the recipe, the vocabulary, the rules, the figures
measured and the split they were measured on. Loading reads numbers and JSON; no code can come out of the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark import tag as tagging
from earmark.errors import EarmarkError, RecipeError, TaggerError
from earmark.nets.blocks import Prediction, Task, probabilities
from earmark.recipe import Recipe, parse
from earmark.registry import FEATURES, NETS, did_you_mean
from earmark.scores import Tag
from earmark.windows import Windows

FORMAT = "earmark-tagger"
VERSION = 1
LONGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format


class Tagger(nn.Module):
    """Waves (batch, samples) float32 in [−1, 1] at `sample_rate` → Prediction.

    features: waves → maps (identity for raw nets). net: maps or waves → Prediction. facts: figures, split and whatever
    else the file tells; plain JSON values.
    """

    def __init__(
        self,
        features: nn.Module,
        net: nn.Module,
        vocabulary: Sequence[str],
        recipe: Recipe,
        facts: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.features, self.net = features, net
        self.vocabulary: tuple[str, ...] = tuple(vocabulary)
        self.recipe = recipe
        self.facts: dict[str, Any] = dict(facts or {})

    @property
    def sample_rate(self) -> int:
        return self.recipe.sample_rate

    @property
    def task(self) -> Task:
        return self.recipe.task

    @property
    def windows(self) -> Windows:
        return self.recipe.windows.build()

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def forward(self, waves: Tensor) -> Prediction:
        prediction: Prediction = self.net(self.features(waves))
        return prediction

    def score(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → probabilities (n, tags), both NumPy; in evaluation mode, whatever mode it is in."""
        mode = self.training
        self.eval()
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(waves, np.float32)).to(self.device)
            values = probabilities(self(batch), self.task).cpu().numpy()
        self.train(mode)
        return np.asarray(values, np.float32)

    def tag(self, path: str | Path, top: int | None = 3, *, salvage: bool = False) -> list[Tag]:
        """The `top` tags of a recording of any length (None: all), the most likely first.

        Raises AudioError where it cannot be read. For many recordings use `earmark.tag.score`.
        """
        recordings = [tagging.Recording(Path(path))]
        (heard,) = tagging.score(self, recordings, workers=1, salvage=salvage)
        if isinstance(heard, tagging.Failure):
            raise heard.error
        return heard.tags(self.vocabulary, top)

    def identity(self) -> str:
        """Twelve hexadecimal digits that change with the weights, the vocabulary or the recipe."""
        return _digest(self._weights(), {"recipe": self.recipe.as_dict(), "vocabulary": list(self.vocabulary)})[:12]

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().contiguous().cpu() for name, value in self.state_dict().items()}

    def save(self, path: str | Path) -> None:
        """Write the tagger file; the old one stays whole until the new one is."""
        from safetensors.torch import save

        path = Path(path)
        weights = self._weights()
        head: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "recipe": self.recipe.as_dict(),
            "vocabulary": list(self.vocabulary),
            "facts": self.facts,
        }
        head["sha256"] = _digest(weights, head)
        partial = path.with_name(path.name + ".part")
        partial.write_bytes(save(weights, {FORMAT: json.dumps(head, ensure_ascii=False)}))
        os.replace(partial, path)


def build(recipe: Recipe, vocabulary: Sequence[str]) -> Tagger:
    """An untrained tagger. Raises RecipeError where feature, net and window do not fit together."""
    facts = NETS[recipe.net.name].facts
    try:
        features: nn.Module = nn.Identity()
        arguments = recipe.net.arguments
        if recipe.features is not None:
            features = FEATURES[recipe.features.name].function(recipe.sample_rate, **recipe.features.arguments)
        if facts["eats"] == "maps":
            arguments = {**arguments, "channels": features.channels, "bands": features.bands}
        net = NETS[recipe.net.name].function(tags=len(vocabulary), **arguments)
        inputs, what = recipe.windows.build().samples(recipe.sample_rate)[0], "samples"
        if facts["eats"] == "maps":
            inputs, what = features.frames(inputs), "frames"  # type: ignore[operator]
        if inputs < net.shortest:
            raise ValueError(
                f"windows of {recipe.windows.length:g} s are {inputs} {what}; {recipe.net.name} needs at least "
                f"{net.shortest}: make windows.length longer"
            )
    except ValueError as error:
        raise RecipeError(recipe.name, [str(error)]) from error
    return Tagger(features, net, vocabulary, recipe)


def shipped() -> dict[str, Path]:
    """The tagger files in the package, by name."""
    folder = Path(str(resources.files("earmark"))) / "taggers"
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def load(name: str | Path, device: str | Literal["cpu"] = "cpu") -> Tagger:
    """A tagger by file or by the name of a shipped one, in evaluation mode.

    Raises TaggerError: no such file; not a tagger; cut; altered; made by a newer version.
    """
    path = Path(name)
    if not path.is_file():
        known = shipped()
        if str(name) not in known:
            raise TaggerError(
                f"{name}: no such file, and no shipped tagger of that name{did_you_mean(str(name), known)} "
                f"Shipped: {', '.join(known) or 'none'}"
            )
        path = known[str(name)]
    head = read_head(path)
    weights = _read_weights(path)
    told = {key: value for key, value in head.items() if key != "sha256"}
    if _digest(weights, told) != head.get("sha256"):
        raise TaggerError(f"{path}: is not as it was saved (its checksum differs): altered or damaged. Fetch it again")
    try:
        recipe = parse(head["recipe"], f"in {path}")
        tagger = build(recipe, head["vocabulary"])
        tagger.facts = head["facts"]
        tagger.load_state_dict(weights)
    except (EarmarkError, KeyError, RuntimeError, TypeError) as error:
        raise TaggerError(f"{path}: the header and the weights do not fit together: {error}") from error
    return tagger.to(device).eval()


def read_head(path: str | Path) -> dict[str, Any]:
    """What a tagger file tells of itself, without reading the weights. Raises TaggerError."""
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= LONGEST_HEADER:
            raise TaggerError(f"{path}: is not a tagger file (it does not open like one)")
        if length > size - 8:
            raise TaggerError(f"{path}: is cut or not a tagger file: its header should take {length:,} bytes, the file has {size:,}")
        text = file.read(length)
    try:
        header = json.loads(text)
        told = header["__metadata__"][FORMAT]
    except (ValueError, KeyError, TypeError) as error:
        raise TaggerError(f"{path}: is not an earmark tagger") from error
    try:
        head = json.loads(told)
        if head["format"] != FORMAT or not isinstance(head["version"], int):
            raise ValueError("unknown format")
    except (ValueError, KeyError, TypeError) as error:
        raise TaggerError(f"{path}: its description is damaged ({error})") from error
    if head["version"] > VERSION:
        raise TaggerError(f"{path}: was written by a newer earmark (format {head['version']}, this one reads up to {VERSION}). Upgrade earmark")
    end = 8 + length + max((v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"), default=0)
    if end != size:
        raise TaggerError(f"{path}: is cut or has been added to: it should be {end:,} bytes long and is {size:,}. Fetch it again")
    return dict(head)


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, Tensor] = load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise TaggerError(f"{path}: the weights cannot be read ({error})") from error
    return weights


def _digest(weights: Mapping[str, Tensor], told: Mapping[str, Any]) -> str:
    """SHA-256 over the names, shapes, types and bytes of the weights and over what the header tells, in sorted order."""
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(weights):
        value = weights[name]
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
