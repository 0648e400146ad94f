"""How a lesser machine rounds, in this process or in one that a test starts: see `make test-lesser`."""

from __future__ import annotations

import os


def rounded_by_batch(module, inputs, output):
    """What a layer that multiplies matrices gives, with other last bits in batches of other sizes.

    Some processors do so by themselves, as they sum in an order that hangs on the shape; here every one does.
    """
    import torch

    sums = isinstance(module, torch.nn.Linear | torch.nn.modules.conv._ConvNd)
    if not sums or torch.is_grad_enabled() or type(output) is not torch.Tensor or output.is_meta:
        return None
    signs = (
        torch.arange(output.numel()) * 7919 + len(output)
    ) * 104_729 % 3 - 1  # -1, 0 or 1, alike for batches of one size
    factors = 1 + signs.view(output.shape) * torch.finfo(output.dtype).eps
    return output * factors.to(output.dtype)  # of bf16 too: 1 and its neighbours are numbers of each type


def begin() -> None:
    """In a process of its own: where the tests round so, so does it."""
    if os.environ.get("LESSER"):
        from torch.nn.modules.module import register_module_forward_hook

        register_module_forward_hook(rounded_by_batch)
