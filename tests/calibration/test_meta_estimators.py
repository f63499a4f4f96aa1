"""FixedCalibrationClassifier and TunedCalibrationClassifierCV, around a linear classifier."""

import pickle
import re
from typing import ClassVar

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.base import ZeroShotClassifierMixin, check_class_attributes
from zslearn.calibration import FixedCalibrationClassifier, TunedCalibrationClassifierCV
from zslearn.metrics import (
    _units,
    ausuc_scorer,
    best_calibration,
    gzsl_harmonic_mean_scorer,
    gzsl_multimetric_scorer,
    gzsl_scores,
)
from zslearn.model_selection import SeenUnseenKFold

UNITS = ["absolute", "std", "quantile", "probability"]


class Ridge(ZeroShotClassifierMixin, BaseEstimator):
    """Ridge regression of the class attributes."""

    def __init__(self, alpha=1.0, delta=50.0):
        self.alpha = alpha
        self.delta = delta  # a calibration of its own, to be ignored

    def fit(self, X, y, class_attributes=None):
        return self._fit(X, y, class_attributes, None)

    def _fit(self, X, y, class_attributes, weights):
        X, y = self._check_X_y(X, y, reset=True)
        X = self._finite(X)
        table = check_class_attributes(class_attributes, y)
        targets = table.values[table.index_of(y)]
        weights = np.ones(len(X)) if weights is None else weights
        self.mean_ = np.average(X, axis=0, weights=weights)
        self.target_mean_ = np.average(targets, axis=0, weights=weights)
        X = X - self.mean_
        gram = (weights * X.T) @ X + self.alpha * np.eye(X.shape[1])
        self.coef_ = np.linalg.solve(gram, (weights * X.T) @ (targets - self.target_mean_))
        self.class_attributes_, self.classes_ = table, np.array(table.labels)
        self.seen_classes_ = np.unique(y)
        self.unseen_classes_ = np.setdiff1d(self.classes_, y)
        return self

    def _finite(self, X):
        X = np.asarray(X, dtype=np.float64)
        assert_all_finite(X, input_name="X", estimator_name="Ridge")
        return X.reshape(len(X), -1)

    def predict_attributes(self, X):
        X = self._finite(self._check_X(X, reset=False))
        return (X - self.mean_) @ self.coef_ + self.target_mean_

    def _class_scores(self, X, table):
        values = table.values / np.linalg.norm(table.values, axis=1, keepdims=True)
        return self.predict_attributes(X) @ values.T


class WeightedRidge(Ridge):
    """With a parameter of fit that is cut with the folds."""

    def fit(self, X, y, class_attributes=None, sample_weight=None):
        return self._fit(X, y, class_attributes, sample_weight)


class Foreign(ClassifierMixin, BaseEstimator):
    """A third party's: probabilities only, a table of its own, classes in an order of its own."""

    def __init__(self, table, order=-1):
        self.table = table
        self.order = order

    def fit(self, X, y):
        self.ridge_ = Ridge(delta=0.0).fit(X, y, class_attributes=self.table)
        self.classes_ = self.ridge_.classes_[:: self.order]
        self.seen_classes_ = self.ridge_.seen_classes_
        return self

    def predict_proba(self, X):
        return self.ridge_.predict_proba(X)[:, :: self.order]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]


NAMES = np.array([f"class {c:02}" for c in range(16)])


@pytest.fixture(scope="module")
def problem():
    """Sixteen classes by six attributes, of which twelve have samples to train on."""
    rng = np.random.default_rng(0)
    values = np.unique(rng.integers(0, 2, size=(200, 6)), axis=0)[1:]
    values = rng.permutation(values)[:16].astype(float)
    labels = np.repeat(np.arange(16), 15)
    X = values[labels] @ rng.normal(size=(6, 10)) + rng.normal(scale=1.2, size=(240, 10))
    table = ClassAttributes(values, labels=NAMES)
    return X, NAMES[labels], table, labels < 12


@pytest.fixture(scope="module")
def train(problem):
    X, y, table, seen = problem
    return X[seen], y[seen], table


def tuned(estimator=None, **params):
    options = {"cv": 3, "random_state": 0} | params
    return TunedCalibrationClassifierCV(Ridge() if estimator is None else estimator, **options)


@parametrize_with_checks(
    [
        FixedCalibrationClassifier(Ridge(), delta=0.5),
        TunedCalibrationClassifierCV(Ridge(), cv=2, random_state=0),
    ]
)
def test_estimators(estimator, check):
    check(estimator)


