"""YAMNet in TensorFlow Lite: whether a model is one, operator by operator, and its weights as those of the net `yamnet`.

Its heart is a convolution of 3 × 3 in steps of 2, pairs of a depthwise one of 3 × 3 and a pointwise one of 1 × 1, the mean
over time and bands, a dense layer and the logistic function; before it stand what makes int8 of the log-mel patch and
gives it a channel, behind it what makes float of the scores. Widths and steps are the file's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.errors import TaggerError, counted
from earmark.models.adopted.found import Found, Weights
from earmark.models.adopted.tflite import Model, Operator, Tensor

LAYOUT = "YAMNet in TensorFlow Lite"
FRAMES, BANDS = 96, 64  # of a patch
SHAPES = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SPLIT", "EXPAND_DIMS")  # change how a patch is held, not what it says
ACTIVATIONS = {1: "relu", 3: "relu6"}
SAME = 0
RECIPE = "audioset-yamnet"


def recognise(model: Model) -> Found:
    """Raises TaggerError, with what was found in the place of what, where a model is no YAMNet."""
    return _Reading(model).found()


class _Reading:
    """One model, gone through from its input to its output."""

    def __init__(self, model: Model):
        self.model = model
        self.operators = [each for each in model.operators if each.name not in SHAPES]
        self.weights: Weights = {}

    def found(self) -> Found:
        self._check_ends()
        self._check_chain()
        names = [each.name for each in self.operators]
        pairs = (len(names) - 4) // 2
        wanted = ["CONV_2D", *["DEPTHWISE_CONV_2D", "CONV_2D"] * pairs, "MEAN", "FULLY_CONNECTED", "LOGISTIC"]
        if pairs < 1 or names != wanted:
            raise self._other(
                f"its operators are {_counted(names)}, and YAMNet's are a convolution, pairs of a depthwise and a pointwise "
                "one, MEAN, FULLY_CONNECTED, LOGISTIC"
            )
        stem, layers, (mean, dense, _) = self.operators[0], self.operators[1:-3], self.operators[-3:]
        activations, strides = {stem.options["activation"]}, []
        width = self._convolution(stem, "stem", 1, 3, stride=2)
        widths = [width]
        for number in range(pairs):
            depthwise, pointwise = layers[2 * number], layers[2 * number + 1]
            strides.append(depthwise.options["stride_h"])
            self._depthwise(depthwise, f"depthwise.{number}", widths[-1])
            widths.append(self._convolution(pointwise, f"pointwise.{number}", widths[-1], 1, stride=1))
            activations |= {depthwise.options["activation"], pointwise.options["activation"]}
        self._mean(mean)
        tags = self._dense(dense, widths[-1])
        if len(activations) > 1 or not activations <= set(ACTIVATIONS):
            raise self._other(f"its activations are {sorted(activations)}, and YAMNet's all RELU (1) or all RELU6 (3)")
        if 2 * int(np.prod(strides, dtype=np.int64)) > FRAMES:
            raise self._other(f"its steps {strides} leave nothing of {FRAMES} frames")
        kinds = {np.dtype(self._input(each, 1).kind).name for each in (stem, *layers, dense)}
        return Found(
            {
                "stem_width": widths[0], "widths": widths[1:], "strides": strides, "norm": False,
                "activation": ACTIVATIONS[activations.pop()],
            },
            self.weights, tags, f"{' and '.join(sorted(kinds))} made float", "yamnet", LAYOUT, RECIPE,
        )  # fmt: skip

    def _other(self, why: str) -> TaggerError:
        return TaggerError(
            f"{self.model.place}: is no net that can be adopted: {why}. Known: {LAYOUT}, with a log-mel patch of {FRAMES} "
            f"frames of {BANDS} bands for its input"
        )

    def _check_ends(self) -> None:
        ends = [[self.model.tensors[place] for place in places] for places in (self.model.inputs, self.model.outputs)]
        told = [", ".join(_shape(each) for each in end) or "none" for end in ends]
        if [each.shape for each in ends[0]] != [(1, FRAMES, BANDS)]:
            raise self._other(f"its inputs are {told[0]}, and not one of 1 × {FRAMES} × {BANDS}")
        if len(ends[1]) != 1 or len(ends[1][0].shape) != 2:
            raise self._other(f"its outputs are {told[1]}, and not one of 1 × tags")

    def _check_chain(self) -> None:
        """Each operator takes what the one before it made, and the first and the last are the model's ends."""
        known = self.model.inputs[0]
        for number, each in enumerate(self.model.operators, 1):
            computed = [place for place in each.inputs if place >= 0 and not self.model.tensors[place].constant]
            if computed != [known] or len(each.outputs) != 1:
                raise self._other(
                    f"operator {number}, {each.name}, takes {counted(len(computed), 'computed tensor')} and makes "
                    f"{len(each.outputs)}, and in YAMNet each takes what the one before it made"
                )
            known = each.outputs[0]
        if (known,) != self.model.outputs:
            raise self._other("its output is not what its last operator makes")

    def _input(self, operator: Operator, number: int) -> Tensor:
        if number >= len(operator.inputs) or operator.inputs[number] < 0:
            raise self._other(
                f"{operator.name} has {counted(len(operator.inputs), 'input')}, and weights and biases are missing"
            )
        return self.model.tensors[operator.inputs[number]]

    def _convolution(self, operator: Operator, name: str, wide: int, kernel: int, stride: int) -> int:
        """Its width; the weights are (out, time, bands, in) in the file and (out, in, bands, time) in the net."""
        weights = self._input(operator, 1)
        width = weights.shape[0] if weights.shape else 0
        self._check_convolution(operator, weights, (width, kernel, kernel, wide), (stride,))
        self._put(f"{name}.conv", operator, (0, 3, 2, 1), width)
        return width

    def _depthwise(self, operator: Operator, name: str, width: int) -> None:
        weights = self._input(operator, 1)
        self._check_convolution(operator, weights, (1, 3, 3, width), (1, 2))
        if operator.options["multiplier"] not in (0, 1):
            raise self._other(
                f"a depthwise convolution makes {counted(operator.options['multiplier'], 'channel')} of each, not one"
            )
        self._put(f"{name}.conv", operator, (3, 0, 2, 1), width)

    def _check_convolution(
        self, operator: Operator, weights: Tensor, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        told = operator.options
        if weights.shape != shape or not shape[0]:
            raise self._other(f"a {operator.name} has weights of {_shape(weights)}, and {_sides(shape)} come here")
        steps, dilations = (told["stride_h"], told["stride_w"]), (told["dilation_h"], told["dilation_w"])
        if steps[0] != steps[1] or steps[0] not in strides or dilations != (1, 1) or told["padding"] != SAME:
            raise self._other(
                f"a {operator.name} has steps {steps}, dilations {dilations} and padding {told['padding']}, and here come steps "
                f"{' or '.join(map(str, strides))}, no dilation and padding SAME (0)"
            )

    def _put(self, name: str, operator: Operator, order: tuple[int, ...], width: int) -> None:
        biases = self._input(operator, 2)
        if biases.shape != (width,):
            raise self._other(f"a {operator.name} has biases of {_shape(biases)}, and {counted(width, 'channel')}")
        self.weights[f"{name}.weight"] = self._values(self._input(operator, 1)).transpose(order)
        self.weights[f"{name}.bias"] = self._values(biases)

    def _mean(self, operator: Operator) -> None:
        axes = self._input(operator, 1)
        if not axes.constant or sorted(axes.data.tolist()) != [1, 2]:
            raise self._other(f"its MEAN is over axes {axes.data.tolist()}, and YAMNet's over 1 and 2, time and bands")

    def _dense(self, operator: Operator, width: int) -> int:
        weights, biases = self._input(operator, 1), self._input(operator, 2)
        tags = self.model.tensors[self.model.outputs[0]].shape[1]
        if (
            weights.shape != (tags, width)
            or biases.shape != (tags,)
            or operator.options != {"activation": 0, "format": 0}
        ):
            raise self._other(
                f"its dense layer has weights of {_shape(weights)} and biases of {_shape(biases)}, and {counted(tags, 'tag')} by "
                f"{counted(width, 'number')} come here"
            )
        self.weights["head.weight"], self.weights["head.bias"] = self._values(weights), self._values(biases)
        return tags

    def _values(self, tensor: Tensor) -> NDArray[np.float32]:
        try:
            return tensor.values()
        except ValueError as error:
            raise TaggerError(f"{self.model.place}: {error}: cut or altered. Fetch it again") from error


def _counted(names: list[str]) -> str:
    """Of a run of the same the count: "CONV_2D, 2 × RELU"."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    told = [name if count == 1 else f"{count} × {name}" for name, count in runs]
    return ", ".join(told[:12]) + (f" and {len(told) - 12} more" if len(told) > 12 else "") or "none"


def _sides(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "one number"


def _shape(tensor: Tensor) -> str:
    return _sides(tensor.shape)
