"""Attention over time against cases worked by hand and the formulas written out in NumPy."""

import numpy as np
import pytest
import torch

from earmark.models.layers.attention import Attention, attend

ACTIVATIONS = ["softmax_time", "sigmoid", "softmax_class"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_definition(classes, attention, activation):
    """(y, p) in float64, as the papers write them; both inputs (batch, time, tags)."""
    if activation == "softmax_time":
        v = np.exp(attention)
    else:
        v = sigmoid(attention) if activation == "sigmoid" else np.exp(attention)
        v = v / np.exp(attention).sum(-1, keepdims=True) if activation == "softmax_class" else v
        v = np.clip(v, 1e-7, 1 - 1e-7)
    p = v / v.sum(1, keepdims=True)
    return (p * sigmoid(classes)).sum(1), p


def test_two_clips_two_times_two_tags_by_hand():
    """Logits of ln 3 are probabilities of 3/4; attention of ln 3 against 0 is weights of 3/4 and 1/4."""
    three = np.log(3.0)
    classes = torch.tensor([[[three, 0.0], [-three, 0.0]], [[three, three], [0.0, -three]]], dtype=torch.float64)
    attention = torch.tensor([[[three, 5.0], [0.0, 5.0]], [[0.0, 0.0], [0.0, three]]], dtype=torch.float64)
    got = attend(classes, attention)
    weights = [[[3 / 4, 1 / 2], [1 / 4, 1 / 2]], [[1 / 2, 1 / 4], [1 / 2, 3 / 4]]]
    torch.testing.assert_close(got.weights, torch.tensor(weights, dtype=torch.float64))
    wanted = [
        [3 / 4 * 3 / 4 + 1 / 4 * 1 / 4, 1 / 2],
        [1 / 2 * 3 / 4 + 1 / 2 * 1 / 2, 1 / 4 * 3 / 4 + 3 / 4 * 1 / 4],
    ]
    torch.testing.assert_close(got.probabilities, torch.tensor(wanted, dtype=torch.float64))
    assert got.frames is classes


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_is_what_the_formulas_say(activation):
    rng = np.random.default_rng(3)
    classes, attention = rng.normal(0, 3, (2, 3, 7, 5))
    y, p = by_definition(classes, attention, activation)
    got = attend(torch.from_numpy(classes), torch.from_numpy(attention), activation)
    np.testing.assert_allclose(got.weights, p, rtol=1e-12)
    np.testing.assert_allclose(got.probabilities, y, rtol=1e-12)
    np.testing.assert_allclose(got.logits, np.log(y) - np.log1p(-y), rtol=1e-10)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax_class"])
def test_weights_are_clipped_as_documented(activation):
    """At one time the tag's v is below 1e-7, at the other about 1: without the clip the weight would be e^-40."""
    attention = np.zeros((1, 2, 2))
    attention[0, :, 0] = [-40, 40]
    classes = np.zeros((1, 2, 2))
    classes[0, :, 0] = [30, -30]
    y, p = by_definition(classes, attention, activation)
    got = attend(torch.from_numpy(classes), torch.from_numpy(attention), activation)
    assert got.weights[0, 0, 0].item() == pytest.approx(1e-7, rel=1e-6)
    np.testing.assert_allclose(got.weights, p, rtol=1e-6)
    np.testing.assert_allclose(got.probabilities, y, rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_extreme_logits_stay_finite(activation):
    """80 is where float32 sigmoids are 0 or 1: the logarithm of either side would be infinite."""
    values = torch.tensor([-80.0, 80.0])
    classes, attention = (x.reshape(1, -1, 1).clone() for x in torch.meshgrid(values, values, indexing="ij"))
    classes = torch.cat([classes, classes.abs(), -classes.abs()], -1).requires_grad_()  # some, all and no times
    attention = torch.cat([attention, attention, -attention], -1).requires_grad_()
    got = attend(classes, attention, activation)
    got.logits.abs().sum().backward()
    assert torch.isfinite(got.logits).all()
    assert torch.isfinite(classes.grad).all()
    assert torch.isfinite(attention.grad).all()
    # where all times say ±80 so does the clip, though its probability rounds to 0 or 1
    torch.testing.assert_close(got.logits[0, 1:], torch.tensor([80.0, -80.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(got.weights.sum(1), torch.ones(1, 3))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_the_formulas(activation):
    generator = torch.Generator().manual_seed(5)
    logits = [torch.randn(2, 3, 2, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(lambda c, a: attend(c, a, activation).logits, logits)


def test_attention_of_a_single_time_is_the_class_layer():
    torch.manual_seed(0)
    layer = Attention(4, 3)
    vectors = torch.randn(2, 1, 4)
    got = layer(vectors)
    torch.testing.assert_close(got.logits, layer.classes(vectors)[:, 0])


def test_half_precision_is_worked_out_in_float32():
    got = attend(torch.full((1, 2, 1), 12.0, dtype=torch.bfloat16), torch.zeros(1, 2, 1, dtype=torch.bfloat16))
    assert got.logits.dtype == torch.float32
    assert got.logits.item() == pytest.approx(12.0, abs=1e-4)


def test_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="att_activation 'softmax' is not known: take one of softmax_time, sigmoid"):
        Attention(4, 3, "softmax")
