"""Orders of clips are rows alone: each once, shard after shard, and of several processes each has its own; targets are sparse."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data import clipset
from earmark.data.manifest import build
from earmark.train.order import draw_order, draw_shards, turns_of
from earmark.train.targets import Targets, targets_of

# 90 clips in nine shards; where the clips lie in them has nothing to do with their rows
PLACES = np.arange(90) % 9, np.random.default_rng(0).permutation(90)
READABLE = np.setdiff1d(np.arange(90), [3, 40])


def test_every_clip_comes_once_in_a_turn_whatever_an_epoch_has():
    for clips in (None, 30, 88, 200):
        epochs = [draw_shards(READABLE, PLACES, 7, clips, 1, epoch) for epoch in range(1, 12)]
        drawn = np.concatenate(epochs)
        assert [len(epoch) for epoch in epochs] == [clips or 88] * 11
        for first in range(0, len(drawn) - 87, 88):
            assert sorted(drawn[first : first + 88].tolist()) == READABLE.tolist()
        assert drawn[:88].tolist() != drawn[88:176].tolist()


@pytest.mark.parametrize("buffer", [1, 7, 1000])
def test_a_buffer_holds_what_is_read_ahead(buffer):
    """Whoever reads the shards in order and keeps what comes later never keeps more than `buffer` clips."""
    order = draw_shards(READABLE, PLACES, buffer, None, 0, 1)
    shards = PLACES[0][order]
    # the order of the shards is that of their means; a buffer of one leaves everything in its place
    first = sorted(range(9), key=lambda shard: np.flatnonzero(shards == shard).mean())
    read = sorted(READABLE.tolist(), key=lambda row: (first.index(PLACES[0][row]), PLACES[1][row]))
    if buffer == 1:
        assert order.tolist() == read
    if buffer < 1000:
        place = {row: at for at, row in enumerate(read)}
        ahead = np.maximum.accumulate([place[row] for row in order.tolist()]) - np.arange(88)
        assert ahead.max() <= buffer and (buffer == 1 or ahead.max() > buffer // 2)
    else:
        assert len({PLACES[0][row] for row in order[:20].tolist()}) > 5


@pytest.mark.parametrize("world", [2, 3])
def test_each_process_reads_shards_of_its_own(world):
    order = draw_shards(READABLE, PLACES, 4, None, 0, 1, world)
    assert sorted(order.tolist()) == READABLE.tolist()
    own = [set(PLACES[0][order[rank::world]].tolist()) for rank in range(world)]
    shared = sum(len(a & b) for at, a in enumerate(own) for b in own[at + 1 :])
    assert shared <= world - 1  # those in which one's stretch ends and the other's begins


@given(st.lists(st.integers(0, 5), max_size=40))
def test_turns(rows):
    assert turns_of(np.array(rows, np.int64)).tolist() == [rows[:at].count(row) for at, row in enumerate(rows)]


def balanced(readable, targets, count, generator):
    """As it is over all cells of the targets; clips that have no tag are as those of one more."""
    targets = np.concatenate([targets, (targets.sum(1, keepdims=True) == 0)], 1)
    present = np.flatnonzero((targets[readable] > 0).any(0))
    tags = np.concatenate([generator.permutation(present) for _ in range(-(-count // len(present)))])[:count]
    rows = np.zeros(count, np.int64)
    for tag in present.tolist():
        having, places = readable[targets[readable, tag] > 0], np.flatnonzero(tags == tag)
        turns = [generator.permutation(having) for _ in range(-(-len(places) // len(having)))]
        rows[places] = np.concatenate(turns)[: len(places)] if turns else rows[places]
    return rows


@pytest.mark.parametrize("count", [5, 90, 400])
def test_balanced_draws_by_the_tags_alone_are_those_over_all_cells(count):
    targets = (np.random.default_rng(1).random((90, 12)) < 0.1).astype(np.float32)
    targets[:, 5] = 0
    expected = balanced(READABLE, targets, count, np.random.default_rng([2, 3, 1]))
    assert draw_order(READABLE, targets, True, count, 2, 3).tolist() == expected.tolist()
    assert draw_order(READABLE, Targets.of(targets), True, count, 2, 3).tolist() == expected.tolist()


def test_sparse_targets_are_those_of_the_manifest():
    columns = {
        "id": ["a", "b", "c"],
        "path": ["a", "b", "c"],
        "tags": [["owl", "dog"], [], ["rain"]],
        "unknown": [["rain"], None, ["dog", "owl"]],
    }
    clips = build(columns, ".", vocabulary=("dog", "owl", "rain"))
    expected = clips.truth().astype(np.float32)
    many, one = (targets_of(clips, clips.vocabulary, task) for task in ("many", "one"))
    np.testing.assert_array_equal(one, expected)
    expected[~clips.known()] = np.nan
    np.testing.assert_array_equal(many, expected)
    np.testing.assert_array_equal(many[[2, 0]], expected[[2, 0]])
    np.testing.assert_array_equal(many[1:], expected[1:])
    np.testing.assert_array_equal(many[2], expected[2])
    np.testing.assert_array_equal(Targets.of(expected)[:], expected)
    assert clips.tag_counts().tolist() == [1, 1, 1]
    assert clips.select([0]).tag_counts(("owl", "rain", "x"), ignore_others=True).tolist() == [1, 0, 0]
    assert {tag: rows.tolist() for tag, rows in many.by_tag(np.array([0, 2])).items()} == {0: [0], 1: [0], 2: [2]}


@pytest.mark.parametrize("many", [1, 3, 100])
def test_digests_of_many_lines_are_those_of_few(many, monkeypatch):
    monkeypatch.setattr(clipset, "MANY", many)
    lines = ["b", "ä", "a", "", "\U0001f989", "z\udcff", "ab"]
    whole = "\n".join(sorted(lines)).encode("utf-8", "surrogateescape")
    if many < 100:
        # a byte that is no Unicode stands above all that is: by its bytes, 0xff, as by its code point but for what lies beyond
        lines.remove("\U0001f989")
        whole = "\n".join(sorted(lines)).encode("utf-8", "surrogateescape")
    assert clipset.sorted_digest(iter(lines)) == hashlib.sha256(whole).hexdigest()[:16]
