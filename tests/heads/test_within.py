"""Clips within recordings: which windows stand for a tag, and where thresholds lie."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
from earmark.data.soundscapes.within import Within
from earmark.errors import EarmarkError
from earmark.events import EventRules
from earmark.events.detection import find
from earmark.models.predicted import probabilities
from earmark.scores import Scores
from earmark.train.heads import making, within
from earmark.train.heads.fitting import Regression


def mix(onset: float, offset: float) -> Within:
    return Within(np.zeros(8, np.float32), "a", "owl", "night.wav", onset, offset, 10.0)


def test_windows_in_which_enough_of_the_clip_is_heard_stand_for_it():
    start = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    assert within.inside(mix(1.2, 2.4), start, start + 1).tolist() == [False, False, True, True, True, False]
    # of a click of 0.1 s all of it is enough
    assert within.inside(mix(1.45, 1.55), start, start + 1).tolist() == [False, False, True, False, False, False]


def test_a_threshold_is_what_a_share_of_the_copies_reach():
    """By hand: the highest windows of the owl's four copies are 0.9, 0.7, 0.5, 0.1; a fifth is of another clip."""
    values = np.array([0.2, 0.9, 0.7, 0.5, 0.3, 0.1, 0.99], np.float32)
    clip, copy = np.array([0, 0, 0, 1, 1, 1, 2]), np.array([0, 0, 1, 2, 2, 3, 4])
    has = np.array([True, True, False])
    for recall, threshold in ((0.25, 0.9), (0.5, 0.7), (0.75, 0.5), (0.76, 0.1), (1.0, 0.1)):
        assert within._threshold(values, clip, copy, has, recall) == pytest.approx(threshold)
    assert np.isnan(within._threshold(values, clip, copy, np.zeros(3, bool), 0.9))


def around(starts: list[list[float]], spans: list[tuple[float, float]], vectors=None) -> within.Around:
    """Windows of a second at these starts, copy by copy, each of a clip of its own."""
    copy = np.repeat(np.arange(len(starts)), [len(each) for each in starts])
    start = np.concatenate([np.array(each) for each in starts])
    vectors = np.zeros((len(start), 1), np.float32) if vectors is None else vectors
    return within.Around(vectors, copy, start, start + 1, np.arange(len(starts)), np.array(spans))


def test_at_each_time_the_windows_that_cover_it_count_as_for_events():
    """By hand: windows every half second, so that two cover a time; the first clip's second window alone has 0.9, and is never
    alone. A clip of one window with nothing beside it has that one's score.
    """
    told = around([[0.5, 1.0, 1.5], [2.0]], [(1.2, 1.8), (2.1, 2.4)])
    values, copy = within.over_time(np.array([[0.1], [0.9], [0.5], [0.8]], np.float32), told)
    # from 1.2 to 1.5 the first and second, from 1.5 to 1.8 the second and third
    assert copy.tolist() == [0, 0, 1]
    assert values[:, 0] == pytest.approx([0.5, 0.7, 0.8])
    rules = EventRules.alike(("owl",), 0.69)
    rows = Scores(np.array([[0.1], [0.9], [0.5]], np.float32), np.full(3, "a"), told.start[:3], told.end[:3], ("owl",))
    assert [(e.onset, e.offset, e.score) for e in find(rows, rules)["a"]] == [(1.5, 2.0, 0.7)]


def test_no_threshold_is_chosen_by_a_moment_that_is_no_time_of_an_event():
    """Windows of 0.975 s every 0.48 s: three of them overlap for 15 ms, in which 0.9, 0.2 and 0.9 would have a mean of 0.667."""
    start = 0.48 * np.arange(3)
    told = within.Around(
        np.zeros((3, 1), np.float32), np.zeros(3, np.int64), start, start + 0.975, np.zeros(1, np.int64), np.array([[0.6, 1.2]])
    )  # fmt: skip
    values, copy = within.over_time(np.array([[0.9], [0.2], [0.9]], np.float32), told)
    assert copy.tolist() == [0, 0] and values[:, 0] == pytest.approx([0.55, 0.55])


