"""Copies of CVsCClassifier; searches, pipelines and folds with it."""

import io
import pickle

import joblib
import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.attention.cvsc_problem import NAMES, UNSEEN, small
from zslearn.metrics import gzsl_multimetric_scorer


def test_pickled_and_dumped(fitted, problem, tmp_path):
    X = problem[0]
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.decision_function(X), fitted.decision_function(X))
    joblib.dump(fitted, tmp_path / "clf.joblib")
    again = joblib.load(tmp_path / "clf.joblib")
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert again.class_attributes_ == fitted.class_attributes_


def test_cloned(fitted, problem):
    X, y, table, seen = problem
    copy = clone(fitted)
    assert not hasattr(copy, "net_")
    copy.fit(X[seen], y[seen], class_attributes=table)
    np.testing.assert_array_equal(copy.decision_function(X), fitted.decision_function(X))


def test_state_dict_carries_the_table(fitted, problem):
    state = fitted.net_.module_.state_dict()
    values = fitted.class_attributes_.values
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(state["network.class_attributes"], unit, rtol=1e-6)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True).keys() == state.keys()


def center(X):
    return X - X.mean(axis=(0, 1))


@pytest.fixture(params=[False, True], ids=["legacy", "routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


def test_cross_val_score(problem, routing):
    X, y, table, seen = problem
    scores = cross_val_score(
        small(), X[seen], y[seen], cv=StratifiedKFold(2), params={"class_attributes": table}
    )
    assert scores.min() > 0.5


@pytest.mark.parametrize("kind", ["ClassAttributes", "DataFrame"])
def test_grid_search(problem, routing, kind):
    X, y, table, seen = problem
    described = table if kind == "ClassAttributes" else table.to_frame()
    grid = {"lambda_sci": [0.0, 2.0], "delta": [0.0, 0.5]}
    search = GridSearchCV(small(max_epochs=3), grid, cv=2, error_score="raise")
    search.fit(X[seen], y[seen], class_attributes=described)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.unseen_classes_.tolist() == UNSEEN
    assert search.predict(X).shape == (120,)


def disjoint_folds(y, seed=0):
    """Each fold holds out one class whole, and a quarter of the others' samples."""
    rng = np.random.default_rng(seed)
    for held_out in np.unique(y)[:2]:
        unseen = y == held_out
        test = unseen | (rng.random(len(y)) < 0.25)
        yield np.flatnonzero(~test), np.flatnonzero(test)


NESTED = ["objective__lambda_ce", "objective__alpha"]


@pytest.mark.parametrize("name", ["lambda_cal", "lambda_cc", "lambda_tci", *NESTED])
def test_grid_search_over_any_weight_by_gzsl_metrics(problem, name):
    X, y, table, seen = problem
    search = GridSearchCV(
        small(max_epochs=4, delta=0.2),
        {name: [0.1, 1.0]},
        cv=list(disjoint_folds(y[seen])),
        scoring=gzsl_multimetric_scorer,
        refit="H",
        error_score="raise",
    ).fit(X[seen], y[seen], class_attributes=table)
    for metric in ("T1", "U", "S", "H", "AUSUC"):
        assert np.isfinite(search.cv_results_[f"mean_test_{metric}"]).all()


def test_pipeline(problem, routing, fitted):
    X, y, table, seen = problem
    pipe = make_pipeline(FunctionTransformer(center), small())
    key = "class_attributes" if routing else "cvscclassifier__class_attributes"
    pipe.fit(X[seen], y[seen], **{key: table})
    assert pipe.predict(X, candidates="unseen").shape == (120,)
    assert set(pipe.predict(X, candidates="unseen")) <= set(UNSEEN)
    search = GridSearchCV(
        pipe, {"cvscclassifier__lambda_tci": [0.0, 2.0]}, cv=2, error_score="raise"
    ).fit(X[seen], y[seen], **{key: table})
    assert search.best_estimator_[-1].unseen_classes_.tolist() == UNSEEN


def test_vectors_in_a_pipeline(problem):
    X, y, table, seen = problem
    pipe = make_pipeline(StandardScaler(), small())
    pipe.fit(X[seen].mean(1), y[seen], cvscclassifier__class_attributes=table)
    assert pipe.score(X[seen].mean(1), y[seen]) > 0.5


def test_as_many_classes_as_samples(problem):
    """The slicing hazard: folds must not cut a table that is as long as X."""
    X, y, table, _ = problem
    rows = np.arange(0, 120, 12)  # ten samples, ten classes
    for described, refused in [(table, False), (table.to_frame(), True), (table.values, True)]:
        numbers = np.searchsorted(NAMES, y)
        labels = numbers if described is table.values else y
        call = {"cv": KFold(2), "params": {"class_attributes": described}, "error_score": "raise"}
        if refused:
            with pytest.raises(ValueError, match="as many rows as there are samples"):
                cross_val_score(small(max_epochs=1), X[rows], labels[rows], **call)
        else:
            # KFold leaves classes out of training: they are unseen, and the table is whole.
            scores = cross_val_score(small(max_epochs=1), X[rows], labels[rows], **call)
            assert np.isfinite(scores).all()


def test_parallel_folds_equal_serial_ones(problem):
    X, y, table, seen = problem
    call = {"cv": 2, "params": {"class_attributes": table}}
    serial = cross_val_score(small(), X[seen], y[seen], n_jobs=1, **call)
    parallel = cross_val_score(small(), X[seen], y[seen], n_jobs=2, **call)
    np.testing.assert_array_equal(serial, parallel)