# -- fixed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["logit", "probability"])
def test_fixed_predicts_as_a_classifier_with_that_delta(problem, train, scale):
    X = problem[0]
    inner = Ridge().fit(*train)
    for delta in (-0.2, 0.0, 0.1, 0.3):
        clf = FixedCalibrationClassifier(Ridge(), delta=delta, delta_scale=scale).fit(*train)
        scores = clf.uncalibrated_scores(X)
        np.testing.assert_array_equal(scores, inner.uncalibrated_scores(X))
        own = Ridge(delta=delta).fit(*train)
        own.delta_scale = scale
        for method in ("decision_function", "predict_proba"):
            expected = getattr(own, method)(X)
            np.testing.assert_array_equal(getattr(clf, method)(X), expected)
            best = clf.classes_[expected.argmax(axis=1)]
            np.testing.assert_array_equal(best, clf.predict(X))
        for candidates in (None, "seen", "unseen", NAMES[[3, 14, 1]]):
            expected = own.predict(X, candidates=candidates)
            np.testing.assert_array_equal(clf.predict(X, candidates=candidates), expected)
            again = clf.predict_from_uncalibrated(scores, candidates=candidates)
            np.testing.assert_array_equal(again, expected)
            np.testing.assert_array_equal(
                clf.calibration_scores(scores, candidates=candidates),
                own.calibration_scores(scores, candidates=candidates),
            )


@pytest.mark.parametrize("make", [FixedCalibrationClassifier, tuned])
def test_fitted_attributes_are_those_inside(train, make):
    X, y, table = train
    clf = make(Ridge())
    for name in ("classes_", "seen_classes_", "class_attributes_", "n_features_in_"):
        assert not hasattr(clf, name)
    with pytest.raises(NotFittedError):
        clf.predict(X)
    frame = pd.DataFrame(X, columns=[f"f{k}" for k in range(X.shape[1])])
    clf.fit(frame, y, class_attributes=table)
    assert clf.classes_.tolist() == NAMES.tolist()
    assert clf.seen_classes_.tolist() == NAMES[:12].tolist()
    assert clf.unseen_classes_.tolist() == NAMES[12:].tolist()
    assert clf.class_attributes_ == table
    assert clf.n_features_in_ == 10
    assert clf.feature_names_in_.tolist() == list(frame.columns)
    assert clf.predict_attributes(frame).shape == (len(X), 6)
    assert not hasattr(clf, "attention_maps")


def test_frozen_needs_no_fit(problem, train):
    X = problem[0]
    inner = Ridge().fit(*train)
    clf = FixedCalibrationClassifier(FrozenEstimator(inner), delta=0.2)
    check_is_fitted(clf)
    expected = clf.predict(X)
    np.testing.assert_array_equal(clf.fit(*train[:2]).predict(X), expected)
    assert clf.estimator_.estimator is inner
    np.testing.assert_array_equal(clf.predict_attributes(X), inner.predict_attributes(X))


@pytest.mark.parametrize("make", [FixedCalibrationClassifier, tuned])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: make_pipeline(StandardScaler(), x)])
def test_classes_described_after_fit(problem, train, make, wrap):
    X = problem[0]
    clf = make(wrap(Ridge())).fit(*train)
    new = ClassAttributes(
        np.vstack([problem[2].values[[13, 2]], np.ones(6)]), labels=["x", NAMES[2], "a"]
    )
    scores = clf.uncalibrated_scores(X, class_attributes=new)
    assert scores.shape == (240, 3)
    assert clf.predict_proba(X, class_attributes=new).shape == (240, 3)
    predicted = clf.predict(X, class_attributes=new)
    assert set(predicted) <= {"x", NAMES[2], "a"}
    np.testing.assert_array_equal(
        clf.predict_from_uncalibrated(scores, class_attributes=new), predicted
    )
    far = clone(clf).set_params()
    far.estimator_ = clf.estimator_
    if isinstance(clf, FixedCalibrationClassifier):
        far.delta = 1e3
    else:
        far.best_delta_ = 1e3
    assert NAMES[2] not in far.predict(X, class_attributes=new)
    with pytest.raises(ValueError, match="has 2 attributes, at fit it had 6"):
        clf.predict(X, class_attributes=ClassAttributes(np.eye(2)))


