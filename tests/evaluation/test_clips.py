"""Figures of clips: matched by id, against scikit-learn, and that nothing is left out in silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.report.conftest import TAGS, made, scored, several, single

from earmark.errors import ScoresError
from earmark.evaluation.clips import measure
from earmark.evaluation.figures import Bootstrap


def test_figures_are_sklearns() -> None:
    from sklearn.metrics import accuracy_score, average_precision_score, confusion_matrix, roc_auc_score

    scores, manifest = single()
    report = measure(scores, manifest, "one", resamples=50)
    truth = manifest.truth(TAGS)
    assert list(report.metrics) == ["accuracy", "map", "auc", "dprime", "map@3"]
    assert report.metrics["accuracy"].value == pytest.approx(accuracy_score(truth.argmax(1), scores.values.argmax(1)))
    assert report.metrics["map"].value == pytest.approx(average_precision_score(truth, scores.values))
    assert report.metrics["auc"].value == pytest.approx(roc_auc_score(truth, scores.values))
    assert np.array_equal(report.confusion, confusion_matrix(truth.argmax(1), scores.values.argmax(1)))
    assert [row.tag for row in report.tags] == list(TAGS)
    each = average_precision_score(truth, scores.values, average=None)
    assert [row.average_precision for row in report.tags] == pytest.approx(each)
    assert report.clips == 40
    assert report.interval == Bootstrap("percentile bootstrap over groups", 0.95, 50, 20, ("map",))
    for figure in report.metrics.values():
        assert figure.low < figure.value < figure.high


def test_rows_in_any_order_and_columns_in_any_order_give_the_same_report() -> None:
    scores, manifest = single()
    report = measure(scores, manifest, "one", resamples=60)
    rng = np.random.default_rng(3)
    order = rng.permutation(40)
    mixed = replace(scores, values=scores.values[order], ids=scores.ids[order])
    again = measure(mixed, manifest.select(rng.permutation(40)), "one", resamples=60)
    assert again.as_dict() == report.as_dict()
    assert measure(scores, manifest, "one", resamples=60, seed=1).as_dict() != report.as_dict()
    turned = replace(scores, values=scores.values[:, ::-1], tags=TAGS[::-1])
    other = measure(turned, manifest, "one", resamples=60)
    assert {row.tag: row for row in other.tags} == {row.tag: row for row in report.tags}
    for name, figure in report.metrics.items():
        assert other.metrics[name].as_dict() == pytest.approx(figure.as_dict())


def test_worst_errors_are_the_missed_clips_with_the_lowest_scores() -> None:
    values = np.array([[0.9, 0.1, 0, 0], [0.3, 0.6, 0.1, 0], [0.05, 0.1, 0.8, 0.05], [0.2, 0.2, 0.2, 0.4]])
    manifest = made([["dog"], ["dog"], ["dog"], ["rain"]])
    report = measure(scored(values, manifest.ids.tolist()), manifest, "one", resamples=0)
    assert [(w.id, w.path, w.truth, w.answered) for w in report.worst] == [
        ("c02", "audio/c02.wav", "dog", "siren"),
        ("c03", "audio/c03.wav", "rain", "saw"),
        ("c01", "audio/c01.wav", "dog", "rain"),
    ]
    assert [w.score for w in report.worst] == pytest.approx([0.05, 0.2, 0.3])
    assert [w.answered_score for w in report.worst] == pytest.approx([0.8, 0.4, 0.6])


def test_worst_errors_of_many_tags_are_missed_tags_and_twenty_at_most() -> None:
    manifest = made([["dog", "rain"], ["dog"], []])
    values = np.array([[0.9, 0.2, 0.1, 0.1], [0.8, 0.9, 0.1, 0.1], [0.9, 0.9, 0.9, 0.9]])
    scores = scored(values, manifest.ids.tolist())
    report = measure(scores, manifest, "many", resamples=0)
    assert [(w.id, w.truth, w.answered) for w in report.worst] == [("c00", "rain", "dog")]
    report = measure(scores, manifest, "many", resamples=0, threshold=np.array([0.85, 0.1, 0.5, 0.5]))
    assert [(w.id, w.truth, w.answered) for w in report.worst] == [("c01", "dog", "rain")]
    assert len(measure(*single(100, strength=0), "one", resamples=0).worst) == 20


def nulls(value: Any, place: str = "") -> list[str]:
    if isinstance(value, dict):
        return [hit for key, item in value.items() for hit in nulls(item, f"{place}.{key}")]
    if isinstance(value, list):
        return [hit for i, item in enumerate(value) for hit in nulls(item, f"{place}[{i}]")]
    return [place] if value is None else []


def test_nothing_else_is_null() -> None:
    assert nulls(measure(*single(), "one", resamples=20).as_dict()) == [
        ".calibration",
        ".threshold",
        ".decisions",
        ".events",
    ]
    assert nulls(measure(*several(), "many", resamples=20).as_dict()) == [".confusion", ".decisions", ".events"]


def test_scores_that_are_no_probabilities_have_no_calibration() -> None:
    report = measure(*single(), "one", resamples=0)  # normal deviates
    assert report.calibration is None
    assert "Scores reach beyond 0 … 1, so they are no probabilities: no calibration." in report.notes


def test_notes_on_intervals() -> None:
    scores, manifest = single()
    report = measure(scores, manifest, "one", resamples=0)
    assert "No intervals: no resamples were asked for." in report.notes
    assert np.isnan(report.metrics["accuracy"].low)
    alone = made([[TAGS[i % 4]] for i in range(40)], groups=["g"] * 40)
    report = measure(scores, alone, "one", resamples=10)
    assert "No intervals: all clips are of one group, and clips of one group are not independent." in report.notes
    few = made([[TAGS[i % 4]] for i in range(40)], groups=[f"g{i % 7}" for i in range(40)])
    report = measure(scores, few, "one", resamples=10)
    assert "Only 7 groups: the intervals are rough, and rather too narrow." in report.notes


def test_a_perfect_figure_is_no_certainty() -> None:
    scores, manifest = single(strength=100)
    notes = "\n".join(measure(scores, manifest, "one", resamples=30).notes)
    # 0.861^20 = 0.05
    assert "accuracy, mAP, AUC, d′, mAP@3 has no width, because all draws agree." in notes
    assert "20 groups without an error may come from a tagger that errs in up to 14 % of them." in notes
    assert "no width" not in "\n".join(measure(*single(), "one", resamples=30).notes)


def test_a_tag_of_every_clip_and_no_tag_at_all() -> None:
    scores, _ = several(20)
    every = measure(scores, made([["dog", "rain"], ["dog"]] * 10), "many", resamples=10)
    assert every.undefined == ("dog", "siren", "saw")
    assert "Every clip has these tags, so they are left out of mAP, AUC and d′: 'dog'." in every.notes
    none = measure(scores, made([[]] * 20), "many", resamples=10)
    assert np.isnan(none.metrics["map"].value)
    assert "mAP has no value: no tag or clip here defines it." in none.notes


def test_missing_clips() -> None:
    scores, manifest = single()
    part = replace(scores, values=scores.values[12:], ids=scores.ids[12:], start=scores.start[12:], end=scores.end[12:])
    with pytest.raises(
        ScoresError,
        match=r"^12 clips of the manifest have no scores, first: c00 \(40 in the manifest, 28 scored\). Tag them too",
    ):
        measure(part, manifest, "one")
    with pytest.raises(ScoresError, match=r"^1 clip of the manifest has no scores, first: c11"):
        measure(part, manifest.select(np.arange(11, 40)), "one")


def test_clips_that_only_the_scores_have_are_reported() -> None:
    scores, manifest = single()
    report = measure(scores, manifest.select(np.arange(10)), "one", resamples=0)
    assert report.clips == 10
    assert "30 scored clips outside the manifest: not in this report." in report.notes
    few = replace(scores, values=scores.values[:10], ids=scores.ids[:10], start=scores.start[:10], end=scores.end[:10])
    alone = measure(few, manifest.select(np.arange(10)), "one", resamples=0)
    assert alone.metrics == report.metrics


def test_repeated_clips() -> None:
    scores, manifest = single()
    ids = scores.ids.copy()
    ids[5:8] = "c05"
    with pytest.raises(
        ScoresError, match=r"^1 clip has several rows in the scores, first: c05 \(3 rows\). .* combine the windows"
    ):
        measure(replace(scores, ids=ids), manifest, "one")
    with pytest.raises(ScoresError, match=r"^2 clips have several rows in the manifest, first: c01 \(2 rows\)"):
        measure(scores, manifest.select(np.array([1, 1, 2, 3, 3])), "one")


def test_tags_that_the_tagger_does_not_know() -> None:
    scores, manifest = single()
    renamed = replace(scores, tags=("dog", "rain", "sirens", "saw"))
    with pytest.raises(
        ScoresError,
        match=r"does not know 1 tag of the manifest: 'siren' \(10 times\), did you mean 'sirens'\? It knows 'dog'",
    ):
        measure(renamed, manifest, "one")
    without = manifest.select(np.flatnonzero(~manifest.truth()[:, 2]))
    report = measure(renamed, without, "one", resamples=0)
    assert "The tagger does not know 'siren'; no clip here has them." in report.notes
    assert report.undefined == ("sirens",)


def test_several_tags_do_not_fit_a_tagger_of_one() -> None:
    scores, manifest = several()
    with pytest.raises(ScoresError, match=r"clips have not exactly one tag, first: c00 \(4 tags\).* task many"):
        measure(scores, manifest, "one")


def test_no_clips() -> None:
    scores, manifest = single()
    with pytest.raises(ScoresError, match="the manifest has no clips"):
        measure(scores, manifest.select(np.zeros(40, bool)), "one")


def test_the_same_draws_judge_stored_thresholds() -> None:
    """Of another seed too: the row of 0.5 has the intervals of the figures above it."""
    scores, manifest = several()
    half = np.full(len(TAGS), 0.5)
    told = measure(scores, manifest, "many", resamples=50, seed=7, stored=half)
    for row in told.decisions.rows:
        assert list(row.f1) == ["f1_micro", "f1_macro", "f1_clips"]
        for name, figure in row.f1.items():
            assert figure == told.metrics[name]
