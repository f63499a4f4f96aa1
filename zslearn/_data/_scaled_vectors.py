"""One scaled vector a sample, as a lazy source of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._data._rows import SharedRows
from zslearn._data._scaling import Scaling
from zslearn._data._vectors import mean_vectors

__all__ = ["ScaledVectors"]


class ScaledVectors(SharedRows):
    """Means of the samples' regions, scaled, read as they are asked for.

    Parameters
    ----------
    X : ndarray, Tensor or lazy store of shape (n, R, D) or (n, D)
    scaling : Scaling
    """

    def __init__(self, X: Any, scaling: Scaling) -> None:
        super().__init__(X)
        self.scaling = scaling
        self.shape, self.ndim = (self.shape[0], self.shape[-1]), 2
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        vectors = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        for place, means in mean_vectors(self.X, rows):
            vectors[place] = self.scaling(means)
        return vectors
