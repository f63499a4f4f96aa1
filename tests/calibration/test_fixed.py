"""FixedCalibrationClassifier around a linear classifier."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from tests.calibration.classifiers import NAMES, Foreign, Ridge, tuned
from zslearn import ClassAttributes
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.metrics import (
    gzsl_harmonic_mean_scorer,
    gzsl_scores,
)


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
