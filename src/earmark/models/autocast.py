"""Autocast as earmark's nets take it: which parts compute in fewer digits than float32, and which stay as they are.

PyTorch 2.13 computes some convolutions in bf16 wrongly on processors: it answers nonsense where a strided output is one step
wide, or where few channels meet wide kernels (both with AMX), the gradients of strided kernels are now and then what was left in
memory (without AMX too), and some of single channels never end. `benchmarks/convolutions.py` counts them. So on a processor only
convolutions of a shape of which none has been found wrong are computed in bf16; the others stay in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

FEW = 32  # channels of a group, below which wide kernels are not answered rightly
WIDE = 4
ENDLESS = 10  # width of a kernel of single channels: of 16 some never end, of 9 none was seen


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """No autocast, whatever surrounds it: for a part that is computed in float32, whatever precision the rest is trained in."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()  # shapes alone, without a device


class Autocast(AbstractContextManager["Autocast"]):
    """Nets within compute in numbers of this kind where they bear it; None: in float32. It can be entered again and again.

    Without a cache, so that a weight's gradients are summed in float32.
    """

    def __init__(self, device: str, kind: torch.dtype | None):
        self.device, self.kind = device, kind
        self._entered: list[ExitStack] = []

    def __enter__(self) -> Autocast:
        with ExitStack() as stack:
            stack.enter_context(
                torch.autocast(self.device, self.kind, enabled=self.kind is not None, cache_enabled=False)
            )
            if self.device == "cpu" and self.kind is torch.bfloat16:
                stack.enter_context(_Convolutions())
            self._entered.append(stack.pop_all())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop().__exit__(kind, error, trace)


class _Convolutions(TorchFunctionMode):
    """Those that a processor may answer wrongly in bf16 are computed in float32."""

    def __torch_function__(
        self, function: Any, kinds: Any, given: Sequence[Any] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        if function not in CONVOLUTIONS or not torch.is_autocast_enabled("cpu"):
            return function(*given, **named)
        if given and not isinstance(given[0], Tensor):
            with self:  # overlapping windows, which hear their parts one after the other
                return type(given[0]).__torch_function__(function, kinds, given, named)
        if right_in_bf16(*given, **named, learning=torch.is_grad_enabled()):
            return function(*given, **named)
        with torch.autocast("cpu", enabled=False):
            return function(
                *(_exact(value) for value in given), **{name: _exact(value) for name, value in named.items()}
            )


CONVOLUTIONS = frozenset({torch.conv1d, torch.conv2d, torch.conv3d})


def _exact(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) else value


def right_in_bf16(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    learning: bool = False,
) -> bool:
    """Whether a convolution, as torch takes it, is of a shape of which no wrong answer is known; learning: and no wrong gradient."""
    kernel = tuple(weight.shape[2:])
    steps = _each(stride, len(kernel))
    if isinstance(padding, str):
        around = [(size - 1) / 2 if padding == "same" else 0.0 for size in kernel]
    else:
        around = [float(value) for value in _each(padding, len(kernel))]
    if any(apart != 1 for apart in _each(dilation, len(kernel))):
        return False
    if any(size + pad < reach for size, pad, reach in zip(input.shape[-len(kernel) :], around, kernel, strict=True)):
        return False  # a part of the kernel hears nothing but what was filled in
    if any(step != 1 and (learning or step > reach) for step, reach in zip(steps, kernel, strict=True)):
        return False
    if input.shape[-1] + 2 * around[-1] < kernel[-1] + steps[-1] and (kernel[-1] > 1 or steps[-1] > 1):
        return False  # the output is one step wide
    channels = weight.shape[1]
    if channels == 1 and groups > 1:
        return kernel[-1] < ENDLESS
    return channels == 1 or channels >= FEW or kernel[-1] < WIDE


def _each(setting: int | Sequence[int], count: int) -> tuple[int, ...]:
    """A setting for each dimension."""
    return (setting,) * count if isinstance(setting, int) else tuple(setting) * (count if len(setting) == 1 else 1)
