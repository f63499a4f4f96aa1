"""What a trained learner says of new samples, a chunk of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from zslearn._data._rows import RegionRows
from zslearn._delta_shares import counts_of, delta_shares
from zslearn._input_checks import check_attribute_indices
from zslearn._training._device import compute_dtype, outside_autocast
from zslearn._training._learner import Learner
from zslearn._training._net import LearnerNet
from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin

__all__ = ["BatchedPrediction", "attribute_scorer", "device_of"]


def _learner_has(method: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(self._learner_type, method)


class BatchedPrediction(ZeroShotClassifierMixin):
    """Prediction of deep estimators, from the learner's ``class_scores`` and its capabilities.

    Whatever the length of X, memory is that of a chunk of rows and of the result.
    """

    _learner_type: ClassVar[type[Learner]]
    # Whether each region is scaled to unit length as it is read.
    _unit_length: ClassVar[bool] = True

    net_: LearnerNet
    class_count_: NDArray[np.int64]
    batch_size: int
    delta_fade: float | Literal["median"] | None
    precision: Any

    @property
    def _width(self) -> int:
        """Width of what the learner takes."""
        return int(self.n_features_in_)

    def _n_regions(self, X: Any) -> int:
        """Regions of a sample."""
        return int(X.shape[1]) if len(X.shape) == 3 else 1

    def _rows(
        self, X: Any, table: ClassAttributes, device: torch.device, **options: Any
    ) -> RegionRows:
        """Rows of X in the precision of this estimator."""
        n_regions = self._n_regions(X)
        # It does not depend on the number of rows, but on what the net was trained in.
        dtype = compute_dtype(
            self.precision, device, self._work(table, n_regions, int(X.shape[-1]))
        )
        return RegionRows(X, device, dtype, unit_length=self._unit_length, **options)

    def _work(self, table: ClassAttributes, n_regions: int, n_features: int) -> int:
        """Multiply-adds of a product of a batch with queries and embeddings."""
        return 2 * self.batch_size * n_regions * n_features * table.n_attributes

    def _table_values(self, table: ClassAttributes, device: torch.device) -> Tensor:
        values = torch.from_numpy(np.array(table.values))
        return values.to(device, torch.float32 if device.type == "mps" else None)

    def _delta_shares(self, labels: NDArray[Any]) -> NDArray[Any]:
        if self.delta_fade is None:
            return super()._delta_shares(labels)
        fitted = self.class_count_
        counts = counts_of(labels, self.classes_, fitted)
        return delta_shares(counts, self.delta_fade, fitted)

    def _infer(
        self, X: Any, n_values: int, method: Callable[[Learner, torch.dtype], Any]
    ) -> Iterator[tuple[slice, Tensor]]:
        """Results of what `method` makes of the learner and a dtype, a chunk of rows at a time."""
        rows = self._rows(X, self.class_attributes_, device_of(self.net_))
        learner = self.net_.module_.eval()
        with outside_autocast(), torch.inference_mode(), self.net_.autocast(rows.dtype):
            result_of = method(learner, rows.dtype)
            for chunk, regions in rows.take_chunks(8 * rows.shape[1] * n_values):
                yield chunk, result_of(regions)

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.float32]:
        X = self._check_X(X, reset=False)
        result = np.empty((X.shape[0], table.n_classes), dtype=np.float32)
        for rows, scores in self._score_chunks(X, table):
            _write(result[rows], scores)
        return result

    def _score_blocks(self, X: Any, table: ClassAttributes) -> Iterator[NDArray[np.float32]]:
        if type(self)._class_scores is not BatchedPrediction._class_scores:
            yield self._class_scores(X, table)  # a subclass has scores of its own
            return
        X = self._check_X(X, reset=False)
        for _, scores in self._score_chunks(X, table):
            yield scores.float().cpu().numpy()

    def _score_chunks(self, X: Any, table: ClassAttributes) -> Iterator[tuple[slice, Tensor]]:
        values = self._table_values(table, device_of(self.net_))
        n_values = max(table.n_attributes, table.n_classes)
        return self._infer(X, n_values, lambda one, dtype: one.scorer(values, dtype))

    @available_if(_learner_has("attribute_scores"))
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
        return self._by_attribute(X, attribute_scorer)

    def _by_attribute(
        self, X: Any, method: Callable[[Learner, torch.dtype], Any]
    ) -> NDArray[np.float32]:
        """Numbers (n, K) of what `method` makes of the learner and a dtype."""
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        n_attributes = self.class_attributes_.n_attributes
        result = np.empty((X.shape[0], n_attributes), dtype=np.float32)
        for rows, part in self._infer(X, n_attributes, method):
            _write(result[rows], part)
        return result

    @available_if(_learner_has("class_embeddings"))
    def class_embeddings(self, class_attributes: Any = None) -> NDArray[np.float32]:
        """Class descriptions as the scores use them (Eq. 4): scaled, of equal length.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to embed instead of the fitted ones, described by the same attributes.

        Returns
        -------
        embeddings : ndarray of shape (n_classes, n_attributes), float32
            Rows in the order of `classes_` (or of the sorted labels of `class_attributes`).
            ``uncalibrated_scores(X)`` is ``predict_attributes(X) @ class_embeddings().T``, so that
            each attribute's part in a score can be told.
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        values = self._table_values(table, device_of(self.net_))
        learner: Any = self.net_.module_.eval()
        with outside_autocast(), torch.inference_mode():
            embeddings: NDArray[np.float32] = learner.class_embeddings(values).float().cpu().numpy()
        return embeddings

    @available_if(_learner_has("attention_maps"))
    def attention_maps(self, X: Any, attributes: ArrayLike | None = None) -> NDArray[np.float32]:
        """Where each attribute looks (Eq. 2).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.
        attributes : sequence of attribute names or indices, default=None
            The attributes wanted; all of them by default. The maps of all attributes take K / D
            times the memory of X in float32.

        Returns
        -------
        maps : ndarray of shape (n_samples, n_attributes, n_regions), float32
            Non-negative, each map summing to one over the regions; exactly 0 on regions of zeros,
            with which a list of samples is filled up to the longest.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        index = check_attribute_indices(attributes, self.class_attributes_.attribute_names)
        maps = np.empty((X.shape[0], len(index), self._n_regions(X)), dtype=np.float32)
        chosen = torch.from_numpy(index).to(device_of(self.net_))

        def maps_of(learner: Any, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
            return lambda regions: learner.attention_maps(regions, chosen)

        for rows, part in self._infer(X, len(index), maps_of):
            _write(maps[rows], part)
        return maps


def _write(place: NDArray[np.float32], part: Tensor) -> None:
    """Copy a part of a result to where it belongs, from whatever device."""
    torch.from_numpy(place).copy_(part)


def attribute_scorer(learner: Any, dtype: torch.dtype) -> Any:
    """Return the function that gives a learner's attribute scores of regions of some dtype."""
    make = getattr(learner, "attribute_scorer", None)
    return learner.attribute_scores if make is None else make(dtype)


def device_of(net: LearnerNet) -> torch.device:
    """Where the weights are: not where they were trained, once unpickled on another machine."""
    device: torch.device = next(net.module_.parameters()).device
    return device
