"""Small linear classifiers that calibration is tried on."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import assert_all_finite

from zslearn.base import ZeroShotClassifierMixin, check_class_attributes
from zslearn.calibration import TunedCalibrationClassifierCV

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


def tuned(estimator=None, **params):
    options = {"cv": 3, "random_state": 0} | params
    return TunedCalibrationClassifierCV(Ridge() if estimator is None else estimator, **options)
