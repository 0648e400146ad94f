"""Stage "pair": sums of a clip with others from the whole training set (paper 004, sections 2.4.4 and 2.4.5).

The paper draws random weights without saying how: here they are drawn from a Dirichlet distribution, evenly over all
that sum to one by default, and the clip itself may have a small one. Neither does it say how many clips make a sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.errors import counted
from earmark.errors.refusals import refuse
from earmark.registry import AUGMENTATIONS
from earmark.train.augment import Wave, check_alpha, check_between, check_share
from earmark.train.augment.pool import ClipPool, Sum

Target = NDArray[np.float32]


def add(plan: Sum, waves: Sequence[Wave], targets: Sequence[Target]) -> tuple[Wave, Target]:
    """Put a plan to work. waves: (samples,) of one length, targets: (tags,), both in the order of the plan's rows."""
    if not len(waves) == len(targets) == len(plan.rows):
        raise ValueError(
            f"a sum of {counted(len(plan.rows), 'clip')} was given {counted(len(waves), 'wave')} and {counted(len(targets), 'target')}"
        )
    lengths = sorted({len(wave) for wave in waves})
    if len(lengths) > 1:
        raise ValueError(f"waves of {lengths[0]} to {counted(lengths[-1], 'sample')} cannot be summed: crop them first")
    if len(waves) == 1:
        return waves[0], targets[0]
    wave, target = plan.weights[0] * waves[0], plan.labels[0] * targets[0]
    for i in range(1, len(waves)):
        wave += plan.weights[i] * waves[i]
        target += plan.labels[i] * targets[i]
    return wave, target


def _check(share: float, most: int, alpha: float) -> None:
    check_share(share)
    if most < 2:
        refuse(f"most is {most}: a sum has at least 2 clips")
    else:
        check_between("most", most, 2, 100)
    check_alpha(alpha)


def _others(generator: np.random.Generator, share: float, most: int) -> int:
    """How many clips are added: none, or 1 to most − 1, evenly drawn."""
    return int(generator.integers(1, most)) if generator.random() < share else 0


def _weights(generator: np.random.Generator, count: int, alpha: float) -> NDArray[np.float32]:
    return generator.dirichlet(np.full(count, alpha)).astype(np.float32)


@AUGMENTATIONS.register("same_class", stage="pair")
class SameClass:
    """Sums of clips with the same tags; the target stays.

    share: of the clips that become sums. most: clips in a sum; 2 to `most` are drawn, evenly, without repeats. alpha: of
    the Dirichlet distribution of their weights; 1 is even, more is nearer to equal weights. A clip whose tags no other
    has stays as it is.
    """

    def __init__(self, share: float = 1.0, most: int = 3, alpha: float = 1.0):
        _check(share, most, alpha)
        self.share, self.most, self.alpha = share, most, alpha

    def draw(self, generator: np.random.Generator, row: int, pool: ClipPool) -> Sum:
        others = pool.same(generator, row, _others(generator, self.share, self.most))
        labels = np.zeros(1 + len(others), np.float32)
        labels[0] = 1
        return Sum(np.append(row, others), _weights(generator, len(labels), self.alpha), labels)

    def apply(self, plan: Sum, waves: Sequence[Wave], targets: Sequence[Target]) -> tuple[Wave, Target]:
        return add(plan, waves, targets)


@AUGMENTATIONS.register("other_class", stage="pair")
class OtherClass:
    """Sums of clips with different tags; the target is the sum of theirs with the same weights.

    share: of the clips that become sums. most: clips in a sum; 2 to `most` are drawn, evenly, no two with the same tags.
    alpha: of the Dirichlet distribution of their weights; 1 is even. The authors' poster calls this mixup, which takes
    two. Where all clips have the same tags, they stay as they are.
    """

    def __init__(self, share: float = 1.0, most: int = 2, alpha: float = 1.0):
        _check(share, most, alpha)
        self.share, self.most, self.alpha = share, most, alpha

    def draw(self, generator: np.random.Generator, row: int, pool: ClipPool) -> Sum:
        others = pool.other(generator, row, _others(generator, self.share, self.most))
        weights = _weights(generator, 1 + len(others), self.alpha)
        return Sum(np.append(row, others), weights, weights)

    def apply(self, plan: Sum, waves: Sequence[Wave], targets: Sequence[Target]) -> tuple[Wave, Target]:
        return add(plan, waves, targets)
