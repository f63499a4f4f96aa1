"""Choices on held-out classes: those of a search with refits, at a part of its cost."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from zslearn import load, save
from zslearn._data._scaling import Scaling
from zslearn._sample_weights import Samples
from zslearn.attributes import ClassAttributes
from zslearn.linear_model import (
    ESZSLClassifier,
    ESZSLClassifierCV,
    PrototypeRegressionClassifier,
    PrototypeRegressionClassifierCV,
    SAEClassifier,
    SAEClassifierCV,
)
from zslearn.linear_model import _grid_search as grid_search
from zslearn.linear_model._grid_search import _class_folds, _sums_of_each
from zslearn.metrics import ausuc_scorer
from zslearn.model_selection import SeenUnseenKFold

ESZSL = ESZSLClassifierCV, ESZSLClassifier, {"gamma": [0.3, 30.0], "lam": [0.01, 1.0]}
SAE = SAEClassifierCV, SAEClassifier, {"lam": [0.01, 1.0, 30.0]}
PROTOTYPES = (
    PrototypeRegressionClassifierCV,
    PrototypeRegressionClassifier,
    {"alpha": [0.01, 1.0], "gamma": [0.25, 1.0], "shrinkage": [0.1, 0.9]},
)


def without(grid, *names):
    return {name: values for name, values in grid.items() if name not in names}


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(14, 9))
    y = np.repeat(np.arange(12), 15)
    X = table[y] @ rng.normal(size=(9, 16)) + 4 * rng.normal(size=(180, 16)) + 1
    return X, y, ClassAttributes(table)


@pytest.mark.parametrize(
    ("own", "plain", "grid", "parameters"),
    [
        (*ESZSL, {}),
        (*ESZSL, {"center": False, "targets": "signed", "scaling": "standard"}),
        (*SAE, {}),
        (*SAE, {"normalize_projection": True, "scaling": "standard"}),
        (*SAE, {"direction": "visual_to_semantic"}),
        (*SAE, {"direction": "visual_to_semantic", "normalize_projection": True}),
        (*PROTOTYPES, {}),
        (*PROTOTYPES, {"scaling": "min_max", "attribute_scaling": "standard"}),
        (*PROTOTYPES[:2], without(PROTOTYPES[2], "shrinkage"), {"metric": "cosine"}),
        (*PROTOTYPES[:2], without(PROTOTYPES[2], "shrinkage"), {"metric": "euclidean"}),
        (*PROTOTYPES[:2], without(PROTOTYPES[2], "gamma"), {"kernel": "poly"}),
    ],
)
def test_equals_a_search_with_refits(problem, own, plain, grid, parameters):
    X, y, table = problem
    cv = SeenUnseenKFold(3, random_state=0)
    search = GridSearchCV(plain(**parameters), grid, cv=cv, scoring=ausuc_scorer)
    search.fit(X, y, class_attributes=table)
    lists = {f"{name}s": values for name, values in grid.items()}
    clf = own(**lists, cv=cv, **parameters).fit(X, y, class_attributes=table)
    assert clf.cv_results_["params"] == search.cv_results_["params"]
    for key in ("mean_test_score", "std_test_score", "split0_test_score", "split2_test_score"):
        assert_allclose(clf.cv_results_[key], search.cv_results_[key], rtol=0, atol=1e-12)
    assert np.ptp(clf.cv_results_["mean_test_score"]) > 1e-3
    assert clf.best_params_ == search.best_params_
    assert clf.best_score_ == pytest.approx(search.best_score_, abs=1e-12)
    expected = search.best_estimator_.decision_function(X)
    assert_array_equal(clf.decision_function(X), expected)


@pytest.mark.parametrize(("own", "plain", "grid"), [ESZSL, SAE, PROTOTYPES])
def test_weights_of_each_setting_are_those_of_a_fit(problem, own, plain, grid):
    X, y, table = problem
    clf = own(**{f"{name}s": values for name, values in grid.items()})
    clf.fit(X, y, class_attributes=table)
    for setting in clf.cv_results_["params"]:
        fitted = plain(score_scale=1.0, **setting).fit(X, y, class_attributes=table)
        described = fitted._describe(table.values)
        held = np.zeros(len(y), dtype=bool)
        sums, _ = fitted._accumulate(Samples(X, y), held, 12)
        (basis, weights, offsets), *rest = fitted._weights_of_each(
            sums, described[:12], described, [setting]
        )
        assert not rest
        weights = weights @ basis.T
        size = np.abs(weights).max()
        found, bias = fitted._class_weights(described)
        assert_allclose(weights / size, found / size, rtol=0, atol=1e-11)
        assert_allclose(offsets / size, bias / size, rtol=0, atol=1e-11)


@pytest.mark.parametrize("scaling", ["unit_length", "standard"])
@pytest.mark.parametrize("n_bytes", [2**28, 8 * 6**2 * 3])
def test_sums_of_folds_are_those_of_their_samples(scaling, n_bytes, monkeypatch):
    monkeypatch.setattr(grid_search, "_SUM_BYTES", n_bytes)
    rng = np.random.default_rng(0)
    X, targets = rng.normal(size=(50, 6)), np.arange(50) % 4
    # The last one trains on some samples several times.
    trains = [np.flatnonzero(rng.random(50) < 0.6) for _ in range(4)]
    trains.append(rng.integers(50, size=60))
    scalings = [Scaling.fit(scaling, [X[train]], "scaling") for train in trains]
    each = _sums_of_each(X, targets, trains, scalings)
    for train, own, sums in zip(trains, scalings, each, strict=True):
        rows = own(X[train])
        assert_allclose(sums.gram, rows.T @ rows, rtol=0, atol=1e-12)
        assert_array_equal(sums.counts, np.bincount(targets[train]))
        for c in range(4):
            assert_allclose(sums.sums[c], rows[targets[train] == c].sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("name", ["_FOLDS", "_SUM_BYTES"])
def test_folds_one_after_the_other_give_the_same(problem, name, monkeypatch):
    X, y, table = problem
    together = ESZSLClassifierCV().fit(X, y, class_attributes=table)
    monkeypatch.setattr(grid_search, name, 1)
    apart = ESZSLClassifierCV().fit(X, y, class_attributes=table)
    for key in ("mean_test_score", "split0_test_score", "split4_test_score"):
        assert_allclose(apart.cv_results_[key], together.cv_results_[key], rtol=0, atol=1e-12)


def test_scores_in_parts_are_those_at_once(problem, monkeypatch):
    X, y, table = problem
    whole = ESZSLClassifierCV().fit(X, y, class_attributes=table)
    monkeypatch.setattr(grid_search, "_TOP_BYTES", 17 * 100 * 3)
    parts = ESZSLClassifierCV().fit(X, y, class_attributes=table)
    assert_array_equal(parts.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"])


def test_folds_of_a_number():
    targets = np.random.default_rng(0).permutation(np.repeat(np.arange(5), 10))
    folds = list(_class_folds(targets, 3))
    unseen = [sorted(set(targets[test]) - set(targets[train])) for train, test in folds]
    assert unseen == [[0, 3], [1, 4], [2]]
    for (train, test), own in zip(folds, unseen, strict=True):
        assert len(np.union1d(train, test)) == len(train) + len(test) == 50
        expected = [10 if c in own else 2 for c in range(5)]
        assert np.bincount(targets[test]).tolist() == expected
    assert len(list(_class_folds(targets, 99))) == 5


@pytest.mark.parametrize(
    "own", [ESZSLClassifierCV, SAEClassifierCV, PrototypeRegressionClassifierCV]
)
def test_saved_and_loaded(problem, own, tmp_path):
    X, y, table = problem
    clf = own(delta=0.5).fit(X, y, class_attributes=table)
    save(clf, tmp_path / "model.zsl")
    again = load(tmp_path / "model.zsl")
    assert_array_equal(again.decision_function(X), clf.decision_function(X))
    assert again.best_params_ == clf.best_params_
    assert_array_equal(again.predict(X), clf.predict(X))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"gammas": []}, "gammas must be a non-empty list of numbers"),
        ({"lams": ["a"]}, "lams must be a non-empty list of numbers"),
        ({"lams": [0.0]}, "lam must be a finite number above 0, found 0"),
        ({"score_scale": "best"}, "score_scale must be 'auto' or a number above 0"),
        ({"cv": 1}, "cv must be at least 2 folds, found 1"),
        ({"cv": "five"}, "cv must be a number of folds, a splitter or an iterable"),
        ({"cv": []}, "cv gives no fold"),
        ({"cv": [(range(0, 180, 2), range(1, 180, 2))]}, "fold 0 is not class-disjoint"),
        ({"cv": [(range(90), range(90, 180))]}, "part of fold 0 has no sample of the "),
        ({"cv": [(range(90), range(80, 180))]}, "10 samples to both parts of fold 0"),
        ({"cv": [(range(90), [])]}, "part of fold 0 has no sample of the "),
    ],
)
def test_refuses(problem, parameters, message):
    X, y, table = problem
    with pytest.raises(ValueError, match=message):
        ESZSLClassifierCV(**parameters).fit(X, y, class_attributes=table)


def test_refuses_what_cannot_be_divided():
    with pytest.raises(ValueError, match="two classes of at least two samples each, found 4 cla"):
        ESZSLClassifierCV().fit(np.eye(4), np.arange(4), ClassAttributes(np.eye(4)))
