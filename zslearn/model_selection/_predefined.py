"""A published split, with the checks that published index arrays need."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.validation import _num_samples, check_consistent_length

from zslearn._containers import refuse_masked
from zslearn.metrics._validation import check_labels, quote
from zslearn.model_selection._classes import warn_groups
from zslearn.model_selection._gzsl_train_test_split import gzsl_train_test_split

_PARTS = ("trainval", "test_seen", "test_unseen")


class PredefinedSeenUnseenSplit(BaseCrossValidator):
    """The one split given by published arrays of row indices.

    Training part: ``trainval``. Test part: ``test_seen`` and ``test_unseen``. The arrays are
    checked first: a sample in two of them, or an unseen class in training, makes every result on
    the split worthless, and published files invite both.

    Parameters
    ----------
    trainval : array-like of int of shape (n_trainval,)
        Rows of the seen classes to train on. Here and below, a column or a row of integers, as
        ``scipy.io.loadmat`` returns it, is taken too.

    test_seen : array-like of int of shape (n_test_seen,)
        Held-out rows of the seen classes. It may be empty: then only the conventional setting
        (T1) can be scored.

    test_unseen : array-like of int of shape (n_test_unseen,)
        Rows of the unseen classes.

    one_based : bool, default=False
        Whether the first row has number 1, as in the files of the "proposed split" [1]_, written
        by MATLAB. Rows are counted from 0 by default, as everywhere in Python.

    Attributes
    ----------
    trainval, test_seen, test_unseen : ndarray of intp
        The rows in the order given, counted from 0 whatever ``one_based``.

    Raises
    ------
    TypeError
        If an array holds something else than integers.
    ValueError
        If an array repeats a row, holds a number below that of the first row or, ``test_seen``
        apart, is empty, or if two arrays share a row.

    See Also
    --------
    SeenUnseenKFold : Folds for choosing parameters on the seen classes.
    gzsl_train_test_split : A split of one's own data.

    Notes
    -----
    **The train/val trap.** Some of the distributed files also hold ``train_loc`` and
    ``val_loc``. In most of them (AWA2, SUN, FLO; not AWA1) their union is that of
    ``trainval_loc`` and ``test_seen_loc``: who tunes on them has trained on the seen test
    samples before reporting on them. They must be intersected with ``trainval_loc`` first;
    :meth:`from_train_val` does.

    A split is for the final measurement, once: ``cross_validate(estimator, X, y, cv=split, ...)``.
    A search over it would choose parameters on test data, and ``GridSearchCV`` would then refit
    on all rows of ``X``, test ones included; search on the rows of ``trainval`` with
    :class:`SeenUnseenKFold`.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.model_selection import PredefinedSeenUnseenSplit
    >>> y = ["cat", "cat", "yak", "yak", "okapi"]
    >>> split = PredefinedSeenUnseenSplit([1, 3], [2, 4], [5], one_based=True)
    >>> for train, test in split.split(y, y):
    ...     print(train, test)
    [0 2] [1 3 4]
    >>> split
    PredefinedSeenUnseenSplit(trainval: 2 rows, test_seen: 2 rows, test_unseen: 1 row)
    >>> PredefinedSeenUnseenSplit([0, 2], [1, 2, 3], [4])
    Traceback (most recent call last):
    ...
    ValueError: trainval and test_seen share 1 row: [2]. ...
    """

    def __init__(
        self,
        trainval: ArrayLike,
        test_seen: ArrayLike,
        test_unseen: ArrayLike,
        *,
        one_based: bool = False,
    ) -> None:
        parts = {
            "trainval": _as_rows(trainval, "trainval", one_based),
            "test_seen": _as_rows(test_seen, "test_seen", one_based, may_be_empty=True),
            "test_unseen": _as_rows(test_unseen, "test_unseen", one_based),
        }
        for one, other in combinations(parts, 2):
            shared = np.intersect1d(parts[one], parts[other])
            if shared.size:
                raise ValueError(
                    f"{one} and {other} share {_count(shared)}: {quote(shared)}. What is measured "
                    "on samples that are trained on, or counted twice, says nothing about new "
                    "ones. In most distributed files train_loc and val_loc together are "
                    "trainval_loc and test_seen_loc: if trainval was made of them, intersect them "
                    "with trainval_loc first, or use PredefinedSeenUnseenSplit.from_train_val."
                )
        self.one_based = one_based
        self.trainval, self.test_seen, self.test_unseen = (
            rows - int(one_based) for rows in parts.values()
        )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {_count(getattr(self, name))}" for name in _PARTS)
        return f"{type(self).__name__}({sizes})"

    @classmethod
    def from_train_val(
        cls,
        train: ArrayLike,
        val: ArrayLike,
        trainval: ArrayLike,
        *,
        y: ArrayLike | None = None,
        test_size: float = 0.2,
        random_state: int | RandomState | None = None,
        one_based: bool = False,
    ) -> Self:
        """Split for choosing parameters, from the published training and validation rows.

        The classes of ``val`` play the unseen. Rows of ``train`` and ``val`` that are not in
        ``trainval`` are dropped: in most distributed files those are the seen test samples (see
        the Notes of the class). No row of the test parts is left anywhere in the split.

        Parameters
        ----------
        train : array-like of int of shape (n_train,)
            The published ``train_loc``: rows of the classes to train on.
        val : array-like of int of shape (n_val,)
            The published ``val_loc``: rows of the other classes.
        trainval : array-like of int of shape (n_trainval,)
            The published ``trainval_loc``: the only rows that may be used.
        y : array-like of shape (n_samples,), default=None
            Labels of all samples. With them, a share of each training class is held out as the
            seen test part, so that S and H are defined: the published files have none that may be
            used. ``None`` leaves that part empty: only the conventional setting (T1) can be
            scored.
        test_size : int or float, default=0.2
            Samples of each training class to hold out, as in :func:`gzsl_train_test_split`.
            Without effect if ``y`` is None.
        random_state : int, RandomState instance or None, default=None
            Determines the samples held out. Without effect if ``y`` is None.
        one_based : bool, default=False
            Whether the first row has number 1, as in the published files.

        Returns
        -------
        split : PredefinedSeenUnseenSplit
            Its ``trainval`` are the rows to train on, its ``test_unseen`` those of ``val``,
            counted from 0.

        Raises
        ------
        ValueError
            If ``train`` and ``val`` share rows, nothing of one of them is in ``trainval``, or,
            with ``y``, they share a class.

        Examples
        --------
        >>> import numpy as np
        >>> from zslearn.model_selection import PredefinedSeenUnseenSplit
        >>> y = np.array(["cat", "cat", "cat", "yak", "yak", "okapi"])
        >>> train, val, trainval = [0, 1, 2], [3, 4], [0, 1, 3]  # 2 and 4 are seen test samples
        >>> split = PredefinedSeenUnseenSplit.from_train_val(train, val, trainval, y=y)
        >>> y[split.trainval], y[split.test_seen], split.test_unseen
        (array(['cat'], dtype='<U5'), array(['cat'], dtype='<U5'), array([3]))
        """
        allowed = _as_rows(trainval, "trainval", one_based)
        kept = {}
        for name, rows in (("train", train), ("val", val)):
            kept[name] = np.intersect1d(_as_rows(rows, name, one_based), allowed)
            if not kept[name].size:
                raise ValueError(
                    f"{name} has no row in trainval; check that the arrays are of one data set and "
                    "are counted alike."
                )
        shared = np.intersect1d(kept["train"], kept["val"])
        if shared.size:
            raise ValueError(
                f"train and val share {_count(shared)}: {quote(shared)}. The classes of val are to "
                "be unseen in training; give class-disjoint arrays."
            )
        kept = {name: rows - int(one_based) for name, rows in kept.items()}
        if y is None:
            return cls(kept["train"], [], kept["val"])
        labels = check_labels(y, "y")
        both = np.concatenate([kept["train"], kept["val"]])
        _check_range(kept, len(labels), one_based)
        _check_classes(labels, "val", kept["val"], "train", kept["train"], shared=False)
        parts = gzsl_train_test_split(
            labels[both],
            unseen_classes=np.unique(labels[kept["val"]]),
            test_size=test_size,
            random_state=random_state,
        )
        return cls(*(both[rows] for rows in parts))

    def split(
        self, X: Any = None, y: ArrayLike | None = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate the row indices of the training and test part, once.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), default=None
            All samples the indices refer to. Only their number is looked at.
        y : array-like of shape (n_samples,), default=None
            Their labels, with which the classes of the parts are checked.
        groups : object, default=None
            Ignored, exists for API compatibility.

        Yields
        ------
        train : ndarray of shape (n_trainval,) and dtype intp
            Ascending row indices, from 0.
        test : ndarray of shape (n_test_seen + n_test_unseen,) and dtype intp
            Ascending row indices, from 0.

        Raises
        ------
        ValueError
            If a row is beyond the end of ``X`` or ``y``, a class of ``test_unseen`` occurs in
            ``trainval`` or one of ``test_seen`` does not.
        """
        warn_groups(groups, self)
        rows = {name: getattr(self, name) for name in _PARTS}
        if X is not None and y is not None:
            check_consistent_length(X, y)
        if X is not None or y is not None:
            n_samples = _num_samples(y if X is None else X)
            _check_range(rows, n_samples, self.one_based)
        if y is not None:
            labels = check_labels(y, "y")
            trainval = ("trainval", rows["trainval"])
            _check_classes(labels, "test_unseen", rows["test_unseen"], *trainval, shared=False)
            _check_classes(labels, "test_seen", rows["test_seen"], *trainval, shared=True)
        test = np.concatenate([rows["test_seen"], rows["test_unseen"]])
        yield np.sort(rows["trainval"]), np.sort(test)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X : object, default=None
            Ignored, exists for API compatibility.
        y : object, default=None
            Ignored, exists for API compatibility.
        groups : object, default=None
            Ignored, exists for API compatibility.

        Returns
        -------
        n_splits : int
            Always 1.
        """
        return 1


def _count(rows: NDArray[np.intp]) -> str:
    return "1 row" if rows.size == 1 else f"{rows.size} rows"


def _as_rows(
    rows: ArrayLike, name: str, one_based: bool, *, may_be_empty: bool = False
) -> NDArray[np.intp]:
    """Check an array of row numbers and return it flat, counted as it came."""
    refuse_masked(rows, name, "leave out the masked rows")
    array = np.asarray(rows)
    if array.size == 0 and may_be_empty:
        return np.empty(0, dtype=np.intp)
    if array.size == 0 or array.size != max(array.shape, default=0):
        raise ValueError(
            f"{name} must be a non-empty array of row numbers, a single row or column; found "
            f"shape {array.shape}."
        )
    array = array.ravel()
    if array.dtype.kind == "b":
        raise TypeError(f"{name} is a mask; give row numbers, np.flatnonzero(mask).")
    # MATLAB's numbers are floats unless told otherwise.
    if array.dtype.kind == "f" and np.array_equal(array, np.floor(array)):
        array = array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must hold integers, the numbers of rows; found {quote(array)} of dtype "
            f"{array.dtype}."
        )
    # Before any arithmetic: published files hold 16-bit unsigned numbers.
    array = array.astype(np.intp)
    if array.min() < int(one_based):
        raise ValueError(
            f"{name} holds {array.min()}, but rows are counted from {int(one_based)} with "
            f"one_based={one_based}; negative numbers do not count from the end."
        )
    unique, counts = np.unique(array, return_counts=True)
    if len(unique) < len(array):
        repeated = unique[counts > 1]
        raise ValueError(
            f"{name} holds {_count(repeated)} more than once: {quote(repeated)}; give each row "
            "once."
        )
    return array


def _check_range(parts: dict[str, NDArray[np.intp]], n_samples: int, one_based: bool) -> None:
    """Raise if a part, counted from 0, has rows beyond the end."""
    last = max(rows.max(initial=-1) for rows in parts.values())
    for name, rows in parts.items():
        beyond = rows[rows >= n_samples]
        if beyond.size:
            first = int(one_based)
            raise ValueError(
                f"{name} holds {_count(beyond)} beyond the {n_samples} samples given, up to "
                f"{beyond.max() + first}; the last one has number {n_samples - 1 + first}. "
                + (
                    "Published files count from 1: set one_based=True."
                    if last == n_samples and not one_based
                    else "Give all samples that the indices refer to."
                )
            )


def _check_classes(
    labels: NDArray[Any],
    name: str,
    rows: NDArray[np.intp],
    train_name: str,
    train_rows: NDArray[np.intp],
    *,
    shared: bool,
) -> None:
    """Raise unless all classes (or, if not `shared`, none) of some rows are trained on."""
    found = np.unique(labels[rows])
    wrong = found[np.isin(found, labels[train_rows]) != shared]
    if wrong.size:
        problem = (
            f"do not occur in {train_name}, so they are unseen"
            if shared
            else f"occur in {train_name}, so they are not unseen"
        )
        raise ValueError(
            f"{wrong.size} of the {found.size} classes of {name} {problem}: {quote(wrong)}. Check "
            "that y is in the order the indices refer to, and one_based (published files count "
            "from 1)."
        )
