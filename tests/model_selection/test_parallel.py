"""Results do not depend on how many workers compute them, nor on what kind."""

import contextlib

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.metrics import gzsl_multimetric_scorer
from zslearn.model_selection import SeenUnseenKFold

METRICS = ("T1", "U", "S", "H", "AUSUC")


@pytest.fixture(scope="module")
def problem():
    """Eight classes by five attributes, pictures of six of them."""
    rng = np.random.default_rng(0)
    names = np.array(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"])
    values = np.array([[(c >> k) & 1 for k in range(5)] for c in (1, 2, 4, 8, 16, 6, 24, 19)])
    labels = rng.permutation(np.repeat(np.arange(6), 8))
    X = values[labels][:, None, :] @ rng.normal(size=(5, 16)) + rng.normal(size=(48, 3, 16)) * 0.3
    return X.astype(np.float16), names[labels], ClassAttributes(values, labels=names)


def small():
    return CVsCClassifier(max_epochs=2, batch_size=16, random_state=0)


@contextlib.contextmanager
def dask_workers():
    distributed = pytest.importorskip(
        "dask.distributed", reason="dask.distributed is not installed"
    )
    with (
        distributed.Client(
            processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None
        ),
        joblib.parallel_config(backend="dask"),
    ):
        yield


BACKENDS = {
    "loky": lambda: joblib.parallel_config(backend="loky", n_jobs=2),
    "threading": lambda: joblib.parallel_config(backend="threading", n_jobs=2),
    "dask": dask_workers,
}


def search(problem):
    X, y, table = problem
    fitted = GridSearchCV(
        small(),
        {"lambda_sci": [0.5, 2.0]},
        cv=SeenUnseenKFold(2, random_state=0),
        scoring=gzsl_multimetric_scorer,
        refit="AUSUC",
        error_score="raise",
    ).fit(X, y, class_attributes=table)
    scores = {
        key: value
        for key, value in fitted.cv_results_.items()
        if key.endswith(tuple(f"test_{metric}" for metric in METRICS))
    }
    assert np.isfinite(list(scores.values())).all()
    return scores | {"best": fitted.best_index_, "scores": fitted.decision_function(X)}


@pytest.fixture(scope="module")
def one_after_the_other(problem):
    return search(problem)


@pytest.mark.parametrize("backend", BACKENDS)
def test_search_is_the_same_to_the_bit(problem, one_after_the_other, backend):
    with BACKENDS[backend]():
        assert joblib.effective_n_jobs(None) == 2
        found = search(problem)
    assert found.keys() == one_after_the_other.keys()
    for key, value in one_after_the_other.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_tuned_calibration_is_the_same_to_the_bit(problem):
    X, y, table = problem
    one, two = (
        TunedCalibrationClassifierCV(small(), cv=2, n_jobs=n_jobs, random_state=0).fit(
            X, y, class_attributes=table
        )
        for n_jobs in (1, 2)
    )
    assert one.best_delta_ == two.best_delta_
    assert one.best_score_ == two.best_score_
    np.testing.assert_array_equal(one.decision_function(X), two.decision_function(X))
