"""One vector a sample, read a chunk of rows at a time, and the sums closed forms are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassSums", "mean_vectors"]

_CHUNK_BYTES = 2**24


def mean_vectors(
    X: Any, rows: NDArray[np.intp] | None = None
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Iterate over chunks of samples: their place, and the mean of each one's regions in float64.

    Parameters
    ----------
    X : ndarray, Tensor or lazy store of shape (n, R, D) or (n, D)
        Never read whole: the memory taken does not depend on n.
    rows : ndarray of int, default=None
        The rows of X meant, in ascending order; all by default. Places count these.

    Raises
    ------
    ValueError
        If a sample is not finite; the message names the rows of X.
    """
    n = X.shape[0] if rows is None else len(rows)
    step = max(1, _CHUNK_BYTES // (4 * int(np.prod(X.shape[1:]))))
    for start in range(0, n, step):
        place = slice(start, min(start + step, n))
        raw = _as_array(X[place if rows is None else rows[place]])
        with np.errstate(invalid="ignore", over="ignore"):
            if raw.ndim == 3:
                vectors = raw.mean(axis=1, dtype=np.float64)
            else:
                vectors = raw.astype(np.float64)
        if not np.isfinite(vectors).all():
            bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            numbers = (bad + start if rows is None else rows[bad + start])[:10].tolist()
            kind = "NaN" if np.isnan(raw[bad]).any() else "infinity"
            raise ValueError(
                f"Input X contains {kind}: {len(bad)} of the {len(raw)} samples read in this "
                f"chunk have NaN or infinite features, rows {numbers} of X. Correct or remove them."
            )
        yield place, vectors


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
    gram : ndarray of shape (D, D)
        ``X.T @ X``.

    With weights, vectors count as often in each.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    gram: NDArray[np.float64]

    @classmethod
    def zeros(cls, n_seen: int, width: int) -> Self:
        """Return the sums of no samples."""
        return cls(np.zeros((n_seen, width)), np.zeros(n_seen), np.zeros((width, width)))

    def add(
        self,
        vectors: NDArray[np.float64],
        targets: NDArray[np.int64],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Take in more samples, whose targets number the seen classes."""
        chosen = np.zeros((len(self.counts), len(targets)))
        chosen[targets, np.arange(len(targets))] = 1 if weights is None else weights
        self.sums += chosen @ vectors
        self.counts += chosen.sum(axis=1)
        if weights is not None:
            vectors = vectors * np.sqrt(weights)[:, None]
        self.gram += vectors.T @ vectors

    def __add__(self, other: ClassSums) -> ClassSums:
        return ClassSums(self.sums + other.sums, self.counts + other.counts, self.gram + other.gram)

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
        gram = self.gram - self.n_samples * np.outer(mean, mean)
        return ClassSums(self.sums - self.counts[:, None] * mean, self.counts, gram)

    def within_covariance(self) -> NDArray[np.float64]:
        """Return the covariance within classes, pooled; exactly 0 where it is rounding alone."""
        centred = self.centred()
        between = centred.class_means.T @ (centred.counts[:, None] * centred.class_means)
        within: NDArray[np.float64] = (centred.gram - between) / self.n_samples
        if np.trace(within) <= 1e-12 * np.trace(self.gram) / self.n_samples:
            return np.zeros_like(within)
        return within
