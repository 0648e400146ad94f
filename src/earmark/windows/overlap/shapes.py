"""Shapes of what common operations give, told without PyTorch's own answer for tensors of its meta device.

PyTorch answers for these operations in Python, and imports its compiler for it: over a second of every program that
builds a net. What is not here is asked of PyTorch, so that nets of any operations work. An answer is a tensor of the
same shape, type and order in memory as PyTorch's, since the order decides what is copied later; or None where it knows none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


def _new(shape: Sequence[int], x: Tensor) -> Tensor:
    """Of this shape, and the type of x."""
    return torch.empty(shape, dtype=x.dtype, device="meta")


def _like(x: Tensor, *rest: Any, **more: Any) -> Tensor:
    """Of each element by itself, or along a dimension that stays: the same shape, and without gaps the same order."""
    strides, step = [0] * x.dim(), 1
    for dim in sorted(range(x.dim()), key=lambda dim: (x.stride(dim), -dim)):
        strides[dim] = step
        step *= max(1, x.shape[dim])
    return torch.empty_strided(x.shape, strides, dtype=x.dtype, device="meta")


def _function(x: Tensor, *rest: Any, **more: Any) -> Tensor | None:
    """A function of each element, given by numbers: of integers it would be another type's."""
    tensors = any(isinstance(each, Tensor) for each in (*rest, *more.values()))
    return _like(x) if x.is_floating_point() and not tensors else None


def _pair(x: Any, other: Any, **more: Any) -> Tensor | None:
    """Of two tensors, or of a tensor and a number, element by element."""
    if not isinstance(other, Tensor):
        return _function(x)
    if x.dtype != other.dtype or not x.is_floating_point():
        return None
    shape = np.broadcast_shapes(x.shape, other.shape)
    whole = next((each for each in (x, other) if each.shape == shape), None)
    return _new(shape, x) if whole is None else _like(whole)


def _in_place(x: Tensor, *rest: Any, **more: Any) -> Tensor | None:
    """What has its new values where the old ones were; that which does not fit there is told by PyTorch."""
    shapes = [each.shape for each in rest if isinstance(each, Tensor)]
    return x if np.broadcast_shapes(x.shape, *shapes) == x.shape else None


