"""What `fit` and `predict` accept as features, labels and class attributes."""

from __future__ import annotations

from numbers import Number
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from zslearn.attributes import ClassAttributes

__all__ = [
    "as_plain_labels",
    "check_attribute_indices",
    "check_class_attributes",
    "check_labels_of",
    "is_frame",
    "is_not_real",
    "is_row_source",
]


def check_class_attributes(
    class_attributes: Any, y: NDArray[Any], *, may_be_cut: bool = True
) -> ClassAttributes:
    """Turn what `fit` accepts as class attributes into a table sorted by class label.

    Parameters
    ----------
    class_attributes : ClassAttributes, DataFrame, array-like of shape (C, K) or None
        ``None`` describes each class in `y` by an attribute of its own.
    y : ndarray of shape (n_samples,)
        The training labels.
    may_be_cut : bool, default=True
        Whether to refuse bare tables with as many rows as there are samples.

    Returns
    -------
    ClassAttributes
        Its labels sorted, as ``numpy.unique`` sorts.

    Raises
    ------
    TypeError
        If `class_attributes` is not a table.
    ValueError
        If a label in `y` is not described, a bare table has lost rows or may have, or a bare
        array comes with labels that are not its row numbers.

    See Also
    --------
    zslearn.ClassAttributes : The table.

    Examples
    --------
    >>> from zslearn.base import check_class_attributes
    >>> check_class_attributes([[1, 0], [0, 1], [1, 1]], [2, 0, 0, 2])
    ClassAttributes(3 classes x 2 attributes, labels: 0, 1, 2, no word vectors)
    """
    seen = np.unique(y)
    if class_attributes is None:
        names = [f"class_{label}" for label in seen]
        return ClassAttributes(np.eye(len(seen)), labels=seen, attribute_names=names)
    if isinstance(class_attributes, ClassAttributes):
        table = class_attributes
    else:
        has_labels = is_frame(class_attributes)
        if not has_labels:
            class_attributes = _as_bare_table(class_attributes)
        kind, remedy = ("array", "ClassAttributes(values, labels=...)")
        if has_labels:
            kind, remedy = ("DataFrame", "ClassAttributes.from_frame(frame)")
        if may_be_cut and len(class_attributes) == len(y):
            raise ValueError(
                f"class_attributes is a bare {kind} with as many rows as there are samples "
                f"({len(y)}). scikit-learn slices such parameters when it cuts folds, so classes "
                f"may have been lost. Wrap it: {remedy} passes through whole."
            )
        if has_labels:
            if not set(seen.tolist()) & set(class_attributes.index) and set(seen.tolist()) <= set(
                class_attributes.columns
            ):
                raise ValueError(
                    "class_attributes has the labels of y as columns: classes belong in its rows. "
                    "Pass class_attributes.T."
                )
            table = ClassAttributes.from_frame(class_attributes)
        else:
            table = ClassAttributes(class_attributes)
            _check_row_numbers(seen, table.n_classes, remedy)
    try:
        table.index_of(seen)
    except ValueError as error:
        encoded = np.array_equal(seen, np.arange(len(seen)))
        if encoded and table.labels.dtype.kind == "U":
            raise ValueError(
                f"{error} Labels 0, 1, ... where names were given are scikit-learn's encoding: "
                "cross_val_predict with method='predict_proba' or 'decision_function' and "
                "CalibratedClassifierCV encode y, and cannot be used with a table of classes."
            ) from None
        raise
    return table.subset(np.unique(table.labels))


def _check_row_numbers(seen: NDArray[Any], n_classes: int, remedy: str) -> None:
    """Refuse labels that are not row numbers of a bare table."""
    integral = seen.dtype.kind in "iu" or (
        seen.dtype.kind == "f" and np.array_equal(seen, np.floor(seen))
    )
    if not integral:
        raise ValueError(
            "class_attributes is a bare array, whose row c describes class c, but y holds labels "
            f"such as {seen[:3].tolist()}. Name the rows: {remedy}."
        )
    if seen.min() < 0 or seen.max() >= n_classes:
        raise ValueError(
            f"class_attributes is a bare array of {n_classes} rows, whose row c describes class c, "
            f"but y holds labels from {seen.min()} to {seen.max()}. Either rows are missing or "
            f"have been lost when folds were cut, or the labels are not row numbers: {remedy}."
        )


def is_frame(table: Any) -> bool:
    """Whether a table has columns and an index, as data frames do."""
    return hasattr(table, "columns") and hasattr(table, "index")


def _as_bare_table(table: Any) -> Any:
    """Return an array or a sequence as it is; refuse what cannot be a table."""
    wanted = "a ClassAttributes, a DataFrame indexed by class label or an array (n_classes, K)"
    if isinstance(table, str | PathLike):
        raise TypeError(
            f"class_attributes must be {wanted}, found the path {str(table)!r}. Read the file: "
            "ClassAttributes.from_csv(path)."
        )
    if hasattr(table, "toarray"):
        raise TypeError(f"class_attributes must be {wanted}, found a sparse matrix: .toarray() it.")
    if isinstance(table, dict) or not (hasattr(table, "__len__") or hasattr(table, "__array__")):
        raise TypeError(f"class_attributes must be {wanted}, found {type(table).__name__}.")
    return table if hasattr(table, "__len__") else np.asarray(table)


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
    y = as_plain_labels(column_or_1d(y, warn=True))
    if y.dtype.kind in "fc":
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    check_classification_targets(y)
    check_consistent_length(X, y)
    return y


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
    return y


def check_attribute_indices(attributes: Any, names: tuple[str, ...]) -> NDArray[np.intp]:
    """Turn names or numbers of attributes, or None for all of them, into their numbers.

    Parameters
    ----------
    attributes : sequence of str or int, str, int or None
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
    wanted = np.atleast_1d(np.asarray(attributes))
    if wanted.dtype.kind in "US":
        absent = [name for name in wanted.tolist() if name not in names]
        if absent:
            raise ValueError(
                f"attributes holds names that class_attributes has not: {absent[:5]}; it has "
                f"{list(names[:5])}, ... ({len(names)} in all)"
            )
        return np.array([names.index(name) for name in wanted.tolist()], dtype=np.intp)
    if wanted.dtype.kind not in "iu" or wanted.min() < 0 or wanted.max() >= len(names):
        raise ValueError(
            f"attributes must be names or indices from 0 to {len(names) - 1}, found "
            f"{wanted.tolist()[:5]}"
        )
    return wanted.astype(np.intp)
