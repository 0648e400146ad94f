"""Gradients of convolution weights, where oneDNN takes too long for them.

Channels last is the better layout of 2D maps for outputs and for gradients of inputs, and on processors with AVX2 and no
AVX-512 the worse one for gradients of weights: of a convolution of 64 channels to 128, 3 × 3, on maps of 64 × 166 in a batch
of 16, one core of an AMD EPYC with AVX2 takes 29 GFLOP/s for them and 71 in the other layout, which it reaches by one copy of
map and gradient. Sums are then taken in another order: the last bits differ, nothing else.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# That a convolution hears, at least. With fewer, or on smaller maps, the two copies cost what the other layout gains:
# bankresnet, with 32 channels on maps of 48 × 63 and 64 on 24 × 32, was slower by 2 to 4 % when all were turned.
CHANNELS, POSITIONS = 64, 2048


def turn_weights(module: nn.Module) -> int:
    """Let the wide convolutions below `module`, channels last, take their weights' gradients in the other layout; how many do.

    None on processors where that gains nothing. For float32 on the CPU.
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        return 0
    found = [part for part in module.modules() if type(part) is nn.Conv2d and _gains(part)]
    for part in found:
        part.__class__ = TurnedConv2d
    return len(found)


def _gains(part: nn.Conv2d) -> bool:
    plain = part.groups == 1 and part.padding_mode == "zeros" and not isinstance(part.padding, str)
    return plain and part.in_channels >= CHANNELS and max(part.kernel_size) > 1


class TurnedConv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        small = input.shape[-2] * input.shape[-1] < POSITIONS
        if small or not torch.is_grad_enabled() or not self.weight.requires_grad:
            return super().forward(input)
        how = self.stride, self.padding, self.dilation
        out: Tensor = _Turned.apply(input, self.weight, self.bias, *how)  # type: ignore[no-untyped-call]
        return out


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *how: Any) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how, ctx.sizes = how, None if bias is None else [len(bias)]
        return functional.conv2d(x, weight, bias, *how)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, weight) = gradients, ctx.saved_tensors
        rest = (*ctx.how, False, [0, 0], 1)  # not transposed, one group
        backward = torch.ops.aten.convolution_backward
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = backward(gradient, x, weight, None, *rest, [True, False, False])[0]
        turned = (part.contiguous() for part in (gradient, x, weight))
        # the bias's comes with the weight's: asked for alone, oneDNN takes both
        _, of_weight, of_bias = backward(*turned, ctx.sizes, *rest, [False, True, ctx.needs_input_grad[2]])
        return of_x, of_weight, of_bias, None, None, None
