"""What every zero-shot classifier shares: the class table, candidates, prediction from scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from zslearn._candidates import candidate_columns
from zslearn._class_tables import check_class_attributes
from zslearn._containers import is_frame
from zslearn._decision import by_row_blocks, decide
from zslearn._described_classes import DescribedClasses
from zslearn._dropped_parameters import refuse_dropped_parameters
from zslearn._input_checks import (
    check_labels_of,
    check_no_pictures,
    check_same_order,
    check_scores,
    is_not_real,
    is_row_source,
)
from zslearn.attributes import ClassAttributes
from zslearn.metrics import per_class_accuracy_score

__all__ = ["ZeroShotClassifierMixin", "check_class_attributes", "is_row_source"]


class ZeroShotClassifierMixin(ClassifierMixin):
    """Mixin of zero-shot classifiers: prediction over any candidates from class scores.

    A subclass implements ``fit``, which checks its input by ``_check_fit`` and ends with
    ``_set_classes``, in a ``with self._fitting_anew()`` so that a fit that fails leaves nothing,
    and ``_class_scores(X, table)``, the uncalibrated scores of the classes of
    any table with the fitted attributes. A subclass with a parameter ``delta`` is calibrated by
    it, on the scale its parameter ``delta_scale`` names.

    See Also
    --------
    check_class_attributes : Turns what `fit` is given into a sorted table.
    zslearn.CVsCClassifier : A classifier that does all of this.

    Examples
    --------
    A classifier that takes features as attributes, and the class that agrees best with them:

    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from zslearn.base import ZeroShotClassifierMixin
    >>> class BestAgreement(ZeroShotClassifierMixin, BaseEstimator):
    ...     def fit(self, X, y, class_attributes=None):
    ...         with self._fitting_anew():
    ...             X, y, classes = self._check_fit(X, y, class_attributes)
    ...             self._set_classes(classes)
    ...         return self
    ...
    ...     def _class_scores(self, X, table):
    ...         return self._check_X(X, reset=False) @ table.values.T
    >>> clf = BestAgreement()
    >>> clf.fit([[2.0, 0.0], [0.0, 2.0]], [0, 1], class_attributes=[[1, 0], [0, 1], [1, 1]])
    BestAgreement()
    >>> clf.predict([[3.0, 2.0]]), clf.predict([[3.0, 2.0]], candidates="seen")
    (array([2]), array([0]))
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
    _fitted_on_vectors: bool

    @abstractmethod
    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.floating]:
        """Uncalibrated scores (n_samples, n_classes) of the classes of a table."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    # -- input ---------------------------------------------------------------------------------

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        """Check rank and width of X, leaving its values unread (they are checked by batches)."""
        check_no_pictures(X)
        if not is_row_source(X):
            if getattr(X, "ndim", None) == 2 or hasattr(X, "columns"):
                X = validate_data(self, X, reset=reset, ensure_all_finite=False)
            else:
                X = check_array(X, allow_nd=True, ensure_all_finite=False, estimator=self)
        elif is_not_real(X.dtype):
            raise ValueError(f"X must hold real numbers, found dtype {X.dtype}")
        shape = tuple(X.shape)
        if len(shape) not in (2, 3) or 0 in shape:
            raise ValueError(
                "X must have shape (n_samples, n_regions, n_features) or (n_samples, n_features), "
                f"none of them 0; found shape {shape}"
            )
        single = len(shape) == 2 or shape[1] == 1
        if reset:
            self.n_features_in_ = shape[-1]
            self._fitted_on_vectors = single
            if len(shape) == 3:
                self.__dict__.pop("feature_names_in_", None)
        elif shape[-1] != self.n_features_in_:
            raise ValueError(
                f"X has {shape[-1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input: regions of the same backbone and layer "
                "as at fit are needed."
            )
        elif len(shape) == 2 and not self._fitted_on_vectors:
            raise ValueError(
                f"X has shape {shape}, one vector a sample, but {type(self).__name__} was fitted "
                "on several regions a sample. For the regions of one picture pass X[None]."
            )
        return X

    def _check_X_y(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, NDArray[Any]]:
        name = type(self).__name__
        if y is None:
            raise ValueError(f"{name} requires y to be passed, but the target y is None.")
        check_same_order(X, y)
        X = self._check_X(X, reset=reset)
        return X, check_labels_of(name, X, y)

    def _check_fit(
        self, X: Any, y: Any, class_attributes: Any
    ) -> tuple[Any, NDArray[Any], DescribedClasses]:
        """Check what `fit` was given; the samples, their labels, and the classes."""
        X, y = self._check_X_y(X, y, reset=True)
        return X, y, DescribedClasses.of(class_attributes, y)

    @contextmanager
    def _fitting_anew(self) -> Iterator[None]:
        """Forget what was before; if the block fails, also what it has begun."""
        self._forget()
        try:
            yield
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        """Be as before any fit."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)

    def _set_classes(self, classes: DescribedClasses) -> None:
        """Become fitted on these classes: the one place where these attributes are set."""
        self.class_attributes_ = classes.table
        self.classes_ = classes.labels
        self.seen_classes_ = classes.seen_labels
        self.unseen_classes_ = classes.unseen_labels

    # -- prediction ----------------------------------------------------------------------------

    def decision_function(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class scores, uncalibrated.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.
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
            Region features, as for `fit`.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Rows sum to one; columns as in `decision_function`.
        """
        check_is_fitted(self)
        scores = self._class_scores(X, self._described(class_attributes))
        return by_row_blocks(lambda rows: softmax(rows.astype(np.float64), axis=1), scores)

    def predict(
        self, X: Any, *, candidates: Any = None, class_attributes: Any = None
    ) -> NDArray[Any]:
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.
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

    def predict_from_scores(
        self, scores: ArrayLike, *, candidates: Any = None, class_attributes: Any = None
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
            The predicted labels.
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        columns = self._candidate_columns(candidates, table)
        return self._decide([_as_columns(scores, table)], table, columns)

    def calibration_scores(
        self, scores: ArrayLike, *, candidates: Any = None
    ) -> NDArray[np.float64]:
        """Give scores on the scale that `delta` is added to, uncalibrated.

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
            Region features, as for `fit`.
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

    def _on_delta_scale(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        scale = getattr(self, "delta_scale", "logit")
        if scale not in ("logit", "probability"):
            raise ValueError(f"delta_scale must be 'logit' or 'probability', found {scale!r}")
        wide = scores.astype(np.float64)
        return softmax(wide, axis=1) if scale == "probability" else wide

    def _score_blocks(self, X: Any, table: ClassAttributes) -> Iterator[NDArray[np.floating]]:
        """Uncalibrated scores of the samples in turn: all at once, unless X is read by chunks."""
        yield self._class_scores(X, table)

    def _decide(
        self,
        score_blocks: Iterable[NDArray[np.floating]],
        table: ClassAttributes,
        columns: NDArray[np.intp],
    ) -> NDArray[Any]:
        labels = table.labels[columns]
        unseen = ~np.isin(labels, self.seen_classes_)
        delta, scale = getattr(self, "delta", 0.0), getattr(self, "delta_scale", "logit")
        return decide(score_blocks, labels, unseen, delta, scale, columns)

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
    if array.ndim == 1 and table.n_classes == 2:
        array = np.column_stack([-array / 2, array / 2])
    if array.ndim != 2 or array.shape[1] != table.n_classes:
        raise ValueError(
            f"scores must have one column for each of the {table.n_classes} described classes, "
            f"as decision_function returns them; found shape {array.shape}"
        )
    return array
