"""The edges of rows of scores, and the cells between them: which edges are one.

Windows that do not fit their hop cut time into slivers. Of windows of 0.975 s every 0.48 s each third begins 15 ms before the first
ends, so that three cover these 15 ms, and two all other time: events of 15 ms would be told, and others cut in two by gaps of
15 ms. Therefore edges nearer to each other than SHARE of the hop are one, in each stretch of time that rows cover without a
seam; a seam is an edge over which no row reaches. In the order of time:

- the start of a row stays where it is, and an end near to it is that start;
- of several starts, or of several ends, that are near to each other the first stays and stands for what lies nearer than that
  behind it, and for nothing further: no chain of edges becomes one;
- a stretch begins where its first row begins and ends where its last row ends, as a recording does.

What lies between edges that are one is left out, and the cells beside it reach up to the edge. So no cell is shorter than that
share, unless its stretch is. Rows that fit the hop, and rows that do not overlap, have the cells that they had.

The hop is the time from the first start of a row to the second, which tells it of windows and of frames alike. A second start that is
the last of all may be that of a window that was moved back to the recording's end: then half of the shortest row counts,
where that is more. It must not be a share of the rows' length: windows of 1 s every 10 ms have edges 10 ms apart, and keep them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

SAME = 1e-6  # s: edges nearer than this are one edge, apart by rounding only; less than a sample
SHARE = 1 / 16  # of the hop


@dataclass(frozen=True, eq=False)
class Cells:
    """values: (cells, tags) between edges (cells + 1,), seconds that go up; nan where no row is. starts: (cells + 1,) whether a row
    begins at an edge. crossed: (cells + 1,) whether a row reaches over it.
    """

    edges: Floats
    values: Floats
    starts: Marks
    crossed: Marks

    @staticmethod
    def none(tags: int) -> Cells:
        """Not even an edge."""
        nothing = np.zeros(0, bool)
        return Cells(np.zeros(0), np.zeros((0, tags)), nothing, nothing)

    def part(self, first: int, end: int) -> Cells:
        """From one of its edges up to, and without, another."""
        # copies: what is held while scores come would keep the whole
        values = self.values[first : max(first, end - 1)].copy()
        return Cells(
            self.edges[first:end].copy(), values, self.starts[first:end].copy(), self.crossed[first:end].copy()
        )

    def and_then(self, more: Cells) -> Cells:
        """With the cells that begin at its last edge."""
        if not len(self.edges) or not len(more.edges):
            return more if len(more.edges) else self
        starts, crossed = self.starts.copy(), self.crossed.copy()
        starts[-1] |= more.starts[0]
        crossed[-1] |= more.crossed[0]
        return Cells(
            np.concatenate([self.edges, more.edges[1:]]), np.concatenate([self.values, more.values]),
            np.concatenate([starts, more.starts[1:]]), np.concatenate([crossed, more.crossed[1:]]),
        )  # fmt: skip


def edges_of(times: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The different times, and the place of each among them; those within SAME of the one before are the same."""
    known, places = np.unique(times, return_inverse=True)
    new = np.concatenate([[True], np.diff(known) > SAME])
    return known[new], (np.cumsum(new) - 1)[places]


def cells_of(values: NDArray[np.float32], start: Floats, end: Floats, also: Floats | Sequence[float] = ()) -> Cells:
    """Rows (rows, tags) from start to end, s → the mean of those that cover each time, between all edges. also: further edges."""
    edges, places = edges_of(np.concatenate([start, end, also]))
    first, last = places[: len(start)], places[len(start) : 2 * len(start)]
    spans = last - first
    rows = np.repeat(np.arange(len(start)), spans)
    cells = np.arange(len(rows)) - np.repeat(np.cumsum(spans) - spans, spans) + np.repeat(first, spans)
    order = np.argsort(cells, kind="stable")
    covered, at, count = np.unique(cells[order], return_index=True, return_counts=True)
    means = np.full((len(edges) - 1, values.shape[1]), np.nan)
    if len(covered):
        sums = np.add.reduceat(values[rows[order]].astype(np.float64), at, axis=0)
        means[covered] = sums / count[:, None]
    begun, ended = (np.bincount(each[spans > 0], minlength=len(edges)) for each in (first, last))
    starts = np.bincount(first, minlength=len(edges)) > 0
    return Cells(edges, means, starts, np.cumsum(begun) - begun > np.cumsum(ended))


