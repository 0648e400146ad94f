"""The running statistics of batch normalisation, measured anew."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def norms_of(net: nn.Module, leave: Iterable[nn.Module] = ()) -> list[_BatchNorm]:
    """The layers of batch normalisation of a net; leave: parts whose own are not meant."""
    left = {id(layer) for part in leave for layer in part.modules()}
    return [layer for layer in net.modules() if isinstance(layer, _BatchNorm) and id(layer) not in left]


@contextmanager
def measured_anew(net: nn.Module, leave: Iterable[nn.Module] = ()) -> Iterator[None]:
    """What passes through the net in here makes its running means and variances: the plain mean over the batches.

    All else is in evaluation mode, and afterwards the whole net. leave: parts of the net whose statistics stay. After an
    error all are what they were. (Izmailov et al., "Averaging weights leads to wider optima", UAI 2018, algorithm 1.)
    """
    norms = norms_of(net, leave)
    before = [(norm.momentum, copy.deepcopy(norm.state_dict())) for norm in norms]
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the plain mean
        norm.train()
    try:
        yield
    except BaseException:
        for norm, (_, state) in zip(norms, before, strict=True):
            norm.load_state_dict(state)
        raise
    finally:
        for norm, (momentum, _) in zip(norms, before, strict=True):
            norm.momentum = momentum
        net.eval()
