"""Names that metrics had: they are still understood, and whoever uses one is told its present name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from earmark.registry import METRICS

# what is easily mistaken about the metric of a former name
MEANT = {
    "f1_instance": "the mean over clips of their F1. What DCASE 2017 task 4, and paper 001 with it, call the "
    "instance-based F is f1_micro"
}


def current(names: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """The present names of metrics, each once; `say` is handed a sentence for each that has another one now.

    >>> current(["f1_micro", "f1_instance", "f1_clips"], lambda sentence: None)
    ['f1_micro', 'f1_clips']
    """
    told = []
    for name in names:
        now = METRICS.former().get(name, name)
        if now != name:
            say(f"the metric {name} is called {now} now: {MEANT.get(name, 'the same figure')}")
        told.append(now)
    return list(dict.fromkeys(told))


def warn_of_former(names: Sequence[str]) -> list[str]:
    """The present names of metrics, with a FutureWarning for each former one."""
    return current(names, lambda sentence: warnings.warn(sentence, FutureWarning, stacklevel=4))
