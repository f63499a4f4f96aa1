"""Rows of a file behind a URL, of which no more is read than is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._remote import RemotePath

__all__ = ["RemoteRows"]


class RemoteRows:
    """Rows of an array in C order, read when indexed.

    Parameters
    ----------
    path : RemotePath
    start : int
        Where the first row begins, in bytes.
    shape : tuple of int
        Of the array.
    dtype : dtype
    """

    def __init__(
        self, path: RemotePath, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.path, self.start, self.shape, self.dtype = path, start, shape, dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a row, or those of a slice or of an array of rows or of bools."""
        wanted = np.arange(len(self))[key]
        rows = np.atleast_1d(wanted)
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        if len(rows):
            size = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=object))
            # Rows that follow each other are one request.
            begins = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
            lengths = np.diff(begins, append=len(rows))
            firsts = self.start + rows[begins] * size
            ranges = [(int(a), int(a + n * size)) for a, n in zip(firsts, lengths, strict=True)]
            parts = self.path.read_ranges(ranges)
            for begin, length, part in zip(begins, lengths, parts, strict=True):
                read = np.frombuffer(part, self.dtype)
                out[begin : begin + length] = read.reshape(length, *self.shape[1:])
        return out if wanted.ndim else out[0]
