"""Tags that are learnt like any other and never told: what a tagger answers where nothing that it is asked for is heard.

Clips of them teach a net what is none of the other tags. Their scores stay columns of `Scores`, which ensembles, thresholds and
reports exchange; but where tags and events are told they are left out, and where a clip has one tag and theirs is the highest,
nothing is told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.scores.tags import Task

RESERVED = ("background", "noise", "silence", "other")  # by their names alone, where a tagger's file says nothing else


def told(vocabulary: Sequence[str], reserved: Collection[str]) -> NDArray[np.bool_]:
    """(tags,): which of the tags are told.

    >>> told(("dog", "background"), RESERVED).tolist()
    [True, False]
    """
    return np.array([tag not in reserved for tag in vocabulary], bool)


def none_of_these(values: NDArray[np.float32], which: NDArray[np.bool_], task: Task) -> bool:
    """Whether scores (tags,) say that none of the tags that are told is heard. which: (tags,), those that are told.

    Where a clip has one tag, the highest score is its answer; where it may have several, each is told for itself.

    >>> none_of_these(np.float32([0.25, 0.75]), np.array([True, False]), "one")
    True
    """
    if not which.any():
        return True
    hidden = values[~which].max(initial=-np.inf)
    return task == "one" and bool(hidden > values[which].max())
