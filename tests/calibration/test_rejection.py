import numpy as np
import pytest
from scipy.special import logit, logsumexp
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zslearn
from zslearn import ClassAttributes, ESZSLClassifier, PrototypeRegressionClassifier
from zslearn.calibration import (
    FixedCalibrationClassifier,
    RejectionClassifierCV,
    TunedCalibrationClassifierCV,
)
from zslearn.calibration._rejection import _weighted_quantile
from zslearn.model_selection import SeenUnseenKFold


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.normal(size=(20, 8)), labels=[f"class {c:02}" for c in range(20)])
    y = table.labels[np.repeat(np.arange(16), 12)]
    X = table.values[table.index_of(y)] + rng.normal(scale=0.3, size=(192, 8))
    return X, y, table


def spread(model, X):
    seen = np.isin(model.classes_, model.seen_classes_)
    return np.sqrt(model.uncalibrated_scores(X)[:, seen].var(axis=1).mean())


def log_odds(scores):
    ranked = np.sort(scores, axis=1)
    return ranked[:, -1] - logsumexp(ranked[:, :-1], axis=1)


def fit(problem, estimator=None, **options):
    estimator = PrototypeRegressionClassifier() if estimator is None else estimator
    return RejectionClassifierCV(estimator, random_state=0, **options).fit(
        *problem[:2], class_attributes=problem[2]
    )


@pytest.mark.parametrize("delta", [0.0, 1.5])
def test_answers_are_withheld_below_the_threshold(problem, delta):
    X, _, table = problem
    clf = fit(problem, PrototypeRegressionClassifier(delta=delta))
    inner = PrototypeRegressionClassifier(delta=delta).fit(*problem[:2], class_attributes=table)
    strange = np.vstack([X, np.random.default_rng(1).normal(size=(60, 8))])
    scores = inner.decision_function(strange)
    sure = logit(inner.predict_proba(strange).max(axis=1)) >= clf.threshold_
    expected = np.where(sure, inner.predict(strange), "none of these")
    assert 0 < np.count_nonzero(~sure) < len(strange)
    assert clf.predict(strange).tolist() == expected.tolist()
    raw = clf.uncalibrated_scores(strange)
    assert clf.predict_from_uncalibrated(raw).tolist() == expected.tolist()
    np.testing.assert_array_equal(clf.decision_function(strange), scores)
    single = clf.predict(strange, candidates=["class 05"]).tolist()
    assert single == ["class 05"] * len(strange)


def test_the_threshold_is_that_of_the_folds(problem):
    """By hand: models of the folds, half of whose held-out classes are not described."""
    X, y, table = problem
    clf = fit(problem, acceptance=0.8)
    draw = np.random.RandomState(0)
    confidences, classes, strange = [], [], []
    for train, test in SeenUnseenKFold(3, random_state=draw).split(X, y):
        held = np.setdiff1d(y[test], y[train])
        strangers = draw.permutation(held)[: (len(held) + 1) // 2]
        model = PrototypeRegressionClassifier()
        described = table.subset(np.setdiff1d(y, strangers))
        model.fit(X[train], y[train], class_attributes=described)
        own = spread(clf.estimator_, X) / spread(model, X[train])
        confidences.append(log_odds(model.decision_function(X[test]) * own))
        classes.append(y[test])
        strange.append(np.isin(y[test], strangers))
    confidences, classes, strange = map(np.concatenate, (confidences, classes, strange))
    accepted = confidences >= clf.threshold_ - 1e-9
    weights = np.array([1 / np.sum(classes == c) for c in classes])
    share = np.average(accepted[~strange], weights=weights[~strange])
    assert clf.acceptance_rate_ == pytest.approx(share)
    share = np.average(~accepted[strange], weights=weights[strange])
    assert clf.rejection_rate_ == pytest.approx(share)
    assert clf.acceptance_rate_ >= 0.8
    higher = confidences[confidences > clf.threshold_ + 1e-9].min()
    assert np.average((confidences >= higher)[~strange], weights=weights[~strange]) < 0.8
    assert 0.5 < clf.auc_ < 1


def test_lower_acceptance_rejects_more(problem):
    rates = [fit(problem, acceptance=share).rejection_rate_ for share in (0.99, 0.9, 0.6)]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]


