"""Prediction from class scores: calibration, candidates, other tables of classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from zslearn._calibrated import add_delta, as_probabilities, on_delta_scale
from zslearn._candidates import candidate_columns
from zslearn._containers import is_frame
from zslearn._decision import by_row_blocks, decide
from zslearn._described_classes import DescribedClasses
from zslearn._dropped_parameters import refuse_dropped_parameters
from zslearn._input_checks import check_scores
from zslearn.attributes import ClassAttributes
from zslearn.metrics import per_class_accuracy_score

__all__ = ["ScoredPrediction"]


class ScoredPrediction(ClassifierMixin):
    """What every zero-shot classifier says of new samples, from the scores of classes.

    The largest score decides, after ``delta`` has been added to those of the classes without
    samples. What scikit-learn's wrappers take for scores and probabilities agrees with that.
    """

    # Class-level requests: no set_..._request is needed where metadata routing is on.
    __metadata_request__predict = {"candidates": True, "class_attributes": True}
    __metadata_request__predict_proba = {"class_attributes": True}
    __metadata_request__decision_function = {"class_attributes": True}
    __metadata_request__score = {"candidates": True}

    classes_: NDArray[Any]
    seen_classes_: NDArray[Any]
    unseen_classes_: NDArray[Any]
    class_attributes_: ClassAttributes

    @abstractmethod
    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.floating]:
        """Uncalibrated scores (n_samples, n_classes) of the classes of a table."""

    def _set_classes(self, classes: DescribedClasses) -> None:
        """Become fitted on these classes: the one place where these attributes are set."""
        self.class_attributes_ = classes.table
        self.classes_ = classes.labels
        self.seen_classes_ = classes.seen_labels
        self.unseen_classes_ = classes.unseen_labels

    def decision_function(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class scores with the calibration: `predict` takes the largest.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as `fit` takes them.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to score instead of the fitted ones, described by the same attributes.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_` (or of the sorted labels of `class_attributes`),
            `delta` included (Eq. 13), in float64 where it is. For exactly two classes, as
            scikit-learn has it, shape (n_samples,): the score of the second minus that of the
            first.

        See Also
        --------
        uncalibrated_scores : The scores before the calibration.
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        scores = add_delta(self._class_scores(X, table), *self._calibration(table.labels))
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def uncalibrated_scores(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class scores without the calibration: what `delta` is added to, and sweeps of it need.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as `fit` takes them.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to score instead of the fitted ones, described by the same attributes.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_` (or of the sorted labels of `class_attributes`),
            also for two classes.

        See Also
        --------
        predict_from_uncalibrated : What `predict` says, from these scores.
        """
        check_is_fitted(self)
        return self._class_scores(X, self._described(class_attributes))

    def predict_proba(self, X: Any, class_attributes: Any = None) -> NDArray[np.float64]:
        """Class probabilities with the calibration: `predict` takes the most probable.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as `fit` takes them.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            The softmax of `decision_function` (Eq. 4 with the calibration of Eq. 13). Rows sum to
            one; columns as there. Those of Eq. 4 alone are
            ``scipy.special.softmax(uncalibrated_scores(X), axis=1)``.
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        calibration = self._calibration(table.labels)
        scores = self._class_scores(X, table)
        return by_row_blocks(lambda rows: as_probabilities(rows, *calibration), scores)

    def predict(
        self, X: Any, *, candidates: Any = None, class_attributes: Any = None
    ) -> NDArray[Any]:
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as `fit` takes them.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            The classes to choose among. ``None`` and "all" are generalised zero-shot prediction:
            every described class, calibrated by `delta` (Eq. 13). "unseen" is the conventional
            setting.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones, described by the same attributes:
            classes nobody had described at fit. Those seen at fit still count as seen.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predicted labels.
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        columns = self._candidate_columns(candidates, table)
        return self._decide(self._score_blocks(X, table), table, columns)

    def predict_from_uncalibrated(
        self, scores: ArrayLike, *, candidates: Any = None, class_attributes: Any = None
    ) -> NDArray[Any]:
        """Predict from `uncalibrated_scores`, without another pass over the pictures.

        Parameters
        ----------
        scores : array-like of shape (n_samples, n_classes)
            What ``uncalibrated_scores(X, class_attributes)`` returned.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            As in `predict`.
        class_attributes : ClassAttributes or DataFrame, default=None
            As given to `uncalibrated_scores`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predicted labels, with `delta` as it is now.
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        columns = self._candidate_columns(candidates, table)
        return self._decide([_as_columns(scores, table)], table, columns)

    def calibration_scores(
        self, scores: ArrayLike, *, candidates: Any = None
    ) -> NDArray[np.float64]:
        """Give uncalibrated scores on the scale that `delta` is added to.

        Parameters
        ----------
        scores : array-like of shape (n_samples, n_classes)
            What `uncalibrated_scores` returned.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            The classes to keep; probabilities are taken among these.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_candidates)
            Columns in the sorted order of the candidates' labels.
        """
        check_is_fitted(self)
        table = self._described(None)
        columns = self._candidate_columns(candidates, table)
        return on_delta_scale(_as_columns(scores, table)[:, columns], self._delta_and_scale()[1])

    def with_class_attributes(self, class_attributes: Any) -> Self:
        """Give a fitted copy that knows the classes of another table.

        What has been learned stays; `classes_` are those of the table. Add rows for new classes
        to the table of `fit`, or leave classes out that can no longer occur.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame
            The classes, described by the attributes of `fit`. Those seen at fit still count as
            seen.

        Returns
        -------
        copy : object
            Predicts what this one predicts with ``class_attributes=``; it can be saved, trained on
            and used in scorers and displays. This one stays as it is.

        Examples
        --------
        >>> from zslearn import ClassAttributes, ESZSLClassifier
        >>> table = ClassAttributes([[1, 0], [0, 1]], labels=["cat", "dog"])
        >>> clf = ESZSLClassifier().fit(
        ...     [[2, 0], [3, 0], [0, 2], [0, 3]], table.labels.repeat(2), class_attributes=table
        ... )
        >>> more = ClassAttributes([[1, 0], [0, 1], [1, 1]], labels=["cat", "dog", "okapi"])
        >>> more = clf.with_class_attributes(more)
        >>> more.classes_, more.unseen_classes_, clf.classes_
        (array(['cat', 'dog', 'okapi'], dtype='<U5'), array(['okapi'], dtype='<U5'),
         array(['cat', 'dog'], dtype='<U3'))
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        changed = deepcopy(self)
        changed._describe_anew(DescribedClasses(table, np.isin(table.labels, self.seen_classes_)))
        return changed

    def _describe_anew(self, classes: DescribedClasses) -> None:
        """Know other classes, with what has been learned: a subclass says what else that takes."""
        self._set_classes(classes)

    def score(self, X: Any, y: Any, sample_weight: Any = None, candidates: Any = None) -> float:
        """Mean per-class accuracy of `predict` over the classes in y.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as `fit` takes them.
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
        refuse_dropped_parameters()
        y_pred = self.predict(X, candidates=candidates)
        return per_class_accuracy_score(y, y_pred, sample_weight=sample_weight)

    def _delta_and_scale(self) -> tuple[float, str]:
        """Return delta, and "logit" or "probability": what it is added to."""
        return getattr(self, "delta", 0.0), getattr(self, "delta_scale", "logit")

    def _calibration(self, labels: NDArray[Any]) -> tuple[NDArray[Any], float, str]:
        """Which of some classes are unseen, delta, and what it is added to."""
        return (self._delta_shares(labels), *self._delta_and_scale())

    def _delta_shares(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Which of some classes get delta, or how much of it each gets."""
        return ~np.isin(labels, self.seen_classes_)

    def _score_blocks(self, X: Any, table: ClassAttributes) -> Iterator[NDArray[np.floating]]:
        """Uncalibrated scores of the samples in turn: all at once, unless X is read by chunks."""
        yield self._class_scores(X, table)

    def _decide(
        self,
        score_blocks: Iterable[NDArray[np.floating]],
        table: ClassAttributes,
        columns: NDArray[np.intp],
    ) -> NDArray[Any]:
        """Labels of the largest calibrated scores among some columns."""
        labels = table.labels[columns]
        return decide(score_blocks, labels, *self._calibration(labels), columns)

    def _described(self, class_attributes: Any) -> ClassAttributes:
        """Return the fitted table, or a new one checked against the fitted attributes."""
        fitted = self.class_attributes_
        if class_attributes is None:
            return fitted
        if isinstance(class_attributes, ClassAttributes):
            table = class_attributes
        elif is_frame(class_attributes):
            table = ClassAttributes.from_frame(class_attributes)
        else:
            raise TypeError(
                "class_attributes must be a ClassAttributes or a DataFrame indexed by class label, "
                f"found {type(class_attributes).__name__}: new classes need names. Wrap it: "
                "ClassAttributes(values, labels=...)."
            )
        if table.n_attributes != fitted.n_attributes:
            raise ValueError(
                f"class_attributes has {table.n_attributes} attributes, at fit it had "
                f"{fitted.n_attributes}: describe the classes by the same attributes."
            )
        pairs = zip(table.attribute_names, fitted.attribute_names, strict=True)
        differing = [pair for pair in enumerate(pairs) if pair[1][0] != pair[1][1]]
        if differing and not table.has_default_names:
            k, (found, expected) = differing[0]
            raise ValueError(
                f"class_attributes names its attribute {k} {found!r}, at fit it was {expected!r}: "
                "give the same attributes in the same order."
            )
        return table.subset(np.unique(table.labels))

    def _candidate_columns(self, candidates: Any, table: ClassAttributes) -> NDArray[np.intp]:
        return candidate_columns(candidates, table, self.seen_classes_)


def _as_columns(scores: ArrayLike, table: ClassAttributes) -> NDArray[np.floating]:
    array = check_scores(scores)
    if array.ndim != 2 or array.shape[1] != table.n_classes:
        raise ValueError(
            f"scores must have one column for each of the {table.n_classes} described classes, "
            f"as uncalibrated_scores returns them; found shape {array.shape}"
        )
    return array
