"""CVsCClassifier in scikit-learn's searches, on class-disjoint folds and on lazy views."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._data import _rows
from zslearn.metrics import gzsl_harmonic_mean_scorer, gzsl_multimetric_scorer
from zslearn.model_selection import (
    PredefinedSeenUnseenSplit,
    RowView,
    SeenUnseenKFold,
    gzsl_train_test_split,
)

METRICS = ("T1", "U", "S", "H", "AUSUC")
NAMES = np.array(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"])


@pytest.fixture(scope="module")
def problem():
    """Eight classes by five attributes, pictures of six of them."""
    rng = np.random.default_rng(0)
    values = np.array([[(c >> k) & 1 for k in range(5)] for c in (1, 2, 4, 8, 16, 6, 24, 19)])
    y = rng.permutation(np.repeat(np.arange(6), 8))
    X = values[y][:, None, :] @ rng.normal(size=(5, 16)) + rng.normal(size=(48, 3, 16)) * 0.3
    return X.astype(np.float16), y, values


def small(**params):
    options = {"max_epochs": 2, "batch_size": 16, "random_state": 0}
    return CVsCClassifier(**options | params)


@pytest.fixture(params=[False, True], ids=["legacy", "routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture(params=["ndarray", "DataFrame", "ClassAttributes"])
def described(request, problem):
    """Labels and class attributes, in every form they may have."""
    _, y, values = problem
    if request.param == "ndarray":
        return y, values
    frame = pd.DataFrame(values, index=NAMES)
    return NAMES[y], frame if request.param == "DataFrame" else ClassAttributes.from_frame(frame)


def all_finite(results):
    return all(np.isfinite(results[f"test_{metric}"]).all() for metric in METRICS)


def test_cross_validate(problem, described, routing):
    X, (y, table) = problem[0], described
    cv = SeenUnseenKFold(3, n_repeats=2, random_state=0)
    results = cross_validate(
        small(),
        X,
        y,
        cv=cv,
        scoring=gzsl_multimetric_scorer,
        params={"class_attributes": table},
        return_estimator=True,
        return_indices=True,
        error_score="raise",
    )
    assert all_finite(results)
    assert len(results["test_H"]) == 6
    for estimator, train in zip(results["estimator"], results["indices"]["train"], strict=True):
        assert np.array_equal(estimator.seen_classes_, np.unique(y[train]))
        assert len(estimator.seen_classes_) == 4
        assert len(estimator.classes_) == 8


@pytest.mark.parametrize("lazy", [False, True])
def test_in_a_pipeline(problem, described, routing, lazy):
    X, (y, table) = problem[0], described
    X = RowView(X) if lazy else X
    pipe = make_pipeline(FunctionTransformer(), small())
    key = "class_attributes" if routing else "cvscclassifier__class_attributes"
    search = GridSearchCV(
        pipe,
        {"cvscclassifier__lambda_sci": [0.0, 2.0]},
        cv=SeenUnseenKFold(2, random_state=0),
        scoring=gzsl_multimetric_scorer,
        refit="H",
        error_score="raise",
    ).fit(X, y, **{key: table})
    assert np.isfinite(search.cv_results_["mean_test_H"]).all()
    assert len(search.best_estimator_[-1].seen_classes_) == 6


def test_randomized_search(problem, described, routing):
    X, (y, table) = problem[0], described
    search = RandomizedSearchCV(
        small(),
        {"lambda_cc": loguniform(0.1, 1)},
        n_iter=2,
        cv=SeenUnseenKFold(2, n_unseen=2, random_state=0),
        scoring=gzsl_harmonic_mean_scorer,
        random_state=0,
        error_score="raise",
    ).fit(X, y, class_attributes=table)
    assert np.isfinite(search.best_score_)
    assert np.array_equal(search.best_estimator_.seen_classes_, np.unique(y))


def test_halving_over_epochs_leaves_the_folds_whole(problem, described, routing):
    X, (y, table) = problem[0], described
    search = HalvingGridSearchCV(
        small(),
        {"lambda_sci": [0.0, 1.0, 2.0]},
        resource="max_epochs",
        min_resources=1,
        max_resources=3,
        return_train_score=False,
        factor=3,
        cv=SeenUnseenKFold(2, random_state=0),
        scoring=gzsl_harmonic_mean_scorer,
        error_score="raise",
        random_state=0,
    ).fit(X, y, class_attributes=table)
    assert search.n_resources_ == [1, 3]
    assert search.best_params_["max_epochs"] == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_halving_over_samples_needs_several_of_each_class(problem):
    X, y, values = problem
    X, y = np.tile(X, (4, 1, 1)), np.tile(y, 4)
    search = HalvingGridSearchCV(
        small(max_epochs=1),
        {"lambda_sci": [0.0, 1.0, 2.0]},
        min_resources=64,
        max_resources=192,
        return_train_score=False,
        factor=3,
        cv=SeenUnseenKFold(2, random_state=0),
        scoring=gzsl_harmonic_mean_scorer,
        error_score="raise",
        random_state=0,
    ).fit(X, y, class_attributes=values)
    assert search.n_resources_ == [64, 192]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_halving_needs_folds_that_stay(problem):
    X, y, values = problem
    search = HalvingGridSearchCV(
        small(), {"lambda_sci": [0.0]}, cv=SeenUnseenKFold(2), resource="max_epochs"
    )
    with pytest.raises(ValueError, match="must yield consistent folds"):
        search.set_params(max_resources=3).fit(X, y, class_attributes=values)


def test_published_split(problem, described):
    X, (y, table) = problem[0], described
    parts = gzsl_train_test_split(y, n_unseen=2, random_state=0)
    results = cross_validate(
        small(),
        X,
        y,
        cv=PredefinedSeenUnseenSplit(*parts),
        scoring=gzsl_multimetric_scorer,
        params={"class_attributes": table},
        error_score="raise",
    )
    assert all_finite(results)
    clf = small().fit(RowView(X, parts.train), y[parts.train], class_attributes=table)
    test = np.sort(np.concatenate(parts[1:]))
    scores = gzsl_multimetric_scorer(clf, RowView(X, test), y[test])
    assert scores == {metric: results[f"test_{metric}"][0] for metric in METRICS}


def test_as_many_classes_as_samples(problem):
    """The slicing hazard: the folds must not cut a table as long as X."""
    X, y, _ = problem
    values = np.random.default_rng(0).random((48, 5))
    call = {"cv": SeenUnseenKFold(2, random_state=0), "scoring": gzsl_multimetric_scorer}
    call["error_score"] = "raise"
    table = ClassAttributes(values)
    results = cross_validate(
        small(), X, y, params={"class_attributes": table}, return_estimator=True, **call
    )
    assert all(len(estimator.classes_) == 48 for estimator in results["estimator"])
    with pytest.raises(ValueError, match="as many rows as there are samples"):
        cross_validate(small(), X, y, params={"class_attributes": values}, **call)


# -- large arrays ------------------------------------------------------------------------------


@pytest.fixture
def most_rows(monkeypatch):
    """The most rows of a view that were read at once."""
    read = RowView.__array__
    asked = []

    def counting(view, *args, **kwargs):
        asked.append(len(view))
        return read(view, *args, **kwargs)

    monkeypatch.setattr(RowView, "__array__", counting)
    # A chunk at predict: 4 bytes a number, or 8 a semantic vector's intermediate.
    monkeypatch.setattr(_rows, "_CHUNK_BYTES", 5 * max(4 * 3 * 16, 8 * 3 * 5))
    return lambda: max(asked)


@pytest.mark.parametrize("search", [False, True], ids=["cross_validate", "GridSearchCV"])
def test_folds_of_a_memmap_are_read_a_batch_at_a_time(
    problem, tmp_path, most_rows, monkeypatch, search
):
    X, y, values = problem
    np.save(tmp_path / "X.npy", X)
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    cv = SeenUnseenKFold(3, random_state=0)
    call = {"cv": cv, "scoring": gzsl_multimetric_scorer, "error_score": "raise"}
    grid = {"lambda_sci": [0.0, 2.0]}

    def scores(X):
        if not search:
            params = {"class_attributes": values}
            return cross_validate(small(batch_size=6), X, y, params=params, **call)
        fitted = GridSearchCV(small(batch_size=6), grid, refit="H", **call)
        return fitted.fit(X, y, class_attributes=values).cv_results_

    lazy = scores(RowView(on_disk))
    assert most_rows() <= 6
    # Same batches, so equal to the bit.
    plain = scores(X)
    for name in plain:
        if "test_" in name:
            np.testing.assert_array_equal(lazy[name], plain[name])


def test_half_precision_keeps_no_copy_of_a_view(problem, most_rows, tmp_path):
    X, y, values = problem
    np.save(tmp_path / "X.npy", X)
    view = RowView(np.load(tmp_path / "X.npy", mmap_mode="r"))
    clf = small(batch_size=6, precision="bfloat16").fit(view, y, class_attributes=values)
    clf.predict(view)
    assert most_rows() <= 6
