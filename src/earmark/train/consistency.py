"""Consistency: what a net says of two views of a clip, other crops of the same mixture, is to be alike."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from earmark.scores import Task


def consistency(one: Tensor, other: Tensor, task: Task) -> Tensor:
    """The mean over clips and levels of ½ KL(p ‖ q) + ½ KL(q ‖ p); logits (batch, levels, tags) of the two views.

    p and q are the views' probabilities. In each term the first is a target: no gradient flows into it. For many tags the
    divergence is that of each tag's two outcomes, a mean over tags. Nought where the views are alike.

    >>> import torch
    >>> consistency(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), "one").item()
    0.0
    """
    first, second = one.float(), other.float()
    if task == "many":
        # outcomes yes and no: a softmax over (logit, 0) is the sigmoid
        first, second = (F.pad(logits[..., None], (0, 1)) for logits in (first, second))
    p, q = first.log_softmax(-1), second.log_softmax(-1)
    return (_divergence(p.detach(), q) + _divergence(q.detach(), p)).mean() / 2


def _divergence(target: Tensor, other: Tensor) -> Tensor:
    """KL(target ‖ other) of logarithms of probabilities, over the last axis."""
    return (target.exp() * (target - other)).sum(-1)
