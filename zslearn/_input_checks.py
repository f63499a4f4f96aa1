"""What `fit` and `predict` accept as features, labels, scores and numbers of attributes."""

from __future__ import annotations

import unicodedata
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples

from zslearn._containers import (
    is_path_or_text,
    refuse_masked,
    refuse_orderless,
    refuse_ragged,
    unlike_numbers,
)
from zslearn._label_checks import refuse_rounded_integers
from zslearn._table_checks import quote_some

__all__ = [
    "as_plain_labels",
    "check_attribute_indices",
    "check_labels_of",
    "check_no_pictures",
    "check_same_order",
    "check_scores",
    "is_not_real",
    "is_row_source",
]


def is_row_source(X: Any) -> bool:
    """Whether X gives rows on demand and must not be turned into an array whole.

    True for torch tensors, arrays of bfloat16 (which numpy has no arithmetic for) and lazy stores:
    objects with a shape, a dtype and row indexing that are neither arrays nor data frames.

    Parameters
    ----------
    X : object
        What was passed as features.

    Returns
    -------
    bool
        True also for ``numpy`` arrays of bfloat16, False for any other array, list or data frame.

    See Also
    --------
    zslearn.model_selection.RowView : A view of rows that are read on demand.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from zslearn.base import is_row_source
    >>> is_row_source(np.zeros((2, 3))), is_row_source(torch.zeros(2, 3))
    (False, True)
    """
    if not (hasattr(X, "shape") and hasattr(X, "dtype") and hasattr(X, "__getitem__")):
        return False
    if isinstance(X, np.ndarray):
        return X.dtype.name == "bfloat16"
    return not hasattr(X, "columns") and not hasattr(X, "iloc") and not hasattr(X, "tocsr")


def is_not_real(dtype: Any) -> bool:
    """Whether a dtype of numpy or torch is complex, text, or anything else but real numbers."""
    if isinstance(dtype, np.dtype):
        return dtype.kind not in "fiub" and dtype.name != "bfloat16"
    return bool(getattr(dtype, "is_complex", False))


