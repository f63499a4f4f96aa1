"""The classifier at the end: any of scikit-learn's, fitted to real and synthetic rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import has_fit_parameter

from zslearn.attributes import ClassAttributes
from zslearn.generative._rows import GeneratedRows, ScaledRows, check_finite
from zslearn.generative._softmax import SoftmaxClassifier

__all__ = ["FinalClassifier", "check_final_classifier"]

# Of probabilities, before their logarithm.
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class FinalClassifier:
    """A fitted classifier and the table whose rows number its classes.

    Attributes
    ----------
    classifier : estimator or None
        None if the table has a single class.
    table : ClassAttributes
    """

    classifier: Any
    table: ClassAttributes

    @classmethod
    def fit(
        cls,
        classifier: Any,
        rows: NDArray[np.float32] | GeneratedRows | ScaledRows,
        targets: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
        table: ClassAttributes,
        seed: int,
    ) -> Self:
        """Fit a copy of a classifier to rows of every class of a table, the softmax by batches."""
        if table.n_classes == 1:
            return cls(None, table)
        model = LogisticRegression(max_iter=1000) if classifier is None else clone(classifier)
        for name, value in model.get_params().items():
            if name.rpartition("__")[2] == "random_state" and value is None:
                model.set_params(**{name: seed})
        how = {} if weights is None else {"sample_weight": weights}
        if how:
            _check_takes_weights(model)
        if isinstance(rows, GeneratedRows):
            by_batch = isinstance(model, SoftmaxClassifier)
            model.fit(rows.for_batches() if by_batch else rows.whole(), targets, **how)
            if by_batch:
                check_finite(model.coef_)
        else:
            model.fit(rows, targets, **how)
        return cls(model, table)

    def covers(self, table: ClassAttributes) -> bool:
        """Whether every class of a table is one of these, described alike."""
        if not set(table.labels.tolist()) <= set(self.table.labels.tolist()):
            return False
        return np.array_equal(self.table.values[self.table.index_of(table.labels)], table.values)

    def scores(self, rows: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
        """Scores (n, n_labels) of some of the classes: of the classifier, or log probabilities."""
        columns = self.table.index_of(labels)
        if self.classifier is None:
            return np.zeros((len(rows), len(columns)))
        return _scores_of(self.classifier, rows, self.table.n_classes)[:, columns]

    def weights(self, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights (n_classes, width) and intercepts of a linear classifier."""
        if self.classifier is None:
            return np.zeros((1, width)), np.zeros(1)
        weights = np.asarray(self.classifier.coef_, dtype=np.float64)
        intercepts = np.asarray(self.classifier.intercept_, dtype=np.float64)
        if len(weights) == 1:  # of two classes
            weights = np.concatenate([-weights, weights]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        return weights, intercepts


def check_final_classifier(classifier: Any, weighed: bool = False) -> None:
    """Refuse a classifier that gives no scores or heeds no weights, before hours of training."""
    if classifier is None or isinstance(classifier, str):
        return
    if isinstance(classifier, type) or not all(
        hasattr(classifier, name) for name in ("fit", "get_params")
    ):
        raise TypeError(
            "classifier must be an instance of a scikit-learn classifier, 'softmax' or None, "
            f"found {classifier!r:.80}"
        )
    if not hasattr(classifier, "decision_function") and not hasattr(classifier, "predict_proba"):
        raise TypeError(
            f"classifier must have decision_function or predict_proba, {type(classifier).__name__} "
            "has neither: wrap it in sklearn.calibration.CalibratedClassifierCV."
        )
    for name, value in classifier.get_params().items():
        if name.rpartition("__")[2] == "decision_function_shape" and value == "ovo":
            raise ValueError(
                f"classifier has {name}='ovo', scores of pairs of classes: set it to 'ovr'."
            )
    if weighed:
        _check_takes_weights(classifier)


def _check_takes_weights(model: Any) -> None:
    if not has_fit_parameter(model, "sample_weight"):
        raise ValueError(
            f"classifier, a {type(model).__name__}, takes no sample_weight: leave out "
            "sample_weight and class_weight, or choose another classifier."
        )


def _scores_of(model: Any, rows: NDArray[Any], n_classes: int) -> NDArray[np.float64]:
    found = None
    if hasattr(model, "decision_function"):
        found = np.asarray(model.decision_function(rows), dtype=np.float64)
        if found.ndim == 1 and n_classes == 2:
            found = np.column_stack([-found / 2, found / 2])
    wanted = (len(rows), n_classes)
    if (found is None or found.shape != wanted) and hasattr(model, "predict_proba"):
        found = np.log(np.maximum(model.predict_proba(rows), _LEAST), dtype=np.float64)
    if (
        found is None
        or found.shape != wanted
        or not np.array_equal(model.classes_, np.arange(n_classes))
    ):
        shape = None if found is None else found.shape
        raise ValueError(
            f"classifier must give a score for each of the {n_classes} classes it was fitted to; "
            f"{type(model).__name__} gives scores of shape {shape}"
        )
    return found
