"""Which rows make the batches of an epoch: shuffled ones, or as many of each class."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowPlan", "RowsByClass", "ShuffledRows"]


class RowPlan(Protocol):
    """Rows of each batch of an epoch, drawn from its generator alone."""

    @property
    def largest(self) -> int:
        """Rows of the largest batch."""

    def __len__(self) -> int:
        """Batches of an epoch."""

    def draw(self, rng: np.random.Generator) -> list[NDArray[np.intp]]:
        """Rows of each batch, in any order."""


class ShuffledRows:
    """Every row once an epoch, in batches that differ in size by at most one.

    Parameters
    ----------
    n : int
        Number of rows.
    batch_size : int
        The most rows in a batch.
    weights : ndarray of shape (n,), default=None
        Let rows come as often as they count instead: in each of n places of an epoch.
    """

    def __init__(self, n: int, batch_size: int, weights: NDArray[np.float64] | None = None) -> None:
        self.n = n
        self.n_batches = -(-n // batch_size)
        self.shares = None
        if weights is not None:
            self.shares = n * np.cumsum(weights) / weights.sum()
            self.shares[-1] = n

    @property
    def largest(self) -> int:
        """Rows of the largest batch."""
        return -(-self.n // self.n_batches)

    def __len__(self) -> int:
        return self.n_batches

    def draw(self, rng: np.random.Generator) -> list[NDArray[np.intp]]:
        """Rows of each batch."""
        if self.shares is None:
            order = rng.permutation(self.n)
        else:  # each at least as often as the whole part of what it counts for
            times = np.diff(np.floor(self.shares + rng.random()), prepend=0).astype(np.intp)
            order = rng.permutation(np.repeat(np.arange(self.n), times))
        return np.array_split(order, self.n_batches)


class RowsByClass:
    """Some classes a batch, none of them twice, and as many rows of each.

    Parameters
    ----------
    targets : ndarray of shape (n,)
        Class indices of the rows.
    n_classes : int
        The most classes in a batch: all that have rows where there are fewer.
    n_each : int
        Rows of a class in a batch.
    n_batches : int
        Batches of an epoch.
    replace : bool
        Whether a row may come twice in a batch; otherwise only those of classes that have fewer
        than `n_each` do.
    """

    def __init__(
        self,
        targets: NDArray[np.int64],
        n_classes: int,
        n_each: int,
        n_batches: int,
        *,
        replace: bool,
    ) -> None:
        self.order = np.argsort(targets, kind="stable")
        self.counts = np.unique(targets, return_counts=True)[1]
        self.starts = np.cumsum(self.counts) - self.counts
        self.n_classes = min(n_classes, len(self.counts))
        self.n_each, self.n_batches, self.replace = n_each, n_batches, replace

    @property
    def largest(self) -> int:
        """Rows of every batch."""
        return self.n_classes * self.n_each

    def __len__(self) -> int:
        return self.n_batches

    def draw(self, rng: np.random.Generator) -> list[NDArray[np.intp]]:
        """Rows of each batch."""
        return [self._draw_batch(rng) for _ in range(self.n_batches)]

    def _draw_batch(self, rng: np.random.Generator) -> NDArray[np.intp]:
        classes = rng.choice(len(self.counts), self.n_classes, replace=False)
        counts = self.counts[classes]
        places = rng.integers(0, counts[:, None], size=(self.n_classes, self.n_each))
        if not self.replace:
            for row in np.flatnonzero(counts >= self.n_each):
                places[row] = rng.choice(counts[row], self.n_each, replace=False)
        rows: NDArray[np.intp] = self.order[self.starts[classes][:, None] + places]
        return rows.ravel()
