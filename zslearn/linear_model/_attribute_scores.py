"""Scores of attributes, where those of classes are sums of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from zslearn._data._vectors import mean_vectors

__all__ = ["AttributeScoresMixin"]


def _are_sums(estimator: Any) -> bool:
    # That of a search is what it searches for.
    unfitted = estimator._unfitted() if hasattr(estimator, "_unfitted") else estimator
    return bool(unfitted._sums_over_attributes)


class AttributeScoresMixin:
    """The factors of class scores, for closed forms and for searches over their grids.

    A subclass says by ``_sums_over_attributes`` whether its parameters make scores such sums, which
    are in ``_rows`` and ``_class_weights``, or else in ``_attribute_rows`` and ``_embeddings``.
    """

    _sums_over_attributes = True

    @available_if(_are_sums)
    def predict_attributes(self: Any, X: Any) -> NDArray[np.float64]:
        """Give the scores of the attributes, of which the class scores are sums.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_regions, n_features)
            As for `fit`.

        Returns
        -------
        semantics : ndarray of shape (n_samples, n_attributes), float64
            Columns in the order of ``class_attributes_.attribute_names``. Comparable between
            samples; not on the scale of the class attribute table.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        fitted = self.estimator_ if hasattr(self, "_unfitted") else self
        semantics = np.empty((X.shape[0], self.class_attributes_.n_attributes))
        for place, vectors in mean_vectors(X):
            semantics[place] = fitted._attribute_rows(fitted.scaling_(vectors))
        scaled: NDArray[np.float64] = semantics * fitted.score_scale_
        return scaled

    @available_if(_are_sums)
    def class_embeddings(self: Any, class_attributes: Any = None) -> NDArray[np.float64]:
        """Give the class descriptions as the scores use them.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to embed instead of the fitted ones, described by the same attributes.

        Returns
        -------
        embeddings : ndarray of shape (n_classes, n_attributes), float64
            Rows in the order of `classes_` (or of the sorted labels of `class_attributes`). The
            class scores, without `delta`, are ``predict_attributes(X) @ class_embeddings().T``.
        """
        check_is_fitted(self)
        values = self._described(class_attributes).values
        fitted = self.estimator_ if hasattr(self, "_unfitted") else self
        embeddings: NDArray[np.float64] = fitted._embeddings(fitted._describe(values))
        return embeddings

    def _attribute_rows(self: Any, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores (n, K) of attributes for scaled vectors."""
        rows: NDArray[np.float64] = self._rows(vectors)
        return rows

    def _embeddings(self: Any, described: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what (C, K) the scores of attributes are multiplied with."""
        weights: NDArray[np.float64] = self._class_weights(described)[0]
        return weights
