"""Heads come out as other libraries and closed forms have them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from earmark.train.heads.fitting import FLOOR, SHARP, Hidden, Regression, Scale, logits_of, prototypes


def material(rows, width, tags, seed=0):
    """Vectors around a place for each tag, some numbers of them larger than others; targets, weights."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(tags, size=rows)
    places = chance.normal(0, 1.5, (tags, width))
    vectors = ((places[truth] + chance.normal(size=(rows, width))) * np.linspace(0.1, 3, width) + 2).astype(np.float32)
    return vectors, np.eye(tags, dtype=np.float32)[truth], chance.uniform(0.2, 2, rows).astype(np.float32), truth


@pytest.mark.parametrize(("rows", "width"), [(200, 12), (30, 60)])  # more rows than numbers, and fewer
@pytest.mark.parametrize("strength", [0.02, 1.0])
def test_multinomial_regression_is_that_of_scikit_learn(rows, width, strength):
    vectors, targets, weights, truth = material(rows, width, 4)
    made = Regression(vectors, targets, weights, "one", exact=True)
    layers = made.layers(made.fit(strength))
    scaled = made.scale(vectors).astype(float)
    theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(scaled, truth, weights.astype(float))
    ours, others = logits_of(layers, vectors), theirs.decision_function(scaled)
    # log-odds are known up to one number for all tags
    np.testing.assert_allclose(ours - ours.mean(1, keepdims=True), others - others.mean(1, keepdims=True), atol=2e-3)


def test_one_against_the_rest_is_that_of_scikit_learn():
    vectors, _, weights, _ = material(150, 10, 3)
    targets = np.stack([vectors[:, 0] > 2, vectors[:, 3] + vectors[:, 5] > 4], 1).astype(np.float32)  # some have both
    made = Regression(vectors, targets, weights, "many", exact=True)
    ours = logits_of(made.layers(made.fit(0.5)), vectors)
    scaled = made.scale(vectors).astype(float)
    for tag in range(2):
        theirs = LogisticRegression(C=0.5, tol=1e-8, max_iter=5000).fit(scaled, targets[:, tag], weights.astype(float))
        np.testing.assert_allclose(ours[:, tag], theirs.decision_function(scaled), atol=2e-3)


def test_a_weight_of_two_is_a_row_twice():
    vectors, targets, _, _ = material(40, 5, 3)
    weights = np.where(np.arange(40) < 10, 2, 1).astype(np.float32)
    twice = np.concatenate([vectors, vectors[:10]]), np.concatenate([targets, targets[:10]])
    one = Regression(vectors, targets, weights, "one", exact=True)
    other = Regression(*twice, np.ones(50, np.float32), "one", exact=True)
    found = [logits_of(each.layers(each.fit(1.0)), vectors) for each in (one, other)]
    np.testing.assert_allclose(*found, atol=1e-3)


def test_the_near_fit_of_a_choice_says_what_the_exact_one_says():
    vectors, targets, weights, _ = material(200, 12, 4)
    near, exact = (Regression(vectors, targets, weights, "one", each) for each in (False, True))
    made = near.fit(0.1)
    np.testing.assert_allclose(near.logits(made, np.arange(200)), logits_of(near.layers(made), vectors), atol=1e-3)
    ours, others = (logits_of(each.layers(each.fit(0.1)), vectors) for each in (near, exact))
    assert (ours.argmax(1) == others.argmax(1)).mean() > 0.98


def test_a_hidden_layer_is_at_rest_where_it_ends_and_folds_into_two_layers():
    vectors, targets, weights, truth = material(120, 8, 3)
    hidden = Hidden(vectors, targets, weights, "one", exact=True)
    made = hidden.fit(5.0)
    layers = hidden.layers(made)
    assert [each[0].shape for each in layers] == [(64, 8), (3, 64)]
    told = logits_of(layers, vectors)
    np.testing.assert_allclose(told, hidden.logits(made, np.arange(120)), atol=1e-3)
    assert (told.argmax(1) == truth).mean() > 0.95
    # the slope of the loss by a bias of the last layer is 0: what is said of each tag sums to what is there, by hand
    said = np.exp(told - told.max(1, keepdims=True))
    said = said / said.sum(1, keepdims=True)
    np.testing.assert_allclose(weights @ said, weights @ targets, rtol=2e-3)


def test_prototypes_are_cosines_to_the_mean_of_unit_vectors():
    vectors = np.array([[3, 0], [0, 4], [0, 2]], np.float32)
    targets = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    (layer,) = prototypes(vectors, targets, np.ones(3, np.float32), "one")
    # of lengths 3, 4, 2 the mean is 3; the means point along the axes
    np.testing.assert_allclose(layer[0], SHARP / 3 * np.eye(2), rtol=1e-6)
    np.testing.assert_allclose(logits_of([layer], np.array([[3, 0]], np.float32)), [[SHARP, 0]], rtol=1e-6)


def test_prototypes_of_many_tags_are_even_halfway():
    vectors, targets = np.array([[1, 0], [0, 1]], np.float32), np.array([[1], [0]], np.float32)
    (layer,) = prototypes(vectors, targets, np.ones(2, np.float32), "many")
    # own cosine 1, the other's 0: at 0.5 the odds are even
    np.testing.assert_allclose(logits_of([layer], vectors)[:, 0], [SHARP / 2, -SHARP / 2], rtol=1e-6)


def test_what_never_varies_does_not_decide():
    vectors = np.array([[0.0, 7.0], [2.0, 7.0]], np.float32)
    scale = Scale.of(vectors, np.ones(2, np.float32))
    # variances 1 and 0, of which the mean is 1/2
    np.testing.assert_allclose(scale.spread, np.sqrt([1 + FLOOR**2 / 2, FLOOR**2 / 2]), rtol=1e-6)
    told = scale(np.array([[1.0, 7.1]], np.float32))
    assert abs(told[0, 1]) < 0.5
