"""Handwritten digits described by the segments of a seven-segment display."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
from numpy.random import RandomState
from sklearn.datasets import load_digits
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from zslearn.attributes import ClassAttributes
from zslearn.datasets._split import split_pictures

__all__ = ["load_digit_segments"]

_SEGMENTS = (
    "top",
    "upper left",
    "upper right",
    "middle",
    "lower left",
    "lower right",
    "bottom",
)
# Rows: digits 0 to 9, as a calculator shows them (6 with its roof, 9 with its floor).
_TABLE = np.array(
    [
        [1, 1, 1, 0, 1, 1, 1],
        [0, 0, 1, 0, 0, 1, 0],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 1, 1, 0, 1, 1],
        [0, 1, 1, 1, 0, 1, 0],
        [1, 1, 0, 1, 0, 1, 1],
        [1, 1, 0, 1, 1, 1, 1],
        [1, 0, 1, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 1, 1],
    ],
    dtype=np.float64,
)

_DESCR = """\
Handwritten digits described by seven segments
----------------------------------------------

1797 pictures (8 x 8 pixels, grey) of handwritten digits: scikit-learn's copy of the test set of
"Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, UCI Machine Learning
Repository, 1998). Each digit is described by which segments of a seven-segment display it lights.
Unseen digits: {unseen}.

People do not write as calculators do: a written 1 has no right side, many a 4 is open, some 7 have
a bar. The descriptions are of classes, and single pictures deviate from them.
"""


@validate_params(
    {
        "unseen": ["array-like"],
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def load_digit_segments(
    unseen: Sequence[int] = (3, 6, 9),
    *,
    test_size: float = 0.2,
    random_state: int | RandomState | None = 0,
) -> Bunch:
    """Load real handwritten digits, described by the segments of a seven-segment display.

    The smallest real zero-shot problem: recognise digits nobody has shown you from being told which
    segments they light. It comes with scikit-learn; nothing is downloaded.

    Parameters
    ----------
    unseen : sequence of int, default=(3, 6, 9)
        The digits without training pictures. With the default, every segment is lit in some seen
        digits and dark in others, so that it can be learned.
    test_size : float, default=0.2
        Share of each seen digit's pictures that goes to `test_seen`.
    random_state : int, RandomState instance or None, default=0
        Determines which pictures of the seen digits are held out. The pictures themselves and their
        order never change, so the default is a fixed split.

    Returns
    -------
    digits : :class:`~sklearn.utils.Bunch`
        With the following attributes:

        images : ndarray of shape (1797, 8, 8), float32
            Grey levels in [0, 1], 1 is ink (the original's 0 to 16 divided by 16).
        data : ndarray of shape (1797, 64), float32
            The same, flattened: one region of 64 pixels for estimators that take (n, D).
        target : ndarray of shape (1797,), int
            The digits.
        class_attributes : ClassAttributes
            `values` of shape (10, 7), 1 where the digit lights the segment; `labels` are 0 to 9.
        seen_classes, unseen_classes : ndarray of int
            Digits, sorted.
        train, test_seen, test_unseen : ndarray of int
            Row indices: pictures of seen digits to fit on, those held out, and all pictures of
            unseen digits.
        DESCR : str
            Description of the data set.

    Raises
    ------
    ValueError
        If `unseen` holds something that is not a digit, holds one twice, or leaves fewer than two
        digits seen.

    See Also
    --------
    make_field_guide : Generated pictures of birds, whose truth is known.
    sklearn.datasets.load_digits : The pictures.

    References
    ----------
    .. [1] E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
       Repository, 1998.

    Examples
    --------
    >>> from zslearn.datasets import load_digit_segments
    >>> digits = load_digit_segments()
    >>> digits.images.shape
    (1797, 8, 8)
    >>> digits.class_attributes.attribute_names[:3]
    ('top', 'upper left', 'upper right')
    >>> digits.seen_classes
    array([0, 1, 2, 4, 5, 7, 8])
    >>> len(digits.train), len(digits.test_seen), len(digits.test_unseen)
    (1003, 250, 544)
    """
    chosen = np.asarray(unseen)
    if chosen.size == 0:
        chosen = chosen.astype(int)
    if chosen.ndim != 1 or not np.isin(chosen, np.arange(10)).all():
        raise ValueError(f"unseen={unseen!r} must be a flat sequence of digits 0 to 9.")
    if len(np.unique(chosen)) < len(chosen):
        raise ValueError(f"unseen={unseen!r} names a digit twice: name each once.")
    if len(chosen) > 8:
        raise ValueError(f"unseen={unseen!r} leaves fewer than two seen digits: name at most 8.")
    rng = check_random_state(random_state)
    original = load_digits()
    images = (original.images / 16.0).astype(np.float32)
    target = original.target
    is_seen = ~np.isin(np.arange(10), chosen)
    train, test_seen, test_unseen = split_pictures(target, is_seen, test_size, rng)
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=target,
        class_attributes=ClassAttributes(_TABLE, labels=np.arange(10), attribute_names=_SEGMENTS),
        seen_classes=np.flatnonzero(is_seen),
        unseen_classes=np.flatnonzero(~is_seen),
        train=train,
        test_seen=test_seen,
        test_unseen=test_unseen,
        DESCR=_DESCR.format(unseen=", ".join(map(str, np.flatnonzero(~is_seen))) or "none"),
    )
