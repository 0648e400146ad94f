"""Clips within recordings: which windows stand for a tag, and where thresholds lie."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
from earmark.data.soundscapes.within import Within
from earmark.errors import EarmarkError
from earmark.train.heads import within
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
    mixed = within.Mixed(np.zeros((7, 1), np.float32), np.array([0, 0, 0, 1, 1, 1, 2]), np.array([0, 0, 1, 2, 2, 3, 4]))
    has = np.array([True, True, False])
    for recall, threshold in ((0.25, 0.9), (0.5, 0.7), (0.75, 0.5), (0.76, 0.1), (1.0, 0.1)):
        assert within._threshold(values, mixed, has, recall) == pytest.approx(threshold)
    assert np.isnan(within._threshold(values, mixed, np.zeros(3, bool), 0.9))


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


def test_what_cannot_be_asked_for_is_told():
    with pytest.raises(EarmarkError, match="--recall 0: give the share"):
        within.Asked(recall=0)
    with pytest.raises(EarmarkError, match="--copies -1"):
        within.Asked(copies=-1)
