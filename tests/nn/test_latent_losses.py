"""Losses of aligned and contrastive latents: exact values, reductions, invariances, edges."""

import numpy as np
import pytest
import torch

from zslearn.nn import (
    CorrelationAlignmentLoss,
    DiscrepancyLoss,
    GaussianDistanceLoss,
    SupervisedContrastiveLoss,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def normal(rng, *shape):
    return torch.tensor(rng.normal(size=shape))


def test_equal_posteriors_have_no_distance_and_a_gradient_of_zero(rng):
    mean, log_var = normal(rng, 3, 4).requires_grad_(), normal(rng, 3, 4)
    loss = GaussianDistanceLoss()(mean, log_var, mean.detach(), log_var)
    loss.backward()
    assert loss.item() == pytest.approx(3e-6)  # a root of eps a row
    assert not mean.grad.any()


def test_the_distance_counts_standard_deviations(rng):
    zero = torch.zeros(2, 3, dtype=torch.float64)
    log_var = torch.full_like(zero, 2 * np.log(4.0))  # deviations of 4 and 1: 3 apart
    found = GaussianDistanceLoss()(zero, log_var, zero, zero).item()
    assert found == pytest.approx(2 * np.sqrt(3 * 9), rel=1e-12)


def test_discrepancies(rng):
    p, q, directions = normal(rng, 6, 3), normal(rng, 6, 3), normal(rng, 3, 5)
    sliced, by_sample = DiscrepancyLoss(), DiscrepancyLoss("mcd")
    expected = np.abs(p.softmax(1).numpy() - q.softmax(1).numpy()).mean()
    assert by_sample(p, q).item() == pytest.approx(expected, rel=1e-12)
    unit = directions / directions.norm(dim=0)
    apart = [
        np.sort((p.softmax(1) @ unit)[:, k]) - np.sort((q.softmax(1) @ unit)[:, k])
        for k in range(5)
    ]
    assert sliced(p, q, directions).item() == pytest.approx(np.square(apart).mean(), rel=1e-12)
    # The order of a batch is nothing to the sliced one, and all to the other.
    order = [1, 0, 2, 3, 5, 4]
    assert sliced(p, p[order], directions).item() == pytest.approx(0, abs=1e-30)
    assert by_sample(p, p[order]).item() > 0.01
    with pytest.raises(ValueError, match="directions of shape"):
        sliced(p, q)


def test_covariances(rng):
    z, other = normal(rng, 7, 3), normal(rng, 5, 3)
    expected = np.square(np.cov(z.T) - np.cov(other.T)).mean()
    assert CorrelationAlignmentLoss()(z, other).item() == pytest.approx(expected, rel=1e-12)
    shifted = CorrelationAlignmentLoss()(z + 5, other).item()
    assert shifted == pytest.approx(expected, rel=1e-10)


def test_contrast_is_the_formula(rng):
    z = torch.nn.functional.normalize(normal(rng, 6, 4), dim=1)
    y = torch.tensor([0, 1, 0, 2, 1, 0])
    terms = []
    for i in range(6):
        partners = [j for j in range(6) if j != i and y[j] == y[i]]
        rivals = np.log(sum(np.exp(float(z[i] @ z[j]) / 0.3) for j in range(6) if j != i))
        if partners:
            terms.append(np.mean([rivals - float(z[i] @ z[j]) / 0.3 for j in partners]))
    assert len(terms) == 5  # the one of class 2 has no partner
    found = SupervisedContrastiveLoss(0.3)(z, y).item()
    assert found == pytest.approx(np.mean(terms), rel=1e-12)


@pytest.mark.parametrize("n", [1, 3])
def test_contrast_without_any_partner_is_zero(rng, n):
    z = normal(rng, n, 4).requires_grad_()
    loss = SupervisedContrastiveLoss()(z, torch.arange(n))
    loss.backward()
    assert loss.item() == 0
    assert not z.grad.any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DiscrepancyLoss("kl"), "kind must be"),
        (lambda: SupervisedContrastiveLoss(0.0), "temperature must be above 0"),
    ],
)
def test_wrong_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
