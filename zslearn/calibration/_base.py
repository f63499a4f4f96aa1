"""What calibrated meta-estimators share: delegation to the classifier inside, and prediction."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from zslearn.attributes import ClassAttributes
from zslearn.calibration._response import (
    CalibrationRule,
    as_logits,
    as_scores,
    class_attributes_key,
    class_scores,
    final_estimator,
    routing_enabled,
    through_steps,
)
from zslearn.metrics import per_class_accuracy_score

__all__ = ["BaseCalibrationClassifier", "calibration_of", "inner_estimator"]


def _inside_has(attribute: str) -> Callable[[Any], bool]:
    """Whether the classifier inside has a method: the fitted one, if there is one."""

    def check(self: Any) -> bool:
        estimator = getattr(self, "estimator_", self.estimator)
        return hasattr(estimator, attribute) or hasattr(final_estimator(estimator), attribute)

    return check


class BaseCalibrationClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Base of meta-estimators that predict with a calibration of their own.

    A subclass implements `fit`, which sets `estimator_`, and `_calibration`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [
            HasMethods(["fit", "decision_function"]),
            HasMethods(["fit", "predict_proba"]),
        ],
    }

    # Class-level requests, as those of every zero-shot classifier.
    __metadata_request__fit = {"class_attributes": True}
    __metadata_request__predict = {"candidates": True, "class_attributes": True}
    __metadata_request__predict_proba = {"class_attributes": True}
    __metadata_request__decision_function = {"class_attributes": True}
    __metadata_request__score = {"candidates": True}

    estimator: Any
    estimator_: Any

    @abstractmethod
    def _calibration(self) -> tuple[float, str]:
        """Return delta, and "logit" or "probability": what it is added to."""

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
    def classes_(self) -> NDArray[Any]:
        """Labels of all described classes, in the order of the columns of the scores."""
        classes: NDArray[Any] = final_estimator(self._fitted()).classes_
        return classes

    @property
    def seen_classes_(self) -> NDArray[Any]:
        """Labels of the classes with samples at fit."""
        classes: NDArray[Any] = final_estimator(self._fitted()).seen_classes_
        return classes

    @property
    def unseen_classes_(self) -> NDArray[Any]:
        """Labels of the described classes without samples at fit."""
        return np.setdiff1d(self.classes_, self.seen_classes_)

    @property
    def class_attributes_(self) -> ClassAttributes:
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

    def _rule(self) -> CalibrationRule:
        estimator = self._fitted()
        return CalibrationRule(*self._calibration()).fit(estimator)

    @available_if(_inside_has("decision_function"))
    def decision_function(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class scores of the estimator inside, uncalibrated.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator inside takes them.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to score instead of the fitted ones, described by the same attributes.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_` (or of the sorted labels of `class_attributes`);
            of shape (n_samples,) for exactly two classes.
        """
        return self._delegate("decision_function", X, class_attributes)

    @available_if(_inside_has("predict_proba"))
    def predict_proba(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class probabilities of the estimator inside, uncalibrated.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator inside takes them.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Rows sum to one; columns in the order of `classes_` (or of the sorted labels of
            `class_attributes`).
        """
        return self._delegate("predict_proba", X, class_attributes)

    def _delegate(self, method: str, X: Any, class_attributes: Any) -> NDArray[np.floating]:
        estimator = self._fitted()
        if class_attributes is None:
            return np.asarray(getattr(estimator, method)(X))
        self._rule().check(None, class_attributes)
        final, X = through_steps(estimator, X)
        return np.asarray(getattr(final, method)(X, class_attributes=class_attributes))

    def predict(
        self, X: Any, *, candidates: Any = None, class_attributes: Any = None
    ) -> NDArray[Any]:
        """Predict class labels, with the calibration.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator inside takes them.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            The classes to choose among. ``None`` and "all" are generalised zero-shot prediction:
            every described class. The calibration has a say only where seen and unseen classes
            compete.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones, described by the same attributes.
            Those seen at fit still count as seen.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predicted labels.
        """
        rule = self._rule()
        rule.check(candidates, class_attributes)
        scores = class_scores(self._fitted(), X, class_attributes)
        return rule.predict_from_scores(
            scores, candidates=candidates, class_attributes=class_attributes
        )

    def predict_from_scores(
        self, scores: ArrayLike, *, candidates: Any = None, class_attributes: Any = None
    ) -> NDArray[Any]:
        """Predict from class scores, with the calibration, without another pass over X.

        Parameters
        ----------
        scores : array-like of shape (n_samples, n_classes) or (n_samples,)
            What ``decision_function(X, class_attributes)`` returned; ``predict_proba`` where
            there is no ``decision_function``.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            As in `predict`.
        class_attributes : ClassAttributes or DataFrame, default=None
            As given to `decision_function`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predicted labels.
        """
        rule = self._rule()
        rule.check(candidates, class_attributes)
        turn = as_scores if class_attributes is None else as_logits
        logits = turn(self._fitted(), scores)
        return rule.predict_from_scores(
            logits, candidates=candidates, class_attributes=class_attributes
        )

    def calibration_scores(
        self, scores: ArrayLike, *, candidates: Any = None
    ) -> NDArray[np.float64]:
        """Give scores on the scale that the calibration is added to, uncalibrated.

        Parameters
        ----------
        scores : array-like of shape (n_samples, n_classes) or (n_samples,)
            What ``decision_function(X)`` returned; ``predict_proba`` where there is no
            ``decision_function``.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            The classes to keep; probabilities are taken among these.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_candidates)
            Columns in the sorted order of the candidates' labels.
        """
        logits = as_scores(self._fitted(), scores)
        return self._rule().calibration_scores(logits, candidates=candidates)

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
            The class scores are ``predict_attributes(X) @ class_embeddings().T``.
        """
        return np.asarray(final_estimator(self._fitted()).class_embeddings(class_attributes))

    @available_if(_inside_has("score_terms"))
    def score_terms(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Terms of the class scores, uncalibrated, as the estimator inside gives them."""
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

    def score(self, X: Any, y: Any, sample_weight: Any = None, candidates: Any = None) -> float:
        """Mean per-class accuracy of `predict` over the classes in y.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator inside takes them.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples within their class.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            As in `predict`.

        Returns
        -------
        score : float
            The mean, over the classes that occur in `y`, of the share of their samples that was
            recognised.
        """
        y_pred = self.predict(X, candidates=candidates)
        return per_class_accuracy_score(y, y_pred, sample_weight=sample_weight)


def calibration_of(calibrated: BaseCalibrationClassifier) -> tuple[float, str]:
    """Return delta as fitted, and "logit" or "probability": what it is added to."""
    return calibrated._calibration()


def inner_estimator(calibrated: BaseCalibrationClassifier) -> Any:
    """Return the fitted estimator inside: the one given, if it came fitted."""
    return calibrated._fitted()
