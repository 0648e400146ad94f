"""In which order the clips of an epoch come: rows of a manifest, drawn by (seed, epoch) and by nothing else.

An order is rows alone, so that it is the same wherever the clips lie, and an epoch goes on at any place of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ManifestError, counted
from earmark.train.targets import Dense, Targets

ORDER = 1  # part of the seed: see `earmark.train.loader`
Rows = NDArray[np.int64]
Turn = Callable[[int], Rows]


def draw_order(
    readable: Rows, targets: Targets | Dense, balance: bool, clips: int | None, seed: int, epoch: int
) -> Rows:
    """The rows of an epoch (clips,), in order. targets: (rows of the manifest, tags).

    Without balance every readable clip comes once, or `clips` of them, which go on in the next epoch where this one
    ends. With balance the tags take turns, in an order drawn anew for each turn, and each gives the next of its clips. Clips
    that have none of the tags take a turn of their own, as of one tag more: without them nothing would teach what is none of
    these. One of which nothing is known never comes.
    """
    if balance:
        count = clips or len(readable)
        return _balanced(readable, Targets.of(targets), count, np.random.default_rng([seed, epoch, ORDER]))
    return _in_turns(len(readable), clips, epoch, lambda turn: readable[_drawn(seed, turn).permutation(len(readable))])


def draw_shards(
    readable: Rows, places: tuple[Rows, Rows], buffer: int, clips: int | None, seed: int, epoch: int, world: int = 1
) -> Rows:
    """The rows of an epoch (clips,) shard after shard, in an order of shards drawn anew for each turn, and shaken by a buffer.

    places: (rows of the manifest,) which shard each lies in, from 0, and where in it. Whoever reads along has read no more than
    `buffer` clips that come later. world: processes; each `world`-th clip is one process's, and each process
    reads a stretch of its own of the shards, of the same length but for one clip.
    """

    shards, offsets = places

    def turn(number: int) -> Rows:
        generator = _drawn(seed, number)
        turn_of = generator.permutation(int(shards.max(initial=0)) + 1)
        stretched = readable[np.lexsort((offsets[readable], turn_of[shards[readable]]))]
        rows = np.zeros(len(stretched), np.int64)
        first = 0
        for rank in range(world):
            own = len(range(rank, len(rows), world))
            # each moves by less than `buffer` places, evenly drawn
            keys = np.arange(own) + buffer * generator.random(own)
            rows[rank::world] = stretched[first : first + own][np.argsort(keys, kind="stable")]
            first += own
        return rows

    return _in_turns(len(readable), clips, epoch, turn)


def draw_segments(readable: Rows, counts: Rows, segments: int | None, seed: int, epoch: int) -> tuple[Rows, Rows]:
    """The rows of an epoch of every segment, each once, in a random order, and which segment of its clip each is.

    counts: of each readable clip's segments. segments: so many make an epoch, and go on in the next where it ends.
    """
    rows = np.repeat(readable, counts)
    places = np.concatenate([np.arange(count) for count in counts.tolist()])
    order = draw_order(np.arange(len(rows)), np.zeros((0, 0), np.float32), False, segments, seed, epoch)
    return rows[order], places[order]


def turns_of(rows: Rows) -> Rows:
    """(rows,): how often each of the rows came before it.

    >>> turns_of(np.array([4, 7, 4, 4, 7])).tolist()
    [0, 0, 1, 2, 1]
    """
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(rows)]
    starts = np.flatnonzero(new)
    turns = np.zeros(len(rows), np.int64)
    turns[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return turns


def _drawn(seed: int, turn: int) -> np.random.Generator:
    return np.random.default_rng([seed, turn, ORDER])


def _in_turns(readable: int, clips: int | None, epoch: int, turn: Turn) -> Rows:
    """What an epoch takes of turns that go on where the one before ended. turn: its number, from 1 → its rows."""
    count = clips or readable
    first = (epoch - 1) * count
    turns = range(first // readable, -(-(first + count) // readable))
    rows = np.concatenate([turn(number + 1) for number in turns])
    start = first - turns[0] * readable
    return rows[start : start + count]


def _balanced(readable: Rows, targets: Targets, count: int, generator: np.random.Generator) -> Rows:
    having = targets.by_tag(readable)
    without, _ = targets.without_tags(readable)
    if len(without):
        having[targets.shape[1]] = without  # behind the tags, so that where all clips have some every draw is as it was
    present: Sequence[int] = sorted(having)
    if not present:
        raise ManifestError(
            "train.balance: classes draws by tags, and nothing is known of those of the "
            f"{counted(len(readable), 'training clip')}: take none"
        )
    tags = np.concatenate([generator.permutation(np.array(present)) for _ in range(-(-count // len(present)))])[:count]
    rows = np.zeros(count, np.int64)
    for tag in present:
        places = np.flatnonzero(tags == tag)
        turns = [generator.permutation(having[tag]) for _ in range(-(-len(places) // len(having[tag])))]
        rows[places] = np.concatenate(turns)[: len(places)] if turns else rows[places]
    return rows
