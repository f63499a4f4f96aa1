"""Class means regressed on descriptions by a kernel, and the metric that compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.spatial.distance import cdist

from zslearn._data._vectors import ClassSums

__all__ = ["DescriptionKernel", "PrototypeRule", "shrunken_covariance"]


@dataclass(frozen=True, eq=False)
class DescriptionKernel:
    """A kernel of descriptions with those of the seen classes.

    Attributes
    ----------
    kind : {"rbf", "linear", "poly"}
    gamma : float
        Of "rbf", relative to the median squared distance of the seen.
    described : ndarray of shape (n_seen, K)
        Descriptions of the seen classes.
    median_distance : float
        The median over pairs that differ.
    """

    kind: str
    gamma: float
    described: NDArray[np.float64]
    median_distance: float

    @classmethod
    def of(cls, described: NDArray[np.float64], kind: str, gamma: float) -> Self:
        """Return the kernel of some seen classes."""
        distances = cdist(described, described, "sqeuclidean")
        apart = distances[distances > 1e-12 * distances.max(initial=0)]
        return cls(kind, gamma, described, float(np.median(apart)) if len(apart) else 1.0)

    def __call__(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        """Kernel (C, S) of some descriptions with those of the seen classes."""
        if self.kind == "rbf":
            distances = cdist(described, self.described, "sqeuclidean")
            return np.exp(-self.gamma / self.median_distance * distances)
        products = described @ self.described.T
        return products if self.kind == "linear" else (1 + products) ** 2

    def regularised(self, alpha: float) -> NDArray[np.float64]:
        """Kernel (S, S) of the seen classes, with the regulariser on its diagonal."""
        kernel = self(self.described)
        ridge = alpha * (np.trace(kernel) / len(kernel) or 1.0)
        regularised: NDArray[np.float64] = kernel + ridge * np.eye(len(kernel))
        return regularised


@dataclass(frozen=True, eq=False)
class PrototypeRule:
    """Prototypes ``mean + kernel @ dual_coef``, and the same in the metric.

    Attributes
    ----------
    kernel : DescriptionKernel
    dual_coef, weighted_coef : ndarray of shape (n_seen, D)
        Coefficients of the kernel, and these times the inverse of the covariance.
    mean, weighted_mean : ndarray of shape (D,)
        Mean of the seen classes' means, likewise.
    """

    kernel: DescriptionKernel
    dual_coef: NDArray[np.float64]
    mean: NDArray[np.float64]
    weighted_coef: NDArray[np.float64]
    weighted_mean: NDArray[np.float64]

    @classmethod
    def fit(
        cls, sums: ClassSums, kernel: DescriptionKernel, alpha: float, shrinkage: float | None
    ) -> Self:
        """Regress the class means; without a shrinkage the metric is the identity."""
        means = sums.class_means
        mean = means.mean(axis=0)
        dual_coef = solve(kernel.regularised(alpha), means - mean, assume_a="pos")
        weighted = np.vstack([dual_coef, mean])
        if shrinkage is not None:
            covariance = shrunken_covariance(sums, shrinkage)
            weighted = solve(covariance, weighted.T, assume_a="pos").T
        return cls(kernel, dual_coef, mean, weighted[:-1].copy(), weighted[-1].copy())

    def prototypes(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        """Prototypes (C, D) of classes of some descriptions."""
        return self.mean + self.kernel(described) @ self.dual_coef

    def weighted(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        """Those times the inverse of the covariance."""
        return self.weighted_mean + self.kernel(described) @ self.weighted_coef


def shrunken_covariance(sums: ClassSums, shrinkage: float) -> NDArray[np.float64]:
    """Covariance within classes, shrunken to a multiple of the identity, which it is if 0."""
    within = sums.within_covariance()
    variance = np.trace(within) / len(within)
    if variance <= 0:
        return np.eye(len(within))
    shrunken: NDArray[np.float64] = (1 - shrinkage) * within
    shrunken[np.diag_indices_from(shrunken)] += shrinkage * variance
    return shrunken
