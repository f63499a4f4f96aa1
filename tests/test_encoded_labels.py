"""scikit-learn's meta-estimators that number classes anew are refused where it would be wrong."""

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict, cross_validate
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier

from zslearn import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin


class Agreement(ZeroShotClassifierMixin, BaseEstimator):
    """Takes features as attributes."""

    def fit(self, X, y, class_attributes=None):
        with self._fitting_anew():
            X, y, classes = self._check_fit(X, y, class_attributes)
            self._set_classes(classes)
        return self

    def _class_scores(self, X, table):
        return self._check_X(X, reset=False) @ table.values.T


META = {
    "voting": lambda clf, n: VotingClassifier([("a", clf), ("b", clf)], n_jobs=n),
    "bagging": lambda clf, n: BaggingClassifier(clf, n_estimators=2, random_state=0, n_jobs=n),
    "stacking": lambda clf, n: StackingClassifier(
        [("a", clf), ("b", clf)], LogisticRegression(), cv=2, n_jobs=n
    ),
    "one against rest": lambda clf, n: OneVsRestClassifier(clf, n_jobs=n),
    "one against one": lambda clf, n: OneVsOneClassifier(clf, n_jobs=n),
}
LABELS = {"gaps": [2, 5, 7], "shifted": [1, 2, 3], "far": [20, 21, 22]}


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def problem(labels, n_classes=10):
    values = np.random.default_rng(0).random((n_classes, 12))
    y = np.repeat(labels, 6)
    return values[np.arange(len(y)) % n_classes], y, values


@pytest.mark.parametrize(
    ("meta", "labels", "n_jobs"),
    [*((m, x, 1) for m in META for x in LABELS), ("voting", "gaps", 2), ("bagging", "gaps", 2)],
)
def test_whole_numbers_that_are_numbered_anew(meta, labels, n_jobs):
    n_classes = 30 if labels == "far" else 10
    X, y, values = problem(LABELS[labels], n_classes)
    table = ClassAttributes(values, labels=np.arange(n_classes))
    with pytest.raises(ValueError, match="scikit-learn has put in the place of the labels"):
        META[meta](Agreement(), n_jobs).fit(X, y, class_attributes=table)


@pytest.mark.parametrize("meta", ["voting", "bagging"])
def test_numbers_that_stay_the_same_are_right(meta):
    X, y, values = problem([0, 1, 2])
    table = ClassAttributes(values)
    clf = META[meta](Agreement(), 1).fit(X, y, class_attributes=table)
    assert clf.classes_.tolist() == [0, 1, 2]


def test_voting_in_workers_with_all_classes_is_right():
    X, y, values = problem([0, 1, 2], 3)
    clf = META["voting"](Agreement(), 2).fit(X, y, class_attributes=ClassAttributes(values))
    assert clf.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("method", "n_jobs"), [("predict_proba", 1), ("decision_function", 1), ("predict_proba", 2)]
)
def test_cross_val_predict(method, n_jobs):
    X, y, values = problem([2, 5, 7])
    params = {"class_attributes": ClassAttributes(values)}
    for cv in (StratifiedKFold(2), GroupKFold(3)):
        options = {"cv": cv, "method": method, "n_jobs": n_jobs, "params": params}
        groups = {"params": {**params, "groups": y}} if isinstance(cv, GroupKFold) else {}
        with pytest.raises(ValueError, match="cross_val_predict of scikit-learn"):
            cross_val_predict(Agreement(), X, y, **{**options, **groups})


def test_what_keeps_labels_is_right():
    X, y, values = problem([2, 5, 7])
    params = {"class_attributes": ClassAttributes(values)}
    found = cross_val_predict(Agreement(), X, y, cv=2, params=params)
    assert set(found.tolist()) <= set(range(10))
    scores = cross_validate(Agreement(), X, y, cv=2, params=params, error_score="raise")
    assert len(scores["test_score"]) == 2
    Agreement().fit(X, np.repeat([0, 1, 2], 6), class_attributes=params["class_attributes"])
