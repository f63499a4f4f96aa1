"""What calibrated meta-estimators share: delegation to the classifier inside, and prediction."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from zslearn._described_classes import DescribedClasses
from zslearn._scored_prediction import ScoredPrediction
from zslearn._wrapped import final_estimator, replace_final, through_steps
from zslearn.attributes import ClassAttributes
from zslearn.base import check_class_attributes
from zslearn.calibration._folds import with_whole_tables
from zslearn.calibration._response import (
    CalibrationRule,
    class_attributes_key,
    class_scores,
    is_class_attributes_key,
    routing_enabled,
    takes_class_attributes,
)

__all__ = ["BaseCalibrationClassifier", "inner_estimator"]


def _inside_has(attribute: str) -> Callable[[Any], bool]:
    """Whether the classifier inside has a method: the fitted one, if there is one."""

    def check(self: Any) -> bool:
        estimator = getattr(self, "estimator_", self.estimator)
        return hasattr(estimator, attribute) or hasattr(final_estimator(estimator), attribute)

    return check


class BaseCalibrationClassifier(ScoredPrediction, MetaEstimatorMixin, BaseEstimator):
    """Base of meta-estimators that predict with a calibration of their own.

    A subclass implements `fit`, which sets `estimator_`, and `_delta_and_scale`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [
            HasMethods(["fit", "decision_function"]),
            HasMethods(["fit", "predict_proba"]),
        ],
    }

    # Class-level request, as that of every zero-shot classifier.
    __metadata_request__fit = {"class_attributes": True}

    estimator: Any
    estimator_: Any

    # -- the estimator inside ------------------------------------------------------------------

    def _fitted(self) -> Any:
        """Return the fitted estimator inside: the one given, if it came fitted."""
        if hasattr(self, "estimator_"):
            return self.estimator_
        message = (
            f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate "
            "arguments before using this estimator."
        )
        if not self._accepts_fitted:
            raise NotFittedError(message)
        try:
            check_is_fitted(self.estimator)
        except (NotFittedError, TypeError):
            raise NotFittedError(message) from None
        return self.estimator

    _accepts_fitted = False

    def __sklearn_is_fitted__(self) -> bool:
        try:
            self._fitted()
        except NotFittedError:
            return False
        return True

    @property
    def classes_(self) -> NDArray[Any]:  # type: ignore[override]
        """Labels of all described classes, sorted: the order of the columns of the scores."""
        classes: NDArray[Any] = np.sort(final_estimator(self._fitted()).classes_)
        return classes

    @property
    def seen_classes_(self) -> NDArray[Any]:  # type: ignore[override]
        """Labels of the classes with samples at fit."""
        classes: NDArray[Any] = final_estimator(self._fitted()).seen_classes_
        return classes

    @property
    def unseen_classes_(self) -> NDArray[Any]:  # type: ignore[override]
        """Labels of the described classes without samples at fit."""
        return np.setdiff1d(self.classes_, self.seen_classes_)

    @property
    def class_attributes_(self) -> ClassAttributes:  # type: ignore[override]
        """The table of the estimator inside."""
        table: ClassAttributes = final_estimator(self._fitted()).class_attributes_
        return table

    @property
    def n_features_in_(self) -> int:
        """Number of features the estimator inside saw at fit."""
        return int(self._fitted().n_features_in_)

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of these features, if they had names."""
        names: NDArray[Any] = self._fitted().feature_names_in_
        return names

    def _fit_params(self, class_attributes: Any, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters of the fit of the estimator inside, by its own names."""
        if routing_enabled():
            fit_params = dict(process_routing(self, "fit", **params).estimator.fit)
        else:
            fit_params = dict(params)
        if class_attributes is not None:
            key = class_attributes_key(self.estimator)
            if key in fit_params:
                raise ValueError(
                    f"class_attributes was given twice, as class_attributes and as {key}; leave "
                    "one out."
                )
            fit_params[key] = class_attributes
        return fit_params

    def _tables_checked(self, fit_params: dict[str, Any], y: NDArray[Any]) -> dict[str, Any]:
        """Check the tables whole; without one, describe each class by an attribute of its own.

        So that a fold's model is told of its held-out classes.
        """
        fit_params = with_whole_tables(fit_params, y)
        if any(map(is_class_attributes_key, fit_params)) or not takes_class_attributes(
            self.estimator
        ):
            return fit_params
        return fit_params | {class_attributes_key(self.estimator): check_class_attributes(None, y)}

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing of metadata to this estimator and to the one inside.

        Returns
        -------
        routing : MetadataRouter
            ``class_attributes`` and ``candidates`` are requested by this estimator, all other fit
            parameters go to the one inside.
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                estimator=self.estimator,
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = deepcopy(inner.input_tags)
        tags.non_deterministic = inner.non_deterministic
        if inner.classifier_tags is not None:
            tags.classifier_tags = deepcopy(inner.classifier_tags)
        return tags

    # -- prediction ----------------------------------------------------------------------------

    def _described(self, class_attributes: Any) -> ClassAttributes:
        return CalibrationRule().fit(self._fitted())._described(class_attributes)

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.floating]:
        return class_scores(self._fitted(), X, None if table == self._described(None) else table)

    def _describe_anew(self, classes: DescribedClasses) -> None:
        final = final_estimator(self._fitted())
        if not hasattr(final, "with_class_attributes"):
            raise TypeError(
                f"{type(final).__name__} has no with_class_attributes: give class_attributes= to "
                "predict."
            )
        self.estimator_ = replace_final(
            self._fitted(), lambda inner: inner.with_class_attributes(classes.table)
        )

    @available_if(_inside_has("predict_attributes"))
    def predict_attributes(self, X: Any) -> NDArray[np.floating]:
        """Semantic vectors of the samples, from the estimator inside.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator inside takes them.

        Returns
        -------
        semantics : ndarray of shape (n_samples, n_attributes)
            Columns in the order of ``class_attributes_.attribute_names``.
        """
        final, X = through_steps(self._fitted(), X)
        return np.asarray(final.predict_attributes(X))

    @available_if(_inside_has("class_embeddings"))
    def class_embeddings(self, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class descriptions as the scores use them, from the estimator inside.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to embed instead of the fitted ones, described by the same attributes.

        Returns
        -------
        embeddings : ndarray of shape (n_classes, n_attributes)
            ``uncalibrated_scores(X)`` is ``predict_attributes(X) @ class_embeddings().T``.
        """
        return np.asarray(final_estimator(self._fitted()).class_embeddings(class_attributes))

    @available_if(_inside_has("score_terms"))
    def score_terms(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Give the terms of the class scores, uncalibrated, of the estimator inside.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator inside takes them; a few, for the result is large.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to score instead of the fitted ones, described by the same attributes.

        Returns
        -------
        terms : ndarray of shape (n_samples, n_classes, n_attributes + 1)
            Their sum over the last axis is the class score, as `uncalibrated_scores` has it; the
            last is not due to an attribute.
        """
        final, X = through_steps(self._fitted(), X)
        return np.asarray(final.score_terms(X, class_attributes))

    @available_if(_inside_has("attention_maps"))
    def attention_maps(self, X: Any, attributes: Any = None) -> NDArray[np.floating]:
        """Where each attribute looks, from the estimator inside.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator inside takes them.
        attributes : sequence of attribute names or indices, default=None
            The attributes wanted; all of them by default.

        Returns
        -------
        maps : ndarray of shape (n_samples, n_attributes, n_regions)
            Non-negative; each map sums to one over the regions.
        """
        final, X = through_steps(self._fitted(), X)
        return np.asarray(final.attention_maps(X, attributes))


def inner_estimator(calibrated: BaseCalibrationClassifier) -> Any:
    """Return the fitted estimator inside: the one given, if it came fitted."""
    return calibrated._fitted()