def _norm(x: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    """A norm by statistics that are known: it hands on none of the batch."""
    none = _new([0], x)
    return _like(x), none, none


def _two(x: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of the sigmoid, and what its gradient would need: nothing."""
    return _like(x), _new([0], x)


def _reduction(x: Tensor, dims: int | Sequence[int] | None, keep: bool = False, **more: Any) -> Tensor | None:
    """One value for all along some dimensions."""
    if more or not x.is_floating_point():
        return None
    chosen = [dims] if isinstance(dims, int) else dims or range(x.dim())
    gone = {dim % x.dim() for dim in chosen}
    shape = [1 if i in gone else size for i, size in enumerate(x.shape) if keep or i not in gone]
    return _new(shape, x)


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    """Tensors of one type, one after the other along a dimension; maps with channels last where all of them are so."""
    first = tensors[0]
    dim %= first.dim()
    if any(each.dim() != first.dim() or each.dtype != first.dtype for each in tensors):
        return None  # the empty vector, which joins whatever there is, and types that turn into one
    shape = [sum(each.shape[dim] for each in tensors) if i == dim else size for i, size in enumerate(first.shape)]
    order = torch.channels_last if all(map(_channels_last, tensors)) else torch.contiguous_format
    return torch.empty(shape, dtype=first.dtype, device="meta", memory_format=order)


def _channels_last(x: Tensor) -> bool:
    """Whether a part of maps lies in memory with channels last."""
    if x.dim() != 4 or x.is_contiguous():
        return False
    return _like(x).is_contiguous(memory_format=torch.channels_last)


def _places(x: Tensor, kernel: Sequence[int], *how: Sequence[int]) -> list[int] | None:
    """How many places a kernel has along x's last dimensions, by its (stride, padding, dilation); None where PyTorch tells."""
    if any(len(each) != len(kernel) for each in how):
        return None
    sizes = zip(x.shape[-len(kernel) :], kernel, *how, strict=True)
    out = [(size + 2 * pad - far * (wide - 1) - 1) // step + 1 for size, wide, step, pad, far in sizes]
    return out if min(out) > 0 else None


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    *rest: Any,
) -> Tensor | None:
    places = _places(x, weight.shape[2:], stride, padding, dilation)
    if transposed or places is None or x.dim() != weight.dim():
        return None
    return _new([len(x), len(weight), *places], x)


def _greatest(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil: bool = False,
) -> tuple[Tensor, Tensor] | None:
    """Of maps (…, height, width): the greatest value of each place, and where that was."""
    places = _places(x, kernel, stride or kernel, padding, dilation)
    if ceil or places is None or _channels_last(x):
        return None
    shape = [*x.shape[:-2], *places]
    return _new(shape, x), torch.empty(shape, dtype=torch.int64, device="meta")


def _average(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    ceil: bool = False,
    *rest: Any,
) -> Tensor | None:
    places = _places(x, kernel, stride or kernel, padding, (1, 1))
    return None if ceil or places is None or _channels_last(x) else _new([*x.shape[:-2], *places], x)


def _copy(x: Tensor, *, memory_format: Any = None, **more: Any) -> Tensor | None:
    """As x is, or in the plain order."""
    if any(more.values()) or memory_format not in (None, torch.preserve_format, torch.contiguous_format):
        return None
    return _new(x.shape, x) if memory_format is torch.contiguous_format else _like(x)


def _padded(x: Tensor, pads: Sequence[int], *rest: Any) -> Tensor | None:
    """By nothing: a copy."""
    return None if any(pads) else _like(x)


def _transform(x: Tensor, dims: Sequence[int], norm: int, half: bool) -> Tensor | None:
    """The half of a real Fourier transform along the last dimension."""
    if [dim % x.dim() for dim in dims] != [x.dim() - 1] or not half or x.dtype not in COMPLEX:
        return None
    return torch.empty([*x.shape[:-1], x.shape[-1] // 2 + 1], dtype=COMPLEX[x.dtype], device="meta")


def _repeated(x: Tensor, times: Sequence[int]) -> Tensor:
    shape = [1] * (len(times) - x.dim()) + list(x.shape)
    return _new([size * count for size, count in zip(shape, times, strict=True)], x)


def _product(left: Tensor, right: Tensor) -> Tensor | None:
    """Of matrices, or of several by one matrix or by as many."""
    if left.dim() < 2 or right.dim() < 2 or left.shape[-1] != right.shape[-2] or left.dtype != right.dtype:
        return None
    several = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    return _new([*several, left.shape[-2], right.shape[-1]], left)


def _product_and_sum(summand: Tensor, left: Tensor, right: Tensor, **more: Any) -> Tensor:
    return _new([left.shape[0], right.shape[1]], left)


def _unsqueezed(x: Tensor, dim: int) -> Tensor:
    """A view with a dimension of one more."""
    dim %= x.dim() + 1
    stride = x.shape[dim] * x.stride(dim) if dim < x.dim() else 1
    shape, strides = list(x.shape), list(x.stride())
    return x.as_strided([*shape[:dim], 1, *shape[dim:]], [*strides[:dim], stride, *strides[dim:]])


def _square(size: int, **more: Any) -> Tensor:
    """The matrix that changes nothing."""
    return torch.empty(size, size, dtype=more.get("dtype"), device="meta")


def _stacked(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    shape = list(tensors[0].shape)
    shape.insert(dim % (len(shape) + 1), len(tensors))
    return _new(shape, tensors[0])


def _layer_norm(values: Tensor, shape: Sequence[int], *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised values, and mean and scale of each that is normalised by itself."""
    apart = (*values.shape[: -len(shape)], *(1 for _ in shape))
    return _new(values.shape, values), _new(apart, values), _new(apart, values)


ANSWERS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys([aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor], _pair),
    **dict.fromkeys([aten.relu.default, aten.neg.default, aten.clamp.default, aten.pow.Tensor_Scalar], _function),
    **dict.fromkeys(
        [aten.exp.default, aten.log.default, aten.log10.default, aten.sqrt.default, aten.sigmoid.default], _function
    ),
    **dict.fromkeys([aten.hardtanh.default, aten.relu6.default, aten.gelu.default, aten.hardswish.default], _function),
    **dict.fromkeys([aten.add_.Tensor, aten.sub_.Tensor, aten.mul_.Tensor, aten.div_.Tensor], _in_place),
    **dict.fromkeys([aten.addcmul_.default, aten.pow_.Scalar], _in_place),
    **dict.fromkeys([aten.normal_.default, aten.uniform_.default, aten.zero_.default], _in_place),
    **dict.fromkeys([aten.mean.dim, aten.sum.dim_IntList, aten.logsumexp.default, aten.amax.default], _reduction),
    aten._log_softmax.default: _like,
    aten._softmax.default: _like,
    aten.log_sigmoid_forward.default: _two,
    aten._native_batch_norm_legit_no_training.default: _norm,
    aten.native_layer_norm.default: _layer_norm,
    aten.convolution.default: _convolution,
    aten.max_pool2d_with_indices.default: _greatest,
    aten._fft_r2c.default: _transform,
    aten.repeat.default: _repeated,
    aten.avg_pool2d.default: _average,
    aten.clone.default: _copy,
    aten.constant_pad_nd.default: _padded,
    aten.matmul.default: _product,
    aten.cat.default: _joined,
    aten.eye.default: _square,
    aten.stack.default: _stacked,
    aten.addmm.default: _product_and_sum,
    aten.unsqueeze.default: _unsqueezed,
}


class OnShapes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it, operations on meta tensors are answered from here where they can be."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: nothing here is compiled. Where it is True, PyTorch imports its compiler to be told so."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return answer(func, args, kwargs or {})


def answer(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What `operation` gives: from here for meta tensors that it is told for, from PyTorch otherwise."""
    told = ANSWERS.get(operation)
    result = told(*args, **kwargs) if told is not None and _on_meta(args[0], kwargs) else None
    return operation(*args, **kwargs) if result is None else result


def _on_meta(first: Any, kwargs: dict[str, Any]) -> bool:
    """Whether what an operation is of, or the first of those, is on the meta device; or what is made from nothing will be."""
    one = first[0] if isinstance(first, list | tuple) else first
    device = one.device if isinstance(one, Tensor) else kwargs.get("device")
    return device is not None and device.type == "meta"
