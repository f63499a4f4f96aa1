"""Checks of folds that somebody gives: each has to pose a zero-shot problem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "check_splits"]

Split = tuple[NDArray[np.intp], NDArray[np.intp]]

_REMEDY = "Use zslearn.model_selection.SeenUnseenKFold."


def check_splits(splits: Iterable[Any], y: NDArray[Any]) -> list[Split]:
    """Make a list of folds, each with held-out classes and held-out samples of the others."""
    checked = []
    for number, (train_rows, test_rows) in enumerate(splits):
        train, test = (_as_row_numbers(rows, len(y)) for rows in (train_rows, test_rows))
        shared = np.intersect1d(train, test)
        if len(shared):
            raise ValueError(
                f"cv gives {len(shared)} samples to both parts of fold {number}, the first is row "
                f"{shared[0]}; a choice is made on samples that the model has not seen. {_REMEDY}"
            )
        stays = np.isin(y[test], y[train])
        if stays.all() or not stays.any():
            n_train = len(np.unique(y[train]))
            found = (
                f"the test part of fold {number} has no sample of the {n_train} classes of its "
                "training part, so the accuracy on seen classes is undefined"
                if not stays.any()
                else f"fold {number} is not class-disjoint: every class of its test part is also "
                "in its training part, so none plays the unseen"
            )
            raise ValueError(f"cv does not pose a zero-shot problem: {found}. {_REMEDY}")
        checked.append((train, test))
    if not checked:
        raise ValueError(f"cv gives no fold. {_REMEDY}")
    return checked


def _as_row_numbers(rows: Any, n_samples: int) -> NDArray[np.intp]:
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (n_samples,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(
            f"cv gives {rows.ndim}-dimensional rows of dtype {rows.dtype}: give row numbers, or a "
            f"mask of the {n_samples} samples. {_REMEDY}"
        )
    rows = rows.astype(np.intp)
    outside = rows[(rows < -n_samples) | (rows >= n_samples)]
    if len(outside):
        raise ValueError(f"cv gives row {outside[0]}, and there are {n_samples} samples. {_REMEDY}")
    return rows % n_samples  # -1 is the last
