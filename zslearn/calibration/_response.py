"""What a calibration needs of any fitted zero-shot classifier: its class scores and classes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin

_TABLE = "class_attributes"


def routing_enabled() -> bool:
    """Whether scikit-learn's metadata routing is on."""
    return bool(get_config()["enable_metadata_routing"])


def final_estimator(estimator: Any) -> Any:
    """Return the classifier inside pipelines, fitted searches and frozen estimators."""
    while True:
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def through_steps(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the final classifier and X as the steps before it transform it."""
    while True:
        if isinstance(estimator, Pipeline):
            if len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator.steps[-1][1]
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator, X


def takes_class_attributes(estimator: Any) -> bool:
    """Whether the classifier inside can be fitted with ``class_attributes``."""
    final = final_estimator(estimator)
    inner = getattr(final, "estimator", None)
    return has_fit_parameter(final, _TABLE) or (inner is not None and takes_class_attributes(inner))


def class_attributes_key(estimator: Any) -> str:
    """Name under which ``estimator.fit`` takes the class attributes.

    Without metadata routing, a pipeline wants the names of its steps before it.
    """
    key = ""
    while isinstance(estimator, Pipeline) and not routing_enabled():
        name, estimator = estimator.steps[-1]
        key += f"{name}__"
    return key + _TABLE


def is_class_attributes_key(key: str) -> bool:
    """Whether a fit parameter is a class attribute table, of this estimator or of a step."""
    return key == _TABLE or key.endswith(f"__{_TABLE}")


def response_method(estimator: Any) -> str:
    """Name of the method that gives class scores."""
    return "decision_function" if hasattr(estimator, "decision_function") else "predict_proba"


def as_logits(estimator: Any, output: ArrayLike) -> NDArray[np.floating]:
    """Return class scores as they are, and the logarithms of probabilities."""
    scores = np.asarray(output)
    if response_method(estimator) == "predict_proba":
        scores = np.log(np.maximum(scores.astype(np.float64), np.finfo(np.float64).tiny))
    return scores


def as_scores(estimator: Any, output: ArrayLike) -> NDArray[np.floating]:
    """Turn what the response method returned for the fitted classes into logits, sorted.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
        Columns in the sorted order of the class labels.
    """
    scores = as_logits(estimator, output)
    order = np.argsort(final_estimator(estimator).classes_)
    if np.array_equal(order, np.arange(len(order))):
        return scores
    return -scores if scores.ndim == 1 else scores[:, order]


def class_scores(estimator: Any, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
    """Class scores of samples: one call of the estimator."""
    method = response_method(estimator)
    if class_attributes is None:
        return as_scores(estimator, getattr(estimator, method)(X))
    final, X = through_steps(estimator, X)
    return as_logits(final, getattr(final, method)(X, class_attributes=class_attributes))


class CalibrationRule(ZeroShotClassifierMixin, BaseEstimator):
    """A calibration applied to scores that another classifier has computed.

    It is a zero-shot classifier only as far as prediction from scores goes, so that candidates,
    ties and error messages are those of every classifier of the package.

    Parameters
    ----------
    delta : float, default=0.0
    delta_scale : {"logit", "probability"}, default="logit"
    """

    def __init__(self, delta: float = 0.0, delta_scale: str = "logit") -> None:
        self.delta = delta
        self.delta_scale = delta_scale

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.floating]:
        """Not to be had: this predicts from scores of another classifier."""
        raise NotImplementedError("CalibrationRule has no scores of its own")

    def fit(self, estimator: Any, y: None = None) -> Self:
        """Take over the classes of a fitted zero-shot classifier.

        Raises
        ------
        TypeError
            If it is not one: `classes_` or `seen_classes_` is missing.
        """
        final = final_estimator(estimator)
        for attribute, meaning in (
            ("classes_", "all described classes"),
            ("seen_classes_", "the classes with training samples"),
        ):
            if not hasattr(final, attribute):
                raise TypeError(
                    f"estimator must be a zero-shot classifier, but {type(final).__name__} has no "
                    f"{attribute} ({meaning}) after fit. Give one such as zslearn.CVsCClassifier."
                )
        self.classes_ = np.sort(np.asarray(final.classes_))
        self.seen_classes_ = np.asarray(final.seen_classes_)
        self.unseen_classes_ = np.setdiff1d(self.classes_, self.seen_classes_)
        table = getattr(final, "class_attributes_", None)
        self.has_table_ = isinstance(table, ClassAttributes)
        if not isinstance(table, ClassAttributes):
            table = ClassAttributes(np.eye(len(self.classes_)), labels=self.classes_)
        self.class_attributes_ = table.subset(self.classes_)
        return self

    def check(self, candidates: Any, class_attributes: Any) -> None:
        """Refuse candidates or a table that do not fit, before any score is computed."""
        if class_attributes is not None and not self.has_table_:
            raise TypeError(
                "class_attributes was given to predict, but the fitted estimator has no "
                "class_attributes_ to compare it with. Leave it out, or use an estimator that "
                "keeps its table."
            )
        self._candidate_columns(candidates, self._described(class_attributes))