def test_third_party_with_probabilities_only(problem, train):
    X, y, table, _ = problem
    inner = Ridge().fit(*train)
    scores = inner.uncalibrated_scores(X)
    for scale, own in (("probability", softmax(scores, axis=1)), ("logit", scores)):
        clf = FixedCalibrationClassifier(Foreign(table), delta=0.15, delta_scale=scale)
        clf.fit(*train[:2])
        expected = NAMES[(own + 0.15 * (np.arange(16) >= 12)).argmax(1)]
        np.testing.assert_array_equal(clf.predict(X), expected)
        raw = clf.uncalibrated_scores(X)
        np.testing.assert_array_equal(clf.predict_from_uncalibrated(raw), expected)
        assert clf.classes_.tolist() == NAMES.tolist()
        for scores in (clf.decision_function(X), clf.predict_proba(X)):
            np.testing.assert_array_equal(NAMES[scores.argmax(axis=1)], expected)
        assert gzsl_harmonic_mean_scorer(clf, X, y) == pytest.approx(
            gzsl_scores(y, expected, seen_classes=NAMES[:12]).H
        )
    with pytest.raises(TypeError, match="no class_attributes_ to compare it with"):
        clf.predict(X, class_attributes=table)
    ours, theirs = (
        tuned(inside).fit(*given)
        for inside, given in ((Ridge(), train), (Foreign(table), train[:2]))
    )
    # The sums of the logarithms of a softmax differ by a number a sample.
    assert theirs.best_delta_ == pytest.approx(ours.best_delta_)
    np.testing.assert_array_equal(theirs.predict(X), ours.predict(X))


def test_estimators_that_are_not_zero_shot_are_refused(train):
    X, y, _ = train
    with pytest.raises(TypeError, match="LogisticRegression has no seen_classes_"):
        FixedCalibrationClassifier(LogisticRegression(max_iter=500)).fit(X, y)
    with pytest.raises(TypeError, match="LogisticRegression has no seen_classes_"):
        tuned(LogisticRegression()).fit(X, y)
    for clf in (FixedCalibrationClassifier(StandardScaler()), tuned(StandardScaler())):
        with pytest.raises(ValueError, match=r"'estimator' parameter of .* must be"):
            clf.fit(X, y)


# -- tuned -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", UNITS)
def test_tuned_is_the_best_of_every_delta(train, units):
    """Fit the folds' models by hand, and try every delta on what they predict."""
    X, y, table = train
    clf = tuned(units=units, store_cv_results=True).fit(X, y, class_attributes=table)
    scale = "probability" if units == "probability" else "logit"
    folds = []
    for rows, held in SeenUnseenKFold(3, random_state=0).split(X, y):
        inside = Ridge().fit(X[rows], y[rows], class_attributes=table.subset(NAMES[:12]))
        seen = inside.seen_classes_
        z = inside.uncalibrated_scores(X[rows])
        unit = _units.UNITS[units].measure(z, np.isin(NAMES[:12], seen))
        fixed = FixedCalibrationClassifier(FrozenEstimator(inside), delta_scale=scale)
        folds.append((unit, fixed, inside.uncalibrated_scores(X[held]), y[held], seen))

    def mean_score(value):
        scores = []
        for unit, fixed, z, truth, seen in folds:
            fixed.delta = float(unit.from_units(np.array([value]))[0])
            scores.append(
                gzsl_scores(truth, fixed.predict_from_uncalibrated(z), seen_classes=seen).H
            )
        return np.mean(scores)

    results = clf.cv_results_
    brute = [mean_score(value) for value in results["mean_delta_in_units"]]
    np.testing.assert_allclose(results["mean_score"], brute, rtol=1e-12)
    assert clf.best_score_ == results["mean_score"].max()
    assert mean_score(clf.delta_in_units_) == pytest.approx(clf.best_score_)
    # The pieces tried are those of every fold's curve, and no switching point lies within one.
    np.testing.assert_array_equal(np.sort(np.concatenate(results["held_out_classes"])), NAMES[:12])
    for fold, (unit, *_) in enumerate(folds):
        np.testing.assert_allclose(
            unit.to_units(results["delta"][fold]), results["delta_in_units"][fold]
        )
        u, s = results["unseen_accuracy"][fold], results["seen_accuracy"][fold]
        np.testing.assert_allclose(results["score"][fold], 2 * u * s / np.maximum(u + s, 1e-9))


def test_units_are_carried_to_the_final_model(train):
    X, y, table = train
    clf = tuned(units="std").fit(X, y, class_attributes=table)
    final = clf.uncalibrated_scores(X)
    std = np.sqrt(final.var(axis=1).mean())
    assert clf.best_delta_ == pytest.approx(clf.delta_in_units_ * std)
    for units in ("absolute", "probability"):
        clf = tuned(units=units).fit(X, y, class_attributes=table)
        assert clf.best_delta_ == clf.delta_in_units_
    clf = tuned(units="quantile").fit(X, y, class_attributes=table)
    gaps = final[:, :12].max(1) - final[:, 12:].max(1)
    assert 0 < clf.delta_in_units_ < 1
    assert np.mean(gaps < clf.best_delta_) == pytest.approx(clf.delta_in_units_, abs=0.01)


