"""The scale of scores: an optimum, and without effect on what does not depend on it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_softmax

from zslearn._data._score_scale import fit_score_scale, held_out_rows
from zslearn.linear_model import ESZSLClassifier, PrototypeRegressionClassifier
from zslearn.metrics import ausuc_score, per_class_accuracy_score


def problem(seed=0):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(12, 10))
    y = np.repeat(np.arange(12), 25)
    X = table[y] @ rng.normal(size=(10, 20)) + 3 * rng.normal(size=(300, 20))
    return X, y, table


def test_is_the_optimum():
    rng = np.random.default_rng(0)
    targets = rng.integers(5, size=200)
    scores = 0.01 * (rng.normal(size=(200, 5)) + 1.5 * np.eye(5)[targets]) + 7

    def loss(factor):
        return -log_softmax(factor * scores, axis=1)[np.arange(200), targets].mean()

    best = fit_score_scale(scores, targets)
    assert 50 < best < 1000
    assert loss(best) < min(loss(best * 1.01), loss(best / 1.01))
    assert_allclose(fit_score_scale(scores * 1000, targets), best / 1000, rtol=1e-6)


def test_separable_and_equal_scores_have_a_scale():
    targets = np.arange(4)
    assert 1 < fit_score_scale(np.eye(4), targets) < 1e4
    assert fit_score_scale(np.ones((4, 4)), targets) == 1.0


def test_a_fifth_of_each_class_is_held_out():
    targets = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [1, 2, 10, 51]))
    held = held_out_rows(targets)
    assert np.bincount(targets[held], minlength=4).tolist() == [0, 1, 2, 10]


@pytest.mark.parametrize("cls", [ESZSLClassifier, PrototypeRegressionClassifier])
def test_leaves_the_model_and_the_order_alone(cls):
    X, y, table = problem()
    train = (y < 8) & (np.arange(300) % 5 > 0)
    raw = cls(score_scale=1.0).fit(X[train], y[train], class_attributes=table)
    clf = cls().fit(X[train], y[train], class_attributes=table)
    assert clf.score_scale_ != 1.0
    expected = raw.decision_function(X) * clf.score_scale_
    assert_allclose(clf.decision_function(X), expected, rtol=1e-9, atol=1e-9)
    test = ~train
    found = []
    for fitted in (raw, clf):
        scores = fitted.decision_function(X[test])
        T1 = per_class_accuracy_score(y[y >= 8], fitted.predict(X[y >= 8], candidates="unseen"))
        curve = ausuc_score(y[test], scores, classes=range(12), seen_classes=range(8))
        found.append((T1, curve))
    assert found[0] == pytest.approx(found[1], abs=1e-12)
    assert 0.2 < found[0][0] <= 1


def test_log_probabilities_of_held_out_samples_are_better_for_it():
    X, y, table = problem()
    kept = (y < 8) & (np.arange(300) % 2 == 0)
    apart = (y < 8) & (np.arange(300) % 2 == 1)
    loss = {}
    for scale in ("auto", 1.0):
        clf = ESZSLClassifier(score_scale=scale).fit(X[kept], y[kept], class_attributes=table[:8])
        shares = clf.predict_proba(X[apart])
        loss[scale] = -np.log(shares[np.arange(apart.sum()), y[apart]]).mean()
    assert loss["auto"] < loss[1.0] - 0.2
