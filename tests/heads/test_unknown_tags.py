"""Heads do not learn from what is not known of a clip: neither the fit, nor the choice of how strong, nor the curve."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss

pytest.importorskip("torch")
from earmark.data import manifest as manifests
from earmark.errors import ManifestError
from earmark.train.heads import choosing, curve, lesson, run, within
from earmark.train.heads.fitting import Hidden, Regression, logits_of, prototypes
from earmark.train.heads.store import Heard

TAGS = ("fox", "owl")


def material(rows=160, width=10):
    """Vectors, and targets of two tags of which a third of the cells is not known, the true ones of these among them."""
    chance = np.random.default_rng(3)
    vectors = chance.normal(size=(rows, width)).astype(np.float32) + 1
    targets = np.stack([vectors[:, 0] > 1.2, vectors[:, 3] + vectors[:, 5] > 2], 1).astype(np.float32)
    targets[chance.random(targets.shape) < 1 / 3] = np.nan
    return vectors, targets, chance.uniform(0.2, 2, rows).astype(np.float32)


def test_a_regression_is_that_of_scikit_learn_without_what_is_not_known():
    vectors, targets, weights = material()
    made = Regression(vectors, targets, weights, "many", exact=True)
    ours = logits_of(made.layers(made.fit(0.5)), vectors)
    scaled = made.scale(vectors).astype(float)
    for tag in range(2):
        rows = ~np.isnan(targets[:, tag])
        theirs = LogisticRegression(C=0.5, tol=1e-8, max_iter=5000)
        theirs.fit(scaled[rows], targets[rows, tag], weights[rows].astype(float))
        np.testing.assert_allclose(ours[:, tag], theirs.decision_function(scaled), atol=2e-3)


def test_a_hidden_layer_learns_as_if_they_were_not_there():
    """Rows of which nothing is known, with the weight 0 that leaves them out of the scale, change nothing."""
    vectors, targets, weights = material()
    some = ~np.isnan(targets).all(axis=1)
    assert 0 < (~some).sum() < len(some)
    one = Hidden(vectors, targets, np.where(some, weights, 0).astype(np.float32), "many", exact=True)
    other = Hidden(vectors[some], targets[some], weights[some], "many", exact=True)
    found = [logits_of(each.layers(each.fit(0.3)), vectors) for each in (one, other)]
    np.testing.assert_allclose(*found, atol=0.05)  # a thousand steps of L-BFGS in float64, of sums in another order


def test_prototypes_and_their_middle_are_of_what_is_known():
    """Of unit vectors by hand: the fox's is (1, 0), told by the first; what is not known of the third moves nothing."""
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    targets = np.array([[1, 0], [0, 1], [np.nan, 1]], np.float32)
    [(layer, biases)] = prototypes(vectors, targets, np.ones(3, np.float32), "many")
    np.testing.assert_allclose(layer[0], [10, 0], atol=1e-5)
    assert biases[0] == pytest.approx(-(10 + 0) / 2)  # half of the cosines 1 (has it) and 0 (lacks it), ten times
    assert biases[1] != pytest.approx(-5)


def heard(rows):
    chance = np.random.default_rng(rows)
    return Heard(chance.normal(size=(rows, 4)).astype(np.float32), np.ones(rows, np.float32))


def test_a_clip_of_which_nothing_is_known_is_as_one_that_is_not_there():
    clips = [heard(2), heard(5), heard(1)]
    targets = np.array([[1, 0], [np.nan, np.nan], [np.nan, 1]], np.float32)
    told = lesson.of_clips(clips, targets)
    without = lesson.of_clips([clips[0], clips[2]], targets[[0, 2]])
    for name in ("vectors", "targets", "weights"):
        np.testing.assert_array_equal(getattr(told, name), getattr(without, name))
    assert told.clip.tolist() == [0, 0, 2]