@pytest.mark.parametrize("units", UNITS)
def test_calibration_helps(problem, train, units):
    X, y, _, _ = problem
    clf = tuned(units=units).fit(*train)
    plain = FixedCalibrationClassifier(FrozenEstimator(clf.estimator_))
    assert gzsl_harmonic_mean_scorer(clf, X, y) > gzsl_harmonic_mean_scorer(plain, X, y) + 0.05
    assert ausuc_scorer(clf, X, y) > 0


def test_std_makes_the_size_of_scores_irrelevant(problem, train):
    class Loud(Ridge):
        """Scores that grow with the number of training samples."""

        def fit(self, X, y, class_attributes=None):
            super().fit(X, y, class_attributes)
            self.size_ = len(X) ** 2
            return self

        def _class_scores(self, X, table):
            return super()._class_scores(X, table) * self.size_

    ours, loud = (tuned(inside).fit(*train) for inside in (Ridge(), Loud()))
    assert loud.delta_in_units_ == pytest.approx(ours.delta_in_units_)
    np.testing.assert_array_equal(loud.predict(problem[0]), ours.predict(problem[0]))


def test_truly_unseen_classes_have_no_part_in_the_choice(train):
    X, y, table = train
    told, not_told = (
        tuned(units="absolute").fit(X, y, class_attributes=given)
        for given in (table, table.subset(NAMES[:12]))
    )
    assert told.best_delta_ == not_told.best_delta_
    assert told.best_score_ == not_told.best_score_
    assert told.unseen_classes_.tolist() == NAMES[12:].tolist()


