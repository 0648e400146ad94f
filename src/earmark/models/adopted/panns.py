"""PANNs' state dicts: is it CNN6, CNN10, CNN14 or MobileNetV2, tensor by tensor; its weights by our names.

Names are those of github.com/qiuqiangkong/audioset_tagging_cnn (pytorch/models.py, MIT). A kernel is (out, in, frames, bands)
there and (out, in, bands, frames) here. The front end lies in the file too, as constants: its mel bands are held against ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earmark.engines.features import LogMel
from earmark.errors import TaggerError, counted
from earmark.models.adopted import renamed
from earmark.models.adopted.found import Found, Weights

LAYOUT = "a state dict of PANNs"
RECIPE = "audioset-cnn14"
FRONT = ("spectrogram_extractor.", "logmel_extractor.")
MEL = "logmel_extractor.melW"  # (bins, bands)
NORM = ("weight", "bias", "running_mean", "running_var")
CNNS = {(4, 1): "cnn6", (4, 2): "cnn10", (6, 2): "cnn14"}  # (blocks, convolutions of each) → net
DROPOUT = {"dropout": 0.2, "head_dropout": 0.5}  # that they were trained with, and are trained on with
EQUAL = 1e-6  # of the mel bands, whose largest is 0.03


def recognise(state: Weights, place: str) -> Found:
    """Raises TaggerError, with what was found in the place of what, for a state dict that is none of PANNs'."""
    return _Reading(state, place).found()


@dataclass(eq=False)
class _Reading:
    """One state dict; each tensor that is understood is taken out of it."""

    state: Weights
    place: str

    def __post_init__(self) -> None:
        self.left = {name: value for name, value in self.state.items() if not name.endswith(renamed.COUNTS)}
        self.weights: Weights = {}

    def found(self) -> Found:
        if "fc_audioset.weight" not in self.left:
            raise self._other(f"it has no fc_audioset.weight, but {', '.join(list(self.left)[:4])}, …")
        self._check_front()
        mobile = any(name.startswith("features.") for name in self.left)
        if mobile:
            name = "mobilenetv2"
            self._mobile()
        else:
            name = self._cnn()
        self._norm("bn0", "bands", 64)
        for theirs, ours in (("fc1", "hidden"), ("fc_audioset", "head")):
            for kind in ("weight", "bias"):
                self._put(f"{theirs}.{kind}", f"{ours}.{kind}")
        if self.left:
            raise self._other(
                f"it has {counted(len(self.left), 'tensor that is', 'tensors that are')} none of {name}'s, first {next(iter(self.left))}"
            )
        tags = len(self.weights["head.bias"])
        return Found(
            DROPOUT if not mobile else {"head_dropout": 0.5}, self.weights, tags, "float32", name, LAYOUT, RECIPE
        )

    def _other(self, why: str) -> TaggerError:
        return renamed.other(self.place, why)

    def _check_front(self) -> None:
        """The mel bands are those of the recipe, where the file has some."""
        mel = self.left.get(MEL)
        ours = LogMel(32_000, window=0.032, hop=0.01, bands=64, low=50, high=14_000).filters
        if mel is not None and (mel.shape != ours.shape or not np.abs(mel - ours).max() < EQUAL):
            raise self._other(
                f"its mel bands, {' × '.join(map(str, mel.shape))}, are not those of 32 kHz, 50 to 14,000 Hz"
            )
        self.left = {name: value for name, value in self.left.items() if not name.startswith(FRONT)}

    def _cnn(self) -> str:
        blocks = sum(name.startswith("conv_block") and name.endswith(".conv1.weight") for name in self.left)
        depth = 2 if "conv_block1.conv2.weight" in self.left else 1
        name = CNNS.get((blocks, depth))
        if name is None:
            raise self._other(f"it has {counted(blocks, 'block')} of {counted(depth, 'convolution')}")
        for block in range(blocks):
            for number in range(depth):
                theirs, ours = f"conv_block{block + 1}", f"trunk.{block}"
                self._conv(f"{theirs}.conv{number + 1}", f"{ours}.convs.{number}")
                self._norm(f"{theirs}.bn{number + 1}", f"{ours}.norms.{number}")
        return name

    def _mobile(self) -> None:
        """Their layers are numbered as ours are: the trunk's parts, and of each its layers, the blocks' under `conv`."""
        for name in sorted(name for name in self.left if name.startswith("features.")):
            _, part, *within, kind = name.split(".")
            place = ".".join(["layers" if each == "conv" else each for each in within])
            self._put(name, f"trunk.{part}.{place}.{kind}")

    def _conv(self, theirs: str, ours: str) -> None:
        self._put(f"{theirs}.weight", f"{ours}.weight")

    def _norm(self, theirs: str, ours: str, width: int | None = None) -> None:
        for kind in NORM:
            value = self._put(f"{theirs}.{kind}", f"{ours}.{kind}")
            if width is not None and value != (width,):
                raise self._other(
                    f"its {theirs}.{kind} has {counted(value[0], 'number') if value else 'no numbers'}, and there are "
                    f"{counted(width, 'band')}"
                )

    def _put(self, theirs: str, ours: str) -> tuple[int, ...]:
        value = self.left.pop(theirs, None)
        if value is None:
            raise self._other(f"it has no {theirs}")
        turned = value.transpose(0, 1, 3, 2) if value.ndim == 4 else value
        self.weights[ours] = np.ascontiguousarray(turned, np.float32)
        return tuple(value.shape)
