"""One truth in one report: what of a clip is not known counts in none of its parts, and an audit doubts nothing of it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from earmark.data.manifest import build
from earmark.evaluation.clips import measure
from earmark.evaluation.comparison import compare
from earmark.evaluation.ensembles import combine
from earmark.evaluation.labels import audit, rank
from earmark.metrics import evaluate
from earmark.registry import METRICS
from earmark.report.evaluation import page_of_evaluation
from earmark.scores import Scores

TAGS = ("a", "b", "c")
IDS = np.array([f"c{row:02d}" for row in range(40)])


def clips(tags, unknown, folder=".", fold=None):
    columns = {"id": IDS, "path": [f"{name}.wav" for name in IDS]} | ({} if fold is None else {"fold": fold})
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


def two(folder):
    """Two files of scores, their values, and the manifest in three folds with its truth where it is known."""
    scores, truth, known = many()
    noise = np.random.default_rng(7).random(scores.values.shape)
    values = [scores.values, (0.5 * scores.values + 0.5 * noise).astype(np.float32)]
    for name, each in zip("st", values, strict=True):
        scores_of(each).save(folder / f"{name}.parquet")
    folds = [str(row % 3) for row in range(len(IDS))]
    return [folder / "s.parquet", folder / "t.parquet"], values, truth, known, clips(truth, ~known, folder, fold=folds)


MANY = [name for name in METRICS.names() if "many" in METRICS[name].facts["tasks"]]


@pytest.mark.parametrize("name", MANY)
def test_an_ensemble_counts_what_is_known_alone(tmp_path, name, heard):
    files, values, truth, known, manifest = two(tmp_path)
    asked = {"data": manifest, "metric": name, "task": "many"}
    told = combine(files, agreement=True, scores=False, progress=heard, **asked)
    judged = np.ma.masked_array(truth, ~known)

    def alone(scores):
        return evaluate(scores, judged, IDS, "many", resamples=0, metrics=[name])[name].value

    mean = np.mean(values, axis=0)
    assert [part.alone for part in told.agreement.parts] == pytest.approx([alone(each) for each in values], abs=1e-6)
    assert told.agreement.value == pytest.approx(alone(mean.astype(np.float32)), abs=1e-6)
    searched = combine(files, search=True, cross=True, rounds=4, **asked)
    assert searched.search.path[0].value == pytest.approx(alone(values[searched.search.path[0].member]), abs=1e-6)
    assert searched.cross.value == pytest.approx(alone(searched.scores.values), abs=1e-6)
    # what the clips are told to have counts where it is known alone
    other = clips(truth, ~known & False, tmp_path, fold=manifest.folds.tolist())
    assert combine(files, search=True, **asked | {"data": other}).search.value != searched.search.value
    assert (
        f"Of {(~known).sum()} of 120 pairs of a clip and a tag it is not known whether the clip has the tag: no figure"
        in heard.said[0]
    )
    assert "How alike members answer" in heard.said[1]


def test_an_ensembles_map_by_hand(tmp_path):
    files, values, truth, known, manifest = two(tmp_path)
    told = combine(files, agreement=True, scores=False, data=manifest, task="many", metric="map")
    by_hand = [
        np.mean([average_precision_score(truth[known[:, k], k], each[known[:, k], k]) for k in range(3)])
        for each in values
    ]
    assert [part.alone for part in told.agreement.parts] == pytest.approx(by_hand)


def test_a_metric_of_ones_own_is_given_no_mask_in_an_ensemble(tmp_path, heard):
    """It is given the clips alone of which all is known, as in a report, and that is told."""
    files, _, _, known, manifest = two(tmp_path)
    given = []

    def share(values, truth):
        given.append((len(truth), np.ma.isMaskedArray(truth)))
        return float((values >= 0.5)[truth].mean())

    METRICS.register("share_of_own", tasks=("many",))(share)
    try:
        asked = {"data": manifest, "metric": "share_of_own", "task": "many", "rounds": 1, "scores": False}
        combine(files, search=True, agreement=True, progress=heard, **asked)
    finally:
        METRICS._drop("share_of_own")
    assert set(given) == {(int(known.all(1).sum()), False)}
    assert any(line.startswith("share_of_own: ") and "are left out of it" in line for line in heard.said)


def test_an_ensemble_of_one_tag_a_clip_is_the_same_whatever_is_unknown_and_says_so(tmp_path, heard):
    scores, truth, unknown = one()
    scores.save(tmp_path / "s.parquet")
    scores_of(scores.values[:, [1, 0, 2]]).save(tmp_path / "t.parquet")
    files, folds = [tmp_path / "s.parquet", tmp_path / "t.parquet"], [str(row % 3) for row in range(len(IDS))]
    told = []
    for each in (unknown & False, unknown):
        asked = {"data": clips(truth, each, tmp_path, fold=folds), "task": "one", "rounds": 3, "temperature": "fit"}
        made = combine(files, rule="geometric", search=True, cross=True, agreement=True, progress=heard, **asked)
        told.append((made.search, made.cross.value, made.agreement, made.scores.values.tolist()))
    assert told[0] == told[1]
    note = "Of 40 of 120 pairs of a clip and a tag it is not known whether the clip has the tag: where a clip has one tag, the others"
    assert heard.said.count(f"{note} are taken as absent.") == 1
