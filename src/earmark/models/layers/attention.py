"""Attention over time at the decision level: each tag is decided where it is heard best.

Kong, Xu, Wang, Plumbley: Audio set classification with attention model: a probabilistic perspective. ICASSP 2018. Of
vectors h_t over time a class layer makes σ(W_c h_t), how likely each tag is at t, and an attention layer makes weights
p_t ≥ 0 with Σ_t p_t = 1 for each tag by itself; the tag's probability for the clip is y = Σ_t p_t · σ(W_c h_t).

Papers 003 and 000 do not say what turns W_a h_t into weights. The choices are those of the literature: v = exp (softmax
over time, the default here), v = sigmoid (the default of Kong's later PyTorch code) and v = softmax over the tags (the
2018 code); in the last two v is clipped to [1e-7, 1 − 1e-7] and divided by its sum over time.
"""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

AttActivation = Literal["softmax_time", "sigmoid", "softmax_class"]
CLIP = 1e-7
LOG_LOWEST, LOG_HIGHEST = math.log(CLIP), math.log1p(-CLIP)


@dataclass(frozen=True, eq=False)
class Attended:
    """What attention makes of a batch.

    logits: (batch, tags), the log-odds of the clip's probabilities, exact where these round to 0 or 1.
    frames: (batch, time, tags), the class layer's logits W_c h_t.
    weights: (batch, time, tags), how much each time counts; their sum over time is 1.
    """

    logits: Tensor
    frames: Tensor
    weights: Tensor

    @property
    def probabilities(self) -> Tensor:
        """(batch, tags): y."""
        return self.logits.sigmoid()


def log_weights(attention: Tensor, activation: AttActivation) -> Tensor:
    """W_a h_t (batch, time, tags) → log p_t, whose exponentials sum to 1 over time."""
    if activation == "softmax_time":
        return attention.log_softmax(1)
    logs = F.logsigmoid(attention) if activation == "sigmoid" else attention.log_softmax(-1)
    logs = logs.clamp(LOG_LOWEST, LOG_HIGHEST)
    return logs - logs.logsumexp(1, keepdim=True)


def attend(classes: Tensor, attention: Tensor, activation: AttActivation = "softmax_time") -> Attended:
    """W_c h_t and W_a h_t, both (batch, time, tags) → Attended, in float32 or better.

    As Σ p = 1, 1 − y is Σ_t p_t · σ(−W_c h_t): both logarithms are sums of positive terms, so that nothing cancels and
    the log-odds are finite, with finite gradients, for any finite logits.
    """
    # half precision would round a y near 1 to 1
    accurate = torch.promote_types(classes.dtype, torch.float32)
    classes, logs = classes.to(accurate), log_weights(attention.to(accurate), activation)
    log_yes = (logs + F.logsigmoid(classes)).logsumexp(1)
    log_no = (logs + F.logsigmoid(-classes)).logsumexp(1)
    return Attended(log_yes - log_no, classes, logs.exp())


class Attention(nn.Module):
    """Vectors over time (batch, time, width) → Attended: the class layer and the attention layer, both dense."""

    def __init__(self, width: int, tags: int, activation: AttActivation = "softmax_time"):
        super().__init__()
        known = typing.get_args(AttActivation)
        if activation not in known:
            raise ValueError(f"att_activation {activation!r} is not known: take one of {', '.join(known)}")
        self.activation: AttActivation = activation
        self.classes = nn.Linear(width, tags)
        self.attention = nn.Linear(width, tags)

    def forward(self, vectors: Tensor) -> Attended:
        return attend(self.classes(vectors), self.attention(vectors), self.activation)
