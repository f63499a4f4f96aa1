"""Prototype regression: equal to the formulas, in every metric, and in odd cases."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

from zslearn.attributes import ClassAttributes
from zslearn.linear_model import PrototypeRegressionClassifier

CASES = pytest.mark.parametrize("number", [1, 2])
CLOSE = {"rtol": 0, "atol": 1e-11}


def fit_case(fit, case, metric, **parameters):
    parameters = {"alpha": float(case["lam"]), "gamma": float(case["kernel_gamma"])} | parameters
    shrinkage = float(case["shrinkage"])
    return fit(
        PrototypeRegressionClassifier,
        case,
        X="X_train_l2",
        metric=metric,
        shrinkage=shrinkage,
        **parameters,
    )


@CASES
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "lda"])
def test_parity(parity, fit, scores_of, number, metric):
    case = parity("ridge", number)
    clf = fit_case(fit, case, metric)
    assert_allclose(clf.rule_.kernel.median_distance, case["median_sq_distance"], rtol=1e-12)
    assert_allclose(clf.dual_coef_, case["dual_coef"], **CLOSE)
    assert_allclose(clf.prototypes_, case["kernel_prototypes"], **CLOSE)
    expected = case[f"scores_kernel_{metric}"]
    size = np.abs(expected).max()
    assert_allclose(scores_of(clf, case["X_test_l2"]) / size, expected / size, **CLOSE)


def test_lda_is_a_ratio_of_gaussians(parity, fit, scores_of):
    case = parity("ridge", 1)
    clf = fit_case(fit, case, "lda")
    X, rho = case["X_train_l2"], float(case["shrinkage"])
    within = np.zeros((X.shape[1], X.shape[1]))
    for label in case["seen"]:
        part = X[case["y_train"] == label]
        within += (part - part.mean(axis=0)).T @ (part - part.mean(axis=0)) / len(X)
    shrunken = (1 - rho) * within + rho * np.trace(within) / len(within) * np.eye(len(within))
    density = [
        multivariate_normal(mean, shrunken).logpdf(case["X_test_l2"]) for mean in clf.prototypes_
    ]
    scores = scores_of(clf, case["X_test_l2"])
    differences = np.array(density).T - density[0][:, None]
    assert_allclose(scores - scores[:, :1], differences, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kernel", ["linear", "poly"])
def test_other_kernels(parity, fit, kernel):
    case = parity("ridge", 1)
    clf = fit_case(fit, case, "euclidean", kernel=kernel, alpha=0.3)
    T, m = case["class_attributes"], case["class_means"]
    T = T - T[case["seen"]].mean(axis=0)
    k = T @ T[case["seen"]].T
    k = k if kernel == "linear" else (1 + k) ** 2
    k_seen = k[case["seen"]]
    ridge = 0.3 * np.trace(k_seen) / len(k_seen) * np.eye(len(k_seen))
    expected = m.mean(0) + k @ np.linalg.inv(k_seen + ridge) @ (m - m.mean(0))
    assert_allclose(clf.prototypes_, expected, **CLOSE)


def test_one_sample_a_class_has_no_covariance():
    X = np.eye(3) + 0.1
    table = ClassAttributes(np.eye(3))
    clf = PrototypeRegressionClassifier(score_scale=1.0).fit(X, [0, 1, 2], table)
    same = PrototypeRegressionClassifier(score_scale=1.0, metric="euclidean")
    same.fit(X, [0, 1, 2], table)
    assert_allclose(2 * clf.decision_function(X), same.decision_function(X), **CLOSE)
    assert clf.predict(X).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0}, "alpha must be a finite number above 0"),
        ({"gamma": np.inf}, "gamma must be a finite number above 0"),
        ({"shrinkage": 0}, "shrinkage must be a finite number above 0"),
        ({"shrinkage": 1.5}, "shrinkage must be at most 1"),
        ({"kernel": "sinc"}, "kernel must be one of 'rbf', 'linear', 'poly'; found 'sinc'"),
        ({"metric": "l1"}, "metric must be one of 'lda', 'euclidean', 'cosine'; found 'l1'"),
    ],
)
def test_refuses_parameters(parity, fit, parameters, message):
    with pytest.raises(ValueError, match=message):
        fit(PrototypeRegressionClassifier, parity("ridge", 1), **parameters)
