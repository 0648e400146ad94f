"""One truth in one report: what of a clip is not known counts in none of its parts, and an audit doubts nothing of it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from earmark.data.manifest import build
from earmark.evaluation.clips import measure
from earmark.evaluation.comparison import compare
from earmark.evaluation.labels import audit, rank
from earmark.metrics import evaluate
from earmark.report.evaluation import page_of_evaluation
from earmark.scores import Scores

TAGS = ("a", "b", "c")
IDS = np.array([f"c{row:02d}" for row in range(40)])


def clips(tags, unknown, folder="."):
    columns = {"id": IDS, "path": [f"{name}.wav" for name in IDS]}
    told = {
        key: [[TAGS[i] for i in np.flatnonzero(row)] for row in rows]
        for key, rows in (("tags", tags), ("unknown", unknown))
    }
    return build({**columns, **told}, folder)


def scores_of(values):
    return Scores(values.astype(np.float32), IDS, np.zeros(len(IDS)), np.ones(len(IDS)), TAGS)


def one():
    """Scores of one tag a clip, its own tag, and one other of which nobody knows."""
    rng = np.random.default_rng(3)
    values = rng.random((len(IDS), 3)) + 0.01
    own = rng.integers(0, 3, len(IDS))
    return scores_of(values / values.sum(1, keepdims=True)), np.eye(3, dtype=bool)[own], np.eye(3, dtype=bool)[own - 2]


def many():
    rng = np.random.default_rng(4)
    truth, known = rng.random((len(IDS), 3)) < 0.4, rng.random((len(IDS), 3)) < 0.5
    truth[0], known[0] = [True, True, False], True
    values = np.where(truth, rng.uniform(0.4, 0.9, truth.shape), rng.uniform(0.1, 0.6, truth.shape))
    return scores_of(values), truth & known, known


def test_a_report_of_one_tag_a_clip_is_the_same_whatever_is_unknown_and_says_so():
    scores, truth, unknown = one()
    whole, told = (measure(scores, clips(truth, each), "one", resamples=20) for each in (unknown & False, unknown))
    assert told.confusion is not None and np.trace(told.confusion) / len(IDS) == told.metrics["accuracy"].value
    note = "Of 40 of 120 pairs of a clip and a tag it is not known whether the clip has the tag: where a clip has one tag, the others"
    assert [line for line in told.notes if line not in whole.notes] == [f"{note} are taken as absent."]
    first, second = ({key: part for key, part in each.as_dict().items() if key != "notes"} for each in (whole, told))
    assert first == second


def test_the_worst_errors_are_answered_with_known_tags():
    values = np.array([[0.9, 0.2, 0.3], *[[0.6, 0.1, 0.1]] * (len(IDS) - 1)])
    truth, unknown = np.zeros((len(IDS), 3), bool), np.zeros((len(IDS), 3), bool)
    truth[0, 1] = truth[1:, 0] = unknown[0, 0] = True
    (miss,) = measure(scores_of(values), clips(truth, unknown), "many", resamples=0).worst
    assert (miss.truth, miss.answered) == ("b", "c")  # whether it has a nobody knows


def test_what_reserved_tags_would_be_told_counts_known_clips_only():
    scores, truth, known = many()
    heard = scores.values >= 0.5
    (note,) = [
        line
        for line in measure(scores, clips(truth, ~known), "many", resamples=0, reserved=["c"]).notes
        if line.startswith("Learnt and never told")
    ]
    has = truth[:, :2].any(1)
    lacks = ~has & known[:, :2].all(1)
    told = heard[:, :2].any(1)
    numbers = [lacks.sum(), (lacks & told).sum(), has.sum(), (has & ~told).sum(), (~has & ~lacks).sum()]
    assert list(map(int, re.findall(r"\d+", note))) == numbers and numbers[-1] > 0


def test_curves_are_of_known_clips():
    scores, truth, known = many()
    other = scores_of(np.where(known, scores.values, 0.95))
    pages = []
    for each in (scores, other):
        figures = measure(each, clips(truth, ~known), "many", resamples=0)
        pages.append(page_of_evaluation(figures, "t", scores=each, manifest=clips(truth, ~known)))
    lines = [json.loads(re.search(r'"curves":\s*(\[.*?\])', page, re.S)[1]) for page in pages]
    assert lines[0] == lines[1] and len(lines[0]) == 4
    assert f"of {known[:, 0].sum()} clips" in pages[0]


def test_a_comparison_tells_what_is_unknown(tmp_path):
    scores, truth, known = many()
    scores.save(tmp_path / "s.csv")
    scores_of(scores.values[::-1]).save(tmp_path / "t.csv")
    asked = {"resamples": 0, "permutations": 0, "metrics": ["brier_tags"], "task": "many"}
    told = compare([tmp_path / "s.csv", tmp_path / "t.csv"], clips(truth, ~known, tmp_path), **asked)
    assert f"Of {(~known).sum()} of 120 pairs of a clip and a tag it is not known" in told.notes[0]
    assert told.pairs[0].value_a == pytest.approx(((scores.values - truth) ** 2)[known].mean())


def test_an_audit_of_several_tags_ranks_what_is_known_alone(tmp_path):
    scores, truth, known = many()
    by_hand = {}
    for tag in range(3):
        rows = np.flatnonzero(known[:, tag])
        value, given = scores.values[rows, tag].astype(float), truth[rows, tag]
        odds = np.log(value / (1 - value))
        even = (odds[given].mean() + odds[~given].mean()) / 2
        chance = 1 / (1 + np.exp(even - odds))
        doubt = np.where(given, 1 - chance, chance)
        by_hand |= {(IDS[row], TAGS[tag]): each for row, each in zip(rows, doubt, strict=True) if each > 0.5}
    scores.save(tmp_path / "s.parquet")
    told = audit(tmp_path / "s.parquet", clips(truth, ~known, tmp_path))
    assert {(each.id, each.tag): each.score for each in told.labels} == pytest.approx(by_hand, abs=1e-4)


def test_an_audit_of_one_tag_a_clip_suggests_no_tag_that_is_unknown():
    scores, truth, unknown = one()
    doubts = rank(scores.values, np.ma.masked_array(truth, unknown), "one")
    assert doubts and not any(unknown[doubt.row, doubt.suggested] for doubt in doubts)
    others = np.where(truth | unknown, -1, scores.values).max(1)
    assert {doubt.row for doubt in doubts} == set(np.flatnonzero(others > scores.values[truth]).tolist())
    assert len(rank(scores.values, truth, "one")) > len(doubts)


def test_a_figure_of_a_fold_is_of_the_same_truth():
    _, truth, unknown = one()
    manifest = clips(truth, unknown)
    assert not np.ma.isMaskedArray(manifest.judged_as("one", TAGS))
    np.testing.assert_array_equal(manifest.judged_as("one", TAGS), truth)
    assert manifest.judged_as("many", TAGS).mask.sum() == len(IDS)
    assert (
        evaluate(np.eye(3)[truth.argmax(1)], manifest.judged_as("one"), IDS, "one", resamples=0)["accuracy"].value == 1
    )