def hop_of(start: Floats, end: Floats, before: float = math.inf) -> float | None:
    """Seconds from the first start to the second, as the module's docstring has it; 0 where all rows begin at once.

    before: no further row begins earlier. None: not known yet.

    >>> hop_of(np.array([0.0, 0.48, 0.96]), np.array([0.975, 1.455, 1.935]))
    0.48
    >>> hop_of(np.array([0.0, 0.025]), np.array([0.975, 1.0]))  # the second ends with the recording
    0.4875
    """
    later = start[start > start.min() + SAME] if len(start) else start
    if not len(later) or later.min() > before:
        return 0.0 if before == math.inf else None
    hop = float(later.min() - start.min())
    if (later > later.min() + SAME).any():
        return hop
    return max(hop, float((end - start).min()) / 2) if before == math.inf else None


def mended(cells: Cells, hop: float | None, until: float = math.inf) -> tuple[Cells, Cells]:
    """Cells without slivers as far as they are final, and those that are not yet, which begin at the last edge of the former.

    hop: seconds; None where it is not known yet. until: all edges up to then are known. Where the last edge is a seam, all are final.
    """
    if hop is None:  # a cell between two seams is none but itself
        seams = int(np.argmax(cells.crossed)) if cells.crossed.any() else len(cells.edges)
        return cells.part(0, seams), cells.part(max(0, seams - 1), len(cells.edges))
    if not len(cells.edges):
        return cells, cells
    near = SHARE * hop
    stand = standing(cells, near)
    # an edge that one to come may be near to may yet be another
    known = int((until - stand >= near).sum()) if cells.crossed[-1] else len(stand)
    if not known:
        return cells.part(0, 0), cells
    first = np.flatnonzero(np.diff(stand[:known], prepend=-math.inf) > 0)
    last = np.append(first[1:], known) - 1
    made = Cells(stand[first], cells.values[last[:-1]], cells.starts[first], cells.crossed[first])
    rest = cells.part(int(last[-1]), len(stand))
    return made, Cells(np.append(made.edges[-1:], rest.edges[1:]), rest.values, rest.starts, rest.crossed)


def standing(cells: Cells, near: float) -> Floats:
    """The edge that each of the edges is, where those nearer than `near` seconds are one. The first is a seam, or has been told."""
    edges = cells.edges.tolist()
    stand = cells.edges.copy()
    seam = ~cells.crossed
    seam[0] = True
    close = np.concatenate([[False], np.diff(cells.edges) < near, [False]])
    chains = np.flatnonzero(np.diff(close)).reshape(-1, 2)
    # nearly all are of two edges, a start and an end
    two = (chains[:, 1] - chains[:, 0] == 1) & ~seam[chains].any(1)
    one, other = chains[two].T
    stand[one] = stand[other] = cells.edges[np.where(cells.starts[other] & ~cells.starts[one], other, one)]
    for first, last in chains[~two].tolist():
        inner = first + 1 + np.flatnonzero(seam[first + 1 : last])
        for one, other in pairwise([first, *inner.tolist(), last]):
            if not (seam[one] and seam[other] and edges[other] - edges[one] < near):
                _stretch(edges[one : other + 1], cells.starts, one, bool(seam[one]), bool(seam[other]), near, stand)
    return stand


def _stretch(
    edges: list[float], starts: Marks, first: int, begins: bool, ends: bool, near: float, stand: Floats
) -> None:
    """Write into `stand` what some neighbouring edges, the first of which has the number `first`, are. begins, ends: at seams."""
    kept = edges[0] if begins else -math.inf
    made = []
    for number, edge in enumerate(edges):
        if edge - kept >= near:
            kept = edge
            if not starts[first + number]:
                behind = range(number + 1, len(edges))
                starting = (edges[each] for each in behind if edges[each] - edge < near and starts[first + each])
                kept = next(starting, edge)
        made.append(kept)
    stand[first : first + len(edges)] = [edges[-1] if ends and each == kept else each for each in made]
