"""Checksums of the rows of a feature store, by blocks of rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zslearn.feature_extraction._manifest_checks import is_count

__all__ = ["RowSums"]

_BLOCK_BYTES = 2**26


@dataclass(frozen=True)
class RowSums:
    """CRC-32 of each block of rows; that of the last one goes on with the rows that follow.

    Attributes
    ----------
    n_rows : int
        Rows of a block.
    values : tuple of int
    """

    n_rows: int
    values: tuple[int, ...] = ()

    @classmethod
    def begin(cls, row_bytes: int) -> Self:
        """No sums yet, of blocks of some 64 MiB."""
        return cls(max(1, _BLOCK_BYTES // row_bytes))

    @classmethod
    def read(cls, content: Any, n_finished: int) -> Self | None:
        """Take what a JSON file says, or None if it is not of so many rows."""
        if not isinstance(content, dict) or not isinstance(content.get("values"), list):
            return None
        n_rows, values = content.get("n_rows"), content["values"]
        if not is_count(n_rows) or not n_rows or not all(map(is_count, values)):
            return None
        complete = content.get("n_finished") == n_finished  # unless the file was edited
        fitting = len(values) == -(-n_finished // n_rows)
        return cls(n_rows, tuple(values)) if complete and fitting else None

    def as_json(self, n_finished: int) -> dict[str, Any]:
        """Give what `read` reads."""
        return {"n_finished": n_finished, "n_rows": self.n_rows, "values": list(self.values)}

    def extended(self, rows: NDArray[np.float16], n_before: int) -> Self:
        """Return the sums with more rows, of which there are `n_before` in front."""
        values = list(self.values)
        for part, place in self._parts(rows, n_before):
            values[place:] = [zlib.crc32(part, *values[place:])]
        return type(self)(self.n_rows, tuple(values))

    def find_changed(self, rows: Any) -> list[tuple[int, int]]:
        """First and last row of each block that is not as it was."""
        return [
            (place * self.n_rows, min((place + 1) * self.n_rows, len(rows)) - 1)
            for part, place in self._parts(rows, 0)
            if zlib.crc32(part) != self.values[place]
        ]

    def _parts(self, rows: NDArray[np.float16], n_before: int) -> Iterator[tuple[memoryview, int]]:
        """Bytes of the rows of each block, with its number."""
        start = 0
        while start < len(rows):
            place, filled = divmod(n_before + start, self.n_rows)
            stop = min(len(rows), start + self.n_rows - filled)
            yield np.ascontiguousarray(rows[start:stop]).reshape(-1).view(np.uint8).data, place
            start = stop
