"""Sums over the training set: who is drawn, with what weights, and what they are told to be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from earmark.train.augment import ClipPool, Sum
from earmark.train.augment.sums import OtherClass, SameClass

# a, b, a, c, b, a, none
LABELS = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def targets_of(most):
    """(clips, tags) with few different sets of tags, soft ones among them."""
    shape = st.tuples(st.integers(1, most), st.integers(1, 3))
    return arrays.arrays(np.float32, shape, elements=st.sampled_from([0, 0.5, 1]))


def evenly(counts, limit):
    counts = np.asarray(counts, float)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < limit, counts


# The pool


@settings(max_examples=150, deadline=None)
@given(targets=targets_of(12), count=st.integers(0, 15), seed=st.integers(0, 1000), data=st.data())
def test_the_pool_by_its_definition(targets, count, seed, data):
    row = data.draw(st.integers(0, len(targets) - 1))
    pool, sets = ClipPool(targets), [tuple(np.flatnonzero(target > 0)) for target in targets]
    assert len(pool) == len(targets)
    alike = {i for i, own in enumerate(sets) if own == sets[row] and i != row}
    same = pool.same(generator(seed), row, count).tolist()
    assert set(same) <= alike
    assert len(set(same)) == len(same) == min(count, len(alike))
    other = pool.other(generator(seed), row, count).tolist()
    drawn = [sets[row], *(sets[i] for i in other)]
    assert len(set(drawn)) == len(drawn) == 1 + min(count, len(set(sets)) - 1)


def test_every_other_clip_is_as_likely():
    pool, draws = ClipPool(LABELS), 4000
    for row, method, expected in [
        (2, pool.same, [0, 5]),
        (2, pool.other, [1, 3, 4, 6]),
        (3, pool.other, [0, 1, 2, 4, 5, 6]),
    ]:
        chance = generator(row)
        drawn = [int(method(chance, row, 1)[0]) for _ in range(draws)]
        assert sorted(set(drawn)) == expected
        evenly([drawn.count(i) for i in expected], 20.5)


def test_many_tags_and_many_clips():
    """More tags than fit one byte, told apart by the last alone."""
    targets = np.zeros((5000, 527), np.float32)
    targets[::2, 526] = 1
    pool = ClipPool(targets)
    for seed in range(20):
        assert (pool.same(generator(seed), 7, 3) % 2 == 1).all()
        assert (pool.other(generator(seed), 7, 3) % 2 == 0).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (4,)])
def test_a_pool_of_nothing_is_refused(shape):
    with pytest.raises(ValueError, match="hold no clips to sum: they are \\(clips, tags\\)"):
        ClipPool(np.zeros(shape, np.float32))


# Sums


def test_sums_by_hand():
    waves = [np.array(wave, np.float32) for wave in ([1, 0], [0, 1], [1, 1])]
    targets = [LABELS[0], LABELS[1], LABELS[3]]
    shares = np.array([0.5, 0.25, 0.25], np.float32)
    got, told = OtherClass().apply(Sum(np.array([0, 1, 3]), shares, shares), waves, targets)
    assert got.tolist() == [0.75, 0.5]
    assert told.tolist() == [0.5, 0.25, 0.25]
    same = Sum(np.array([0, 2, 5]), shares, np.array([1, 0, 0], np.float32))
    got, told = SameClass().apply(same, waves, [LABELS[0], LABELS[2], LABELS[5]])
    assert got.tolist() == [0.75, 0.5]
    assert told.tolist() == [1, 0, 0]


def test_tags_of_the_plans_rows():
    pool = ClipPool(LABELS)
    for seed in range(200):
        plan = SameClass(most=4).draw(generator(seed), 2, pool)
        assert set(plan.rows.tolist()) <= {0, 2, 5}
        assert plan.labels.tolist() == [1] + [0] * (len(plan.rows) - 1)
        plan = OtherClass(most=4).draw(generator(seed), 2, pool)
        sets = [tuple(LABELS[i]) for i in plan.rows]
        assert len(set(sets)) == len(sets) >= 2
        assert plan.labels.tolist() == plan.weights.tolist()


def test_clips_that_nothing_can_be_added_to():
    assert SameClass().draw(generator(), 3, ClipPool(LABELS)).rows.tolist() == [3]
    assert OtherClass().draw(generator(), 3, ClipPool(np.ones((5, 2), np.float32))).rows.tolist() == [3]
    plan = SameClass().draw(generator(), 0, ClipPool(np.ones((1, 1), np.float32)))
    assert (plan.rows.tolist(), plan.weights.tolist(), plan.labels.tolist()) == ([0], [1], [1])


def test_share_and_size_of_sums():
    pool = ClipPool(np.repeat(np.eye(6, dtype=np.float32), 6, 0))
    for kind in (SameClass, OtherClass):
        chance, augmentation = generator(1), kind(share=0.6, most=4)
        sizes = [len(augmentation.draw(chance, row % 36, pool).rows) for row in range(6000)]
        assert sizes.count(1) / 6000 == pytest.approx(0.4, abs=0.03)
        evenly([sizes.count(size) for size in (2, 3, 4)], 13.8)


def test_weights_are_even_over_all_that_sum_to_one():
    """Of three, each weight of Dirichlet(a, a, a) has the mean 1/3 and the variance 2 / (9 · (3a + 1))."""
    pool = ClipPool(np.repeat(np.eye(3, dtype=np.float32), 3, 0))
    for alpha in (0.5, 1.0, 4.0):
        for kind in (SameClass, OtherClass):
            chance, augmentation = generator(2), kind(most=3, alpha=alpha)
            plans = [augmentation.draw(chance, 0, pool) for _ in range(8000)]
            weights = np.array([plan.weights for plan in plans if len(plan.rows) == 3])
            np.testing.assert_allclose(weights.mean(0), 1 / 3, atol=0.02)
            np.testing.assert_allclose(weights.var(0), 2 / (9 * (3 * alpha + 1)), rtol=0.1)


@pytest.mark.parametrize("kind", [SameClass, OtherClass])
def test_sums_refuse(kind):
    with pytest.raises(ValueError, match="most is 1: a sum has at least 2 clips"):
        kind(most=1)
    with pytest.raises(ValueError, match="alpha is 0: it must be above 0"):
        kind(alpha=0.0)
    plan = Sum(np.array([0, 1]), np.array([0.5, 0.5], np.float32), np.array([1, 0], np.float32))
    one, longer = np.zeros(3, np.float32), np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="a sum of 2 clips was given 1 wave and 2 targets"):
        kind().apply(plan, [one], [LABELS[0], LABELS[1]])
    with pytest.raises(ValueError, match="waves of 3 to 4 samples cannot be summed: crop them first"):
        kind().apply(plan, [one, longer], [LABELS[0], LABELS[1]])
