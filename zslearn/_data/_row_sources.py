"""What rows of X come from: arrays, tensors, lazy stores, and sources that remember."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["TORCH_HAS", "SharedRows", "as_tensor", "in_memory"]

TORCH_HAS = {np.dtype(t) for t in ("f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8", "bool")}


class SharedRows:
    """A lazy source of the rows of X that keeps what it made of them for the next fit.

    Parameters
    ----------
    X : ndarray, Tensor or lazy store of shape (n, R, D) or (n, D)
    """

    def __init__(self, X: Any) -> None:
        self.X, self.shape, self.dtype = X, tuple(X.shape), X.dtype
        self.ndim = len(self.shape)
        self.kept: dict[Any, tuple[Tensor, Tensor | None]] = {}
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        return self.X[rows]


def as_tensor(rows: Any) -> Tensor:
    """Return rows as a tensor, copied only if they must be."""
    if isinstance(rows, Tensor):
        return rows.detach()
    array = np.asarray(rows)
    # A single row of a reversed array counts as contiguous, but torch refuses its stride.
    if min(array.strides, default=0) < 0:
        array = array.copy()
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(np.ascontiguousarray(array).view(np.int16)).view(torch.bfloat16)
    if array.dtype not in TORCH_HAS:
        array = array.astype(np.float64)
    # torch has no read-only tensors and warns, though nothing here writes to the rows it reads.
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def in_memory(X: Any) -> bool:
    """Whether X is an array or a tensor that is not a view of a file."""
    while isinstance(X, SharedRows):
        X = X.X
    base = X
    while base is not None:
        if isinstance(base, np.memmap) or type(base).__name__ == "mmap":
            return False
        base = getattr(base, "base", None)
    return isinstance(X, np.ndarray | Tensor)
