"""Logistic regressions fitted together: each is scikit-learn's, at a small tolerance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from zslearn import load, save
from zslearn.attributes import ClassAttributes
from zslearn.linear_model import DAPClassifier
from zslearn.linear_model import _logistic as logistic
from zslearn.linear_model._logistic import fit_logistic


def problem(n, width, n_answers=4):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, width)) * np.geomspace(1, 1e-3, width) + 3
    odds = 4 * (X - 3) @ rng.normal(size=(width, n_answers)) + np.linspace(-3, 1, n_answers)
    return X, (odds + rng.logistic(size=odds.shape) > 0).astype(float)


@pytest.mark.parametrize(("n", "width"), [(300, 12), (40, 60), (25, 1)])
@pytest.mark.parametrize("C", [0.1, 10.0])
def test_each_is_scikit_learns(n, width, C, monkeypatch):
    monkeypatch.setattr(logistic, "_TOLERANCE", 1e-9)
    X, answers = problem(n, width)
    weights, intercepts = fit_logistic(X, answers, C)
    for k, column in enumerate(answers.T):
        one = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12).fit(X, column)
        assert_allclose(weights[:, k], one.coef_[0], rtol=0, atol=1e-6 * np.abs(one.coef_).max())
        assert_allclose(X @ weights[:, k] + intercepts[k], one.decision_function(X), atol=1e-6)


def test_stops_at_a_smaller_gradient_than_scikit_learn():
    X, answers = problem(300, 12)
    weights, intercepts = fit_logistic(X, answers, 10.0)
    share = 1 / (1 + np.exp(-(X @ weights + intercepts)))
    gradient = (X - X.mean(axis=0)).T @ (share - answers) / 300 + weights / 3000
    assert np.abs(gradient).max() < 1e-4
    assert np.abs((share - answers).mean(axis=0)).max() < 1e-4


def test_warns_where_it_has_not_converged(monkeypatch):
    monkeypatch.setattr(logistic, "_STEPS", 2)
    with pytest.warns(ConvergenceWarning, match="did not converge in 2 steps"):
        fit_logistic(*problem(300, 12), 10.0)


def test_blocks_and_a_start_lead_to_the_same(monkeypatch):
    monkeypatch.setattr(logistic, "_TOLERANCE", 1e-9)
    X, answers = problem(300, 12)
    whole = fit_logistic(X, answers, 1.0)
    again = fit_logistic(X, answers, 1.0, whole)
    monkeypatch.setattr(logistic, "_BLOCK", 4 * 70)
    parts = fit_logistic(X, answers, 1.0)
    for one, two, three in zip(whole, again, parts, strict=True):
        assert_allclose(two, one, rtol=0, atol=1e-6)
        assert_allclose(three, one, rtol=0, atol=1e-6)


def test_default_of_dap_is_logistic_regressions_of_each_attribute(tmp_path):
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.random((9, 6)))
    y = np.repeat(np.arange(8), 15)
    X = table.values[y] @ rng.normal(size=(6, 5)) + rng.normal(size=(120, 5))
    together = DAPClassifier().fit(X, y, table)
    apart = DAPClassifier(LogisticRegression(C=10.0, solver="newton-cholesky", tol=1e-12))
    apart.fit(X, y, table)
    assert len(together.estimators_) == len(apart.estimators_) == len(together._learnt)
    for one, two in zip(together.estimators_, apart.estimators_, strict=True):
        assert_allclose(one.predict_proba(X), two.predict_proba(X), rtol=0, atol=1e-3)
    rows = together.scaling_(X)
    shares = np.column_stack([one.predict_proba(rows)[:, 1] for one in together.estimators_])
    prior = together.attribute_prior_[together._learnt]
    assert_allclose(together._rows(rows), logit(shares) - logit(prior), rtol=0, atol=1e-9)
    save(together, tmp_path / "model.zsl")
    again = load(tmp_path / "model.zsl")
    assert_array_equal(again.decision_function(X), together.decision_function(X))


def test_samples_count_as_often_as_they_weigh(monkeypatch):
    monkeypatch.setattr(logistic, "_TOLERANCE", 1e-9)
    X, answers = problem(80, 6)
    times = np.random.default_rng(0).integers(0, 4, size=80)
    weighed = fit_logistic(X, answers, 2.0, sample_weight=times.astype(float))
    repeated = fit_logistic(X.repeat(times, axis=0), answers.repeat(times, axis=0), 2.0)
    for one, other in zip(weighed, repeated, strict=True):
        assert_allclose(one, other, rtol=0, atol=1e-6)
