"""A tagger: features, net, vocabulary and rules in one module that eats waveforms, and in one file that explains itself.

The file is safetensors: the weights, and in its header, as JSON, the recipe, the vocabulary, the rules, the figures
measured and the split they were measured on. Loading reads numbers and JSON; no code can come out of the file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark import tag as tagging
from earmark import taggerfile
from earmark.committee import Committee
from earmark.errors import EarmarkError, RecipeError, TaggerError
from earmark.features import Resized
from earmark.nets.blocks import Prediction, Task, probabilities, separate
from earmark.overlap import Trace, overlapping
from earmark.recipe import Recipe, parse
from earmark.registry import FEATURES, NETS, did_you_mean
from earmark.scores import Tag
from earmark.sharing import Plan, plan
from earmark.taggerfile import ENSEMBLE, FORMAT, read_head
from earmark.taggerfile import digest as _digest
from earmark.windows import Windows

PLANNING = threading.Lock()

__all__ = ["FORMAT", "Tagger", "build", "find", "load", "read_head", "shipped"]


class Tagger(nn.Module):
    """Waves (batch, samples) float32 in [−1, 1] at `sample_rate` → Prediction.

    features: waves → maps (identity for raw nets). net: maps, waves or both → Prediction. facts: figures, split and
    whatever else the file tells; plain JSON values.
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
        self._plan: tuple[tuple[int, int], Plan] | None = None  # of these windows; made when it is asked for

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
        return self.judge(waves, self.features(waves))

    def judge(self, waves: Tensor, maps: Tensor) -> Prediction:
        """The net's part: waves, and what the features made of them, → Prediction."""
        both = NETS[self.recipe.net.name].facts["eats"] == "both"
        prediction: Prediction = self.net(waves, maps) if both else self.net(maps)
        return prediction

    def score(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → probabilities (n, tags), both NumPy; in evaluation mode, whatever mode it is in."""
        return self._probabilities(self.hear(waves))

    def hear(self, waves: NDArray[np.float32]) -> Prediction:
        """Windows (n, samples) → Prediction, in evaluation mode, whatever mode it is in."""
        with self._listening():
            # torch warns of arrays that cannot be written to, as memory maps are
            prediction: Prediction = self(torch.from_numpy(np.require(waves, np.float32, ["C", "W"])).to(self.device))
            return prediction

    @property
    def together(self) -> int:
        """Overlapping windows that are scored at once by `score_overlapping`; 0 where that saves too little."""
        return self.sharing.together

    @property
    def sharing(self) -> Plan:
        """How its windows are scored, and what they share."""
        length, hop = self.windows.samples(self.sample_rate)
        with PLANNING:  # decoder threads ask for it, several at once
            if self._plan is None or self._plan[0] != (length, hop):
                self._plan = ((length, hop), plan(self, length, hop))
            return self._plan[1]

    def score_overlapping(self, wave: NDArray[np.float32], hop: int, count: int) -> NDArray[np.float32]:
        """As `score` of the first `count` windows of a wave (samples,), `hop` samples apart, but sharing what they can."""
        return self._probabilities(self.hear_overlapping(wave, hop, count))

    def hear_overlapping(
        self, wave: NDArray[np.float32], hop: int, count: int, trace: Trace | None = None
    ) -> Prediction:
        """The Prediction of `count` windows, `hop` samples apart, of a wave (samples,)."""
        length, _ = self.windows.samples(self.sample_rate)
        with self._listening():
            waves = torch.from_numpy(np.require(wave, np.float32, ["C", "W"])).to(self.device)[None]
            return separate(self(overlapping(waves, length, hop, count, trace)))

    @contextmanager
    def _listening(self) -> Iterator[None]:
        mode = self.training
        self.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.train(mode)

    def _probabilities(self, prediction: Prediction) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(probabilities(prediction, self.task).cpu().numpy(), np.float32)

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
        # without the defaults: a key that recipes learn later must not rename the taggers that there are
        told = {"recipe": self.recipe.model_dump(mode="json", exclude_defaults=True), "vocabulary": [*self.vocabulary]}
        return _digest(self._weights(), told)[:12]

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().contiguous().cpu() for name, value in self.state_dict().items()}

    def save(self, path: str | Path) -> None:
        """Write the tagger file; the old one stays whole until the new one is."""
        head = {"format": FORMAT, "recipe": self.recipe.as_dict(), "vocabulary": list(self.vocabulary)}
        taggerfile.write(path, self._weights(), {**head, "facts": self.facts})


def build(recipe: Recipe, vocabulary: Sequence[str]) -> Tagger:
    """An untrained tagger. Raises RecipeError where feature, net and window do not fit together."""
    eats = NETS[recipe.net.name].facts["eats"]
    features: Any = nn.Identity()
    arguments = recipe.net.arguments
    where = "features"
    # what a layer says of a width of 0 or a list too short is anyone's guess, but it is the recipe's mistake
    try:
        if recipe.features is not None:
            features = FEATURES[recipe.features.name].function(recipe.sample_rate, **recipe.features.arguments)
        if recipe.resize is not None:
            where = "resize"
            features = Resized(features, **recipe.resize.model_dump())
        if eats != "waves":
            arguments = {**arguments, "channels": features.channels, "bands": features.bands}
        if "sample_rate" in NETS[recipe.net.name].arguments():
            arguments = {**arguments, "sample_rate": recipe.sample_rate}
        where = "net"
        net = NETS[recipe.net.name].function(tags=len(vocabulary), **arguments)
    except (ValueError, RuntimeError, ArithmeticError, LookupError) as error:
        raise RecipeError(recipe.name, [f"{where}: {error}"]) from error
    samples, _ = recipe.windows.build().samples(recipe.sample_rate)
    needs = [(net.shortest, samples, "samples")] if eats != "maps" else []
    if eats != "waves":
        shortest = net.shortest if eats == "maps" else net.shortest_frames
        needs.append((shortest, max(0, features.frames(samples)), "frames"))
    for need, got, what in needs:
        if got < need:
            told = (
                f"{recipe.windows.length:g} s are {got} {what}; {recipe.net.name} needs at least {need}: make it longer"
            )
            raise RecipeError(recipe.name, [f"windows.length: {told}"])
    return Tagger(features, net, vocabulary, recipe)


def shipped() -> dict[str, Path]:
    """The tagger files in the package, by name."""
    folder = Path(str(resources.files("earmark"))) / "taggers"
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


def load(name: str | Path, device: str = "cpu") -> Tagger | Any:
    """A tagger by file or by the name of a shipped one, in evaluation mode; of an ensemble's file, its `Committee`.

    Any stands for a Committee, which does all that a tagger does with recordings but has no net of its own. Raises
    TaggerError: no such file; not a tagger; cut; altered; made by a newer version; a device that is not there.
    """
    check_device(device)
    path = find(name)
    head, weights = taggerfile.read(path)
    try:
        if head["format"] == ENSEMBLE:
            return _committee(head, weights, device, path)
        return _tagger(head, weights, device, path)
    except EarmarkError as error:
        raise TaggerError(
            f"{path}: this earmark cannot build it ({error}). Upgrade earmark, or add the plug-in that it was made with"
        ) from error
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise TaggerError(f"{path}: the header and the weights do not fit together: {error}") from error


def _tagger(head: Mapping[str, Any], weights: Mapping[str, Tensor], device: str, path: Path) -> Tagger:
    tagger = build(parse(head["recipe"], f"in {path}"), head["vocabulary"])
    tagger.facts = head["facts"]
    tagger.load_state_dict(weights)
    return tagger.to(device).eval()


def _committee(head: Mapping[str, Any], weights: Mapping[str, Tensor], device: str, path: Path) -> Committee:
    members = []
    known = 0
    for number, told in enumerate(head["members"]):
        prefix = f"member.{number}."
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        known += len(own)
        members.append(_tagger(told, own, device, path))
    if known < len(weights):
        raise KeyError(f"{len(weights) - known} weights belong to no member")
    return Committee(members, head["rule"], head["weights"], facts=head["facts"])
