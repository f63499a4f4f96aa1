"""What every zero-shot classifier shares: the class table, candidates, prediction from scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from zslearn.attributes import ClassAttributes
from zslearn.metrics import per_class_accuracy_score

__all__ = ["ZeroShotClassifierMixin", "check_class_attributes"]


def check_class_attributes(class_attributes: Any, y: NDArray[Any]) -> ClassAttributes:
    """Turn what `fit` accepts as class attributes into a table sorted by class label.

    Parameters
    ----------
    class_attributes : ClassAttributes, DataFrame, array-like of shape (C, K) or None
        ``None`` describes each class in `y` by an attribute of its own.
    y : ndarray of shape (n_samples,)
        The training labels.

    Returns
    -------
    ClassAttributes
        Its labels sorted, as ``numpy.unique`` sorts.

    Raises
    ------
    ValueError
        If a label in `y` is not described, a bare table has lost rows or may have, or a bare
        array comes with labels that are not its row numbers.
    """
    seen = np.unique(y)
    if class_attributes is None:
        names = [f"class_{label}" for label in seen]
        return ClassAttributes(np.eye(len(seen)), labels=seen, attribute_names=names)
    if isinstance(class_attributes, ClassAttributes):
        table = class_attributes
    else:
        is_frame = hasattr(class_attributes, "columns") and hasattr(class_attributes, "index")
        kind = "DataFrame" if is_frame else "array"
        remedy = (
            "ClassAttributes.from_frame(frame)" if is_frame else "ClassAttributes(values, labels=)"
        )
        if len(class_attributes) == len(y):
            raise ValueError(
                f"class_attributes is a bare {kind} with as many rows as there are samples "
                f"({len(y)}). scikit-learn slices such parameters when it cuts folds, so classes "
                f"may have been lost. Wrap it: {remedy} passes through whole."
            )
        if is_frame:
            table = ClassAttributes.from_frame(class_attributes)
        else:
            table = ClassAttributes(class_attributes)
            _check_row_numbers(seen, table.n_classes, remedy)
    table.index_of(seen)
    return table.subset(np.unique(table.labels))


def _check_row_numbers(seen: NDArray[Any], n_classes: int, remedy: str) -> None:
    """Refuse labels that are not row numbers of a bare table."""
    integral = seen.dtype.kind in "iu" or (
        seen.dtype.kind == "f" and np.array_equal(seen, np.floor(seen))
    )
    if not integral:
        raise ValueError(
            "class_attributes is a bare array, whose row c describes class c, but y holds labels "
            f"such as {seen[:3].tolist()}. Name the rows: {remedy}."
        )
    if seen.min() < 0 or seen.max() >= n_classes:
        raise ValueError(
            f"class_attributes is a bare array of {n_classes} rows, whose row c describes class c, "
            f"but y holds labels from {seen.min()} to {seen.max()}. Either rows are missing or "
            f"have been lost when folds were cut, or the labels are not row numbers: {remedy}."
        )


class ZeroShotClassifierMixin(ClassifierMixin):
    """Mixin of zero-shot classifiers: prediction over any candidates from class scores.

    A subclass implements ``fit``, which sets `classes_`, `seen_classes_`, `unseen_classes_`,
    `class_attributes_` and `n_features_in_`, and ``_class_scores(X, table)``, the uncalibrated
    scores of the classes of any table with the fitted attributes. A subclass with a parameter
    ``delta`` is calibrated by it, on the scale its parameter ``delta_scale`` names.
    """

    # Class-level requests: no set_fit_request is needed where metadata routing is on.
    __metadata_request__fit = {"class_attributes": True}
    __metadata_request__partial_fit = {"class_attributes": True}
    __metadata_request__predict = {"candidates": True, "class_attributes": True}
    __metadata_request__predict_proba = {"class_attributes": True}
    __metadata_request__decision_function = {"class_attributes": True}
    __metadata_request__score = {"candidates": True}

    classes_: NDArray[Any]
    seen_classes_: NDArray[Any]
    unseen_classes_: NDArray[Any]
    class_attributes_: ClassAttributes
    n_features_in_: int

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.floating]:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    # -- input ---------------------------------------------------------------------------------

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        """Check rank and width of X, leaving its values unread (they are checked by batches)."""
        if not is_row_source(X):
            if getattr(X, "ndim", None) == 2 or hasattr(X, "columns"):
                return validate_data(self, X, reset=reset, ensure_all_finite=False)
            X = check_array(X, allow_nd=True, ensure_all_finite=False, estimator=self)
            if X.ndim == 2:
                return validate_data(self, X, reset=reset, ensure_all_finite=False)
        if len(X.shape) not in (2, 3) or 0 in X.shape:
            raise ValueError(
                "X must have shape (n_samples, n_regions, n_features) or (n_samples, n_features), "
                f"none of them 0; found shape {tuple(X.shape)}"
            )
        width = X.shape[-1]
        if reset:
            self.n_features_in_ = width
        elif width != self.n_features_in_:
            raise ValueError(
                f"X has {width} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input: regions of the same backbone and layer "
                "as at fit are needed."
            )
        return X

    def _check_X_y(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, NDArray[Any]]:
        name = type(self).__name__
        if y is None:
            raise ValueError(f"{name} requires y to be passed, but the target y is None.")
        X = self._check_X(X, reset=reset)
        y = column_or_1d(y, warn=True)
        if y.dtype.kind in "fc" or y.dtype == object:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        check_classification_targets(y)
        if y.dtype == object and all(isinstance(label, str) for label in y):
            y = y.astype(str)
        check_consistent_length(X, y)
        return X, y

    # -- prediction ----------------------------------------------------------------------------

    def decision_function(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class scores, uncalibrated.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to score instead of the fitted ones, described by the same attributes.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_` (or of the sorted labels of `class_attributes`). For
            exactly two classes, as scikit-learn has it, shape (n_samples,): the score of the
            second minus that of the first.
        """
        check_is_fitted(self)
        scores = self._class_scores(X, self._described(class_attributes))
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict_proba(self, X: Any, class_attributes: Any = None) -> NDArray[np.float64]:
        """Class probabilities, the softmax of the class scores (Eq. 4), uncalibrated.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Rows sum to one; columns as in `decision_function`.
        """
        check_is_fitted(self)
        scores = self._class_scores(X, self._described(class_attributes))
        return softmax(scores.astype(np.float64), axis=1)

    def predict(self, X: Any, candidates: Any = None, class_attributes: Any = None) -> NDArray[Any]:
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
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
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        columns = self._candidate_columns(candidates, table)
        scores = self._class_scores(X, table)
        return self._decide(scores, table, columns)

    def predict_from_scores(
        self, scores: ArrayLike, candidates: Any = None, class_attributes: Any = None
    ) -> NDArray[Any]:
        """Predict from the output of `decision_function`, without another pass over the pictures.

        Parameters
        ----------
        scores : array-like of shape (n_samples, n_classes) or (n_samples,)
            What ``decision_function(X, class_attributes)`` returned.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            As in `predict`.
        class_attributes : ClassAttributes or DataFrame, default=None
            As given to `decision_function`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        columns = self._candidate_columns(candidates, table)
        return self._decide(_as_columns(scores, table), table, columns)

    def calibration_scores(self, scores: ArrayLike, candidates: Any = None) -> NDArray[np.float64]:
        """Scores on the scale that `delta` is added to, uncalibrated.

        Parameters
        ----------
        scores : array-like of shape (n_samples, n_classes) or (n_samples,)
            The output of `decision_function`.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            The classes to keep; probabilities are taken among these.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_candidates)
            Columns in the sorted order of the candidates' labels.
        """
        check_is_fitted(self)
        table = self.class_attributes_
        columns = self._candidate_columns(candidates, table)
        return self._on_delta_scale(_as_columns(scores, table)[:, columns])

    def score(self, X: Any, y: Any, sample_weight: Any = None, candidates: Any = None) -> float:
        """Mean per-class accuracy of `predict` over the classes in y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
        y : array-like of shape (n_samples,)
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

    def _on_delta_scale(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        wide = scores.astype(np.float64)
        if getattr(self, "delta_scale", "logit") == "probability":
            return softmax(wide, axis=1)
        return wide

    def _decide(
        self, scores: NDArray[np.floating], table: ClassAttributes, columns: NDArray[np.intp]
    ) -> NDArray[Any]:
        labels = table.labels[columns]
        scores = scores[:, columns]
        delta = getattr(self, "delta", 0.0)
        unseen = ~np.isin(labels, self.seen_classes_)
        # Without an effect of delta, the raw scores decide: a softmax can round distinct scores
        # to equal probabilities.
        if delta and unseen.any() and not unseen.all():
            scores = self._on_delta_scale(scores) + delta * unseen
        return labels[scores.argmax(axis=1)]

    def _described(self, class_attributes: Any) -> ClassAttributes:
        """Return the fitted table, or a new one checked against the fitted attributes."""
        fitted = self.class_attributes_
        if class_attributes is None:
            return fitted
        if isinstance(class_attributes, ClassAttributes):
            table = class_attributes
        elif hasattr(class_attributes, "columns"):
            table = ClassAttributes.from_frame(class_attributes)
        else:
            table = ClassAttributes(class_attributes)
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
        """Columns of the table that a choice of candidates names, in the table's order."""
        if candidates is None or (isinstance(candidates, str) and candidates == "all"):
            return np.arange(table.n_classes)
        if isinstance(candidates, str):
            if candidates not in ("seen", "unseen"):
                raise ValueError(
                    "candidates must be 'all', 'seen', 'unseen' or an array of class labels, "
                    f"found {candidates!r}"
                )
            seen = np.isin(table.labels, self.seen_classes_)
            columns = np.flatnonzero(seen if candidates == "seen" else ~seen)
            if not len(columns):
                raise ValueError(
                    f"candidates={candidates!r}, but none of the {table.n_classes} described "
                    f"classes is {candidates}: "
                    + (
                        "every class had samples at fit."
                        if candidates == "unseen"
                        else "the table holds none of the classes of fit."
                    )
                )
            return columns
        labels = np.asarray(candidates)
        if labels.ndim != 1 or not len(labels):
            raise ValueError(
                "candidates must be a non-empty one-dimensional array of class labels, found "
                f"shape {labels.shape}"
            )
        return np.unique(table.index_of(labels))


def is_row_source(X: Any) -> bool:
    """Whether X gives rows on demand and must not be turned into an array whole.

    True for torch tensors, arrays of bfloat16 (which numpy has no arithmetic for) and lazy stores:
    objects with a shape, a dtype and row indexing that are neither arrays nor data frames.
    """
    if not (hasattr(X, "shape") and hasattr(X, "dtype") and hasattr(X, "__getitem__")):
        return False
    if isinstance(X, np.ndarray):
        return X.dtype.name == "bfloat16"
    return not hasattr(X, "columns") and not hasattr(X, "iloc") and not hasattr(X, "tocsr")


def _as_columns(scores: ArrayLike, table: ClassAttributes) -> NDArray[np.floating]:
    array = np.asarray(scores)
    if array.ndim == 1 and table.n_classes == 2:
        array = np.column_stack([-array / 2, array / 2])
    if array.ndim != 2 or array.shape[1] != table.n_classes:
        raise ValueError(
            f"scores must have one column for each of the {table.n_classes} described classes, "
            f"as decision_function returns them; found shape {array.shape}"
        )
    return array
