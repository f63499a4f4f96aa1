"""A sample of weight k is as k samples, of 0 as none, of 1 as without weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import check_sample_weight_equivalence_on_dense_data

from zslearn import ClassAttributes
from zslearn.linear_model import (
    ALEClassifier,
    AttributeRidgeClassifier,
    ConSEClassifier,
    DAPClassifier,
    DeViSEClassifier,
    ESZSLClassifier,
    PrototypeRegressionClassifier,
    SAEClassifier,
    SJEClassifier,
)

CLOSED = [
    AttributeRidgeClassifier,
    ESZSLClassifier,
    PrototypeRegressionClassifier,
    SAEClassifier,
]
RANKING = [ALEClassifier, DeViSEClassifier, SJEClassifier]
ALL = [*CLOSED, *RANKING, ConSEClassifier, DAPClassifier]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(size=(6, 4)))
    y = np.arange(60) % 5
    X = table.values[y] @ rng.normal(size=(4, 7)) + rng.normal(scale=0.2, size=(60, 7))
    return X, y, table


def make(cls, **params):
    known = cls().get_params()
    return cls(**{k: v for k, v in ({"random_state": 0} | params).items() if k in known})


@pytest.mark.parametrize("scaling", ["unit_length", "standard", "min_max", None])
@pytest.mark.parametrize("cls", CLOSED)
def test_weights_are_repetitions(cls, scaling):
    # With score_scale="auto" some samples are held out by their place, and repeated ones move.
    estimator = cls(score_scale=1.0, scaling=scaling)
    check_sample_weight_equivalence_on_dense_data(cls.__name__, estimator)


@pytest.mark.parametrize("cls", [ConSEClassifier, DAPClassifier])
def test_weights_reach_the_classifiers_inside(cls):
    exact = LogisticRegression(C=10, tol=1e-12, max_iter=20_000, solver="newton-cholesky")
    check_sample_weight_equivalence_on_dense_data(cls.__name__, cls(exact, score_scale=1.0))


@pytest.mark.parametrize("cls", ALL)
def test_ones_change_no_bit(data, cls):
    X, y, table = data
    plain = make(cls).fit(X, y, table)
    weighted = make(cls).fit(X, y, table, sample_weight=np.ones(60))
    assert_array_equal(weighted.decision_function(X), plain.decision_function(X))


@pytest.mark.parametrize("scaling", ["standard", "min_max"])
@pytest.mark.parametrize("cls", ALL)
def test_samples_of_weight_zero_are_as_if_absent(data, cls, scaling):
    X, y, table = data
    weights = np.random.default_rng(1).uniform(0.5, 2, size=60)
    weights[[3, 8, 20, 41]] = 0
    spoilt = X.copy()
    spoilt[weights == 0] *= 50
    there = make(cls, scaling=scaling).fit(spoilt, y, table, sample_weight=weights)
    kept = weights > 0
    absent = make(cls, scaling=scaling).fit(X[kept], y[kept], table, sample_weight=weights[kept])
    assert_array_equal(there.decision_function(X), absent.decision_function(X))
    plain = make(cls, scaling=scaling).fit(X, y, table)
    assert np.abs(there.decision_function(X) - plain.decision_function(X)).max() > 1e-3


@pytest.mark.parametrize("cls", RANKING)
def test_a_step_weighs_its_samples(data, cls):
    """One step: a weight of three is the sample three times in the batch."""
    X, y, table = data
    weights = np.where(np.arange(60) % 4 == 0, 3.0, 1.0)
    times = weights.astype(int)
    options = {"max_epochs": 1, "batch_size": 1000, "score_scale": 1.0}
    weighted = make(cls, **options).fit(X, y, table, sample_weight=weights)
    repeated = make(cls, **options).fit(X.repeat(times, axis=0), y.repeat(times), table)
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-10, atol=1e-12)


def test_score_scale_weighs_the_samples_held_out(data):
    X, y, table = data
    weights = np.where(y == 0, 5.0, 1.0)
    clf = ESZSLClassifier().fit(X, y, table, sample_weight=weights)
    assert clf.score_scale_ != ESZSLClassifier().fit(X, y, table).score_scale_


@pytest.mark.parametrize("cls", [ConSEClassifier, DAPClassifier])
def test_classifiers_that_take_no_weights_are_named(data, cls):
    X, y, table = data
    clf = cls(KNeighborsClassifier(1))
    with pytest.raises(ValueError, match="the fit of KNeighborsClassifier takes none"):
        clf.fit(X, y, table, sample_weight=np.arange(1, 61))
    assert not hasattr(clf, "n_features_in_")


@pytest.mark.parametrize("cls", ALL)
def test_bad_weights_leave_nothing(data, cls):
    X, y, table = data
    clf = make(cls)
    for weights, message in (
        (-np.ones(60), "negative"),
        (np.full(60, np.nan), "NaN"),
        (np.where(y == 2, 0.0, 1.0), r"zero for every sample .* \[2\]"),
    ):
        with pytest.raises(ValueError, match=message):
            clf.fit(X, y, table, sample_weight=weights)
        assert not hasattr(clf, "classes_")
