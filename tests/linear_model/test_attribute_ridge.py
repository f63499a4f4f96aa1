"""Ridge regressions: equal to the formulas, and to scikit-learn's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from zslearn.linear_model import AttributeRidgeClassifier

CASES = pytest.mark.parametrize("number", [1, 2])
CLOSE = {"rtol": 0, "atol": 1e-11}
WAYS = {"v2s": "visual_to_semantic", "s2v": "semantic_to_visual"}


def fit_case(fit, case, **parameters):
    alpha = float(case["lam"])
    return fit(AttributeRidgeClassifier, case, X="X_train_l2", alpha=alpha, **parameters)


@CASES
@pytest.mark.parametrize(
    ("way", "similarity"),
    [("v2s", "dot"), ("v2s", "cosine"), ("v2s", "euclidean"), ("s2v", "cosine"),
     ("s2v", "euclidean")],
)  # fmt: skip
def test_parity(parity, fit, scores_of, number, way, similarity):
    case = parity("ridge", number)
    clf = fit_case(fit, case, direction=WAYS[way], similarity=similarity, center=False)
    key = "W_visual_to_semantic" if way == "v2s" else "B_semantic_to_visual"
    assert_allclose(clf.coef_, case[key], **CLOSE)
    expected = case[f"scores_{way}_{similarity}"]
    assert_allclose(scores_of(clf, case["X_test_l2"]), expected, **CLOSE)


@CASES
def test_parity_centred(parity, fit, number):
    case = parity("ridge", number)
    clf = fit_case(fit, case)
    assert_allclose(clf.coef_, case["W_visual_to_semantic_centred"], **CLOSE)
    # Here descriptions are less their mean over classes.
    semantics = clf._rows(case["X_test_l2"]) + clf.attribute_mean_
    assert_allclose(semantics, case["semantics_centred"], **CLOSE)


def test_centred_is_scikit_learn_with_an_intercept(parity, fit):
    case = parity("ridge", 1)
    X, S = case["X_train_l2"], case["class_attributes"][case["y_train"]]
    clf = fit_case(fit, case, direction="semantic_to_visual")
    ridge = Ridge(alpha=float(case["lam"])).fit(S, X)
    table = case["class_attributes"]
    found = (table - clf.attribute_mean_) @ clf.coef_ + clf.intercept_ + clf.mean_
    assert_allclose(found, ridge.predict(table), **CLOSE)


def test_usual_similarities(parity, fit, scores_of):
    case = parity("ridge", 1)
    for direction, similarity in (
        ("visual_to_semantic", "dot"),
        ("semantic_to_visual", "euclidean"),
    ):
        usual, named = (
            scores_of(fit_case(fit, case, direction=direction, similarity=s), case["X_test_l2"])
            for s in (None, similarity)
        )
        np.testing.assert_array_equal(usual, named)


@pytest.mark.parametrize("parameters", [{"alpha": -1}, {"direction": "up"}, {"similarity": "l1"}])
def test_refuses_parameters(parity, fit, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        fit(AttributeRidgeClassifier, parity("ridge", 1), X="X_train_l2", **parameters)