def test_weighted_quantile():
    values = np.array([3.0, 1.0, 2.0, 2.0])
    for share, expected in ((0.0, 1.0), (0.24, 1.0), (0.25, 2.0), (0.7, 2.0), (0.75, 3.0)):
        assert _weighted_quantile(values, np.ones(4), share) == expected
    assert _weighted_quantile(values, np.array([1.0, 7.0, 1.0, 1.0]), 0.6) == 1.0
    assert _weighted_quantile(values, np.array([1.0, 7.0, 1.0, 1.0]), 0.7) == 2.0


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.float64])
def test_numbers_have_minus_one(problem, dtype):
    X, y, table = problem
    numbered = ClassAttributes(table.values, labels=np.arange(20).astype(dtype))
    labels = numbered.labels[table.index_of(y)]
    clf = RejectionClassifierCV(ESZSLClassifier(), acceptance=0.5, random_state=0)
    found = clf.fit(X, labels, class_attributes=numbered).predict(X)
    assert -1 in found.tolist()
    assert set(found.tolist()) <= {-1, *range(20)}


def test_what_cannot_stand_for_none_is_refused(problem):
    with pytest.raises(ValueError, match="rejection_label is 'class 03', which is the label of a"):
        fit(problem, rejection_label="class 03")
    with pytest.raises(ValueError, match="rejection_label is -1, but labels are like 'class 00'"):
        fit(problem, rejection_label=-1)
    X, y, _ = problem
    numbers = np.unique(y, return_inverse=True)[1]
    for label in (("none",), 1.5, [1, 2]):
        with pytest.raises(ValueError, match="rejection_label is .*, but labels are like 0"):
            RejectionClassifierCV(ESZSLClassifier(), rejection_label=label).fit(X, numbers)
    with pytest.raises(ValueError, match="booleans, which have no third value"):
        RejectionClassifierCV(ESZSLClassifier()).fit(X, y == "class 00")
    clf = RejectionClassifierCV(ESZSLClassifier(), acceptance=1.0)
    with pytest.raises(ValueError, match="'acceptance' parameter"):
        clf.fit(X, y, class_attributes=problem[2])
    assert not [name for name in vars(clf) if name.endswith("_")]


def test_around_other_wrappers_and_saved(problem, tmp_path):
    X, _, table = problem
    tuned = TunedCalibrationClassifierCV(ESZSLClassifier(), cv=2, random_state=0)
    for inside in (tuned, FixedCalibrationClassifier(ESZSLClassifier(), delta=0.3)):
        clf = fit(problem, make_pipeline(StandardScaler(), inside))
        answered = clf.predict(X) != "none of these"
        expected = clf.estimator_.predict(X)[answered]
        assert clf.predict(X)[answered].tolist() == expected.tolist()
    clf = fit(problem, tuned)
    zslearn.save(clf, tmp_path / "model")
    loaded = zslearn.load(tmp_path / "model")
    assert loaded.predict(X).tolist() == clf.predict(X).tolist()
    assert loaded.rejection_label_ == "none of these"
    wider = clf.with_class_attributes(table.subset(table.labels[10:]))
    assert set(wider.predict(X).tolist()) <= {*table.labels[10:].tolist(), "none of these"}


def test_later_tables_have_no_class_of_the_rejection_label(problem):
    X, _, table = problem
    clf = fit(problem, rejection_label="class 99")
    more = ClassAttributes(
        np.vstack([table.values, table.values[:1]]), labels=[*table.labels, "class 99"]
    )
    for use in (
        lambda: clf.predict(X, class_attributes=more),
        lambda: clf.with_class_attributes(more),
    ):
        with pytest.raises(ValueError, match="rejection_label is 'class 99', which is the label"):
            use()
    fewer = table.subset(table.labels[:9])
    assert set(clf.predict(X, class_attributes=fewer)) <= {*fewer.labels, "class 99"}


def test_a_single_candidate_is_certain(problem):
    X, y, table = problem
    few = np.isin(y, table.labels[:6])  # folds of two held-out classes, one of them described
    clf = RejectionClassifierCV(ESZSLClassifier(delta=np.inf), random_state=0)
    clf.fit(X[few], y[few], class_attributes=table)
    assert 0 <= clf.auc_ <= 1
    assert set(clf.predict(X)) <= {*clf.unseen_classes_, "none of these"}
