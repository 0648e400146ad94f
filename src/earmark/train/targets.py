"""What each clip is to be answered with, kept as the few tags that it has: two million clips of 527 tags fit in megabytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.data.manifest import Manifest, tag_codes

Dense = NDArray[np.float32]
Codes = NDArray[np.int32]


class Targets:
    """(rows, tags) float32: 1 where a clip has a tag, NaN where it is not known, else 0. Indexed as an array is, by rows.

    rows and tags: of each cell that is 1; those of `unknown`: of each that is NaN. In any order, each once.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        rows: NDArray[np.int64],
        tags: NDArray[np.int64],
        unknown: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    ):
        self.shape = shape
        self._starts, self._tags = _by_rows(shape[0], rows, tags)
        self._unknown = None if unknown is None or not len(unknown[0]) else _by_rows(shape[0], *unknown)

    @staticmethod
    def of(targets: Targets | Dense) -> Targets:
        """Of an array, whose cells above 0 count as 1; or what is so already.

        >>> made = Targets.of(np.array([[0, 1, 1], [0, np.nan, 0]], np.float32))
        >>> made[[1, 0]].tolist(), made.tags(0).tolist()
        ([[0.0, nan, 0.0], [0.0, 1.0, 1.0]], [1, 2])
        """
        if isinstance(targets, Targets):
            return targets
        rows, tags = np.nonzero(targets > 0)
        unknown, of = np.nonzero(np.isnan(targets))
        return Targets((len(targets), targets.shape[1]), rows, tags, (unknown, of))

    def __len__(self) -> int:
        return self.shape[0]

    def tags(self, row: int) -> Codes:
        """The tags of a clip, rising."""
        return self._tags[self._starts[row] : self._starts[row + 1]]

    def __getitem__(self, which: Any) -> Dense:
        if isinstance(which, (int, np.integer)):
            own: Dense = self._dense([int(which)])[0]
            return own
        return self._dense(np.arange(len(self))[which].tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.float32)

    def _dense(self, rows: Sequence[int]) -> Dense:
        made = np.zeros((len(rows), self.shape[1]), np.float32)
        for place, row in enumerate(rows):
            made[place, self.tags(row)] = 1
            if self._unknown is not None:
                starts, tags = self._unknown
                made[place, tags[starts[row] : starts[row + 1]]] = np.nan
        return made

    def by_tag(self, rows: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
        """Of these rows, rising, those that have each of the tags that any has."""
        counts = self._starts[rows + 1] - self._starts[rows]
        owner = np.repeat(rows, counts)
        first = np.repeat(self._starts[rows] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        tags = self._tags[first + np.arange(len(owner))]
        order = np.argsort(tags, kind="stable")
        tags, owner = tags[order], owner[order]
        cuts = np.flatnonzero(np.diff(tags)) + 1
        present = tags[np.concatenate([[0], cuts])] if len(tags) else tags
        return dict(zip(present.tolist(), np.split(owner, cuts), strict=True)) if len(tags) else {}

    def without_tags(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of these rows, those that have none of the tags and lack some for certain, and those of which nothing is known.

        >>> made = Targets.of(np.array([[0, 1], [0, 0], [np.nan, 0], [np.nan, np.nan]], np.float32))
        >>> [each.tolist() for each in made.without_tags(np.arange(4))]
        [[1, 2], [3]]
        """
        none = rows[self._starts[rows + 1] == self._starts[rows]]
        if self._unknown is None:
            return none, none[:0]
        starts = self._unknown[0]
        nothing = starts[none + 1] - starts[none] == self.shape[1]
        return none[~nothing], none[nothing]


def targets_of(manifest: Manifest, vocabulary: Sequence[str], task: str) -> Targets:
    """1 where a clip has a tag, 0 where not and, in task many, NaN where it is not known.

    A mixture with what is not known is not known. Where a clip has one tag, that excludes the others.
    """
    unknown = None
    if task == "many" and not manifest.knows_all:
        rows, codes = tag_codes(manifest.table["unknown"], vocabulary)
        unknown = rows[codes >= 0], codes[codes >= 0]
    rows, codes = tag_codes(manifest.table["tags"], vocabulary)
    return Targets((len(manifest), len(vocabulary)), rows, codes, unknown)


def _by_rows(count: int, rows: NDArray[np.int64], tags: NDArray[np.int64]) -> tuple[NDArray[np.int64], Codes]:
    """Where each row's tags begin (count + 1,), and the tags, row by row and rising."""
    if len(rows) and (rows.min() < 0 or tags.min() < 0):
        raise ValueError("a tag is not among those that are learnt")
    order = np.lexsort((tags, rows))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]).astype(np.int64)
    return starts, tags[order].astype(np.int32)