def test_one_prediction_a_fold_and_one_fit(train):
    calls = []

    class Counting(Ridge):
        def fit(self, X, y, class_attributes=None):
            calls.append(("fit", len(X), class_attributes.n_classes))
            return super().fit(X, y, class_attributes)

        def uncalibrated_scores(self, X, class_attributes=None):
            calls.append(("predict", len(X)))
            return super().uncalibrated_scores(X, class_attributes)

    tuned(Counting(), units="absolute", cv=2).fit(*train)
    splits = SeenUnseenKFold(2, random_state=0).split(*train[:2])
    expected = [
        call for rows, held in splits for call in [("fit", len(rows), 12), ("predict", len(held))]
    ]
    assert calls == [*expected, ("fit", 180, 16)]


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_results_do_not_depend_on_n_jobs(train, backend):
    one = tuned(store_cv_results=True).fit(*train)
    with joblib.parallel_config(backend=backend):
        two = tuned(store_cv_results=True, n_jobs=2).fit(*train)
    assert one.best_delta_ == two.best_delta_
    for key in ("delta", "score"):
        for a, b in zip(one.cv_results_[key], two.cv_results_[key], strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_kind_of_cv(train):
    X, y, table = train
    splitter = SeenUnseenKFold(3, random_state=0)
    splits = list(splitter.split(X, y))
    masks = [tuple(np.isin(np.arange(len(y)), rows) for rows in split) for split in splits]
    reference = tuned().fit(X, y, class_attributes=table).best_delta_
    for cv in (splitter, splits, iter(splits), masks):
        clf = TunedCalibrationClassifierCV(Ridge(), cv=cv).fit(X, y, class_attributes=table)
        assert clf.best_delta_ == reference
    default = TunedCalibrationClassifierCV(Ridge(), random_state=1, store_cv_results=True)
    default.fit(X, y, class_attributes=table)
    assert len(default.cv_results_["delta"]) == SeenUnseenKFold().get_n_splits()


def test_without_refit_the_model_of_the_fold_is_kept(train):
    X, y, table = train
    cv = SeenUnseenKFold(1, n_unseen=4, random_state=0)
    clf = TunedCalibrationClassifierCV(Ridge(), cv=cv, refit=False)
    clf.fit(X, y, class_attributes=table)
    rows, held = next(cv.split(X, y))
    assert clf.seen_classes_.tolist() == np.unique(y[rows]).tolist()
    best = best_calibration(
        y[held],
        clf.uncalibrated_scores(X[held]),
        classes=clf.classes_,
        seen_classes=clf.seen_classes_,
    )
    assert clf.best_delta_ == pytest.approx(best.delta)
    assert clf.best_score_ == best.score
    with pytest.raises(ValueError, match=r"refit=False keeps the model of the only fold, .* has 3"):
        tuned(refit=False).fit(X, y, class_attributes=table)


@pytest.mark.parametrize("units", UNITS)
def test_prefit(problem, train, units):
    X, y, _, _ = problem
    inner = Ridge().fit(*train)
    kept = np.isin(y, NAMES[4:14])
    clf = TunedCalibrationClassifierCV(inner, cv="prefit", units=units).fit(X[kept], y[kept])
    assert clf.estimator_ is inner
    candidates = NAMES[:14]
    scores = inner.uncalibrated_scores(X[kept])[:, :14]
    if units == "probability":
        scores = softmax(scores, axis=1)
    best = best_calibration(y[kept], scores, classes=candidates, seen_classes=NAMES[:12])
    assert clf.best_score_ == best.score
    if units != "quantile":  # in which another of several equally good intervals may be widest
        assert clf.best_delta_ == pytest.approx(best.delta)
    predicted = clf.predict(X[kept], candidates=candidates)
    assert pytest.approx(best.score) == gzsl_scores(y[kept], predicted, seen_classes=NAMES[:12]).H


def test_prefit_errors(problem, train):
    X, y, table = train
    with pytest.raises(NotFittedError, match="cv='prefit' calibrates a fitted estimator"):
        TunedCalibrationClassifierCV(Ridge(), cv="prefit").fit(X, y)
    inner = Ridge().fit(X, y, class_attributes=table)
    clf = TunedCalibrationClassifierCV(inner, cv="prefit")
    with pytest.raises(ValueError, match="no sample of a class unseen by the fitted Ridge"):
        clf.fit(X, y)
    unseen = ~problem[3]
    with pytest.raises(ValueError, match="no sample of a class seen by the fitted Ridge"):
        clf.fit(problem[0][unseen], problem[1][unseen])
    with pytest.raises(ValueError, match=r"1 class\(es\) .* not among the classes_ .*'okapi'"):
        clf.fit(X[:2], ["okapi", NAMES[0]])
    with pytest.raises(ValueError, match=r"no sample of a class unseen.*cv='prefit'"):
        tuned(FrozenEstimator(inner)).fit(X, y)


def test_folds_that_pose_no_zero_shot_problem_are_refused(train):
    X, y, table = train
    rows = np.arange(len(y))
    for cv, message in [
        (KFold(5, shuffle=True, random_state=0), "fold 0 is not class-disjoint.*SeenUnseenKFold"),
        ([(rows[:90], rows[90:])], "no sample of the 6 classes of its training part"),
        ([(rows[:90], rows[80:])], "10 samples to both parts of fold 0.*row 80"),
        ([], "cv gives no fold"),
    ]:
        with pytest.raises(ValueError, match=message):
            TunedCalibrationClassifierCV(Ridge(), cv=cv).fit(X, y, class_attributes=table)
    with pytest.raises(ValueError, match="1 class only"):
        tuned().fit(X[:9], y[:9], class_attributes=table)


def test_scores_that_are_not_finite_are_refused(train):
    class Broken(Ridge):
        def _class_scores(self, X, table):
            return super()._class_scores(X, table) * np.nan

    with pytest.raises(ValueError, match=r"scores of the fitted Broken hold .* NaN or infinite"):
        tuned(Broken()).fit(*train)


def test_tables_are_checked_whole(train):
    X, y, table = train
    bare = pd.DataFrame(np.ones((len(y), 6)))
    with pytest.raises(ValueError, match="as many rows as there are samples"):
        tuned().fit(X, y, class_attributes=bare)
    with pytest.raises(ValueError, match="not described"):
        tuned().fit(X, y, class_attributes=table.subset(NAMES[:5]))
    for given in (table.to_frame(), table):
        assert tuned().fit(X, y, class_attributes=given).class_attributes_ == table
    numbers = np.searchsorted(NAMES, y)
    by_row = tuned().fit(X, numbers, class_attributes=table.values)
    assert by_row.best_delta_ == tuned().fit(X, y, class_attributes=table).best_delta_
    assert by_row.unseen_classes_.tolist() == [12, 13, 14, 15]


def test_sample_weights_are_cut_with_the_folds(train):
    X, y, table = train
    weights = np.random.default_rng(0).uniform(size=len(y))
    weighted, doubled, plain = (
        tuned(WeightedRidge()).fit(X, y, class_attributes=table, **params).best_score_
        for params in ({"sample_weight": weights}, {"sample_weight": 1.0 * weights}, {})
    )
    assert weighted == doubled != plain


# -- in scikit-learn's machinery -------------------------------------------------------------------


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
