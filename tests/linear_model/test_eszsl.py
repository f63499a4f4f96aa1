"""ESZSL: equal to released code, and an optimum of its objective."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from zslearn.linear_model import ESZSLClassifier

CASES = pytest.mark.parametrize("number", [1, 2])
CLOSE = {"rtol": 0, "atol": 1e-11}


@CASES
@pytest.mark.parametrize(("targets", "key"), [("binary", "01"), ("signed", "pm1")])
def test_parity(parity, fit, scores_of, number, targets, key):
    case = parity("eszsl", number)
    parameters = {"gamma": float(case["gamma"]), "lam": float(case["lam"])}
    clf = fit(ESZSLClassifier, case, targets=targets, center=False, **parameters)
    size = np.abs(case[f"W_{key}"]).max()
    assert_allclose(clf.coef_ / size, case[f"W_{key}"] / size, **CLOSE)
    assert_allclose(scores_of(clf, case["X_test"]), case[f"scores_{key}"], rtol=0, atol=1e-10)


@CASES
@pytest.mark.parametrize(("targets", "factor"), [("binary", 1), ("signed", 2)])
def test_parity_centred(parity, fit, scores_of, number, targets, factor):
    case = parity("eszsl", number)
    parameters = {"gamma": float(case["gamma"]), "lam": float(case["lam"])}
    if "W_centred_01" not in case:
        pytest.skip("the case has no centred solution")
    clf = fit(ESZSLClassifier, case, targets=targets, attribute_scaling="unit_length", **parameters)
    assert_allclose(clf.mean_, case["x_mean"], **CLOSE)
    assert_allclose(clf.coef_, factor * case["W_centred_01"], **CLOSE)
    expected = factor * case["scores_centred_01"]
    assert_allclose(scores_of(clf, case["X_test"]), expected, rtol=0, atol=1e-10)


def test_is_an_optimum(parity, fit):
    case = parity("eszsl", 1)
    X, T, Y = case["X_train"], case["class_attributes"][case["seen"]], case["targets_01"]
    gamma, lam = float(case["gamma"]), float(case["lam"])
    V = fit(ESZSLClassifier, case, center=False, gamma=gamma, lam=lam).coef_

    def objective(V):
        square = [np.sum(part**2) for part in (X @ V @ T.T - Y, V @ T.T, X @ V, V)]
        return float(np.dot(square, [1, gamma, lam, gamma * lam]))

    least = objective(V)
    assert_allclose(least, case["objective_at_W_01"], rtol=1e-12)
    rng = np.random.default_rng(0)
    assert all(objective(V + 1e-3 * rng.normal(size=V.shape)) > least for _ in range(20))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"gamma": 0}, "gamma must be a finite number above 0, found 0"),
        ({"lam": np.nan}, "lam must be a finite number above 0, found nan"),
        ({"targets": "one"}, "targets must be one of 'binary', 'signed'; found 'one'"),
        ({"scaling": "l2"}, "scaling must be one of 'unit_length'"),
        ({"attribute_scaling": "l2"}, "attribute_scaling must be one of 'unit_length'"),
        ({"score_scale": "best"}, "score_scale must be 'auto' or a number above 0"),
        ({"score_scale": -1}, "score_scale must be 'auto' or a number above 0"),
    ],
)
def test_refuses_parameters(parity, fit, parameters, message):
    with pytest.raises(ValueError, match=message):
        fit(ESZSLClassifier, parity("eszsl", 1), **parameters)
