"""The clips that a clip can be summed with, and the plan of such a sum.

Clips are of the same class where they have the same set of tags, and of different classes where the sets differ in any
tag. Rows are those of the targets that the pool was built from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.train.targets import Dense, Targets


@dataclass(frozen=True, eq=False)
class Sum:
    """Σ weights[i] · clip rows[i], with the target Σ labels[i] · target rows[i]. rows[0] is the clip itself."""

    rows: NDArray[np.int64]
    weights: NDArray[np.float32]
    labels: NDArray[np.float32]


class ClipPool:
    """Which clips have the same tags. targets: (clips, tags), nought where a tag is absent. rows: of the clips; default all.

    Built in one pass over the targets; a draw then takes the same time however many clips there are.
    """

    def __init__(self, targets: Targets | Dense, rows: NDArray[np.int64] | None = None):
        if len(targets.shape) != 2 or 0 in targets.shape:
            raise ValueError(f"targets of shape {targets.shape} hold no clips to sum: they are (clips, tags)")
        sets = Targets.of(targets)
        numbers: dict[bytes, int] = {}  # by hash: sorting rows of tags takes ten times as long
        wanted = range(len(sets)) if rows is None else rows.tolist()
        classes = [numbers.setdefault(sets.tags(row).tobytes(), len(numbers)) for row in wanted]
        self._group = np.array(classes, np.int64)  # (clips,) the class of each clip
        self._counts = np.bincount(self._group)  # (classes,)
        self._order = np.argsort(self._group, kind="stable")  # the clips, class by class
        self._place = np.argsort(self._order, kind="stable")  # where in that order each clip is
        self._starts = np.cumsum(self._counts) - self._counts  # where in it each class begins

    def __len__(self) -> int:
        return len(self._group)

    def same(self, generator: np.random.Generator, row: int, count: int) -> NDArray[np.int64]:
        """At most `count` other clips with the tags of `row`, none twice, evenly drawn; fewer where there are fewer."""
        group = self._group[row]
        others = int(self._counts[group]) - 1
        drawn = generator.choice(others, min(count, others), replace=False) if others else np.zeros(0, np.int64)
        place = self._place[row] - self._starts[group]
        rows: NDArray[np.int64] = self._order[self._starts[group] + drawn + (drawn >= place)]
        return rows

    def other(self, generator: np.random.Generator, row: int, count: int) -> NDArray[np.int64]:
        """At most `count` clips with other tags than `row` and than each other; fewer where classes run out.

        Each is evenly drawn from all clips of the classes that are left, so a class comes as often as it has clips.
        """
        taken, rows = [int(self._group[row])], []
        for _ in range(count):
            left = len(self) - int(self._counts[taken].sum())
            if not left:
                break
            place = int(generator.integers(left))
            for group in sorted(taken):  # classes lie in the order of their numbers
                place += int(self._counts[group]) if place >= self._starts[group] else 0
            rows.append(int(self._order[place]))
            taken.append(int(self._group[rows[-1]]))
        return np.array(rows, np.int64)
