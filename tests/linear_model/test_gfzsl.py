"""GFZSL: the authors' numbers, densities of scipy, and moments of parts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from zslearn.linear_model import GFZSLClassifier
from zslearn.linear_model._gfzsl import _Moments

CLOSE = {"rtol": 0, "atol": 1e-11}


def fit_case(fit, case, **parameters):
    usual = {
        "alpha": float(case["lam_mean"]),
        "variance_alpha": float(case["lam_variance"]),
        "variance_offset": float(case["variance_offset"]),
        "regulariser": float(case["regulariser"]),
    }
    return fit(GFZSLClassifier, case, **(usual | parameters))


def test_parity(parity, fit, scores_of):
    case = parity("gfzsl", 1)
    clf = fit_case(fit, case, center=False)
    kernel = clf._kernel(case["class_attributes"])
    assert_allclose(kernel, case["kernel_all"], **CLOSE)
    assert_allclose(kernel @ clf.dual_coef_, case["predicted_means"], **CLOSE)
    variances = np.exp(kernel @ clf.dual_variance_coef_)
    assert_allclose(variances, case["predicted_variances"], **CLOSE)
    assert_allclose(scores_of(clf, case["X_test"]), case["scores"], **CLOSE)


def test_centred_regressions_are_of_differences_from_the_mean(parity, fit, scores_of):
    case = parity("gfzsl", 1)
    clf = fit_case(fit, case)
    kernel, offset = case["kernel_seen"], float(case["variance_offset"])
    expected = []
    for values, lam in (
        (case["class_means"], float(case["lam_mean"])),
        (np.log(case["class_variances"] + offset), float(case["lam_variance"])),
    ):
        mean = values.mean(axis=0)
        shares = np.linalg.solve(kernel + lam * np.eye(len(kernel)), values - mean)
        expected.append(mean + case["kernel_all"] @ shares)
    deviations = np.sqrt(np.exp(expected[1]) + float(case["regulariser"]))
    densities = norm.logpdf(case["X_test"][:, None], expected[0], deviations).sum(axis=2)
    assert_allclose(scores_of(clf, case["X_test"]), densities, **CLOSE)


def test_variances_regularised_away_leave_the_nearest_prototype(parity, fit, scores_of):
    """As released: euclidean distance to regressed means."""
    case = parity("gfzsl", 1)
    clf = fit_case(fit, case, variance_alpha=1e14, regulariser=0.0, center=False)
    means = case["predicted_means"]
    distances = ((case["X_test"][:, None] - means) ** 2).sum(axis=2)
    found = scores_of(clf, case["X_test"])
    found, expected = found - found[:, :1], -0.5 * (distances - distances[:, :1])
    assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_moments_of_parts_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    targets = np.array([0, 1, 0, 2, 2, 0, 2, 2, 1, 0])
    vectors, ones = 1e6 + rng.normal(size=(10, 3)), np.ones(10)
    total = _Moments.zeros(4, 3)
    for rows in (slice(0, 4), slice(4, 5), slice(5, 10)):
        total += _Moments.of(vectors[rows], targets[rows], ones[rows], 4)
    assert total.counts.ravel().tolist() == [4, 2, 4, 0]
    for c in range(3):
        own = vectors[targets == c]
        assert_allclose(total.means[c], own.mean(axis=0), rtol=1e-14)
        assert_allclose(total.variances[c], own.var(axis=0, ddof=1), rtol=1e-8)
    alone = _Moments.of(vectors[:1], targets[:1], ones[:1], 1)
    assert not alone.variances.any()


def test_moments_count_samples_as_often_as_they_weigh():
    rng = np.random.default_rng(1)
    targets, times = np.array([0, 1, 0, 1, 0]), np.array([2, 1, 0, 3, 1])
    vectors = rng.normal(size=(5, 3))
    weighed = _Moments.of(vectors, targets, times.astype(float), 2)
    parts = [
        _Moments.of(vectors[i : i + 1], targets[i : i + 1], times[i : i + 1], 2) for i in range(5)
    ]
    n = times.sum()
    repeated = _Moments.of(vectors.repeat(times, axis=0), targets.repeat(times), np.ones(n), 2)
    for found in (weighed, sum(parts[1:], parts[0])):
        assert_allclose(found.means, repeated.means, rtol=1e-13)
        assert_allclose(found.variances, repeated.variances, rtol=1e-12)


@pytest.mark.parametrize("name", ["alpha", "variance_alpha", "variance_offset", "regulariser"])
def test_refuses_parameters(parity, fit, name):
    with pytest.raises(ValueError, match=f"^{name} must be a finite number"):
        fit(GFZSLClassifier, parity("gfzsl", 1), **{name: -1.0})
