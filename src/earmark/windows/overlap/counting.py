"""Counts the work of a call: multiplications and additions of convolutions, dense layers and Fourier transforms.

Two for each product that is summed, and 2.5 N log2 N for a real transform of N samples; all else is left out. PyTorch's own
`FlopCounterMode` counts the same by way of its compiler's decompositions; a mode with the few formulas that nets need is quicker.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from earmark.windows.overlap.shapes import ANSWERS, OnShapes, answer

aten = torch.ops.aten


def _product(result: Tensor, left: Tensor, right: Tensor, *rest: Any) -> int:
    """Of matrices, one by one or in batches: (…, m, k) times (…, k, n)."""
    return 2 * result.numel() * left.shape[-1]


def _product_and_sum(result: Tensor, summand: Tensor, left: Tensor, right: Tensor, *rest: Any) -> int:
    return _product(result, left, right)


def _convolution(
    result: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    *rest: Any,
) -> int:
    """Each place of the output, of the input where it is transposed, meets the whole weight (out, in of a group, …)."""
    places = x if transposed else result
    return 2 * len(x) * math.prod(places.shape[2:]) * weight.numel()


def _fourier(result: Tensor, x: Tensor, *rest: Any) -> int:
    """A real fast Fourier transform along the last dimension."""
    return round(2.5 * float(x.numel()) * math.log2(max(2, x.shape[-1])))


FORMULAS: dict[Any, Callable[..., int]] = {
    aten.mm: _product,
    aten.matmul: _product,
    aten.bmm: _product,
    aten.addmm: _product_and_sum,
    aten.baddbmm: _product_and_sum,
    aten.convolution: _convolution,
    aten._convolution: _convolution,
    aten._fft_r2c: _fourier,
}


class Counting(OnShapes):
    """operations: the work of what is called in it. largest: bytes of the largest tensor that came out of an operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in ANSWERS:
            with self:  # what consists of other operations is counted by these: a linear layer is a product and a sum
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = answer(func, args, kwargs)
        formula = FORMULAS.get(func._overloadpacket)
        if formula is not None:
            self.operations += formula(result, *args)
        for tensor in result if isinstance(result, tuple | list) else (result,):
            # a view of overlapping windows has more elements than memory
            if isinstance(tensor, Tensor) and tensor._base is None:
                self.largest = max(self.largest, int(tensor.numel()) * tensor.element_size())
        return result
