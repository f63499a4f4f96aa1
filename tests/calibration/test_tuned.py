"""TunedCalibrationClassifierCV around a linear classifier."""

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold

from tests.calibration.classifiers import NAMES, UNITS, Ridge, WeightedRidge, tuned
from zslearn.calibration import FixedCalibrationClassifier, TunedCalibrationClassifierCV
from zslearn.metrics import (
    _units,
    ausuc_scorer,
    best_calibration,
    gzsl_harmonic_mean_scorer,
    gzsl_scores,
)
from zslearn.model_selection import SeenUnseenKFold


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
        ([(rows[:90], rows[80:] - len(y))], "10 samples to both parts of fold 0.*row 80"),
        ([(rows[:90], rows[80:] + 0.5)], "1-dimensional rows of dtype float64"),
        ([(rows[:90], rows[90:] + 1)], f"row {len(y)}, and there are {len(y)} samples"),
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