def check_labels_of(name: str, X: Any, y: Any) -> NDArray[Any]:
    """Check the labels y of the samples X, on behalf of an estimator of some name.

    Parameters
    ----------
    name : str
        The estimator's, for messages.
    X : array-like of shape (n_samples, ...)
    y : array-like of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    refuse_masked(y, "y")
    refuse_orderless(y, "y")
    given = y
    refuse_ragged(y, "y")
    kind = np.asarray(y).dtype.kind
    if kind == "c":
        raise ValueError("Complex data not supported: y must hold class labels")
    y = column_or_1d(y, warn=True)
    if y.dtype.kind in "mMV" and y.dtype.name != "bfloat16":
        raise ValueError(f"y must hold class labels, numbers or strings; found dtype {y.dtype}")
    if y.dtype.kind in "fO":
        refuse_rounded_integers(np.asarray(given, dtype=object).ravel().tolist(), y, "y")
    if y.dtype.kind in "US" and isinstance(given, list | tuple):
        y = np.array(given, dtype=object)  # numpy would spell numbers among strings
    y = as_plain_labels(y)
    if y.dtype.kind in "cO":
        odd = [x for x in y.tolist() if isinstance(x, complex) or not isinstance(x, Number | str)]
        raise ValueError(
            f"y must hold class labels, numbers or strings; found {quote_some(odd or y, 2)}"
        )
    if y.dtype.kind in "fc":
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    check_classification_targets(y)
    if _num_samples(X) != len(y):
        raise ValueError(
            f"X and y have inconsistent numbers of samples: {_num_samples(X)} and {len(y)}. Give "
            "each sample its label."
        )
    return y


def check_same_order(X: Any, y: Any, name: str = "y") -> None:
    """Raise if data frames of samples and of their labels name the same rows in other orders."""
    if not (hasattr(X, "iloc") and hasattr(y, "iloc")) or len(X.index) != len(y.index):
        return
    ours, theirs = X.index, y.index
    if not ours.equals(theirs) and set(ours) == set(theirs):
        raise ValueError(
            f"X and {name} have the same index in different orders, and their rows are matched by "
            f"position: pass {name}.loc[X.index]."
        )


def as_plain_labels(y: NDArray[Any]) -> NDArray[Any]:
    """Turn labels held as objects or variable strings into plain arrays, refusing gaps."""
    if y.dtype.kind == "T":
        y = y.astype(object)
    if y.dtype != object:
        return y
    values = y.tolist()
    missing = [
        i
        for i, label in enumerate(values)
        if label is None or is_scalar_nan(label) or is_pandas_na(label)
    ]
    if missing:
        raise ValueError(
            f"Input y contains NaN or missing labels, in {len(missing)} row(s): {missing[:10]}. "
            "Every sample needs a label."
        )
    if all(isinstance(label, str) for label in values):
        return y.astype(str)
    if all(isinstance(label, Number) for label in values):
        return np.array(values)
    if any(isinstance(label, str) for label in values):
        others = [label for label in values if not isinstance(label, str)]
        texts = [label for label in values if isinstance(label, str)]
        raise ValueError(
            f"y mixes strings, such as {texts[0]!r}, with other things, such as {others[0]!r}: "
            "make all labels strings or all of them numbers."
        )
    return y


def check_no_pictures(X: Any) -> None:
    """Raise if X holds paths, texts, pictures, dates, or masked values rather than features."""
    refuse_masked(X, "X", "leave out the masked samples")
    is_array = hasattr(X, "__array__") or hasattr(X, "shape") or hasattr(X, "columns")
    if not is_array and not isinstance(X, list | tuple) and not is_path_or_text(X):
        raise TypeError(f"X must be an array of features, found {type(X).__name__}")
    if hasattr(X, "to_dense") and str(getattr(X, "layout", "torch.strided")) != "torch.strided":
        raise ValueError("X is a sparse tensor, whose rows cannot be read: .to_dense() it.")
    first = X
    while isinstance(first, list | tuple) and len(first):
        first = first[0]
    if isinstance(X, np.ndarray) and X.dtype == object and X.size:
        first = X.flat[0]
    if isinstance(X, np.ndarray) and X.dtype.kind in "UT":
        first = str(X.flat[0]) if X.size else ""
    if is_path_or_text(first) and not _is_number_in_text(first):
        found = f"{first!r:.80}" if not hasattr(first, "getbands") else "pictures"
        raise ValueError(
            f"X must hold features, found {found}. Features of pictures are extracted first: "
            "zslearn.feature_extraction.TimmRegionExtractor(...).fit_transform(paths), or a "
            "Pipeline that begins with one."
        )
    if isinstance(X, np.ndarray) and X.dtype == object:
        _refuse_odd_cells(X)
    dtypes = list(X.dtypes) if hasattr(X, "iloc") else [getattr(X, "dtype", None)]
    for dtype in dtypes:
        kind = getattr(dtype, "kind", "")
        if kind in ("M", "m") or (kind == "V" and getattr(dtype, "names", None)):
            raise ValueError(f"X must hold real numbers, found dtype {dtype}")


def _refuse_odd_cells(X: NDArray[Any]) -> None:
    for index, item in np.ndenumerate(X):
        if isinstance(item, Number) or _is_number_in_text(item):
            continue
        kind = ValueError if isinstance(item, str) else TypeError
        raise kind(
            f"X holds {item!r:.60} in row {index[0]}: this argument must be numbers, or strings of "
            "numbers."
        )


def check_scores(scores: Any) -> NDArray[Any]:
    """Return scores as an array of real numbers of the precision they have."""
    refuse_masked(scores, "scores", "every class needs a score")
    refuse_ragged(scores, "scores", "a table of numbers")
    array = np.asarray(scores)
    found = unlike_numbers(array)
    if found is not None or array.dtype == object:
        raise ValueError(f"scores must be a table of numbers, found {found or 'objects'}")
    return array


def _is_number_in_text(item: Any) -> bool:
    try:
        float(item)
    except (TypeError, ValueError):
        return False
    return True


def check_attribute_indices(attributes: Any, names: tuple[str, ...]) -> NDArray[np.intp]:
    """Turn names or numbers of attributes, or None for all of them, into their numbers.

    Parameters
    ----------
    attributes : sequence or set of str or int, str, int or None
        Those of a set in the order of the table.
    names : tuple of str
        The names of all attributes.

    Returns
    -------
    ndarray of shape (n_chosen,)

    Raises
    ------
    ValueError
        If one is not among them.
    """
    if attributes is None:
        return np.arange(len(names))
    refuse_masked(attributes, "attributes")
    unordered = isinstance(attributes, set | frozenset)
    wanted = np.atleast_1d(np.asarray(list(attributes) if unordered else attributes))
    items = wanted.tolist()
    if wanted.ndim != 1 or not len(items):
        raise ValueError(
            "attributes must be a non-empty sequence of names or indices, found shape "
            f"{wanted.shape}"
        )
    if all(isinstance(item, str) for item in items):
        position = {unicodedata.normalize("NFC", name): k for k, name in enumerate(names)}
        found = [position.get(unicodedata.normalize("NFC", item)) for item in items]
        absent = [item for item, k in zip(items, found, strict=True) if k is None]
        if absent:
            raise ValueError(
                f"attributes holds names that class_attributes has not: {absent[:5]}; it has "
                f"{list(names[:5])}, ... ({len(names)} in all)"
            )
        indices = np.array(found, dtype=np.intp)
    else:
        whole = all(isinstance(k, int) and not isinstance(k, bool) for k in items)
        if not whole or min(items) < 0 or max(items) >= len(names):
            raise ValueError(
                f"attributes must be names or indices from 0 to {len(names) - 1}, found "
                f"{quote_some(items)}"
            )
        indices = np.array(items, dtype=np.intp)
    return np.sort(indices) if unordered else indices
