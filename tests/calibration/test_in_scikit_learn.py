"""Calibrated classifiers in scikit-learn's machinery."""

import pickle
import re
from typing import ClassVar

import joblib
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.calibration.classifiers import NAMES, Ridge, WeightedRidge, tuned
from zslearn import CVsCClassifier
from zslearn.calibration import FixedCalibrationClassifier, TunedCalibrationClassifierCV
from zslearn.metrics import (
    ausuc_scorer,
    gzsl_harmonic_mean_scorer,
    gzsl_multimetric_scorer,
)
from zslearn.model_selection import SeenUnseenKFold


@parametrize_with_checks(
    [
        FixedCalibrationClassifier(Ridge(), delta=0.5),
        TunedCalibrationClassifierCV(Ridge(), cv=2, random_state=0),
    ]
)
def test_estimators(estimator, check):
    check(estimator)


def test_clone_params_and_pickle(problem, train):
    clf = tuned(Ridge(alpha=3.0), units="quantile", n_jobs=1)
    assert clf.get_params()["estimator__alpha"] == 3.0
    copy = clone(clf.fit(*train))
    assert not hasattr(copy, "estimator_")
    assert copy.get_params()["units"] == "quantile"
    again = pickle.loads(pickle.dumps(clf))
    assert again.best_delta_ == clf.best_delta_
    np.testing.assert_array_equal(again.predict(problem[0]), clf.predict(problem[0]))


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("make", [FixedCalibrationClassifier, tuned])
def test_searches(train, make, routing):
    X, y, table = train
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(
            make(Ridge()),
            {"estimator__alpha": [0.1, 1e4]},
            cv=SeenUnseenKFold(3, random_state=1),
            scoring=gzsl_multimetric_scorer,
            refit="H",
            error_score="raise",
        ).fit(X, y, class_attributes=table)
        assert search.best_params_ == {"estimator__alpha": 0.1}
        assert search.best_estimator_.unseen_classes_.tolist() == NAMES[12:].tolist()
        assert search.predict(X).shape == (180,)
        assert np.isfinite(search.cv_results_["mean_test_AUSUC"]).all()


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("make", [FixedCalibrationClassifier, tuned])
def test_pipelines_inside_and_outside(problem, train, make, routing):
    X, y, table = train
    with config_context(enable_metadata_routing=routing):
        inside = make(make_pipeline(StandardScaler(), Ridge()))
        inside.fit(X, y, class_attributes=table)
        assert inside.unseen_classes_.tolist() == NAMES[12:].tolist()
        assert inside.n_features_in_ == 10
        assert inside.predict_attributes(X).shape == (180, 6)
        outside = Pipeline([("scaler", StandardScaler()), ("clf", make(Ridge()))])
        key = "class_attributes" if routing else "clf__class_attributes"
        outside.fit(X, y, **{key: table})
        for clf in (inside, outside):
            assert gzsl_harmonic_mean_scorer(clf, problem[0], problem[1]) > 0
            only = clf.predict(problem[0], candidates="unseen")
            assert set(only) <= set(NAMES[12:])
        if not routing:
            by_step = make(make_pipeline(StandardScaler(), Ridge()))
            by_step.fit(X, y, ridge__class_attributes=table)
            np.testing.assert_array_equal(by_step.predict(X), inside.predict(X))
            with pytest.raises(ValueError, match="given twice"):
                by_step.fit(X, y, class_attributes=table, ridge__class_attributes=table)


def test_a_search_inside(train):
    X, y, table = train
    search = GridSearchCV(
        Ridge(),
        {"alpha": [0.1, 1e4]},
        cv=SeenUnseenKFold(2, random_state=1),
        scoring=ausuc_scorer,
        error_score="raise",
    )
    clf = tuned(search).fit(X, y, class_attributes=table)
    assert clf.estimator_.best_params_ == {"alpha": 0.1}
    assert clf.class_attributes_ == table
    assert clf.predict(X, candidates="seen").shape == y.shape
    assert clf.uncalibrated_scores(X, class_attributes=table.subset(NAMES[3:7])).shape == (180, 4)


