"""One vector a sample, read a chunk of rows at a time, and the sums closed forms are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyr, dsyrk
from scipy.sparse import csc_array

__all__ = ["ClassSums", "mean_vectors"]

_CHUNK_BYTES = 2**24
# Of vectors in float64: few enough that the passes over them find them in a processor's cache.
_CACHED_NUMBERS = 2**19


def mean_vectors(
    X: Any, rows: NDArray[np.intp] | None = None
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Iterate over chunks of samples: their place, and the mean of each one's regions in float64.

    Regions of zeros are padding, and no part of a mean.

    Parameters
    ----------
    X : ndarray, Tensor or lazy store of shape (n, R, D) or (n, D)
        Never read whole: the memory taken does not depend on n.
    rows : ndarray of int, default=None
        The rows of X meant, in ascending order, some perhaps several times; all by default. Places
        count these.

    Raises
    ------
    ValueError
        If a sample is not finite, or has several regions that are all zero; the message names the
        rows of X.
    """
    n = X.shape[0] if rows is None else len(rows)
    step = min(_CHUNK_BYTES // (4 * int(np.prod(X.shape[1:]))), _CACHED_NUMBERS // X.shape[-1])
    step = max(1, step)
    for start in range(0, n, step):
        place = slice(start, min(start + step, n))
        if rows is None:
            numbers, raw = np.arange(start, place.stop), _as_array(X[place])
        else:  # lazy stores may not read a row twice
            numbers = rows[place]
            once, back = np.unique(numbers, return_inverse=True)
            raw = _as_array(X[once])
            raw = raw if len(once) == len(numbers) else raw[back]
        with np.errstate(invalid="ignore", over="ignore"):
            vectors = _mean_regions(raw, numbers) if raw.ndim == 3 else raw.astype(np.float64)
            flat = vectors.ravel()
            square = flat @ flat  # one quick pass; that of finite numbers may overflow too
        if not np.isfinite(square) and not np.isfinite(vectors).all():
            bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            kind = "NaN" if np.isnan(raw[bad]).any() else "infinity"
            raise ValueError(
                f"Input X contains {kind}: {len(bad)} of the {len(raw)} samples read in this "
                f"chunk have NaN or infinite features, rows {numbers[bad][:10].tolist()} of X. "
                "Correct or remove them."
            )
        yield place, vectors


def _mean_regions(raw: NDArray[Any], numbers: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean over the regions that are not zero, of samples with some row numbers in X."""
    means: NDArray[np.float64] = raw.mean(axis=1, dtype=np.float64)
    n_regions = raw.shape[1]
    suspects = (raw[..., :: max(1, raw.shape[2] // 4)] == 0).all(axis=2)
    if n_regions == 1 or not suspects.any():
        return means
    suspects[suspects] = (raw[suspects] == 0).all(axis=1)
    counts = n_regions - suspects.sum(axis=1)
    if not counts.all():
        raise ValueError(
            "X has samples whose regions are all zero, rows "
            f"{numbers[counts == 0][:10].tolist()} of X: regions of zeros are padding, so nothing "
            "of them is left. Remove them."
        )
    padded = counts < n_regions
    means[padded] = raw[padded].sum(axis=1, dtype=np.float64) / counts[padded, None]
    return means


def _as_array(raw: Any) -> NDArray[Any]:
    if hasattr(raw, "detach"):
        raw = raw.detach().cpu()
        raw = raw.float().numpy() if "bfloat16" in str(raw.dtype) else raw.numpy()
    array = np.asarray(raw)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


@dataclass
class ClassSums:
    """What closed forms need of X, in float64: one pass, and sums of parts are those of the whole.

    Attributes
    ----------
    sums : ndarray of shape (n_seen, D)
        Sum of the vectors of each class.
    counts : ndarray of shape (n_seen,)
        Number of vectors of each class, or the sum of their weights.
    upper : ndarray of shape (D, D)
        The upper triangle of ``X.T @ X``, above zeros.

    With weights, vectors count as often in each.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    upper: NDArray[np.float64]

    @classmethod
    def zeros(cls, n_seen: int, width: int) -> Self:
        """Return the sums of no samples."""
        return cls(np.zeros((n_seen, width)), np.zeros(n_seen), np.zeros((width, width), order="F"))

    def add(
        self,
        vectors: NDArray[np.float64],
        targets: NDArray[np.int64],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Take in more samples, whose targets number the seen classes."""
        n = len(targets)
        if not n:
            return
        counted = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        chosen = csc_array((counted, targets, np.arange(n + 1)), shape=(len(self.counts), n))
        self.sums += chosen @ vectors
        self.counts += np.bincount(targets, counted, minlength=len(self.counts))
        if weights is not None:
            vectors = vectors * np.sqrt(counted)[:, None]
        # Adds to one triangle in place, where a product would be another array to be added.
        self.upper = dsyrk(1.0, vectors.T, beta=1.0, c=self.upper, overwrite_c=1)

    def include(self, other: ClassSums, times: float = 1.0) -> None:
        """Take in the samples of others, once or several times."""
        self.sums += times * other.sums
        self.counts += times * other.counts
        self.upper += other.upper if times == 1 else times * other.upper

    def of_classes(self, chosen: NDArray[np.intp]) -> ClassSums:
        """Return the sums numbered by those classes alone, which must have all the samples."""
        return ClassSums(self.sums[chosen], self.counts[chosen], self.upper)

    def __add__(self, other: ClassSums) -> ClassSums:
        upper = self.upper + other.upper
        return ClassSums(self.sums + other.sums, self.counts + other.counts, upper)

    @property
    def gram(self) -> NDArray[np.float64]:
        """``X.T @ X``."""
        gram: NDArray[np.float64] = self.upper + self.upper.T
        gram[np.diag_indices_from(gram)] /= 2
        return gram

    @property
    def n_samples(self) -> float:
        """Number of all vectors."""
        return float(self.counts.sum())

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of all vectors."""
        mean: NDArray[np.float64] = self.sums.sum(axis=0) / self.n_samples
        return mean

    @property
    def class_means(self) -> NDArray[np.float64]:
        """Mean of the vectors of each class."""
        return self.sums / self.counts[:, None]

    def centred(self) -> ClassSums:
        """Return the sums of the vectors less their mean."""
        mean = self.mean
        upper = dsyr(-self.n_samples, mean, a=self.upper)
        return ClassSums(self.sums - self.counts[:, None] * mean, self.counts, upper)

    def within_covariance(self) -> NDArray[np.float64]:
        """Return the covariance within classes, pooled; exactly 0 where it is rounding alone."""
        centred = self.centred()
        between = centred.class_means.T @ (centred.counts[:, None] * centred.class_means)
        within: NDArray[np.float64] = (centred.gram - between) / self.n_samples
        if np.trace(within) <= 1e-12 * np.trace(self.upper) / self.n_samples:
            return np.zeros_like(within)
        return within
