"""fit_many: fitted estimators, one a setting, as from separate fits."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._data._rows import RegionRows
from zslearn.exceptions import NonFiniteLossError
from zslearn.model_selection import fit_many


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.integers(0, 4, size=60)
    X = table.values[y] @ rng.normal(size=(5, 8)) + rng.normal(size=(60, 8)) * 0.3
    return X.astype(np.float32), y, table


def base(**params):
    options = {"max_epochs": 2, "batch_size": 20, "precision": "float32"}
    return CVsCClassifier(**options | params)


def assert_alike(fitted, expected, X):
    np.testing.assert_allclose(
        fitted.decision_function(X), expected.decision_function(X), rtol=1e-4, atol=1e-5
    )


def test_sweep(data):
    X, y, table = data
    clf = base(random_state=0)
    grid = ParameterGrid({"lambda_cc": [0.0, 0.5], "max_epochs": [1, 3]})
    fitted = fit_many(clf, grid, X, y, class_attributes=table)
    assert not hasattr(clf, "net_")
    for setting, one in zip(grid, fitted, strict=True):
        assert one.get_params() == clone(clf).set_params(**setting).get_params()
        assert len(one.net_.history) == setting["max_epochs"]
        assert_alike(one, clone(one).fit(X, y, class_attributes=table), X)


@pytest.mark.parametrize("n_jobs", [None, 3])
def test_seeds_are_separate_fits_to_the_bit(data, n_jobs):
    X, y, table = data
    settings = [{"random_state": seed} for seed in (7, 8, 9)]
    fitted = fit_many(base(), settings, X, y, class_attributes=table, n_jobs=n_jobs)
    for one, setting in zip(fitted, settings, strict=True):
        alone = base(**setting).fit(X, y, class_attributes=table)
        np.testing.assert_array_equal(one.decision_function(X), alone.decision_function(X))


def test_the_features_are_prepared_once(data, monkeypatch):
    made = []
    real = RegionRows._copy
    monkeypatch.setattr(RegionRows, "_copy", lambda self: made.append(self.dtype) or real(self))
    X, y, table = data
    settings = [{"random_state": 0}, {"random_state": 1}, {"precision": "bfloat16"}]
    fit_many(base(), settings, X, y, class_attributes=table)
    assert made == [torch.float32, torch.bfloat16]


def test_no_seed_at_all(data):
    X, y, table = data
    scores = [
        one.decision_function(X) for one in fit_many(base(), [{}, {}], X, y, class_attributes=table)
    ]
    assert not np.allclose(*scores)


def test_random_state_instances(data):
    X, y, table = data

    def clf():
        return base(random_state=np.random.RandomState(0))

    settings = [{}, {"lambda_cc": 0.0}]
    fitted = fit_many(clf(), settings, X, y, class_attributes=table)
    for one, setting in zip(fitted, settings, strict=True):
        assert_alike(one, clf().set_params(**setting).fit(X, y, class_attributes=table), X)


def test_no_setting():
    with pytest.raises(ValueError, match="settings holds no setting"):
        fit_many(base(), [], [[0.0]], [0])


def test_unknown_parameter(data):
    with pytest.raises(ValueError, match="Invalid parameter 'lambda_xy'"):
        fit_many(base(), [{"lambda_xy": 1}], *data[:2])


def test_a_failure_names_its_setting(data):
    X, y, table = data
    settings = [{}, {"optimizer": "sgd", "learning_rate": 1e30}]
    with pytest.raises(NonFiniteLossError) as caught:
        fit_many(base(random_state=0), settings, X, y, class_attributes=table)
    note = "In fit_many, setting 1: {'optimizer': 'sgd', 'learning_rate': 1e+30}."
    assert caught.value.__notes__ == [note]


def test_without_a_table(data):
    X, y, _ = data
    fitted = fit_many(base(random_state=0), [{}, {"objective__alpha": 0.0}], X, y)
    for one in fitted:
        assert one.classes_.tolist() == [0, 1, 2, 3]
        assert_alike(one, clone(one).fit(X, y), X)


def test_other_estimators_are_fitted_one_by_one(data):
    X, y, _ = data
    settings = [{"C": 0.1}, {"C": 10.0}]
    for one, setting in zip(fit_many(LogisticRegression(), settings, X, y), settings, strict=True):
        expected = LogisticRegression(**setting).fit(X, y)
        np.testing.assert_array_equal(one.coef_, expected.coef_)