def test_routing_of_sample_weights(train):
    X, y, table = train
    weights = np.random.default_rng(0).uniform(size=len(y))
    off = tuned(WeightedRidge()).fit(X, y, class_attributes=table, sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        inner = WeightedRidge().set_fit_request(sample_weight=True)
        on = tuned(inner).fit(X, y, class_attributes=table, sample_weight=weights)
        assert on.best_delta_ == off.best_delta_
        scores = cross_validate(
            tuned(inner),
            X,
            y,
            params={"class_attributes": table, "sample_weight": weights},
            cv=SeenUnseenKFold(2, random_state=0),
            scoring=gzsl_harmonic_mean_scorer,
            error_score="raise",
        )
        assert (scores["test_score"] > 0).all()


@pytest.mark.parametrize("n_singles", [1, 3])
def test_a_class_of_one_sample_does_not_block_the_tuning(train, n_singles):
    X, y, table = train
    kept = np.ones(len(y), dtype=bool)
    for name in NAMES[:n_singles]:
        kept[np.flatnonzero(y == name)[1:]] = False
    clf = tuned(store_cv_results=True).fit(X[kept], y[kept], class_attributes=table)
    held_out = np.concatenate(clf.cv_results_["held_out_classes"])
    assert sorted(held_out) == NAMES[:12].tolist()
    assert clf.best_score_ > 0.3
    assert clf.unseen_classes_.tolist() == NAMES[12:].tolist()


@pytest.mark.parametrize(
    ("backend", "n_jobs"), [("loky", None), ("threading", 2), ("multiprocessing", 2)]
)
@pytest.mark.parametrize("scoring", ["harmonic_mean", np.minimum])
def test_verbose_tells_of_each_fold(train, capsys, backend, n_jobs, scoring):
    X, y, table = train
    silent = tuned(scoring=scoring).fit(X, y, class_attributes=table)
    assert capsys.readouterr().out == ""
    with joblib.parallel_config(backend=backend):
        clf = tuned(scoring=scoring, n_jobs=n_jobs, verbose=1).fit(X, y, class_attributes=table)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("]")[0] for line in lines] == [f"[calibration fold {i}/3" for i in (1, 2, 3)]
    assert all(re.search(r"4 classes held out, \d+\.\ds; so far", line) for line in lines)
    found = f"delta_in_units_={clf.delta_in_units_:.4g}, best_score_={clf.best_score_:.4f}"
    assert lines[-1].endswith(found)
    assert clf.best_delta_ == silent.best_delta_


def test_without_a_table_each_class_describes_itself(train):
    X, y, _ = train
    clf = tuned().fit(X, y)
    assert clf.unseen_classes_.size == 0
    assert clf.score(X, y) > 0.5


def test_deep_classifier(problem, train):
    X, y, table = train
    deep = CVsCClassifier(max_epochs=4, learning_rate=1e-2, random_state=0)
    clf = tuned(deep, cv=2).fit(X[:, None, :], y, class_attributes=table)
    assert clf.attention_maps(X[:3, None, :]).shape == (3, 6, 1)
    search = GridSearchCV(
        tuned(deep, cv=2),
        {"estimator__lambda_sci": [0.2, 2.0]},
        cv=SeenUnseenKFold(2, random_state=0),
        scoring=gzsl_harmonic_mean_scorer,
        error_score="raise",
    ).fit(X[:, None, :].astype(np.float16), y, class_attributes=table)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(search.best_estimator_.best_delta_)


class Witness(Ridge):
    """Notes what it was given to fit on."""

    kinds: ClassVar[list[str]] = []

    def fit(self, X, y, class_attributes=None):
        Witness.kinds.append(type(X).__name__)
        return super().fit(X, y, class_attributes)


def test_folds_of_a_memory_map_are_views(train, tmp_path):
    X, y, table = train
    np.save(tmp_path / "X.npy", X)
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    Witness.kinds.clear()
    clf = tuned(Witness()).fit(on_disk, y, class_attributes=table)
    assert Witness.kinds == ["RowView"] * 3 + ["memmap"]
    assert clf.best_delta_ == tuned().fit(X, y, class_attributes=table).best_delta_
