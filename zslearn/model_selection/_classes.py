"""Samples by class, and how many classes and samples a split takes: what the splitters share."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, RealNotInt

from zslearn.metrics._validation import check_labels, quote

COUNT_OR_FRACTION = [
    Interval(Integral, 1, None, closed="left"),
    Interval(RealNotInt, 0, 1, closed="neither"),
]


class SamplesByClass(NamedTuple):
    """The classes in y.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        Sorted.
    rows : list of n_classes ndarrays of intp
        The samples of each class, in ascending order.
    """

    labels: NDArray[Any]
    rows: list[NDArray[np.intp]]

    @property
    def n_samples(self) -> int:
        return sum(map(len, self.rows))


def samples_by_class(y: ArrayLike) -> SamplesByClass:
    """Group the samples by their label."""
    labels, codes = np.unique(check_labels(y, "y"), return_inverse=True)
    ends = np.cumsum(np.bincount(codes))
    return SamplesByClass(labels, np.split(np.argsort(codes, kind="stable"), ends[:-1]))


def count_unseen(n_unseen: float, n_classes: int) -> int:
    """Turn a count or a fraction of the classes into a count that leaves at least one class."""
    if n_classes < 2:
        raise ValueError(
            f"y holds {n_classes} class; at least two are needed, one to play the unseen and one "
            "to train on."
        )
    if isinstance(n_unseen, Integral):
        if n_unseen >= n_classes:
            raise ValueError(
                f"n_unseen={n_unseen}, but y holds {n_classes} classes, of which at least one "
                "must be left to train on; lower n_unseen or give a fraction."
            )
        return int(n_unseen)
    return min(max(round(n_unseen * n_classes), 1), n_classes - 1)


def count_held_out(
    classes: SamplesByClass, test_size: float, stays: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Count the samples to hold out of each class that stays; 0 for the others.

    A class of a single sample cannot be divided: it is there to train on.
    """
    sizes = np.array([len(rows) for rows in classes.rows], dtype=np.intp)
    divided = stays & (sizes > 1)
    if isinstance(test_size, Integral):
        short = classes.labels[divided & (sizes <= test_size)]
        if short.size:
            raise ValueError(
                f"test_size={test_size} samples of each class leave none to train on in "
                f"{short.size} of the {len(sizes)} classes: {quote(short)}. Lower test_size, or "
                "give a fraction."
            )
        return np.where(divided, int(test_size), 0)
    held_out = np.rint(test_size * sizes).astype(np.intp)
    return np.where(divided, np.clip(held_out, 1, np.maximum(sizes - 1, 1)), 0)


def check_seen_part(n_test: NDArray[np.intp], unseen: NDArray[np.bool_]) -> None:
    """Refuse a split whose test part would have no sample of a class that stays."""
    if not n_test[~unseen].any():
        raise ValueError(
            "y holds a single sample of each class that stays seen, "
            f"{np.count_nonzero(~unseen)} in number, so there is none to test on; gather a second "
            "sample of one of these classes, or hold out other classes."
        )


def warn_groups(groups: Any, splitter: object) -> None:
    """Say, as scikit-learn's splitters do, that groups are ignored."""
    if groups is not None:
        warnings.warn(
            f"The groups parameter is ignored by {type(splitter).__name__}",
            UserWarning,
            stacklevel=3,
        )