def test_a_setting_is_judged_by_what_is_known():
    _, targets, _ = material()
    scores = np.random.default_rng(0).uniform(0.01, 0.99, targets.shape).astype(np.float32)
    known = ~np.isnan(targets)
    setting = choosing.Setting("logistic", 1.0, "mean", "equal")
    found = choosing._judged(setting, scores, targets, "many").loss
    assert found == pytest.approx(2 * log_loss(targets[known], scores[known]), rel=1e-6)
    lesson_ = Regression(np.ones((len(targets), 1), np.float32), targets, np.ones(len(targets), np.float32), "many")
    logits = np.log(scores / (1 - scores))
    assert within._loss(lesson_, logits) == pytest.approx(log_loss(targets[known], scores[known]), rel=1e-4)


def clips(unknown):
    """Twelve clips of three windows: foxes, owls, and foxes of which nobody said whether they are some; the last know neither."""
    chance = np.random.default_rng(1)
    tags = [["fox"], ["owl"], [], []] * 3
    asked = [[], [], ["fox"], ["fox", "owl"]] * 3 if unknown else None
    names = [f"{n}.wav" for n in range(12)]
    told = manifests.build({"id": names, "path": names, "tags": tags, "unknown": asked}, ".", vocabulary=TAGS)
    places = {0: [4, 0], 1: [0, 4], 2: [4, 0], 3: [4, 0]}
    vectors = [chance.normal(size=(3, 2)) * 0.3 + places[n % 4] for n in range(12)]
    return told, [Heard(each.astype(np.float32), np.ones(3, np.float32)) for each in vectors]


@pytest.mark.parametrize("kind", ["prototypes", "logistic"])
def test_foxes_that_nobody_told_of_are_no_examples_against_foxes(kind):
    told, windows = clips(unknown=True)
    made = run.learn(windows, told, TAGS, "many", run.Asked(kind=kind))
    scores = curve.answers(made, windows, "many")
    assert (scores[[0, 2, 3], 0] > 0.5).all() and (scores[1::4, 0] < 0.5).all()
    others, _ = clips(unknown=False)
    against = curve.answers(run.learn(windows, others, TAGS, "many", run.Asked(kind=kind)), windows, "many")
    assert (against[[0, 2, 3], 0] < scores[[0, 2, 3], 0]).all()


def test_clips_of_which_nothing_is_known_teach_nothing():
    told, windows = clips(unknown=True)
    with pytest.raises(ManifestError, match="all 3 training clips are silent, or nothing is known of their tags"):
        run.learn(windows[3::4], told.select(np.arange(3, 12, 4)), TAGS, "many", run.Asked(kind="logistic"))


def test_the_curve_leaves_them_out():
    told, _ = clips(unknown=True)
    truth = curve._truth([told.select(np.arange(6)), told.select(np.arange(6, 12))], TAGS, "many")
    assert isinstance(truth, np.ma.MaskedArray) and truth.mask.sum() == 9
    scores = np.random.default_rng(2).random(truth.shape).astype(np.float32)
    each = [
        average_precision_score(truth.data[~truth.mask[:, tag], tag], scores[~truth.mask[:, tag], tag])
        for tag in (0, 1)
    ]
    assert curve._figure(scores, truth, "many") == pytest.approx(np.mean(each))
    assert not isinstance(curve._truth([told], TAGS, "one"), np.ma.MaskedArray)


@pytest.mark.parametrize("task", ["one", "many"])
@pytest.mark.parametrize(("clips_a_tag", "kind"), [(1, "prototypes"), (4, "logistic")])
def test_where_inner_folds_can_judge_nothing_they_do_not_choose(task, clips_a_tag, kind):
    """A tag's clips are one, or of one group: held out, nothing is left that teaches it."""
    tags = [tag for tag in ("fox", "owl", "toad") for _ in range(clips_a_tag)]
    names = [f"{n}.wav" for n in range(len(tags))]
    told = manifests.build({"id": names, "path": names, "tags": [[tag] for tag in tags], "group": tags}, ".")
    choice = run.learn([heard(n % 3 + 1) for n in range(len(tags))], told, told.vocabulary, task, run.Asked()).choice
    assert choice.by.startswith("a rule: ") and choice.tried == () and choice.folds == 0
    assert choice.setting.kind == kind and choice.setting.strength == (0.1 if kind == "logistic" else None)
