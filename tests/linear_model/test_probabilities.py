"""ConSE, DAP and IAP: equal to the formulas, given the same probabilities."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit

from zslearn.attributes import ClassAttributes
from zslearn.linear_model import ConSEClassifier, DAPClassifier

CASES = pytest.mark.parametrize("number", [1, 2])
CLOSE = {"rtol": 0, "atol": 1e-11}


class Given:
    """A classifier that gives these probabilities, whatever it is asked."""

    def __init__(self, shares):
        self.shares = shares

    def predict_proba(self, X):
        return self.shares


@CASES
@pytest.mark.parametrize(("key", "n_top"), [("top1", 1), ("top2", 2), ("all", 99)])
def test_parity_of_conse(parity, fit, scores_of, number, key, n_top):
    case = parity("conse", number)
    clf = fit(ConSEClassifier, case, n_top=n_top)
    clf.estimator_ = Given(case["probabilities"])
    assert_allclose(clf._average(case["probabilities"]), case[f"semantics_{key}"], **CLOSE)
    assert_allclose(scores_of(clf, case["X_test"]), case[f"scores_{key}"], **CLOSE)


def fit_dap(fit, case, **parameters):
    # An attribute of the first case was set by hand after the threshold.
    binary = case | {"class_attributes": 1 + case["binary_attributes"]}
    clf = fit(DAPClassifier, binary, threshold=1.5, **parameters)
    degenerate = np.setdiff1d(np.arange(len(clf.threshold_)), clf._learnt)
    prior = clf.attribute_prior_.copy()
    prior[degenerate] = 0.5
    assert_allclose(prior, case["prior"], **CLOSE)
    return clf, degenerate


def centred(scores):
    """Scores less a constant of the sample, which tells no class from another."""
    return scores - scores.mean(axis=1, keepdims=True)


@CASES
def test_parity_of_dap(parity, fit, scores_of, number):
    """Equal but for attributes that cannot be learnt, which are left out here."""
    case = parity("dap", number)
    clf, degenerate = fit_dap(fit, case)
    p, A = case["attribute_probabilities"], case["binary_attributes"]
    clf.estimators_ = [Given(np.column_stack([1 - p[:, k], p[:, k]])) for k in clf._learnt]
    left_out = logit(p[:, degenerate]) @ A[:, degenerate].T
    expected = centred(case["log_scores"] - left_out)
    assert_allclose(centred(scores_of(clf, case["X_test"])), expected, **CLOSE)


@CASES
def test_parity_of_iap(parity, fit, scores_of, number):
    case = parity("dap", number)
    clf, degenerate = fit_dap(fit, case, indirect=True)
    shares, A = case["class_probabilities"], case["binary_attributes"]
    if len(clf._learnt):
        clf.estimators_ = [Given(shares)]
    p = np.clip(case["iap_attribute_probabilities"], 1e-6, 1 - 1e-6)
    left_out = logit(p[:, degenerate]) @ A[:, degenerate].T
    expected = centred(case["iap_log_scores"] - left_out)
    assert_allclose(centred(scores_of(clf, case["X_test"])), expected, **CLOSE)


@pytest.mark.parametrize(
    "clf", [ConSEClassifier(n_top=3), DAPClassifier(), DAPClassifier(indirect=True)], ids=repr
)
def test_recognises_unseen_classes(clf):
    rng = np.random.default_rng(0)
    table = rng.integers(2, size=(16, 8)).astype(float)
    y = np.repeat(np.arange(16), 20)
    X = table[y] @ rng.normal(size=(8, 12)) + 0.2 * rng.normal(size=(320, 12))
    seen = y < 12
    clf.fit(X[seen], y[seen], ClassAttributes(table))
    assert clf.score(X[seen], y[seen], candidates="seen") > 0.8
    assert clf.score(X[~seen], y[~seen], candidates="unseen") > 0.5


def test_refuses_parameters():
    table = ClassAttributes(np.eye(3))
    for clf, name in (
        (ConSEClassifier(n_top=0), "n_top"),
        (DAPClassifier(threshold="median"), "threshold"),
        (DAPClassifier(threshold=np.nan), "threshold"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be"):
            clf.fit(np.eye(4), [0, 0, 1, 1], table)


def test_threshold_is_the_mean_of_seen_classes_or_a_number():
    table = np.array([[0.0, 1.0], [1.0, 3.0], [0.4, 2.5]])
    X, y = np.eye(4), [0, 0, 1, 1]
    clf = DAPClassifier().fit(X, y, ClassAttributes(table))
    assert clf.threshold_.tolist() == [0.5, 2.0]
    assert clf._binary(table).tolist() == [[0, 0], [1, 1], [0, 1]]
    assert clf.attribute_prior_.tolist() == [0.5, 0.5]
    assert DAPClassifier(threshold=0.3).fit(X, y, ClassAttributes(table))._binary(
        table
    ).tolist() == [[0, 1], [1, 1], [1, 1]]
