"""What operations of PyTorch do to an `Overlap`.

A handler has the arguments of its functions after the function itself, and returns what stands for the result, or
NotImplemented where the operation needs windows by themselves. Functions without a handler always do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from earmark.windows.overlap.tensor import HANDLERS, Overlap

Handler = Callable[..., Any]


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """A decorator: the handler of these functions."""

    def keep(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(functions, handler))
        return handler

    return keep


def _named(*names: str, places: Sequence[Any] = (torch, Tensor)) -> list[Any]:
    """Functions and methods of these names."""
    return [function for place in places for name in names if (function := getattr(place, name, None)) is not None]


ELEMENTWISE = ("relu", "sigmoid", "tanh", "exp", "log", "log10", "sqrt", "square", "abs", "clamp", "neg")
CONVERSIONS = ("float", "double", "to", "contiguous", "detach")
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "elu", "silu", "hardswish", "logsigmoid", "relu6")
ARITHMETIC = ("add", "sub", "mul", "div")
IN_PLACE = {getattr(Tensor, f"{name}_"): getattr(torch, name) for name in ARITHMETIC}


@handles(*_named(*ELEMENTWISE, *(f"{name}_" for name in ELEMENTWISE)))
@handles(*_named(*CONVERSIONS, places=[Tensor]), *_named(*ACTIVATIONS, places=[F]))
def _unary(func: Any, x: Overlap, *args: Any, **kwargs: Any) -> Any:
    """An operation on each element by itself, whose other arguments are not tensors."""
    if not isinstance(x, Overlap) or any(isinstance(a, Tensor | Overlap) for a in (*args, *kwargs.values())):
        return NotImplemented
    return x.pointwise(lambda part: func(part, *args, **kwargs))


@handles(*IN_PLACE)
def _in_place(func: Any, x: Any, other: Any, **kwargs: Any) -> Any:
    """As `_binary`, and x stands for the result from then on. Its parts stay: a head may be a view of what is shared."""
    if not isinstance(x, Overlap):
        return NotImplemented
    result = _binary(IN_PLACE[func], x, other, **kwargs)
    if isinstance(result, Overlap):
        for name, value in vars(result).items():
            object.__setattr__(x, name, value)
        return x
    return result


@handles(*_named(*ARITHMETIC))
def _binary(func: Any, a: Any, b: Any, **kwargs: Any) -> Any:
    """Of two that stand for windows, or of one and what is the same for all windows and times."""
    if isinstance(a, Overlap) and isinstance(b, Overlap):
        return _together(lambda parts: func(parts[0], parts[1], **kwargs), [a, b])
    x, other = (a, b) if isinstance(a, Overlap) else (b, a)
    if isinstance(other, Tensor) and other.dim():
        like_all = other.dim() < x.ndim or other.shape[0] == 1
        if not like_all or other.shape[-1] != 1 or other.dim() > x.ndim:
            return NotImplemented
    if x is a:
        return x.pointwise(lambda part: func(part, other, **kwargs))
    return x.pointwise(lambda part: func(other, part, **kwargs))


def _together(function: Callable[[list[Tensor]], Tensor], all_: Sequence[Overlap]) -> Any:
    """`function` of the same parts of several, whose heads and tails are made equally long first."""
    first = all_[0]
    if any((x.phases, x.step, x.length) != (first.phases, first.step, first.length) for x in all_):
        return NotImplemented
    before, behind = max(x.before for x in all_), max(x.behind for x in all_)
    if before + behind >= first.length:
        return NotImplemented
    wide = [x.widened(before, behind) for x in all_]
    end = min(x.shared.shape[-1] for x in wide)  # what lies beyond is no part of a window, or is padding
    heads, tails = [x.head for x in wide if x.head is not None], [x.tail for x in wide if x.tail is not None]
    return replace(
        first,
        shared=function([x.shared[..., :end] for x in wide]),
        head=function(heads) if heads else None,
        tail=function(tails) if tails else None,
    )


@handles(torch.cat)
def _cat(func: Any, tensors: Any, dim: int = 0) -> Any:
    if not all(isinstance(x, Overlap) for x in tensors):
        return NotImplemented
    dim = dim % tensors[0].ndim
    if dim in (0, tensors[0].ndim - 1):
        return NotImplemented
    return _together(lambda parts: func(parts, dim), tensors)


def _last(value: Any) -> int:
    """The number for time of a setting that is one number, or one for each dimension."""
    return int(value[-1] if isinstance(value, list | tuple) else value)


@handles(torch.conv1d, torch.conv2d)
def _conv(
    func: Any,
    x: Any,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    if not isinstance(x, Overlap) or isinstance(padding, str):
        return NotImplemented
    kernel = (weight.shape[-1] - 1) * _last(dilation) + 1
    call = lambda part: func(part, weight, bias, stride, padding, dilation, groups)  # noqa: E731
    return x.local(call, kernel, _last(stride), _last(padding), "a convolution")


@handles(torch.max_pool1d, torch.max_pool2d, F.max_pool1d, F.max_pool2d)
def _max_pool(
    func: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    if not isinstance(x, Overlap) or ceil_mode or return_indices:
        return NotImplemented
    kernel = (_last(kernel_size) - 1) * _last(dilation) + 1
    step = stride or kernel_size
    call = lambda part: func(part, kernel_size, stride, padding, dilation)  # noqa: E731
    return x.local(call, kernel, _last(step), _last(padding), "a pool")


@handles(torch.avg_pool1d, torch._C._nn.avg_pool2d)
def _mean_pool(
    func: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    if not isinstance(x, Overlap) or ceil_mode or divisor_override is not None:
        return NotImplemented
    step = stride or kernel_size
    call = lambda part: func(part, kernel_size, stride, padding, False, count_include_pad)  # noqa: E731
    return x.local(call, _last(kernel_size), _last(step), _last(padding), "a pool")


def framed(waves: Tensor, function: Callable[[Tensor], Tensor], span: int, hop: int) -> Tensor:
    """`function` of waves (batch, …, samples) → (batch, …, frames), where frame k depends on samples k·hop … k·hop + span.

    What a feature, or a net, calls so can be shared by overlapping windows. It leaves out a rest that makes no frame.
    """
    if has_torch_function_unary(waves):
        shared: Tensor = handle_torch_function(framed, (waves,), waves, function, span, hop)
        return shared
    return function(waves)


@handles(framed)
def _framed(func: Any, x: Any, function: Callable[[Tensor], Tensor], span: int, hop: int) -> Any:
    return x.local(function, span, hop, 0, "frames")


@handles(F.pad)
def _pad(func: Any, x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    if not isinstance(x, Overlap) or mode != "constant" or min(pad) < 0 or len(pad) >= 2 * x.ndim:
        return NotImplemented
    rest = tuple(pad[2:])
    return x.padded(lambda part, left, right: F.pad(part, (left, right, *rest), mode, value), pad[0], pad[1])


@handles(F.batch_norm)
def _batch_norm(
    func: Any,
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    **rest: Any,
) -> Any:
    if training or not isinstance(x, Overlap):
        return NotImplemented
    return x.pointwise(lambda part: func(part, mean, variance, weight, bias, False, **rest))


@handles(F.dropout)
def _dropout(func: Any, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return NotImplemented if training else x


@handles(*_named("mean", "sum", "amax", "amin"))
def _reduced(func: Any, x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
    """Over dimensions that are neither the windows nor time."""
    if dim is None or not isinstance(x, Overlap):
        return NotImplemented
    dims = [d % x.ndim for d in (dim if isinstance(dim, list | tuple) else [dim])]
    if 0 in dims or x.ndim - 1 in dims:
        return NotImplemented
    return x.pointwise(lambda part: func(part, dim, keepdim, **kwargs))


@handles(*_named("repeat_interleave"))
def _repeated(func: Any, x: Any, repeats: int, dim: int | None = None) -> Any:
    if dim is None or dim % x.ndim in (0, x.ndim - 1):
        return NotImplemented
    return x.pointwise(lambda part: func(part, repeats, dim))


@handles(torch.matmul, Tensor.matmul, Tensor.__matmul__)
def _matmul(func: Any, a: Any, b: Any) -> Any:
    """A matrix times what has time last: each time by itself."""
    if not isinstance(b, Overlap) or isinstance(a, Overlap) or a.dim() != 2 or b.ndim < 3:
        return NotImplemented
    return b.pointwise(lambda part: func(a, part))
