"""The layers that hear raw samples, found by running a net, and what their filters make of a wave.

A raw layer is a convolution over time alone, with a kernel of more than one sample, on a sequence: Conv1d on (batch,
channels, time), or Conv2d on (batch, channels, 1, time). What comes out of it is taken after the batch norm where one
follows at once. A filter's activation is the mean over time of the positive part of that, as its ReLU lets through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from earmark.models.tagger import Tagger

SAMPLES = 729  # of an input to explain with, paper 001: 3⁶


@dataclass(frozen=True)
class Layer:
    """number: 1 for the first that the sound goes through. name: the convolution's path in the net. ends: the path of
    the module after which its output is taken. kernel, stride: in elements of its input. filters: how many there are.
    """

    number: int
    name: str
    ends: str
    kernel: int
    stride: int
    filters: int


class _Reached(Exception):
    """The layer has been reached, and the rest of the net is not needed."""

    def __init__(self, output: Tensor):
        self.output = output


def raw_layers(tagger: Tagger) -> list[Layer]:
    """The raw layers in the order in which the sound goes through them; none where the net hears maps only."""
    if tagger.input == "maps":
        return []
    convs: dict[str, tuple[nn.Module, Any]] = {}  # the convolution and what came out of it
    ends: dict[str, str] = {}

    def seen(name: str, module: nn.Module, before: Tensor, after: Tensor) -> None:
        if _is_raw(module, before):
            convs[name] = module, after
        for conv, (_, out) in convs.items():
            if out is before and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                ends[conv] = name

    length, _ = tagger.windows.samples(tagger.sample_rate)
    with still(tagger), torch.no_grad(), ExitStack() as hooks:
        for path, part in tagger.net.named_modules():
            if isinstance(part, nn.Conv1d | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d):
                handle = part.register_forward_hook(lambda m, i, o, path=path: seen(path, m, i[0], o))
                hooks.callback(handle.remove)
        _run(tagger, torch.zeros(1, length, device=tagger.device))
    layers = []
    for number, (name, (conv, _)) in enumerate(convs.items(), 1):
        assert isinstance(conv, nn.Conv1d | nn.Conv2d)
        size = conv.kernel_size[-1], conv.stride[-1], conv.out_channels
        layers.append(Layer(number, name, ends.get(name, name), *size))
    return layers


def _is_raw(module: nn.Module, before: Tensor) -> bool:
    if isinstance(module, nn.Conv1d):
        return module.kernel_size[0] > 1
    if not isinstance(module, nn.Conv2d):
        return False
    return before.shape[2] == 1 and module.kernel_size[0] == 1 and int(module.kernel_size[1]) > 1


def outputs(tagger: Tagger, layer: Layer, waves: Tensor) -> Tensor:
    """What comes out of a layer's filters: waves (n, samples), which may be shorter than the net takes, → (n, filters,
    time). The rest of the net is not run. Call it within `still`.
    """

    def stop(module: nn.Module, inputs: Any, output: Tensor) -> None:
        raise _Reached(output)

    handle = tagger.net.get_submodule(layer.ends).register_forward_hook(stop)
    try:
        _run(tagger, waves)
    except _Reached as reached:
        return reached.output.flatten(2)  # (n, filters, 1, time) → (n, filters, time)
    finally:
        handle.remove()
    raise RuntimeError(f"{layer.ends} is no part of what the net does")


def activations(tagger: Tagger, layer: Layer, waves: Tensor) -> Tensor:
    """(n, filters): how much each of the waves (n, samples) excites each filter. See the module's docstring."""
    with still(tagger), torch.no_grad():
        return outputs(tagger, layer, waves).relu().mean(-1)


def samples_for(tagger: Tagger, layer: Layer) -> int:
    """The fewest samples, of 729 · 3ⁿ, the net's shortest input and the window, that give a layer one whole kernel."""
    window, _ = tagger.windows.samples(tagger.sample_rate)
    shortest: Any = tagger.net.shortest
    lengths: set[int] = {shortest} if SAMPLES < shortest < window else set()
    length = SAMPLES
    while length < window:
        lengths.add(length)
        length *= 3
    for length in sorted(lengths):
        if _reaches(tagger, layer, length):
            return length
    return window


def _reaches(tagger: Tagger, layer: Layer, length: int) -> bool:
    """Whether waves of this length fill the layer's kernel."""

    def stop(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        raise _Reached(inputs[0])

    handle = tagger.net.get_submodule(layer.name).register_forward_pre_hook(stop)
    try:
        with still(tagger), torch.no_grad():
            _run(tagger, torch.zeros(1, length, device=tagger.device))
    except _Reached as reached:
        return int(reached.output.shape[-1]) >= layer.kernel
    except RuntimeError:  # a pool before it is longer than what is left
        return False
    finally:
        handle.remove()
    return False


def _run(tagger: Tagger, waves: Tensor) -> None:
    if tagger.input == "waves":
        tagger.net(waves)
        return
    features: Any = tagger.features  # what the other branch hears does not matter
    length, _ = tagger.windows.samples(tagger.sample_rate)
    maps = waves.new_zeros(len(waves), features.channels, features.bands, features.frames(length))
    tagger.net(waves, maps)


@contextmanager
def still(tagger: Tagger) -> Iterator[None]:
    """In evaluation mode, with parameters that want no gradients, and for waves of any length; then as it was."""
    mode = tagger.training
    trainable = [parameter for parameter in tagger.parameters() if parameter.requires_grad]
    parts: list[Any] = [part for part in tagger.net.modules() if isinstance(getattr(part, "shortest", None), int)]
    limits = [part.shortest for part in parts]
    tagger.eval()
    for parameter in trainable:
        parameter.requires_grad_(False)
    for part in parts:
        part.shortest = 1
    try:
        yield
    finally:
        for part, shortest in zip(parts, limits, strict=True):
            part.shortest = shortest
        for parameter in trainable:
            parameter.requires_grad_(True)
        tagger.train(mode)
