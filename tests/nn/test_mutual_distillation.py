"""The distillation loss by hand, where it is not defined, and weighed."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from zslearn.nn import MutualDistillationLoss

UNSEEN = torch.tensor([False, True, False])


def draw(b=4):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(b, 3, generator=generator, dtype=torch.float64) for _ in range(2)]


@pytest.mark.parametrize("distance", ["logits", "probabilities"])
def test_equals_the_formula(distance):
    z, other = draw()
    found = MutualDistillationLoss(distance)(z, other, UNSEEN).item()
    margin = np.array([0.0, 2.0, 0.0])
    p, q = (np.exp(x.numpy() + margin) for x in (z, other))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    expected = np.mean([jensenshannon(*rows) ** 2 for rows in zip(p, q, strict=True)])
    gap = (z - other).numpy()
    if distance == "logits":
        expected += np.mean((np.abs(gap) ** 3).sum(1) / np.linalg.norm(gap, axis=1))
    else:
        expected += np.mean(((p - q) ** 2).sum(1))
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("distance", ["logits", "probabilities"])
@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 3.0])], ids=["alike", "weighed"])
def test_gradients(distance, weights):
    arguments = [x.requires_grad_() for x in draw(2)]
    loss = MutualDistillationLoss(distance)
    torch.autograd.gradcheck(lambda *z: loss(*z, UNSEEN, weights), arguments)


def test_zero_where_both_agree():
    z = torch.zeros(2, 3, requires_grad=True)
    other = torch.zeros(2, 3, requires_grad=True)
    loss = MutualDistillationLoss()(z, other, UNSEEN)
    loss.backward()
    assert loss.item() == 0
    assert not z.grad.any()
    assert not other.grad.any()


def test_far_apart_in_float32():
    z = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    loss = MutualDistillationLoss("probabilities", bias=0.0)(z, -z, UNSEEN)
    assert loss.item() == pytest.approx(math.log(2) + 1.5, rel=1e-6)
    loss.backward()
    assert torch.isfinite(z.grad).all()


def test_a_weight_is_a_repetition():
    z, other = draw()
    weights = torch.tensor([1.0, 2.0, 1.0, 1.0], dtype=torch.float64)
    rows = torch.tensor([0, 1, 1, 2, 3])
    loss = MutualDistillationLoss()
    weighed = loss(z, other, UNSEEN, weights)
    torch.testing.assert_close(weighed, loss(z[rows], other[rows], UNSEEN), rtol=1e-13, atol=0)


def test_an_unknown_distance_is_named():
    with pytest.raises(ValueError, match="distance must be 'logits' or 'probabilities', found 'l"):
        MutualDistillationLoss("l2")
