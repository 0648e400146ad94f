"""Windows that are most like an example: exact cosine similarity, over any number of embeddings in bounded memory.

The cosine of two embeddings is that of the angle between them: 1 for the same direction, however loud. Of several examples the
most similar counts. Blocks of embeddings come one after the other, and only the best so far are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError
from earmark.errors.kinds import checked
from earmark.scores.embeddings import Embeddings

TINY = 1e-30  # of a vector of zeros, which is like nothing


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

    each: at most so many of one recording. Raises ScoresError where the embeddings have another width.

    >>> some = Embeddings(np.eye(2, dtype=np.float32), np.array(["a", "b"]), np.zeros(2), np.ones(2))
    >>> [(match.id, match.similarity) for match in nearest([some], np.array([[0.0, 5.0]], np.float32), 1)]
    [('b', 1.0)]
    """
    if top < 1 or (each is not None and each < 1):
        raise ScoresError(f"top is {top}, of each recording {each}: give 1 or more")
    wanted = _directions(np.atleast_2d(examples))
    kept: list[tuple[float, int, Match]] = []  # (similarity, −place, …), so that the larger is the better
    place = 0
    for block in blocks:
        if len(block) and block.width != wanted.shape[1]:
            raise ScoresError(
                f"the store has embeddings of {block.width} numbers, the example one of {wanted.shape[1]}: they come from "
                "different taggers. Take the tagger that made the store"
            )
        if not len(block):
            continue
        # divided last: vectors are gone over once, and nothing of their size is made
        similarity = (block.vectors @ wanted.T).max(1) / np.maximum(_lengths(block.vectors), TINY)
        kept += [
            (float(similarity[row]), -(place + row), _match(block, row, float(similarity[row])))
            for row in _candidates(similarity, block.ids, top, each)
        ]
        kept = _best(kept, top, each)
        place += len(block)
    return [match for _, _, match in kept]


def _candidates(similarity: NDArray[np.float32], ids: NDArray[np.str_], top: int, each: int | None) -> list[int]:
    """Rows of a block that may be among the best."""
    if each is None:
        many = min(top, len(similarity))
        return (
            sorted(np.argpartition(-similarity, many - 1)[:many].tolist())
            if many < len(similarity)
            else list(range(many))
        )
    order = np.argsort(-similarity, kind="stable")
    taken: dict[str, int] = {}
    rows = []
    for row in order.tolist():
        name = str(ids[row])
        if taken.get(name, 0) < each:
            taken[name] = taken.get(name, 0) + 1
            rows.append(row)
            if len(rows) == top:
                break
    return rows


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


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    vectors = np.asarray(vectors, np.float32)
    return np.asarray(vectors / np.maximum(_lengths(vectors), TINY)[:, None], np.float32)


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), np.float32)


def _match(block: Embeddings, row: int, similarity: float) -> Match:
    return Match(str(block.ids[row]), float(block.start[row]), float(block.end[row]), similarity)
