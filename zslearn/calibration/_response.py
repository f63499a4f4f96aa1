"""What a calibration needs of any fitted zero-shot classifier: its class scores and classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from zslearn._wrapped import final_estimator, through_steps
from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin

_TABLE = "class_attributes"


def routing_enabled() -> bool:
    """Whether scikit-learn's metadata routing is on."""
    return bool(get_config()["enable_metadata_routing"])


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


def class_scores(estimator: Any, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
    """Uncalibrated class scores of samples, by one call of the estimator.

    Of a classifier that names none, the output of ``decision_function``, or else the logarithms of
    ``predict_proba``.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_classes)
        Columns in the sorted order of the class labels.
    """
    options = {} if class_attributes is None else {"class_attributes": class_attributes}
    final, inner_X = through_steps(estimator, X)
    if hasattr(final, "uncalibrated_scores"):
        return np.asarray(final.uncalibrated_scores(inner_X, **options))
    if options:
        estimator, X = final, inner_X
    if hasattr(estimator, "decision_function"):
        scores = np.asarray(estimator.decision_function(X, **options))
    else:
        shares = np.asarray(estimator.predict_proba(X, **options), dtype=np.float64)
        scores = np.log(np.maximum(shares, np.finfo(np.float64).tiny))
    if scores.ndim == 1:
        scores = np.column_stack([np.zeros_like(scores), scores])
    return scores if options else scores[:, np.argsort(final.classes_)]


class CalibrationRule(ZeroShotClassifierMixin, BaseEstimator):
    """A calibration applied to scores that another classifier has computed.

    It is a zero-shot classifier only as far as prediction from scores goes, so that candidates,
    ties and error messages are those of every classifier of the package.

    Parameters
    ----------
    delta : float, default=0.0
    delta_scale : {"logit", "probability"}, default="logit"
    """

    shares_of_: Callable[[NDArray[Any]], NDArray[Any]]

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

    def _delta_shares(self, labels: NDArray[Any]) -> NDArray[Any]:
        """As another classifier gives delta to its classes, where that is known."""
        shares: NDArray[Any] = getattr(self, "shares_of_", super()._delta_shares)(labels)
        return shares

    def _described(self, class_attributes: Any) -> ClassAttributes:
        if class_attributes is not None and not self.has_table_:
            raise TypeError(
                "class_attributes was given, but the fitted estimator has no class_attributes_ to "
                "compare it with. Leave it out, or use an estimator that keeps its table."
            )
        return super()._described(class_attributes)
