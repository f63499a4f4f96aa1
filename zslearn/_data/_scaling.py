"""Scaling of vectors, learnt from the training samples and kept with the estimator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCALINGS", "Scaling", "unit_rows"]

SCALINGS = ("unit_length", "standard", "min_max", None)


@dataclass(frozen=True, eq=False)
class Scaling:
    """How vectors are scaled: the same for a sample whatever others it comes with.

    Attributes
    ----------
    kind : {"unit_length", "standard", "min_max"} or None
    offset, divisor : ndarray of shape (D,) or None
        Of "standard" (mean, deviation) and "min_max" (least, range).
    """

    kind: str | None
    offset: NDArray[np.float64] | None = None
    divisor: NDArray[np.float64] | None = None

    @classmethod
    def fit(
        cls,
        kind: str | None,
        chunks: Iterable[NDArray[np.float64]],
        name: str,
        weights: NDArray[np.float64] | None = None,
    ) -> Self:
        """Learn a scaling from chunks of vectors; "unit_length" and None read none of them.

        Weights, of the vectors of all chunks in their order, are those of means.
        """
        if kind not in SCALINGS:
            choices = ", ".join(map(repr, SCALINGS))
            raise ValueError(f"{name} must be one of {choices}; found {kind!r}")
        if kind == "standard":
            return cls(kind, *_mean_and_deviation(chunks, weights))
        if kind == "min_max":
            least, most = np.inf, -np.inf
            for vectors in chunks:
                least = np.minimum(least, vectors.min(axis=0))
                most = np.maximum(most, vectors.max(axis=0))
            return cls(kind, np.asarray(least), _without_zeros(np.asarray(most - least)))
        return cls(kind)

    @property
    def is_learnt(self) -> bool:
        """Whether it depends on the samples it was fitted to."""
        return self.offset is not None

    def __call__(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the vectors, scaled."""
        if self.kind == "unit_length":
            return unit_rows(vectors)
        if self.offset is None or self.divisor is None:
            return vectors
        return (vectors - self.offset) / self.divisor


def unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to unit length, whatever their size; a row of zeros stays."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    odd = ~((lengths > 1e-140) & (lengths < 1e140))[:, 0]
    if not odd.any():
        return vectors / lengths
    # What is too small or too large to be squared, and zeros: only these rows take this way.
    scaled = vectors / np.where(odd[:, None], 1.0, lengths)
    peaks = _without_zeros(np.abs(vectors[odd]).max(axis=1, keepdims=True))
    rows = vectors[odd] / peaks
    scaled[odd] = rows / _without_zeros(np.linalg.norm(rows, axis=1, keepdims=True))
    return scaled


def _without_zeros(divisor: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(divisor == 0, 1.0, divisor)


def _mean_and_deviation(
    chunks: Iterable[NDArray[np.float64]], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the columns, by merging those of chunks."""
    n, read = 0.0, 0
    mean = square = np.zeros(())
    for vectors in chunks:
        if weights is None:
            count, own = float(len(vectors)), vectors.mean(axis=0)
            squares = ((vectors - own) ** 2).sum(axis=0)
        else:
            counts = weights[read : read + len(vectors)]
            count = counts.sum()
            own = counts @ vectors / count
            squares = counts @ (vectors - own) ** 2
        step, total = own - mean, n + count
        square = square + squares + step**2 * (n * count / total)
        mean, n, read = mean + step * (count / total), total, read + len(vectors)
    deviation = np.sqrt(square / n)
    # Of a constant column only rounding is left.
    return mean, np.where(deviation <= 1e-14 * np.abs(mean), 1.0, _without_zeros(deviation))