def test_a_threshold_finds_the_share_that_was_asked_for():
    """Of the held-out copies as many have an event at their threshold as `recall` says, where the windows alone would have said more."""
    chance = np.random.default_rng(0)
    vectors = np.concatenate([chance.normal(2, 1, (60, 8)), chance.normal(0, 1, (100, 8))]).astype(np.float32)
    told = np.concatenate([np.ones((60, 1)), np.zeros((100, 1))]).astype(np.float32)
    clip = np.repeat(np.arange(20), 3)
    near = around([[0.5, 1.0, 1.5]] * 20, [(1.0, 2.0)] * 20, vectors[:60])
    lesson = Regression(vectors, told, np.ones(160, np.float32), "many")
    folds = np.arange(20) % 4 + 1
    chosen, alone = (
        within.choose(
            lesson, within.Mixed(vectors[:60], clip, clip, around=each), np.ones((20, 1), bool), 100, folds, 0.5, 0.75
        )
        for each in (near, None)
    )
    found = 0
    for number in range(20):
        heads = [
            lesson.fit(
                within.STRENGTH,
                np.flatnonzero(np.concatenate([folds[clip], np.arange(100) * 4 // 100 + 1]) != folds[number]),
            )
        ]
        scores = probabilities(lesson.answers(heads[0], vectors[3 * number : 3 * number + 3]), "many")
        rows = Scores(scores, np.full(3, "a"), np.array([0.5, 1.0, 1.5]), np.array([1.5, 2.0, 2.5]), ("owl",))
        events = find(rows, EventRules.alike(("owl",), float(chosen.thresholds[0]) - 1e-6))["a"]
        found += any(event.onset < 2.0 and event.offset > 1.0 for event in events)
    assert found == 15 and chosen.thresholds[0] < alone.thresholds[0]


def test_other_vectors_are_answered_as_its_own_are():
    chance = np.random.default_rng(1)
    vectors = chance.normal(size=(40, 6)).astype(np.float32)
    lesson = Regression(vectors, (vectors[:, :1] > 0).astype(np.float32), np.ones(40, np.float32), "many")
    made = lesson.fit(0.1)
    np.testing.assert_allclose(lesson.answers(made, vectors[5:9]), lesson.logits(made, np.arange(5, 9)), atol=1e-5)


def test_thresholds_come_of_clips_and_background_that_were_held_out():
    """Two tags that a line tells apart, and background like neither: thresholds lie between, and few of the background reach them."""
    chance = np.random.default_rng(0)
    clip = np.repeat(np.arange(12), 5)
    targets = np.zeros((12, 2), bool)
    targets[np.arange(12), np.arange(12) % 2] = True
    vectors = np.concatenate([
        chance.normal(0, 0.3, (60, 4)) + np.where(targets[clip][:, :1], [3, 0, 0, 0], [0, 3, 0, 0]),
        chance.normal(0, 0.3, (200, 4)) - [2, 2, 0, 0],
    ]).astype(np.float32)  # fmt: skip
    vectors = np.tile(vectors, 64)  # as wide as embeddings are, for which the strength is meant
    told = np.concatenate([targets[clip], np.zeros((200, 2), bool)]).astype(np.float32)
    lesson = Regression(vectors, told, np.ones(260, np.float32), "many")
    mixed = within.Mixed(vectors[:60], clip, clip)
    chosen = within.choose(lesson, mixed, targets, 200, np.arange(12) % 4 + 1, hop=0.5, recall=0.9)
    assert ((chosen.thresholds > 0) & (chosen.thresholds < 1)).all() and np.isfinite(chosen.loss)
    assert chosen.alarms.tolist() == [0.0, 0.0]
    low = within.choose(lesson, mixed, targets, 200, np.arange(12) % 4 + 1, hop=0.5, recall=1.0)
    assert (low.thresholds <= chosen.thresholds).all()
    assert (chosen.usual > 0).all() and (chosen.usual < chosen.thresholds).all()


@pytest.mark.parametrize(
    ("usual", "share"),
    [(0.0, 0.5), (0.2, 0.5), (0.35, 0.7), (0.4999, 0.9998), (0.5, None), (0.7, None), (np.nan, None)],
)
def test_what_joins_events_is_more_than_the_recordings_have_anyway(usual, share):
    """A threshold of 0.5: of what is louder a quarter of the time, the score says nothing of one call and the next."""
    chosen = within.Chosen(np.array([0.5]), np.array([1.0]), 0.1, np.array([usual]))
    rules = making.tuning(chosen, ("owl",), 0.9).rules
    assert rules is not None and rules.lows == ({} if share is None else {"owl": pytest.approx(share)})


def test_what_cannot_be_asked_for_is_told():
    with pytest.raises(EarmarkError, match="--recall 0: give the share"):
        within.Asked(recall=0)
    with pytest.raises(EarmarkError, match="--copies -1"):
        within.Asked(copies=-1)
