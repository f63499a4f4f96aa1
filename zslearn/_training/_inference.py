"""Outputs of a trained network, a chunk of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from zslearn._training._device import compute_dtype
from zslearn._training._net import ZeroShotNet
from zslearn._training._rows import RegionRows
from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin

__all__ = ["BatchedInference", "device_of"]


class BatchedInference(ZeroShotClassifierMixin):
    """Prediction of deep estimators, from the network's ``semantics`` and ``class_scores``.

    Whatever the length of X, memory is that of a chunk of rows and of the result.
    """

    net_: ZeroShotNet
    batch_size: int
    precision: str

    def _regions(
        self, X: Any, table: ClassAttributes, device: torch.device, **options: Any
    ) -> RegionRows:
        """Rows of X in the precision of this estimator.

        It does not depend on the number of rows: a sample's scores must not depend on the company
        it comes in.
        """
        n_regions = X.shape[1] if len(X.shape) == 3 else 1
        work = 2 * self.batch_size * n_regions * X.shape[-1] * table.n_attributes
        return RegionRows(X, device, compute_dtype(self.precision, device, work), **options)

    def _inference_rows(self, X: Any) -> RegionRows:
        X = self._check_X(X, reset=False)
        return self._regions(X, self.class_attributes_, device_of(self.net_))

    def _infer(
        self, rows: RegionRows, method: str, n_values: int, *args: Any
    ) -> Iterator[tuple[slice, Tensor]]:
        """Results of a method of the network, a chunk of rows at a time, on the CPU."""
        module = self.net_.module_.eval()
        with torch.inference_mode():
            for chunk, regions in rows.take_chunks(8 * n_values):
                yield chunk, getattr(module, method)(regions, *args).float().cpu()

    def _infer_semantics(self, X: Any) -> tuple[int, Iterator[tuple[slice, Tensor]]]:
        rows = self._inference_rows(X)
        n_values = rows.shape[1] * self.class_attributes_.n_attributes
        with torch.inference_mode():
            weights = self.net_.module_.attribute_weights(rows.dtype)
        return len(rows), self._infer(rows, "semantics", n_values, weights)

    def predict_attributes(self, X: Any) -> NDArray[np.float32]:
        """Semantic vectors of the samples (Eq. 3).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.

        Returns
        -------
        semantics : ndarray of shape (n_samples, n_attributes), float32
            Columns in the order of ``class_attributes_.attribute_names``. Comparable between
            samples; not on the scale of the class attribute table.
        """
        check_is_fitted(self)
        n_samples, chunks = self._infer_semantics(X)
        result = np.empty((n_samples, self.class_attributes_.n_attributes), dtype=np.float32)
        for rows, semantics in chunks:
            result[rows] = semantics.numpy()
        return result

    def class_embeddings(self, class_attributes: Any = None) -> NDArray[np.float32]:
        """Class descriptions as the scores use them (Eq. 4): scaled, of equal length.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to embed instead of the fitted ones, described by the same attributes.

        Returns
        -------
        embeddings : ndarray of shape (n_classes, n_attributes), float32
            Rows in the order of `classes_` (or of the sorted labels of `class_attributes`). The
            class scores are ``predict_attributes(X) @ class_embeddings().T``, so that each
            attribute's part in a score can be told.
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        with torch.inference_mode():
            scores = self.net_.module_.class_scores(
                torch.eye(table.n_attributes), torch.from_numpy(np.array(table.values))
            )
        embeddings: NDArray[np.float32] = scores.numpy().T.copy()
        return embeddings

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.float32]:
        n_samples, chunks = self._infer_semantics(X)
        values = torch.from_numpy(np.array(table.values))
        result = np.empty((n_samples, table.n_classes), dtype=np.float32)
        for rows, semantics in chunks:
            result[rows] = self.net_.module_.class_scores(semantics, values).numpy()
        return result


def device_of(net: ZeroShotNet) -> torch.device:
    """Where the weights are: not where they were trained, once unpickled on another machine."""
    device: torch.device = next(net.module_.parameters()).device
    return device
