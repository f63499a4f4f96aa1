"""What every zero-shot classifier shares: input, labels and the class table of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from zslearn._class_tables import check_class_attributes
from zslearn._described_classes import DescribedClasses
from zslearn._input_checks import (
    check_labels_of,
    check_no_pictures,
    check_same_order,
    is_not_real,
    is_row_source,
)
from zslearn._ragged import pad_ragged
from zslearn._scored_prediction import ScoredPrediction

__all__ = ["ZeroShotClassifierMixin", "check_class_attributes", "is_row_source"]


class ZeroShotClassifierMixin(ScoredPrediction):
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

    n_features_in_: int
    _fitted_on_vectors: bool

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        """Check rank and width of X, leaving its values unread (they are checked by batches)."""
        check_no_pictures(X)
        X = pad_ragged(X)
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
