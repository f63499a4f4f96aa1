"""The rows that a writer appends to a feature store: room for them, and how they are laid out."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._table_checks import quote_some
from zslearn.feature_extraction import _store_format as store_format

__all__ = ["check_space", "lay_out_rows"]


def lay_out_rows(
    features: ArrayLike, skipped: Mapping[int, str], n_finished: int, shape: tuple[int, int, int]
) -> NDArray[np.float16]:
    """Check features and lay them out as rows of the file, zeros where skipped.

    Parameters
    ----------
    features : array-like of shape (b, R, D)
        Of the rows that are not skipped.
    skipped : mapping of int to str
        Positions among the ``b + len(skipped)`` rows that are left out.
    n_finished : int
        Rows of the store in front of them.
    shape : (int, int, int)
        That of the store.

    Returns
    -------
    rows : ndarray of shape (b + len(skipped), R, D), float16

    Raises
    ------
    ValueError
        If they do not fit, or a value is not finite or too large.
    """
    if np.ma.is_masked(features):
        raise ValueError(
            "features are masked, and what a mask hides is no feature: name such rows in skipped, "
            "or fill the values, features.filled(...)."
        )
    given = np.asarray(features)
    if given.shape == (0,):
        given = given.reshape(0, *shape[1:])
    if given.shape[1:] != shape[1:] or given.dtype.kind not in "fiub":
        raise ValueError(
            f"features must be numbers of shape (b, {shape[1]}, {shape[2]}); found shape "
            f"{given.shape} and dtype {given.dtype}."
        )
    n = len(given) + len(skipped)
    if n_finished + n > shape[0]:
        raise ValueError(
            f"{n} rows were given, and {shape[0] - n_finished} of {shape[0]} are left."
        )
    outside = [k for k in skipped if not 0 <= k < n]
    if outside:
        raise ValueError(
            f"skipped holds positions {quote_some(outside)}; the batch has {n} rows, "
            f"{len(given)} of them features, and positions in it are 0 to {n - 1}."
        )
    present = np.setdiff1d(np.arange(n), np.fromiter(skipped, np.intp, len(skipped)))
    rows = np.zeros((n, *shape[1:]), store_format.DTYPE)
    with np.errstate(over="ignore", invalid="ignore"):
        rows[present] = given
    wrong = present[~np.isfinite(rows[present]).all(axis=(1, 2))]
    if wrong.size:
        was_finite = np.isfinite(given).all()
        kind = "too large for float16 (65504 is the most)" if was_finite else "NaN or infinite"
        raise ValueError(
            f"features holds values that are {kind}, in {len(wrong)} row(s): "
            f"{quote_some(n_finished + wrong)}. Correct them, or name these rows in skipped."
        )
    return rows


def check_space(folder: Path, n_finished: int, shape: tuple[int, int, int]) -> None:
    """Raise an OSError if the disk has clearly no room for the rows that are left."""
    row_bytes = int(np.prod(shape[1:])) * store_format.DTYPE.itemsize
    left = (shape[0] - n_finished) * row_bytes
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    # What the file takes already, of rows to write again, is free as well.
    taken = store_format.find_allocated(folder) - n_finished * row_bytes
    if left > free + max(0, taken):
        raise OSError(
            errno.ENOSPC,
            f"{shape[0] - n_finished} rows are left to write, which take {_as_size(left)}, and "
            f"the disk has {_as_size(free)} free. Make room, or give a folder on another disk",
            str(folder),
        )


def _as_size(n_bytes: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.4g} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.4g} TiB"
