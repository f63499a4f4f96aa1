"""One split of labelled samples for generalised zero-shot learning."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from zslearn.metrics._validation import check_comparable, check_labels, quote, validate_params
from zslearn.model_selection._classes import (
    COUNT_OR_FRACTION,
    check_seen_part,
    count_held_out,
    count_unseen,
    samples_by_class,
)


class GZSLSplit(NamedTuple):
    """The row indices of :func:`gzsl_train_test_split`.

    Attributes
    ----------
    train : ndarray of shape (n_train,) and dtype intp
        Samples of the seen classes to fit on.
    test_seen : ndarray of shape (n_test_seen,) and dtype intp
        Held-out samples of the seen classes.
    test_unseen : ndarray of shape (n_test_unseen,) and dtype intp
        All samples of the unseen classes.
    """

    train: NDArray[np.intp]
    test_seen: NDArray[np.intp]
    test_unseen: NDArray[np.intp]


@validate_params(
    {
        "y": ["array-like"],
        "unseen_classes": ["array-like", None],
        "n_unseen": [*COUNT_OR_FRACTION, None],
        "test_size": COUNT_OR_FRACTION,
        "random_state": ["random_state"],
    }
)
def gzsl_train_test_split(
    y: ArrayLike,
    *,
    unseen_classes: ArrayLike | None = None,
    n_unseen: float | None = None,
    test_size: float = 0.2,
    random_state: int | RandomState | None = None,
) -> GZSLSplit:
    """Split samples into those to train on, a seen test part and an unseen one.

    All samples of the unseen classes go to the unseen test part; of each other class a share goes
    to the seen test part and the rest is trained on.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels: numbers or strings.

    unseen_classes : array-like of labels, default=None
        The classes to hold out whole. Give these or ``n_unseen``.

    n_unseen : int or float, default=None
        How many classes to draw as the unseen: an int is a count, a float between 0 and 1 a
        fraction of the classes in ``y``, rounded, of at least one and leaving at least one.

    test_size : int or float, default=0.2
        Samples of each seen class to hold out: an int is a count, a float between 0 and 1 a
        fraction of the class, rounded, of at least one and leaving at least one to train on. The
        published splits [1]_ hold out a fifth. Of a class with a single sample none is held out.

    random_state : int, RandomState instance or None, default=None
        Determines the classes and samples drawn. An int gives the same split at every call.

    Returns
    -------
    split : GZSLSplit
        Named tuple ``(train, test_seen, test_unseen)`` of ascending row indices. Each sample is
        in exactly one of them.

    Raises
    ------
    ValueError
        If both or neither of ``unseen_classes`` and ``n_unseen`` are given, if an unseen class
        has no sample, if no class would stay, if a count in ``test_size`` takes all samples of a
        class of several, or if no class that stays has two samples.

    See Also
    --------
    SeenUnseenKFold : Several such splits, for cross-validation.
    RowView : The samples of a split, without a copy.

    Notes
    -----
    Indices are returned, not copies as from scikit-learn's ``train_test_split``: region features
    are large, and often float16 memmaps. ``RowView(X, split.train)`` and ``y[split.train]``
    select the samples without reading them.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", TPAMI 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.model_selection import gzsl_train_test_split
    >>> y = np.array(["cat", "cat", "okapi", "cat", "yak", "yak"])
    >>> split = gzsl_train_test_split(y, unseen_classes=["okapi"], random_state=0)
    >>> y[split.train]
    array(['cat', 'cat', 'yak'], dtype='<U5')
    >>> y[split.test_seen]
    array(['cat', 'yak'], dtype='<U5')
    >>> y[split.test_unseen]
    array(['okapi'], dtype='<U5')
    """
    if (unseen_classes is None) == (n_unseen is None):
        found = "neither" if n_unseen is None else "both"
        raise ValueError(
            f"Give either unseen_classes (labels) or n_unseen (how many to draw); found {found}."
        )
    classes = samples_by_class(y)
    rng = check_random_state(random_state)
    if unseen_classes is None:
        assert n_unseen is not None
        drawn = rng.permutation(len(classes.labels))
        unseen = np.zeros(len(classes.labels), dtype=bool)
        unseen[drawn[: count_unseen(n_unseen, len(classes.labels))]] = True
    else:
        unseen = _named(classes.labels, check_labels(unseen_classes, "unseen_classes"))
    n_test = count_held_out(classes, test_size, ~unseen)
    check_seen_part(n_test, unseen)
    part = np.zeros(classes.n_samples, dtype=np.int8)
    for rows, n, is_unseen in zip(classes.rows, n_test, unseen, strict=True):
        if is_unseen:
            part[rows] = 2
        else:
            part[rng.permutation(rows)[:n]] = 1
    return GZSLSplit(*(np.flatnonzero(part == number) for number in range(3)))


def _named(labels: NDArray[np.generic], unseen: NDArray[np.generic]) -> NDArray[np.bool_]:
    check_comparable(y=labels, unseen_classes=unseen)
    absent = np.setdiff1d(unseen, labels)
    if absent.size:
        raise ValueError(
            f"unseen_classes holds {quote(absent)}, of which y has no sample; leave out classes "
            "without samples."
        )
    found = np.isin(labels, unseen)
    if found.all():
        raise ValueError(
            f"unseen_classes holds all {len(labels)} classes of y; at least one must be left to "
            "train on."
        )
    return found
