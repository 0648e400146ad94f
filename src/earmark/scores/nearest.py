"""Windows that are most like an example: exact cosine similarity, over any number of embeddings in bounded memory.

The cosine of two embeddings is that of the angle between them: 1 for the same direction, however loud. Of several examples the
most similar counts. Blocks of embeddings come one after the other, and only the best so far are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError, counted
from earmark.errors.kinds import checked
from earmark.scores.embeddings import Embeddings

MARGIN = 1e-5  # by which a cosine in float32 may be off
SMALL, LARGE = 1e-25, 1e30  # squares of lengths, which float32 has with all of its digits


@dataclass(frozen=True)
class Match:
    """A window, and how much it is like the example, from −1 to 1. start, end: seconds."""

    id: str
    start: float
    end: float
    similarity: float


@checked
def nearest(
    blocks: Iterable[Embeddings], examples: NDArray[np.float32], top: int, *, each: int | None = None
) -> list[Match]:
    """The `top` windows most like the examples (n, width), the most similar first; of equal ones those that come first.

    each: at most so many of one recording. Raises ScoresError where the embeddings have another width, and for an example that holds
    what is no finite number, or zeros alone, which point nowhere.

    >>> some = Embeddings(np.eye(2, dtype=np.float32), np.array(["a", "b"]), np.zeros(2), np.ones(2))
    >>> [(match.id, match.similarity) for match in nearest([some], np.array([[0.0, 5.0]], np.float32), 1)]
    [('b', 1.0)]
    """
    if top < 1 or (each is not None and each < 1):
        raise ScoresError(f"top is {top}, of each recording {each}: give 1 or more")
    wanted = _directions(_checked(examples))
    kept: list[tuple[float, int, Match]] = []  # (similarity, −place, …), so that the larger is the better
    place = 0
    for block in blocks:
        if len(block) and block.width != wanted.shape[1]:
            raise ScoresError(
                f"the store has embeddings of {counted(block.width, 'number')}, the example one of {wanted.shape[1]}: they come from "
                "different taggers. Take the tagger that made the store"
            )
        if not len(block):
            continue
        rows = _candidates(_similarity(block.vectors, wanted), block.ids, top, each)
        cosines = _cosines(block.vectors[rows], wanted)
        kept += [
            (float(cosine), -(place + row), _match(block, row, float(cosine)))
            for cosine, row in _first(cosines, rows, block.ids, top, each)
        ]
        kept = _best(kept, top, each)
        place += len(block)
    return [match for _, _, match in kept]


def _candidates(similarity: NDArray[np.float32], ids: NDArray[np.str_], top: int, each: int | None) -> NDArray[np.intp]:
    """Rows of a block that may be among the best, by cosines that are right to MARGIN, in order."""
    if top >= len(similarity):
        return np.arange(len(similarity))
    if each is None:
        least = np.partition(similarity, len(similarity) - top)[len(similarity) - top]
    else:
        order = np.argsort(-similarity, kind="stable")
        rows = [row for _, row in _first(similarity[order], order, ids, top, each)]
        if len(rows) < top:
            return np.arange(len(similarity))
        least = similarity[rows].min()
    return np.flatnonzero(similarity >= least - MARGIN)


def _first(
    values: NDArray[Any], rows: NDArray[np.intp], ids: NDArray[np.str_], top: int, each: int | None
) -> list[tuple[float, int]]:
    """The `top` of the rows with the highest values, of equal ones those that come first, at most `each` of one recording."""
    order = np.lexsort((rows, -values))
    if each is None:
        return [(float(values[n]), int(rows[n])) for n in order[:top]]
    taken: dict[str, int] = {}
    found: list[tuple[float, int]] = []
    for n in order.tolist():
        name = str(ids[rows[n]])
        if taken.get(name, 0) < each:
            taken[name] = taken.get(name, 0) + 1
            found.append((float(values[n]), int(rows[n])))
            if len(found) == top:
                break
    return found


def _best(kept: list[tuple[float, int, Match]], top: int, each: int | None) -> list[tuple[float, int, Match]]:
    taken: dict[str, int] = {}
    found = []
    for entry in sorted(kept, key=lambda entry: entry[:2], reverse=True):
        name = entry[2].id
        if each is None or taken.get(name, 0) < each:
            taken[name] = taken.get(name, 0) + 1
            found.append(entry)
            if len(found) == top:
                break
    return found


def _checked(examples: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = np.atleast_2d(np.asarray(examples, np.float32))
    if not len(rows):
        raise ScoresError("no example is given: there is nothing to be like")
    for number, row in enumerate(rows):
        if not np.isfinite(row).all() or not row.any():
            what = "zeros alone, which point nowhere" if np.isfinite(row).all() else "what is no finite number"
            raise ScoresError(f"example {number + 1} of {len(rows)} holds {what}: nothing is like it")
    return rows


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of length 1 each, whatever numbers they are of; of zeros zeros."""
    largest = np.abs(vectors).max(1, keepdims=True, initial=0).astype(np.float64)
    scaled = vectors / np.where(largest > 0, largest, 1)
    lengths = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    return np.asarray(scaled / np.where(lengths > 0, lengths, 1)[:, None])


def _cosines(vectors: NDArray[np.float32], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rows,): the largest of each, the same for equal vectors wherever they stand: products of matrices differ in the last bit there."""
    directions = _directions(vectors)
    return np.asarray(np.clip(np.max([np.einsum("ij,j->i", directions, each) for each in wanted], axis=0), -1, 1))


def _similarity(vectors: NDArray[np.float32], wanted: NDArray[np.float64]) -> NDArray[np.float32]:
    """The same to MARGIN, fast."""
    with np.errstate(over="ignore", invalid="ignore"):
        # divided last: vectors are gone over once, and nothing of their size is made
        squares = np.einsum("ij,ij->i", vectors, vectors)
        similarity = (vectors @ wanted.T.astype(np.float32)).max(1) / np.sqrt(np.maximum(squares, SMALL))
    odd = np.flatnonzero(~((squares > SMALL) & (squares < LARGE)))
    similarity[odd] = _cosines(vectors[odd], wanted) if len(odd) else 0
    return np.asarray(similarity, np.float32)


def _match(block: Embeddings, row: int, similarity: float) -> Match:
    return Match(str(block.ids[row]), float(block.start[row]), float(block.end[row]), similarity)
