"""Classes as normal distributions whose parameters are regressed on descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from zslearn._data._vectors import mean_vectors
from zslearn._sample_weights import Samples
from zslearn.linear_model._base import ClosedFormClassifier, check_above_zero, is_finite
from zslearn.registry import register_method

__all__ = ["GFZSLClassifier"]


@register_method("gfzsl", family="linear", input="vectors", paper="ECML 2017")
class GFZSLClassifier(ClosedFormClassifier):
    """Class-conditional normal distributions with parameters regressed on descriptions: GFZSL.

    Means and log variances of the seen classes, a variance a feature, are regressed on descriptions
    a and b by ridge regressions with the kernel ``(1 + a @ b) ** 2``. The score of a class is the
    log density of its regressed distribution, for seen classes too.

    Parameters
    ----------
    alpha : float, default=0.1
        Regulariser of the means, above 0.
    variance_alpha : float, default=1000.0
        Regulariser of the log variances, above 0. The larger, the more alike are those of classes.
    regulariser : float, default=1.0
        What is added to regressed variances, 0 or above. With standardised features, 1 was better
        than less on held-out classes of networks' features, and all but the same on weak ones.
    variance_offset : float, default=0.001
        What is added to variances before the logarithm, above 0.
    center : bool, default=True
        Whether what is regressed are differences from the mean over seen classes. Without it, as
        in the authors' code, a large `variance_alpha` makes every variance one.
    scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="standard"
        Scaling of each sample. Variances are compared with `regulariser` and `variance_offset`.
    attribute_scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each class description.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples; as
        features are not independent, the densities are much too sure.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    dual_coef_ : ndarray of shape (n_seen, n_features)
        Coefficients of the kernel for the means.
    dual_variance_coef_ : ndarray of shape (n_seen, n_features)
        Coefficients of the kernel for the log variances.
    mean_, log_variance_ : ndarray of shape (n_features,)
        What is added to what these give; 0 if not `center`.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    PrototypeRegressionClassifier : One covariance for all classes, with all pairs of features.

    References
    ----------
    Verma, Rai, "A simple exponential family framework for zero-shot learning", ECML 2017.

    Examples
    --------
    >>> from zslearn.linear_model import GFZSLClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = GFZSLClassifier().fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]], candidates="unseen")
    array([3])
    """

    def __init__(
        self,
        alpha: float = 0.1,
        *,
        variance_alpha: float = 1000.0,
        regulariser: float = 1.0,
        variance_offset: float = 0.001,
        center: bool = True,
        scaling: str | None = "standard",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.alpha = alpha
        self.variance_alpha = variance_alpha
        self.regulariser = regulariser
        self.variance_offset = variance_offset
        self.center = center
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    def _check_parameters(self) -> None:
        check_above_zero(self, "alpha", "variance_alpha", "variance_offset")
        if not is_finite(self.regulariser) or self.regulariser < 0:
            raise ValueError(
                f"regulariser must be a finite number, 0 or above, found {self.regulariser!r}"
            )

    def _learn(
        self, samples: Samples, held: NDArray[np.bool_], described: NDArray[np.float64]
    ) -> None:
        kept, rest = (_Moments.zeros(len(described), samples.X.shape[-1]) for _ in range(2))
        times = np.ones(len(held)) if samples.weights is None else samples.weights
        for place, vectors in mean_vectors(samples.X, samples.rows):
            scaled, apart = self.scaling_(vectors), held[place]
            y, own = samples.y[place], times[place]
            kept += _Moments.of(scaled[~apart], y[~apart], own[~apart], len(described))
            rest += _Moments.of(scaled[apart], y[apart], own[apart], len(described))
        if held.any():
            self._fit_moments(kept, described)
            self._fit_score_scale(samples, held, described)
        self._fit_moments(kept + rest, described)

    def _fit_moments(self, moments: _Moments, described: NDArray[np.float64]) -> None:
        self.described_ = described
        logs = np.log(moments.variances + self.variance_offset)
        self.mean_, self.log_variance_ = moments.means.mean(axis=0), logs.mean(axis=0)
        if not self.center:
            self.mean_, self.log_variance_ = 0 * self.mean_, 0 * self.log_variance_
        kernel, unit = self._kernel(described), np.eye(len(described))
        self.dual_coef_ = solve(
            kernel + self.alpha * unit, moments.means - self.mean_, assume_a="pos"
        )
        self.dual_variance_coef_ = solve(
            kernel + self.variance_alpha * unit, logs - self.log_variance_, assume_a="pos"
        )

    def _kernel(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        kernel: NDArray[np.float64] = (1 + described @ self.described_.T) ** 2
        return kernel

    def _rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        vectors = vectors - self.mean_
        return np.hstack([vectors**2, vectors])

    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        kernel = self._kernel(described)
        means = kernel @ self.dual_coef_  # less mean_, as rows are
        variances = np.exp(self.log_variance_ + kernel @ self.dual_variance_coef_)
        variances += self.regulariser
        weights = np.hstack([-0.5 / variances, means / variances])
        offsets = -0.5 * (means**2 / variances + np.log(2 * np.pi * variances)).sum(axis=1)
        return weights, offsets


@dataclass
class _Moments:
    """Counts (S, 1), means (S, D) and squared deviations (S, D) of classes; sums are of parts."""

    counts: NDArray[np.float64]
    means: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def zeros(cls, n_seen: int, width: int) -> Self:
        """Return those of no samples."""
        return cls(np.zeros((n_seen, 1)), np.zeros((n_seen, width)), np.zeros((n_seen, width)))

    @classmethod
    def of(
        cls,
        vectors: NDArray[np.float64],
        targets: NDArray[np.int64],
        times: NDArray[np.float64],
        n_seen: int,
    ) -> Self:
        """Return those of some samples: numbers of their classes, and how often they count."""
        chosen = np.zeros((n_seen, len(targets)))
        chosen[targets, np.arange(len(targets))] = times
        counts = chosen.sum(axis=1, keepdims=True)
        means = chosen @ vectors / np.where(counts > 0, counts, 1)
        return cls(counts, means, chosen @ (vectors - means[targets]) ** 2)

    def __add__(self, other: _Moments) -> _Moments:
        counts = self.counts + other.counts
        step, share = other.means - self.means, other.counts / np.where(counts > 0, counts, 1)
        squares = self.squares + other.squares + step**2 * self.counts * share
        return _Moments(counts, self.means + step * share, squares)

    @property
    def variances(self) -> NDArray[np.float64]:
        """Variance of each feature in each class, 0 where a class has but one sample."""
        return self.squares / np.maximum(self.counts - 1, 1)
