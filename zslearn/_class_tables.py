"""What `fit` accepts as class attributes, and whether it belongs to the labels."""

from __future__ import annotations

import warnings
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._class_warnings import warn_of_weak_descriptions
from zslearn._containers import has_unset_index, is_frame
from zslearn._encoded_labels import refuse_encoded_labels
from zslearn.attributes import ClassAttributes
from zslearn.exceptions import ClassDescriptionWarning

__all__ = ["check_class_attributes"]

_ENCODED = (
    "Labels 0, 1, ... where names were given are scikit-learn's encoding: "
    "cross_val_predict with method='predict_proba' or 'decision_function' and "
    "CalibratedClassifierCV encode y, and cannot be used with a table of classes."
)
# One text, so that Python's default filter shows it once in a process.
_NO_TABLE = (
    "class_attributes is None: each class in y is described by an attribute of its own, and no "
    "other class can be predicted. Pass class_attributes=ClassAttributes(...) to fit for zero-shot "
    "prediction."
)


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
        If a label in `y` is not described, a bare table has lost rows or may have, a bare array
        comes with labels that are not its row numbers, or a meta-estimator of scikit-learn has
        numbered the classes anew.

    Warns
    -----
    ClassDescriptionWarning
        If there is no table, or the table describes its classes badly: classes that cannot be told
        apart, an attribute that outweighs all others or numbers the classes, a single attribute.

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
        warnings.warn(_NO_TABLE, ClassDescriptionWarning, stacklevel=1)
        names = [f"class_{label}" for label in seen]
        return ClassAttributes(np.eye(len(seen)), labels=seen, attribute_names=names)
    if isinstance(class_attributes, ClassAttributes):
        table, numbered = class_attributes, False
    else:
        table, numbered = _as_table(class_attributes, seen, len(y) if may_be_cut else None)
    if table.labels.dtype.kind in "iuf":
        refuse_encoded_labels(seen, table.labels)
    try:
        table.index_of(seen)
    except ValueError as error:
        encoded = np.array_equal(seen, np.arange(len(seen)))
        if encoded and table.labels.dtype.kind == "U":
            raise ValueError(f"{error} {_ENCODED}") from None
        raise
    _warn_of_numbers_from_one(seen, table.labels, numbered)
    warn_of_weak_descriptions(table.values, table.labels, table.attribute_names, stacklevel=2)
    return table.subset(np.unique(table.labels))


def _as_table(
    given: Any, seen: NDArray[Any], n_samples: int | None
) -> tuple[ClassAttributes, bool]:
    """Turn a data frame or a bare array into a table; whether its rows are named by numbers."""
    framed = is_frame(given)
    kind, remedy = ("array", "ClassAttributes(values, labels=...)")
    if framed:
        kind, remedy = ("DataFrame", "ClassAttributes.from_frame(frame)")
    else:
        given = _as_bare_table(given)
    if n_samples is not None and len(given) == n_samples:
        raise ValueError(
            f"class_attributes is a bare {kind} with as many rows as there are samples "
            f"({n_samples}). scikit-learn slices such parameters when it cuts folds, so classes "
            f"may have been lost. Wrap it: {remedy} passes through whole."
        )
    if not framed:
        table = ClassAttributes(given)
        _check_row_numbers(seen, table.n_classes, remedy)
        return table, True
    labels = set(seen.tolist())
    index = getattr(given, "index", None)
    if (
        hasattr(given, "iloc")
        and not labels & set(index)  # type: ignore[arg-type]
        and labels <= set(given.columns)
    ):
        raise ValueError(
            "class_attributes has the labels of y as columns: classes belong in its rows. "
            "Pass class_attributes.T."
        )
    return ClassAttributes.from_frame(given), has_unset_index(given)


def _warn_of_numbers_from_one(seen: NDArray[Any], labels: NDArray[Any], numbered: bool) -> None:
    """Warn where labels count from 1 but rows from 0: every class may meet another row."""
    if seen.dtype.kind not in "iuf" or not np.array_equal(np.sort(labels), np.arange(len(labels))):
        return
    if seen[0] != 1 or len(labels) < 3:
        return
    counted = len(seen) > 1 and np.array_equal(seen, np.arange(1, len(seen) + 1))
    if not (counted or numbered):
        return
    message = (
        f"the labels in y go from 1 to {seen[-1]:g} without a 0, and the rows of class_attributes "
        f"are numbered from 0 to {len(labels) - 1}: the class 1 is described by the second row. "
        "Name the rows: ClassAttributes(values, labels=range(1, n_classes + 1)) if the first row "
        "describes class 1, labels=range(n_classes) if it describes a class 0 without samples."
    )
    # No refusal: in a fold that holds out class 0, such labels are as they should be.
    warnings.warn(message, ClassDescriptionWarning, stacklevel=3)


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
    sized = hasattr(table, "__len__") or hasattr(table, "__array__")
    if isinstance(table, dict | set | frozenset) or not sized or getattr(table, "ndim", 2) == 0:
        raise TypeError(f"class_attributes must be {wanted}, found {type(table).__name__}.")
    return table if hasattr(table, "__len__") else np.asarray(table)
