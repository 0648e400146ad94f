"""The audit: hand-worked doubts, and wrong labels that it must find."""

import numpy as np
import pytest

from earmark.errors import ScoresError
from earmark.evaluation.labels import rank


def test_one_tag_a_clip_by_hand():
    values = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]]
    truth = np.eye(3, dtype=bool)[[0, 0, 1, 1]]
    doubts = rank(values, truth, "one")
    assert [(d.row, d.tag, d.suggested) for d in doubts] == [(1, 0, 1), (2, 1, 2)]  # equal scores are no doubt
    assert doubts[0].doubt == pytest.approx(0.5)
    assert (doubts[0].score, doubts[0].other) == (0.1, 0.6)
    assert doubts[1].doubt == pytest.approx(0.2)


def test_many_tags_by_hand():
    """Tag 0: the mean log-odds of its clips are 0, of the others −log 9, so the even odds are 1 to 3, a score of 1/4."""
    values = [[0.5, 0.1], [0.5, 0.1], [0.1, 0.9], [0.1, 0.9]]
    truth = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    assert rank(values, truth, "many") == []
    truth[0, 0] = False  # not given, though it sounds like the other clip that has it
    (doubt,) = rank(values, truth, "many")
    assert (doubt.row, doubt.tag, doubt.given, doubt.suggested) == (0, 0, False, None)
    # its clip: odds 1; the others: log-odds (0 − log 9 − log 9) / 3; even half-way: exp(−log 9 / 3)
    assert doubt.doubt == pytest.approx(1 / (1 + 9 ** (-1 / 3)))


@pytest.mark.parametrize("task", ["one", "many"])
def test_wrong_labels_come_first(task):
    chance = np.random.default_rng(0)
    clips, tags = 400, 8
    right = chance.integers(tags, size=clips)
    logits = chance.normal(0, 1, (clips, tags)) + 4 * np.eye(tags)[right]
    values = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    given = right.copy()
    wrong = chance.choice(clips, 20, replace=False)
    given[wrong] = (right[wrong] + chance.integers(1, tags, 20)) % tags
    first = []
    for doubt in rank(values, np.eye(tags, dtype=bool)[given], task):
        if doubt.row not in first:
            first.append(doubt.row)
    assert len(set(first[:20]) & set(wrong.tolist())) >= 17


def test_what_cannot_be_audited():
    with pytest.raises(ScoresError, match=r"scores of the shape \(2, 2\) do not fit labels of the shape \(2, 3\)"):
        rank(np.zeros((2, 2)), np.zeros((2, 3), bool), "one")
    with pytest.raises(ScoresError, match="not probabilities"):
        rank([[1.5, 0]], [[True, False]], "one")
    with pytest.raises(ScoresError, match="with one tag"):
        rank([[0.5]], [[True]], "one")
    assert rank(np.zeros((0, 3)), np.zeros((0, 3), bool), "one") == []


@pytest.mark.parametrize("truth", [[[0, 0], [1, 0]], [[1, 1], [1, 0]]])
def test_one_tag_a_clip_must_be_so(truth):
    with pytest.raises(
        ScoresError, match="1 clips do not have one tag each, the first in row 1: rank them as task 'many'"
    ):
        rank([[0.2, 0.8], [0.9, 0.1]], truth, "one")
