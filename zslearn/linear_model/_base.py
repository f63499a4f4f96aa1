"""What methods on one vector a sample share: means, scalings, sums, the scale of scores."""

from __future__ import annotations

from abc import abstractmethod
from math import isfinite
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from zslearn._data._scaling import Scaling
from zslearn._data._score_scale import fit_score_scale, held_out_rows
from zslearn._data._vectors import ClassSums, mean_vectors
from zslearn._sample_weights import Samples
from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin

__all__ = ["ClosedFormClassifier", "check_above_zero", "check_choice", "check_counts", "is_finite"]


class ClosedFormClassifier(ZeroShotClassifierMixin, BaseEstimator):
    """A classifier whose scores are linear in the sample, fitted from sums over samples.

    A subclass has the parameters ``scaling``, ``attribute_scaling``, ``score_scale`` and
    ``delta``, and implements ``_class_weights`` and ``_solve``, or ``_learn`` in its place.
    """

    scaling: str | None
    attribute_scaling: str | None
    score_scale: Any
    _centres_attributes = False

    @abstractmethod
    def _check_parameters(self) -> None:
        """Refuse parameters of its own, before any sample is read."""

    def _solve(self, sums: ClassSums, described: NDArray[np.float64]) -> None:
        """Set the learned attributes from sums and the descriptions (S, K) of the seen classes."""
        raise NotImplementedError

    @abstractmethod
    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights (C, D) and offsets (C,) of classes of some descriptions (C, K)."""

    def _rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what weights are multiplied with: scaled vectors, or functions of them."""
        return vectors

    def _mapped(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn rows times the basis of a setting into what its weights are for, in a search."""
        return rows

    def fit(self, X: Any, y: Any, class_attributes: Any = None, sample_weight: Any = None) -> Self:
        """Fit from samples of the seen classes, in one pass unless their scaling is learnt.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_regions, n_features)
            Vectors, or regions, of which the mean is taken, without regions of zeros. Of any real
            dtype; memory maps, torch tensors and lazy stores are read a chunk of rows at a time.
            Samples with different numbers of regions come as a list.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (n_classes, K), \
default=None
            Descriptions of all classes, seen and unseen. ``None`` describes each class in `y` by
            an attribute of its own.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each sample counts, at least 0: one of weight 2 as two of them, one of 0 as
            if it were not there. Each class in `y` needs one above 0.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, a label is not described, X is not finite, or weights
            are negative, not finite, or all 0 in a class.
        """
        with self._fitting_anew():
            X, y, classes = self._check_fit(X, y, class_attributes)
            self._check_parameters()
            self._check_score_scale()
            samples = Samples.weighed(X, y, sample_weight).numbered(classes.seen_targets)
            described = self._prepare(
                X, classes.values[classes.seen], samples.rows, samples.weights
            )
            held = np.zeros(len(samples.y), dtype=bool)
            if self.score_scale == "auto" and len(described) > 1:
                held = held_out_rows(samples.y)
            self.score_scale_ = 1.0 if self.score_scale == "auto" else float(self.score_scale)
            self._learn(samples, held, described)
            self._set_classes(classes)
        return self

    def _prepare(
        self,
        X: Any,
        seen: NDArray[np.float64],
        rows: NDArray[np.intp] | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Fit the scalings, of samples on some rows only; return the seen classes' descriptions."""
        centre = seen.mean(axis=0) if self._centres_attributes else np.zeros(seen.shape[1])
        self.attribute_mean_ = centre
        self.attribute_scaling_ = Scaling.fit(
            self.attribute_scaling, [seen - centre], "attribute_scaling"
        )
        vectors = (vectors for _, vectors in mean_vectors(X, rows))
        self.scaling_ = Scaling.fit(self.scaling, vectors, "scaling", weights)
        return self._describe(seen)

    def _learn(
        self, samples: Samples, held: NDArray[np.bool_], described: NDArray[np.float64]
    ) -> None:
        """Learn from all samples, and the scale of scores from those marked, if any are."""
        kept, rest = self._accumulate(samples, held, len(described))
        if held.any():
            self._solve(kept, described)
            self._fit_score_scale(samples, held, described)
            kept = kept + rest
        self._solve(kept, described)

    def _fit_score_scale(
        self, samples: Samples, held: NDArray[np.bool_], described: NDArray[np.float64]
    ) -> None:
        index = np.flatnonzero(held)
        scores = self._linear_scores(samples.X, described, samples.rows_of(index))
        self.score_scale_ = fit_score_scale(scores, samples.y[index], samples.weights_of(index))

    def _accumulate(
        self, samples: Samples, held: NDArray[np.bool_], n_seen: int
    ) -> tuple[ClassSums, ClassSums]:
        """Return the sums of the samples that are not held out, and of those that are."""
        X, targets = samples.X, samples.y
        kept, rest = (ClassSums.zeros(n_seen, X.shape[-1]) for _ in range(2))
        for place, vectors in mean_vectors(X, samples.rows):
            scaled, apart = self.scaling_(vectors), held[place]
            weights = samples.weights_of(place)
            if not apart.any():
                kept.add(scaled, targets[place], weights)
                continue
            for sums, own in ((kept, ~apart), (rest, apart)):
                part = None if weights is None else weights[own]
                sums.add(scaled[own], targets[place][own], part)
        return kept, rest

    def _check_score_scale(self) -> None:
        scale = self.score_scale
        if isinstance(scale, str) and scale == "auto":
            return
        if not is_finite(scale) or scale <= 0:
            raise ValueError(f"score_scale must be 'auto' or a number above 0, found {scale!r}")

    def _describe(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Descriptions of classes as they are learnt from."""
        return self.attribute_scaling_(values - self.attribute_mean_)

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.floating]:
        X = self._check_X(X, reset=False)
        return self._linear_scores(X, self._describe(table.values)) * self.score_scale_

    def _linear_scores(
        self, X: Any, described: NDArray[np.float64], rows: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Scores of classes of some descriptions, on the scale they come on."""
        weights, offsets = self._class_weights(described)
        n = X.shape[0] if rows is None else len(rows)
        scores = np.empty((n, len(weights)))
        for place, vectors in mean_vectors(X, rows):
            np.matmul(self._rows(self.scaling_(vectors)), weights.T, out=scores[place])
            scores[place] += offsets
        return scores


def check_above_zero(estimator: Any, *names: str) -> None:
    """Refuse parameters that are no finite numbers above 0."""
    for name in names:
        value = getattr(estimator, name)
        if not is_finite(value) or value <= 0:
            raise ValueError(f"{name} must be a finite number above 0, found {value!r}")


def check_counts(estimator: Any, *names: str) -> None:
    """Refuse parameters that are no whole numbers above 0."""
    check_above_zero(estimator, *names)
    for name in names:
        value = getattr(estimator, name)
        if value != int(value):
            raise ValueError(f"{name} must be a whole number, found {value!r}")


def is_finite(value: Any) -> bool:
    """Whether a parameter is a number, and finite."""
    return isinstance(value, Real) and isfinite(value)


def check_choice(estimator: Any, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a parameter that is none of its choices."""
    value = getattr(estimator, name)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; found {value!r}")
