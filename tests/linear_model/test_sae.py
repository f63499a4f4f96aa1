"""SAE: equal to released code both ways, and right where its equation is singular."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from zslearn.linear_model import SAEClassifier

CASES = pytest.mark.parametrize("number", [1, 2])
CLOSE = {"rtol": 0, "atol": 1e-11}


def fit_case(fit, case, **parameters):
    return fit(SAEClassifier, case, X="X_train_l2", lam=float(case["lam"]), **parameters)


@CASES
def test_parity_of_the_map(parity, fit, number):
    case = parity("sae", number)
    coef = fit_case(fit, case).coef_
    assert_allclose(coef, case["W"], **CLOSE)
    S, X, lam = case["S_train"], case["X_train_l2"], float(case["lam"])
    assert_allclose(S.T @ S @ coef + lam * coef @ X.T @ X, (1 + lam) * S.T @ X, **CLOSE)
    for key in ("W_authors", "W_hoseong", "W_mvp18"):
        if key in case:
            assert_allclose(coef, case[key], **CLOSE)


@CASES
@pytest.mark.parametrize("direction", ["semantic_to_visual", "visual_to_semantic"])
@pytest.mark.parametrize("normalize", [False, True])
def test_parity_of_scores(parity, fit, scores_of, number, direction, normalize):
    case = parity("sae", number)
    clf = fit_case(fit, case, direction=direction, normalize_projection=normalize)
    expected = case[f"scores_{direction}" + ("" if normalize else "_plain")]
    assert_allclose(scores_of(clf, case["X_test"]), expected, **CLOSE)


def test_the_solution_of_least_norm(parity, fit):
    """Features and attributes that no sample has get no weight."""
    case = parity("sae", 1)
    wide = dict(case)
    wide["X_train_l2"] = np.pad(case["X_train_l2"], ((0, 0), (0, 2)))
    wide["class_attributes"] = np.pad(case["class_attributes"], ((0, 0), (0, 1)))
    assert_allclose(fit_case(fit, wide).coef_, np.pad(case["W"], ((0, 1), (0, 2))), **CLOSE)


def test_refuses_parameters(parity, fit):
    for parameters in ({"lam": 0.0}, {"direction": "back"}):
        with pytest.raises(ValueError, match=next(iter(parameters))):
            fit(SAEClassifier, parity("sae", 1), X="X_train_l2", **parameters)
